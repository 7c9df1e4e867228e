"""Multichannel NMF: sources of low rank in time and frequency, each with a full covariance matrix in every bin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import Callback, brought_to, check_start
from sigsep_classic.factorizers.bins import Bins, bins
from sigsep_classic.factorizers.covariance.options import SourcesOfComponents
from sigsep_classic.factorizers.covariance.start import (
    first_gains,
    first_spectra,
    independent_components,
    with_ridge,
)
from sigsep_classic.factorizers.models import Groups, check_groups, source_names
from sigsep_classic.kernels.fast_mnmf import LEAST
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.scaling import steering_of
from sigsep_classic.typing import Array

RIDGE = 1e-6
"""Noise in every direction that the data are taken to hold, relative to their mean power in that direction."""

_CELLS = 1 << 15
_FULL = 1e-3


@dataclass(frozen=True, kw_only=True)
class MNMFModel:
    """Sources with covariances λ_nft S_nf of the whitened data, λ_nft = Σ_k w_nfk h_nkt.

    Parameters
    ----------
    W : array (sources, freq, components)
        Non-negative templates.
    H : array (sources, components, frames)
        Non-negative activations.
    S : complex128 array (sources, freq, dims, dims)
        Hermitian positive, as the whitened channels see them.
    bins : Bins
        The whitened data, and the way back.
    losses : tuple of (int, float)
        Iteration number and loss.
    """

    W: Array
    H: Array
    S: Array
    bins: Bins
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return int(self.W.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``."""
        return source_names(self.n_components)

    @property
    def covariances(self) -> Array:
        """Spatial covariances of the channels, complex128 (sources, freq, channels, channels)."""
        return self.bins.D @ self.S @ self.bins.D.conj().swapaxes(1, 2)

    @property
    def steering(self) -> Array:
        """How each channel hears each source, up to a factor a bin: (freq, channels, sources)."""
        return steering_of(self.covariances)

    def reordered(self, order: Sequence[int]) -> MNMFModel:
        """Return the model with its sources in another order."""
        order = list(order)
        return replace(self, W=self.W[order], H=self.H[order], S=self.S[order])

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames): multichannel Wiener estimates."""
        xp, X = namespace(self.W), self.bins.X
        wanted = list(check_groups(groups, self.names).values())
        Y = xp.empty((len(wanted), *X.shape), dtype=X.dtype)
        for part, span in _tiles(self.W.shape[1], X.shape[2], self.S.shape[2]):
            x = X[:, part, span].transpose(1, 2, 0).astype(complex)  # (freq, frames, channels)
            z = x @ self.bins.T[part].swapaxes(1, 2)
            rest = (x - z @ self.bins.D[part].swapaxes(1, 2)) / self.n_components
            lam = self.W[:, part] @ self.H[:, :, span]
            through = _solved(_mixed(lam, self.S[:, part]), z[..., None])[..., 0]
            for g, members in enumerate(wanted):
                own = sum(
                    (lam[n, :, :, None] * (through @ self.S[n, part].swapaxes(1, 2)) for n in members), 0 * z
                )
                image = own @ self.bins.D[part].swapaxes(1, 2) + len(members) * rest
                Y[g, :, part, span] = (image if X.dtype.kind == "c" else image.real).transpose(2, 0, 1)
        return Y

    def sorted(self) -> MNMFModel:
        """Return the same model with sources in falling order of energy."""
        loudness = namespace(self.W).einsum("nfii->nf", self.covariances).real
        energies = (loudness * (self.W * self.H.sum(axis=2)[:, None]).sum(axis=2)).sum(axis=1)
        return self.reordered(np.argsort(-to_host(energies), kind="stable").tolist())


@dataclass(frozen=True, kw_only=True)
class MNMF(SourcesOfComponents):
    """Sources of low rank, each with a full-rank spatial covariance of its own at every frequency.

    Minimises Σ_ft [x_ftᴴ Σ_ft⁻¹ x_ft + log det Σ_ft] with Σ_ft = Σ_n λ_nft S_nf and λ_nft = Σ_k w_nfk h_nkt.

    Each source has a full-rank covariance S_nf at every frequency, which holds its reverberation too; there may be
    more sources than microphones. The most general of the family, and much the slowest: `FastMNMF2` is the same
    with S_nf that share their eigenvectors.

    Parameters
    ----------
    n_sources : int or None
        Any number, more than there are channels too; None: as many as there are independent channels.
    n_components : int
        Templates K of each source, at least 1.
    initial : {"demixing", "diagonal"}
        As in `FastMNMF2`.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the loss by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random templates and activations.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    H. Sawada, H. Kameoka, S. Araki and N. Ueda, "Multichannel extensions of non-negative matrix factorization with
    complex-valued data", IEEE Trans. Audio, Speech, and Language Processing 21(5), 2013 (equation numbers not
    checked).

    Notes
    -----
    When to use: When the cost does not matter and each source shall have its full spatial covariance: a reference for
    `fastmnmf2`.
    Complexity: An iteration is O(freq · frames · sources · channels³).

    Differences from the paper: each source has its own K components; the paper's soft assignment of components to
    sources is not part of it. The data are whitened and taken to hold white noise 60 dB below their mean power in
    each bin, so that silence or one frame leave the likelihood bounded; the loss contains it.

    Work goes through
    tiles of frames: no (freq, frames, channels, channels) array exists.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((2, 5, 40)) + 1j * rng.standard_normal((2, 5, 40))
    >>> Y = MNMF(n_sources=3, n_components=2, n_iter=5).fit(X).reconstruct()
    >>> Y.shape, bool(np.allclose(Y.sum(axis=0), X))
    ((3, 2, 5, 40), True)
    """

    n_iter: int = 30

    name: ClassVar[str] = "mnmf"

    def prepare(self, X: Array) -> Bins:
        """Return the whitened bins of X (channels, freq, frames)."""
        return bins(X)

    def init(self, X: Bins) -> MNMFModel:
        """Return the start that ``initial`` names: S_n = A diag(g_n) Aᴴ and a little in all directions, A = R⁻¹."""
        xp = namespace(X.Z)
        data = with_ridge(X, self.n_sources)
        R = independent_components(data, X.identity) if self.initial == "demixing" else X.identity
        y = R @ X.white
        level = (y.real**2 + y.imag**2).mean(axis=(1, 2)) + RIDGE * (abs(R) ** 2).sum(axis=(1, 2)) / X.dims
        R = R / xp.sqrt(level)[:, None, None]
        A = xp.linalg.inv(R)
        G = first_gains(data, R, local=False)[0]
        S = xp.stack([(A * g) @ A.conj().swapaxes(1, 2) for g in G])
        S += _FULL * xp.einsum("nfii->nf", S).real[:, :, None, None] / X.dims * xp.eye(X.dims)
        W, H = first_spectra(X.Z, (data.n_sources, self.n_components, X.Z.shape[3]), len(X.Z), seed=self.seed)
        return MNMFModel(W=W, H=H, S=S, bins=X)

    def adopt(self, X: Bins, start: Any) -> MNMFModel:  # type: ignore[override]
        """Return W, H and S of another model of the same mixture as a start, copied.

        Raises
        ------
        ParameterError
            It has no such factors.
        ShapeError
            A factor does not fit the mixture.
        """
        check_start(start, "WHS", "a model of mnmf, what `fit` returned")
        (freq, dims, _, frames), K = X.Z.shape, self.n_components
        sources = self.n_sources or dims
        shapes = {"W": (sources, freq, K), "H": (sources, K, frames), "S": (sources, freq, dims, dims)}
        for name, shape in shapes.items():
            if getattr(start, name).shape != shape:
                raise ShapeError(f"start has {name} {getattr(start, name).shape}; this mixture needs {shape}")
        W, H = brought_to(X.Z, start.W).copy(), brought_to(X.Z, start.H).copy()
        return MNMFModel(W=W, H=H, S=namespace(X.Z).array(start.S, dtype=complex), bins=X)

    def step(self, X: Bins, model: MNMFModel) -> MNMFModel:  # type: ignore[override]
        """Update W, then H, by square roots of ratios of traces, then S by a Riccati equation."""
        xp, W, H, S = namespace(X.Z), model.W, model.H, model.S
        up, down = xp.zeros(W.shape), xp.zeros(W.shape)
        for part, span, _, gains in self._traces(X, W, H, S):
            up[:, part] += gains[0] @ H[:, :, span].swapaxes(1, 2)
            down[:, part] += gains[1] @ H[:, :, span].swapaxes(1, 2)
        W = xp.maximum(W * xp.sqrt(up / down), LEAST).astype(W.dtype)
        up, down = xp.zeros(H.shape), xp.zeros(H.shape)
        for part, span, _, gains in self._traces(X, W, H, S):
            up[:, :, span] += W[:, part].swapaxes(1, 2) @ gains[0]
            down[:, :, span] += W[:, part].swapaxes(1, 2) @ gains[1]
        H = xp.maximum(H * xp.sqrt(up / down), LEAST).astype(H.dtype)
        return replace(model, W=W, H=H, S=self._covariances(X, W, H, S))

    def _traces(self, X: Bins, W: Array, H: Array, S: Array) -> Iterator[tuple[slice, slice, Array, Array]]:
        """Yield, tile by tile, Σ⁻¹ and for each source tr(Σ⁻¹ S Σ⁻¹ x xᴴ) and tr(Σ⁻¹ S), (2, sources, freq, frames)."""
        xp = namespace(X.Z)
        for part, span, inverse, B in _statistics(X, W, H, S):
            gains = [
                xp.stack([xp.einsum("ftij,fji->ft", M, S[n, part]).real for n in range(len(S))])
                for M in (B, inverse)
            ]
            yield part, span, inverse, xp.stack(gains)

    def _covariances(self, X: Bins, W: Array, H: Array, S: Array) -> Array:
        """Return the S that solve S P S = S' Q S', P = Σ_t λ Σ⁻¹ and Q = Σ_t λ Σ⁻¹ x xᴴ Σ⁻¹, S' the last ones."""
        xp = namespace(X.Z)
        P, Q = xp.zeros(S.shape, complex), xp.zeros(S.shape, complex)
        for part, span, inverse, B in _statistics(X, W, H, S):
            lam = W[:, part] @ H[:, :, span]
            P[:, part] += xp.einsum("nft,ftij->nfij", lam, inverse)
            Q[:, part] += xp.einsum("nft,ftij->nfij", lam, B)
        return _riccati(P, S @ Q @ S)

    def loss(self, X: Bins, model: MNMFModel) -> float:  # type: ignore[override]
        """Return Σ [x̃ᴴ Σ⁻¹ x̃ + ridge tr Σ⁻¹ + log det Σ] of the whitened data x̃."""
        xp, total = namespace(X.Z), 0.0
        for part, span, z in _data(X):
            C = _mixed(model.W[:, part] @ model.H[:, :, span], model.S[:, part])
            inverse = xp.linalg.inv(C)
            fit = xp.einsum("fti,ftij,ftj->ft", z.conj(), inverse, z).real
            spread = RIDGE * xp.einsum("ftii->ft", inverse).real
            total += float((fit + spread + xp.linalg.slogdet(C)[1]).sum())
        return total

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> MNMFModel:
        """Return the sources of X (channels, freq, frames); see `Iterative.fit`."""
        return super().fit(X, start=start, callback=callback)

    def finish(self, model: MNMFModel) -> MNMFModel:
        """Return the model with the strongest source first."""
        return model.sorted()


