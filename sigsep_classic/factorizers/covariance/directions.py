"""Observations as directions: the whitened channels at each point of the spectrogram, scaled to unit norm."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import coefficients
from sigsep_classic.factorizers.bins import Bins, bins
from sigsep_classic.kernels.demixing import split
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Directions:
    """What mixtures of directions are fitted to.

    Parameters
    ----------
    bins : Bins
        The whitened data.
    Z : real array (freq, dims, 2, frames)
        Unit vectors, real and imaginary parts apart, in the precision of X.
    saliency : array (freq, frames)
        1, and 0 where there is silence, which points nowhere.
    n_sources : int
        How many sources are looked for.
    real : bool
        X was real: directions are points of the real sphere.
    """

    bins: Bins
    Z: Array
    saliency: Array
    n_sources: int
    real: bool

    @property
    def dims(self) -> int:
        """Number of independent channels."""
        return self.bins.dims


def directions(X: Array, n_sources: int | None = None) -> Directions:
    """Return the directions of X (channels, freq, frames); without ``n_sources`` as many as independent channels.

    Raises
    ------
    ShapeError, NumericalError
        As `bins`.
    """
    return _of(bins(X), n_sources)


def directions_like(X: Array, known: Directions) -> Directions:
    """Return the directions of other frames X (channels, freq, frames) of the same scene, whitened as the known ones.

    Raises
    ------
    ShapeError
        X has other channels or bins.
    """
    X = coefficients(X)
    if X.shape[:2] != known.bins.X.shape[:2]:
        wanted = (*known.bins.X.shape[:2], "1 …")
        raise ShapeError(f"X has shape {X.shape}; the model is of (channels, freq, frames) = {wanted}")
    Z = split(X.astype(known.bins.Z.dtype, copy=False) if X.dtype.kind != "c" else X, known.bins.T)
    return _of(replace(known.bins, X=X, Z=Z), known.n_sources)


def _of(data: Bins, n_sources: int | None) -> Directions:
    X, xp, Z = data.X, namespace(data.Z), data.Z
    largest = abs(Z).max(axis=(1, 2))
    heard = largest > xp.finfo(Z.dtype).tiny
    U = Z / xp.where(heard, largest, 1)[:, None, None]  # squares of what is near one
    size = xp.sqrt((U * U).sum(axis=(1, 2)))
    U /= xp.where(heard, size, 1)[:, None, None]
    U[:, 0, 0] = xp.where(heard, U[:, 0, 0], 1)
    return Directions(
        bins=data,
        Z=U,
        saliency=heard.astype(Z.dtype),
        n_sources=n_sources or data.dims,
        real=X.dtype.kind != "c",
    )
