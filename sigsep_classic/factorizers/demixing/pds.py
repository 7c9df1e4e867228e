"""Primal-dual splitting for determined separation, with a source model to plug in (Yatabe & Kitamura 2018, 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.factorizers.bins import Bins, bins
from sigsep_classic.factorizers.demixing.frequencywise import (
    DemixingState,
    demixing_model,
    log_determinants,
    rows_of,
)
from sigsep_classic.factorizers.demixing.penalties import PENALTIES, Mask, Penalty, harmonic_mask
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

SOURCE_MODELS = (*PENALTIES, "harmonic")


@dataclass(frozen=True, kw_only=True)
class PrimalDualBSS:
    """As many sources as channels, found by primal-dual splitting with a model of sources that is plugged in.

    With y = W x in each bin, the search lowers

        L = weight · P(y)  -  sum over f of log |det W(f)|

    where the penalty P is small for spectrograms that look like one source. It enters through its proximal operator
    alone, so that any model will do, and one that is known as a time-frequency mask only: a function that keeps of
    outputs what looks like a source. Each step is a singular value decomposition of R, one product with the data
    and its adjoint, and one application of the model.

    Parameters
    ----------
    source_model : {"iva", "ica", "lowrank", "harmonic"}
        ``"iva"``: P is the sum over frames of their norms; frequencies of a source rise and fall together.
        ``"ica"``: the sum of magnitudes; sources are sparse, bins on their own and in an order of their own.
        ``"lowrank"``: the sum of the singular values of each source's complex spectrogram.
        ``"harmonic"``: harmonic vector analysis, a mask (`penalties.harmonic_mask`).
    mask : callable or None
        A mask of your own in place of ``source_model``: from outputs (sources, freq, frames), complex, to gains of
        that shape in [0, 1].
    n_sources : int or None
        1 … channels; None: as many as independent channels. With fewer the leading principal components are used.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when W changes by less than this share of itself in one iteration; 0 never stops early.
    step_size : float
        Of the primal variable, greater than 0; that of the dual is its inverse. Bins are whitened and W is of size
        one, so that one value suits all data; much larger ones settle where L is not lowest.
    relaxation : float or None
        Above 0, at most 2: how much of each step is taken. None: 1.75 with a penalty, which is faster than 1, and 1
        with a mask: a mask is no proximal operator, and on speech more than 1 lost the sources.

    References
    ----------
    K. Yatabe and D. Kitamura, "Determined blind source separation via proximal splitting algorithm", Proc. ICASSP,
    2018.

    K. Yatabe and D. Kitamura, "Determined BSS based on time-frequency masking and its application to harmonic
    vector analysis", IEEE/ACM Trans. Audio, Speech, and Language Processing 29, 2021. (Equation numbers of both not
    checked.)

    Notes
    -----
    When to use: When you have a mask or a penalty of your own for what a source looks like; or ``"harmonic"`` for
    voices.
    Complexity: An iteration is O(freq · frames · channels²), a singular value decomposition a bin, and the model.
    Differences from the paper: The weight is set so that W is of size one, as penalties in proportion to y leave it
    to choice.

    L does not fall in every iteration, as primal-dual methods do not promise it; and -log |det W| is not convex, so
    that what is found depends on the start, W = I. The losses told are L itself. A mask has no P, and there is no
    loss to tell. The weight, which all P in proportion to y leave to choice, is set so that W is of size one.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> S = rng.gamma(0.3, size=(2, 1, 900)) * rng.standard_normal((2, 6, 900))
    >>> A = rng.standard_normal((6, 2, 2))
    >>> X = np.einsum("fcn,nft->cft", A, S) + 0j
    >>> model = PrimalDualBSS().fit(X)
    >>> parts = np.sort(abs(model.W @ A), axis=2)  # of each output, the source it lacks and the one it is
    >>> bool((parts[..., 0] < 0.1 * parts[..., 1]).all())
    True
    """

    source_model: str = "iva"
    mask: Mask | None = None
    n_sources: int | None = None
    n_iter: int = 100
    tol: float = 1e-4
    step_size: float = 0.1
    relaxation: float | None = None

    name: ClassVar[str] = "pds"
    check_every: ClassVar[int] = 10

    def __post_init__(self) -> None:
        check_choice("source_model", self.source_model, SOURCE_MODELS)
        if self.mask is not None and not callable(self.mask):
            raise ParameterError(f"mask is {self.mask!r}; give a function from outputs to gains")
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)
        check_range("step_size", self.step_size, 0, above=True)
        if self.relaxation is not None:
            check_range("relaxation", self.relaxation, 0, 2, above=True)

    @property
    def penalty(self) -> Penalty | None:
        """The penalty, or None where a mask stands for one."""
        return PENALTIES.get(self.source_model) if self.mask is None else None

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> DemixingModel:
        """Return the demixing of X (channels, freq, frames).

        Parameters
        ----------
        X : array (channels, freq, frames)
            Real or complex.
        start : model, optional
            Begin with its demixing matrices; default: W = I.
        callback : callable, optional
            Called as ``callback(i, state)`` after each iteration; returning True stops.

        Returns
        -------
        DemixingModel
            With the loss every ten iterations where there is a penalty.

        Raises
        ------
        ParameterError
            The mask returned something else than real gains, or the start has no demixing matrices.
        ShapeError
            There are fewer channels than sources, or the start or the mask has another shape.
        NumericalError
            X, the mask or the result is not finite.
        """
        with single_threaded_blas():
            return self._fit(bins(X, self.n_sources), start, callback)

    def _fit(self, data: Bins, start: Any, callback: Callback | None) -> DemixingModel:
        search = _Search(self, data, _first(data, start))
        losses = [(0, search.loss())] if self.penalty else []
        converged, stop = False, False
        for i in range(1, self.n_iter + 1):
            change = _changed(search, i)
            converged = change < self.tol
            stop = callback is not None and bool(callback(i, search.state()))
            last = converged or stop or i == self.n_iter
            if self.penalty and (last or i % self.check_every == 0):
                losses.append((i, search.loss()))
            if last:
                break
        return replace(demixing_model(data, search.R), losses=tuple(losses), converged=converged)


def _changed(search: _Search, i: int) -> float:
    """Return the change of W in iteration i, made here."""
    try:
        change = search.advance()
    except np.linalg.LinAlgError:  # of what is not finite there are no singular values
        change = math.nan
    if not math.isfinite(change):
        raise NumericalError(f"pds: demixing matrices are not finite after {i} iterations")
    return change


def _first(data: Bins, start: Any) -> Array:
    """Return the demixing that ``start`` makes, or W = I with rows of norm one: outputs of variance one."""
    if start is not None:
        return rows_of(data, start)
    R = data.first
    norms = namespace(R).sqrt((abs(R) ** 2).sum(axis=2, keepdims=True))
    return R / namespace(R).where(norms > 0, norms, 1)


class _Search:
    """Where primal-dual splitting stands: R, and the dual variable, as large as the outputs."""

    def __init__(self, method: PrimalDualBSS, data: Bins, R: Array) -> None:
        self.method, self.data, self.R = method, data, R
        xp = namespace(data.Z)
        self.x = data.white * data.Z.dtype.type(1 / math.sqrt(data.Z.shape[3]))
        self.adjoint = xp.ascontiguousarray(self.x.conj().swapaxes(1, 2))
        self.dual = xp.zeros_like(self.x)
        self.relaxation = method.relaxation or (1.75 if method.penalty else 1.0)
        # Penalties grow in proportion: a factor on them is a factor on R. This one puts R near 1.
        top = method.penalty.value(self._spread(self.x)) if method.penalty else 0.0
        self.weight = R.shape[0] * R.shape[1] / top if top > 0 else 1.0

    def _spread(self, Y: Array) -> Array:
        """Return outputs (freq, sources, frames) as (sources, freq, frames)."""
        return Y.swapaxes(0, 1)

    def outputs(self, R: Array) -> Array:
        """Return R x, (freq, sources, frames)."""
        return R.astype(self.x.dtype) @ self.x

    def advance(self) -> float:
        """Take one step; return the change of R relative to its size."""
        mu, relax = self.method.step_size, self.relaxation
        xp = namespace(self.R)
        # The norm of x is 1 in each bin, so that step sizes mu and 1 / mu are as large as they may be.
        R = away_from_singular(self.R - self.dual @ self.adjoint, mu)
        Z = self.dual + self.outputs(2 * R - self.R)
        dual = Z - self._modelled(Z)
        before, self.R = self.R, self.R + relax * (R - self.R)
        self.dual += self.x.dtype.type(relax) * (dual - self.dual)
        return float(xp.linalg.norm(self.R - before) / xp.linalg.norm(before))

    def _modelled(self, Z: Array) -> Array:
        """Return outputs pulled towards the source model."""
        Y = self._spread(Z)
        if self.method.penalty is not None:
            return self._spread(self.method.penalty.shrunk(Y, self.weight * self.method.step_size))
        gains = (self.method.mask or harmonic_mask)(Y)
        kind = getattr(getattr(gains, "dtype", None), "kind", "")
        if kind not in set("fiub"):
            got = gains.dtype if kind else type(gains).__name__
            raise ParameterError(f"mask returned {got}; expected an array of real gains")
        if gains.shape != Y.shape:
            raise ShapeError(f"the mask has shape {gains.shape}; its outputs have {Y.shape}")
        return self._spread(gains * Y)

    def loss(self) -> float:
        """Return weight times penalty less the log determinants."""
        assert self.method.penalty is not None
        value = self.method.penalty.value(self._spread(self.outputs(self.R)))
        return self.weight * value - log_determinants(self.R)

    def state(self) -> DemixingState:
        """Return what callbacks see."""
        Y = self.outputs(self.R)
        power = (Y.real**2 + Y.imag**2).sum(axis=0) * self.x.shape[2]
        return DemixingState(bins=self.data, R=self.R.copy(), power=power)


def away_from_singular(R: Array, step: float) -> Array:
    """Return the matrices that minimise ‖R' - R‖² / (2 step) - log |det R'|: each singular value s of R becomes
    (s + √(s² + 4 step)) / 2.
    """
    U, s, Vh = namespace(R).linalg.svd(R)
    return (U * ((s + namespace(R).sqrt(s * s + 4 * step)) / 2)[:, None]) @ Vh
