"""What PROJET computes: magnitudes of two channels seen from several angles, and their Cauchy model, in tiles.

Nothing of the size projections × bins × frames is ever in memory: projected powers come from |L|², |R|² and Re L R*
of a tile of points at a time. Tiles are of one size and their sums added in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.stereo.panning import EDGE, gains_at
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

_TILE = 4096
_FLOOR = 1e-10
_BOUND = 5.0


@dataclass(frozen=True, kw_only=True)
class Projected:
    """Two channels and what their projections are made of.

    Parameters
    ----------
    X : array (channels, freq, frames)
        The mixture.
    moments : array (3, points)
        |L|², |R|² and Re L R* at a level near 1.
    turned : bool
        Points are counted frame after frame, not bin after bin.
    floor : float
        Power that is added to each projection.
    """

    X: Array
    moments: Array
    turned: bool
    floor: float


def projected(X: Array, A: Array, B: Array, C: Array) -> Projected:
    """Return the moments of powers A, B and products C (freq, frames)."""
    turned = frames_first(A)
    moments = namespace(A).stack([(V.T if turned else V).ravel() for V in (A, B, C.real)])
    level = float(to_host((A + B).mean(dtype=np.float64)))
    floor = _FLOOR * level if level > 0 else 1.0
    return Projected(X=X, moments=moments, turned=turned, floor=floor)


def angles_of(n_projections: int) -> np.ndarray:
    """Return the angles θ of evenly spaced projections cos θ L + sin θ R, in radians."""
    return math.radians(EDGE) + math.pi * np.arange(n_projections) / n_projections


def kernel_of(n_projections: int, azimuths: np.ndarray) -> np.ndarray:
    """Return K (projections, azimuths): how loud each projection hears a source at each azimuth."""
    theta = angles_of(n_projections)
    panning = np.array([gains_at(azimuth) for azimuth in azimuths]).T
    return np.abs(np.stack([np.cos(theta), np.sin(theta)], axis=1) @ panning)


def powers_of_projections(n_projections: int, dtype: np.dtype) -> np.ndarray:
    """Return S (projections, 3) that makes projected powers of moments."""
    theta = angles_of(n_projections)
    c, s = np.cos(theta), np.sin(theta)
    return np.stack([c * c, s * s, 2 * c * s], axis=1).astype(dtype)


def tiles(data: Projected, S: Array) -> Iterator[tuple[slice, Array]]:
    """Yield slices of points and the powers of all projections there, (projections, tile)."""
    xp = namespace(data.moments)
    floor = data.moments.dtype.type(data.floor)
    for start in range(0, data.moments.shape[1], _TILE):
        where = slice(start, start + _TILE)
        yield where, xp.maximum(S @ data.moments[:, where], 0) + floor


def bounded(ratio: Array) -> Array:
    """Return the factor r of a multiplicative update for ρ = numerator / denominator, which cannot raise the loss.

    The loss is majorised, entry by entry, by a multiple of -ρ log r + r²/2. Where ρ < 1, r = ρ lies below its value
    at r = 1; where ρ > 1, r = ρ overshoots, and max(sqrt(ρ), 1 + (ρ - 1) / (1 + (ρ - 1) / 5)) does not.
    """
    xp = namespace(ratio)
    over = xp.maximum(ratio - 1, 0)
    slow = 1 + over / (1 + over / ratio.dtype.type(_BOUND))
    return xp.where(ratio > 1, xp.maximum(slow, xp.sqrt(ratio)), ratio)


def update(data: Projected, P: Array, Q: Array, K: Array, S: Array) -> tuple[Array, Array]:
    """Return P (sources, points) and Q (azimuths, sources) after one update of each, P in place."""
    xp = namespace(P)
    W = K @ Q
    numerator, denominator = (xp.zeros(W.shape) for _ in range(2))
    with single_threaded_blas():
        for where, V2 in tiles(data, S):
            N, M = _ratios(W @ P[:, where], V2)
            P[:, where] *= bounded((W.T @ N) / (W.T @ M))
            N, M = _ratios(W @ P[:, where], V2)
            transposed = P[:, where].T
            numerator += N @ transposed
            denominator += M @ transposed
    ratio = ((K.T @ numerator) / xp.maximum(K.T @ denominator, 1e-300)).astype(Q.dtype)
    return P, Q * bounded(ratio)


def _ratios(model: Array, V2: Array) -> tuple[Array, Array]:
    """Return 1 / σ and 3 σ / (σ² + v²): what the loss falls and rises by as σ rises."""
    return 1 / model, 3 * model / (model * model + V2)


def mean_loss(data: Projected, P: Array, Q: Array, K: Array, S: Array) -> float:
    """Return the mean over points and projections of 3/2 log(σ² + v²) - log σ, less its least value."""
    xp, total, count = namespace(P), 0.0, 0
    W, least = K @ Q, 1.5 * math.log(1.5) + 0.5 * math.log(2)
    with single_threaded_blas():
        for where, V2 in tiles(data, S):
            share = (W @ P[:, where]) ** 2 / V2
            losses = 1.5 * xp.log(1 + share) - 0.5 * xp.log(share)
            total += losses.sum(dtype=np.float64)
            count += losses.size
    return float(total) / count - least


def filters(P: Array, Q: Array, K: Array, members: list[int]) -> Array:
    """Return (3, points): what of L stays in L, of R in R, and of each goes to the other, for sources together.

    Each projection is weighed by the sources' share of the model there, and the weighted projections are put
    together by the pseudo-inverse, 2 / M times the transpose for M evenly spaced ones.
    """
    xp, W = namespace(P), K @ Q
    S = powers_of_projections(len(K), P.dtype)
    back = xp.asarray(S * np.array([1, 1, 0.5], S.dtype) * S.dtype.type(2 / len(K)))
    out = xp.empty((3, P.shape[1]), dtype=P.dtype)
    with single_threaded_blas():
        for start in range(0, P.shape[1], _TILE):
            tile = P[:, start : start + _TILE]
            out[:, start : start + _TILE] = back.T @ ((W[:, members] @ tile[members]) / (W @ tile))
    return out
