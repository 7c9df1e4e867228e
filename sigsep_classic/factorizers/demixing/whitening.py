"""Samples of all channels as they lie in memory, their mean, covariance, rank, and the matrix that whitens them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import NumericalError
from sigsep_classic.factorizers.base import check_n_sources, coefficients
from sigsep_classic.kernels.layout import dense_alike, frames_first
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

RANK = 1e-12
"""Eigenvalues of the correlation matrix below this share of the largest are rounding (amplitudes 120 dB down)."""

_CONSTANT = 1e-20
_FEW = 1 << 15
_BLOCK = 1 << 15


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What ICA knows of the data: the samples and their second moments.

    Parameters
    ----------
    rows : array (channels, samples)
        Real, C-contiguous, NumPy or CuPy; real and imaginary parts of complex coefficients are two samples.
    mean : float64 array (channels,)
        On the host, as all that follow.
    covariance : float64 array (channels, channels)
        Of the samples less their mean.
    whitener : float64 array (rank, channels)
        z = whitener (x - mean) has the identity as covariance.
    dewhitener : float64 array (channels, rank)
        The way back, on the subspace that is kept.
    reduced : bool
        Whether dimensions that are not rounding were left out.
    lag : tuple of (int, int)
        Number of frames, and how many values of a row lie between one frame and the next.
    """

    rows: Array
    mean: np.ndarray
    covariance: np.ndarray
    whitener: np.ndarray
    dewhitener: np.ndarray
    reduced: bool
    lag: tuple[int, int]

    @property
    def rank(self) -> int:
        """Number of dimensions kept."""
        return len(self.whitener)

    @cached_property
    def white(self) -> Array:
        """The whitened samples, float64 (rank, samples); made when first asked for."""
        return _centred_product(self.whitener, self.rows, self.mean)

    def thinned(self) -> Samples:
        """Return every k-th sample, whitened alike, k odd, some 2**15 of them; all where they are not many more."""
        k = self.rows.shape[1] // _FEW // 2 * 2 + 1
        if k < 4:
            return self
        rows = namespace(self.rows).ascontiguousarray(self.rows[:, ::k])
        return Samples(**{**{f.name: getattr(self, f.name) for f in fields(Samples)}, "rows": rows})


def samples(X: Array, n_sources: int | None = None, *, rank: float = RANK) -> Samples:
    """Return the samples of X (channels, freq, frames), whitened to at most ``n_sources`` dimensions.

    Where all dimensions are kept the whitener is the symmetric inverse root of the correlation matrix, of the
    channels at equal level; else the leading eigenvectors. Eigenvalues below ``rank``
    times the largest count as zero. Real samples are centred, complex coefficients not.

    Raises
    ------
    ShapeError
        X has not three axes, one of them is empty, or there are fewer channels than sources.
    NumericalError
        X is not finite.
    """
    X = coefficients(X)
    check_n_sources(n_sources, len(X), ", or take a method for one channel (isa, scica)")
    rows = in_memory_order(X)
    mean, covariance, power = _moments(rows, centred=X.dtype.kind != "c")
    if not np.isfinite(power).all():
        raise NumericalError("the covariance of the channels is not finite; give finite data")
    whitener, dewhitener, dimensions = _whitener(covariance, power, n_sources or len(X), rank)
    return Samples(
        rows=rows,
        mean=mean,
        covariance=covariance,
        whitener=whitener,
        dewhitener=dewhitener,
        reduced=len(whitener) < dimensions,
        lag=_lag(X),
    )


def in_memory_order(X: Array) -> Array:
    """Return X (channels, freq, frames) as real rows (channels, values), a view wherever X has no gaps."""
    turned = frames_first(X)
    (X,) = dense_alike(X)
    rows = (X.swapaxes(-1, -2) if turned else X).reshape(len(X), -1)
    if rows.dtype.kind == "c":
        return rows.view(namespace(X).finfo(X.dtype).dtype)
    return rows if rows.dtype.kind == "f" else rows.astype(float)


def _lag(X: Array) -> tuple[int, int]:
    """Return the number of frames, and how far one lies from the next in `in_memory_order`."""
    parts = 2 if X.dtype.kind == "c" else 1
    return X.shape[2], parts * (X.shape[1] if frames_first(X) else 1)


def _blocks(rows: Array) -> Iterator[Array]:
    """Yield pieces of rows in double precision: sums over them do not depend on the precision of the data."""
    size = _BLOCK if namespace(rows) is np else rows.shape[1]
    for start in range(0, rows.shape[1], size):
        yield rows[:, start : start + size].astype(float)


def _moments(rows: Array, *, centred: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, covariance and power of each channel, on the host."""
    n_channels, n = rows.shape
    mean = np.zeros(n_channels)
    if centred:
        mean = sum((to_host(piece.sum(axis=1)) for piece in _blocks(rows)), mean) / n
    offset = namespace(rows).asarray(mean)[:, None]
    covariance = np.zeros((n_channels, n_channels))
    with single_threaded_blas():
        for piece in _blocks(rows):
            piece -= offset
            covariance += to_host(piece @ piece.T)
    covariance /= n
    return mean, (covariance + covariance.T) / 2, np.diag(covariance) + mean**2


def _whitener(
    covariance: np.ndarray, power: np.ndarray, n_sources: int, threshold: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return whitener, dewhitener and the numerical rank of the covariance."""
    variance = np.diag(covariance)
    live = variance > _CONSTANT * power  # what is less is a constant, rounded
    deviation = np.sqrt(np.where(live, variance, 1))
    correlation = np.where(live[:, None] & live, covariance, 0) / np.outer(deviation, deviation)
    with single_threaded_blas():
        values, vectors = np.linalg.eigh(correlation)
        rank = int((values > threshold * values[-1]).sum()) if live.any() else 0
        if min(rank, n_sources) == len(covariance):
            roots = np.sqrt(values)
            return (
                (vectors / roots @ vectors.T) / deviation,
                deviation[:, None] * (vectors * roots) @ vectors.T,
                rank,
            )
        if n_sources < rank:  # which dimensions are strong depends on the channels' own levels
            values, vectors = np.linalg.eigh(covariance)
            deviation = np.ones_like(deviation)
    kept = min(rank, n_sources)
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    roots = np.sqrt(values)
    return vectors.T / roots[:, None] / deviation, deviation[:, None] * vectors * roots, rank


def _centred_product(matrix: np.ndarray, rows: Array, mean: np.ndarray) -> Array:
    """Return matrix (x - mean) in double precision."""
    xp = namespace(rows)
    device_matrix, offset = xp.asarray(matrix), xp.asarray(mean)[:, None]
    with single_threaded_blas():
        return xp.concatenate([device_matrix @ (piece - offset) for piece in _blocks(rows)], axis=1)