def _tiles(freq: int, frames: int, dims: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of bins and frames with a bounded number of matrices."""
    cells = max(1, _CELLS // dims**2)
    width = min(frames, cells)
    height = max(1, cells // width)
    for f in range(0, freq, height):
        for t in range(0, frames, width):
            yield slice(f, f + height), slice(t, min(t + width, frames))


def _data(X: Bins) -> Iterator[tuple[slice, slice, Array]]:
    """Yield tiles of the whitened data, complex128 (freq, frames, dims)."""
    for part, span in _tiles(X.Z.shape[0], X.Z.shape[3], X.dims):
        Z = X.Z[part, :, :, span].astype(float)
        yield part, span, (Z[:, :, 0] + 1j * Z[:, :, 1]).swapaxes(1, 2)


def _statistics(X: Bins, W: Array, H: Array, S: Array) -> Iterator[tuple[slice, slice, Array, Array]]:
    """Yield, tile by tile, Σ⁻¹ and Σ⁻¹ (x xᴴ + ridge) Σ⁻¹, (freq, frames, dims, dims)."""
    with single_threaded_blas():
        for part, span, z in _data(X):
            inverse = namespace(X.Z).linalg.inv(_mixed(W[:, part] @ H[:, :, span], S[:, part]))
            through = (inverse @ z[..., None])[..., 0]
            yield (
                part,
                span,
                inverse,
                through[..., None] * through.conj()[..., None, :] + RIDGE * inverse @ inverse,
            )


def _mixed(lam: Array, S: Array) -> Array:
    """Return Σ_n λ_n S_n, (freq, frames, dims, dims)."""
    freq, dims = S.shape[1], S.shape[2]
    flat = lam.transpose(1, 2, 0) @ S.swapaxes(0, 1).reshape(freq, len(S), dims * dims)
    return flat.reshape(freq, -1, dims, dims)


def _solved(C: Array, b: Array) -> Array:
    return namespace(C).linalg.solve(C, b)


def _riccati(P: Array, Q: Array) -> Array:
    """Return the positive S with S P S = Q: P^-½ (P^½ Q P^½)^½ P^-½."""
    xp = namespace(P)
    values, E = xp.linalg.eigh((P + P.conj().swapaxes(-1, -2)) / 2)
    top = values[..., -1:]
    roots = xp.sqrt(xp.maximum(values, 1e-14 * top))[..., None, :]
    back = E.conj().swapaxes(-1, -2)
    half, inverse = (E * roots) @ back, (E / roots) @ back
    inside = half @ Q @ half
    values, E = xp.linalg.eigh((inside + inside.conj().swapaxes(-1, -2)) / 2)
    values = xp.maximum(values, 1e-14 * values[..., -1:])
    middle = (E * xp.sqrt(values)[..., None, :]) @ E.conj().swapaxes(-1, -2)
    S = inverse @ middle @ inverse
    return (S + S.conj().swapaxes(-1, -2)) / 2
