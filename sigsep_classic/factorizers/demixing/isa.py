"""Independent subspace analysis: the spectrogram of one microphone as a few dimensions, made independent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.base import (
    Callback,
    magnitudes,
    spectrogram,
    usual_stft,
)
from sigsep_classic.factorizers.demixing.clustering import by_distribution
from sigsep_classic.factorizers.demixing.optimize import Rule, Search
from sigsep_classic.factorizers.demixing.whitening import Samples, samples
from sigsep_classic.factorizers.models import Groups, check_groups, component_names
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.score_moments import CONTRASTS, MAX_ROWS
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

_RANK = 1e-6


@dataclass(frozen=True, kw_only=True)
class ISAModel:
    """V ≈ sum of b_k h_kᵀ with signed spectra b_k and signed time courses h_k.

    A component as a spectrogram is the positive part of b_k h_kᵀ, which is the sum of two non-negative products,
    of the positive and of the negative parts.

    Parameters
    ----------
    B : array (freq, components)
        Spectra.
    H : array (components, frames)
        Time courses.
    stems : dict of str to list of int, or None
        Components grouped into sources by the distributions of their values, if that was asked for.
    losses : tuple of (int, float)
        Iteration number and contrast.
    """

    B: Array
    H: Array
    stems: dict[str, list[int]] | None = None
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.B.shape[1])

    @property
    def names(self) -> tuple[str, ...]:
        """``component1 …``."""
        return component_names(self.n_components)

    @property
    def spectra(self) -> Array:
        """Mean of each component's spectrogram over time, (freq, components)."""
        plus, minus = self._halves()
        return (plus[0] * plus[1].sum(axis=1) + minus[0] * minus[1].sum(axis=1)) / self.H.shape[1]

    @property
    def energies(self) -> Array:
        """Sum of each component's spectrogram, (components,)."""
        return self.spectra.sum(axis=0) * self.H.shape[1]

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the sum of the components of each group as spectrograms, (groups, 1, freq, frames)."""
        wanted = check_groups(groups, self.names)
        halves = self._halves()
        parts = [sum(B[:, members] @ H[members] for B, H in halves)[None] for members in wanted.values()]
        return namespace(self.B).stack(parts)

    def _halves(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        xp = namespace(self.B)
        plus = (xp.maximum(self.B, 0), xp.maximum(self.H, 0))
        return plus, (xp.maximum(-self.B, 0), xp.maximum(-self.H, 0))


@dataclass(frozen=True, kw_only=True)
class ISA:
    """Few dimensions of a magnitude spectrogram, turned until they are independent, and grouped into sources.

    V (the root mean square of the channels' magnitudes) is projected to its leading singular vectors; ICA rotates
    their time courses (or their spectra) until they are as independent as can be. With ``n_sources``, components
    whose values are distributed alike, by the Kullback-Leibler divergence of every pair (the *ixegram*), are one
    source, as in the paper; without, they are grouped as those of any other method. Components have both signs; the
    mask is made of their positive parts.

    Parameters
    ----------
    n_components : int
        Dimensions kept, 1 … 64.
    n_sources : int or None
        Number of groups the model suggests by the ixegram, 1 … ``n_components``; None: it suggests none.
    independent : {"time", "frequency"}
        Whether time courses or spectra are made independent.
    contrast : {"logcosh", "exp", "cube"}
        G of the contrast; see `ICA`.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when no entry of the relative gradient is larger.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    M. A. Casey and A. Westner, "Separation of mixed audio sources by independent subspace analysis", Proc. ICMC,
    2000 (equation numbers not checked). Our departures: the search is Picard-O (Ablin, Cardoso & Gramfort, 2018),
    grouping is complete linkage on the ixegram, and stems are masked from the mixture.

    Notes
    -----
    When to use: One channel, sounds with independent time courses, drums above all; a classic, for lessons.
    Complexity: A truncated singular value decomposition of freq × frames, then ICA of few components.
    Differences from the paper: The search is Picard-O, grouping is complete linkage on the ixegram, and stems are
    masked from the mixture.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> V = rng.random((20, 2)) @ (rng.random((2, 300)) < 0.1)
    >>> model = ISA(n_components=2, n_sources=2).fit(V[None])
    >>> sorted(k for members in model.stems.values() for k in members)
    [0, 1]
    """

    n_components: int = 12
    n_sources: int | None = None
    independent: str = "time"
    contrast: str = "logcosh"
    n_iter: int = 200
    tol: float = 1e-6

    name: ClassVar[str] = "isa"

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components)
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        if self.n_components > MAX_ROWS:
            raise ParameterError(
                f"n_components is {self.n_components}; at most {MAX_ROWS} can be made independent"
            )
        if (self.n_sources or 1) > self.n_components:
            raise ParameterError(
                f"n_sources is {self.n_sources}; n_components={self.n_components} make no more groups"
            )
        check_choice("independent", self.independent, ("time", "frequency"))
        check_choice("contrast", self.contrast, CONTRASTS)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> ISAModel:
        """Return the components of X (channels, freq, frames), the strongest first.

        ``callback(i, model)`` is called after each step of the search, with a model that has no ``stems`` yet;
        returning True stops.

        Raises
        ------
        ShapeError
            X has not three axes, or one of them is empty.
        NumericalError
            X is not finite.
        """
        V = spectrogram(X)
        xp, real = namespace(V), V.dtype
        V = magnitudes(V.astype(float))
        B, H = leading_subspace(V, self.n_components)
        rows = H if self.independent == "time" else xp.ascontiguousarray(B.T)
        data = samples(rows[:, None], rank=_RANK)

        def after(i: int, search: Search) -> bool:
            model = self._turned(B, H, data, search)
            return bool(callback is not None and callback(i, _as(model, real)))

        rule = Rule(solver="picard_o", contrast=self.contrast, tol=self.tol)
        search = rule.run(data, np.eye(data.rank), self.n_iter, after=after if callback else None)
        model = self._turned(B, H, data, search)
        if self.n_sources is not None:
            values = to_host(model.H if self.independent == "time" else model.B.T)
            groups = by_distribution(values, to_host(model.energies), self.n_sources)
            model = replace(model, stems=groups)
        return _as(model, real)

    def _turned(self, B: Array, H: Array, data: Samples, search: Search) -> ISAModel:
        """Return the model with the subspace B H turned as the search says, in double precision."""
        xp, W = namespace(B), _unmixing(data, search)
        back = xp.asarray(np.linalg.inv(W))
        with single_threaded_blas():
            if self.independent == "time":
                B, H = B @ back, xp.asarray(W) @ H
            else:
                B, H = B @ xp.asarray(W.T), back.T @ H
        order = np.argsort(-to_host(ISAModel(B=B, H=H).energies), kind="stable")
        return ISAModel(B=B[:, order], H=H[order], losses=((0, search.score.value),))


def _as(model: ISAModel, real: np.dtype) -> ISAModel:
    return replace(model, B=model.B.astype(real), H=model.H.astype(real))


def _unmixing(data: Samples, search: Search) -> np.ndarray:
    """Return an invertible matrix (components, components) that makes the samples independent."""
    n = len(data.mean)
    W = np.zeros((n, n))
    W[: data.rank] = search.R @ data.whitener
    if data.rank < n:  # what does not vary is a component too
        W[data.rank :] = np.linalg.svd(data.whitener, full_matrices=True)[2][data.rank :]
    return W


def leading_subspace(V: Array, n_components: int) -> tuple[Array, Array]:
    """Return B (freq, n) and H (n, frames) with orthonormal rows, so that B H is V at its best rank n.

    Parameters
    ----------
    V : float64 array (freq, frames)
        NumPy or CuPy.
    n_components : int
        At most so many; fewer where V has a lower rank, at least one.

    Returns
    -------
    B, H : float64 arrays
        By falling singular value.

    Raises
    ------
    NumericalError
        V is not finite.
    """
    from scipy.linalg import eigh

    xp = namespace(V)
    wide = V.shape[0] <= V.shape[1]
    with single_threaded_blas():
        gram = to_host(V @ V.T if wide else V.T @ V)
        if not np.isfinite(gram).all():
            raise NumericalError("the spectrogram is not finite; give finite data")
        n = min(n_components, len(gram))
        values, vectors = eigh(gram, subset_by_index=(len(gram) - n, len(gram) - 1))
        kept = max(1, int((values > _RANK**2 * values[-1]).sum())) if values[-1] > 0 else 1
        U = xp.asarray(np.ascontiguousarray(vectors[:, ::-1][:, :kept]))
        if not wide:
            return V @ U, U.T
        projected = U.T @ V
        lengths = xp.sqrt((projected**2).sum(axis=1, keepdims=True))
        lengths = xp.where(lengths > 0, lengths, 1)
        return U * lengths[:, 0], projected / lengths
