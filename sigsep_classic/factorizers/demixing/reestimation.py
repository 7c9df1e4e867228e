"""After a demixing of each bin: put the bins in order, then let neighbours in time and frequency help each other."""

from __future__ import annotations

import math

from sigsep_classic import permutation
from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.factorizers.base import gain_for
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.kernels.demixing import powers, sweep
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array, Grid

ASSUMED_BIN_HZ = 4.0
"""Distance of bins where no grid tells."""

_REACH = 4.0
_LEAST_BLOCK = 16
_GROUP = 0.5
"""Rows that share one mean, in standard deviations."""


def ordered(data: Bins, R: Array, solver: str = "kernel", grid: Grid | None = None) -> Array:
    """Return R with the rows of each bin in the order of `sigsep_classic.permutation`.

    Parameters
    ----------
    data : Bins
        The whitened data.
    R : complex128 array (freq, dims, dims)
        Demixing of it, rows of each bin in any order and on any scale.
    solver : str
        See `sigsep_classic.permutation.solve`.
    grid : Grid, optional
        Where the bins lie.

    Returns
    -------
    R : complex128 array (freq, dims, dims)
    """
    A = images_of(data, R)
    P = powers(data.Z, R, summed=False)
    gains = abs(A[:, 0]) ** 2
    gains *= gain_for(float(gains.max()))  # at any level of the mixture powers are numbers of their type
    P *= gains.T[:, :, None].astype(P.dtype)
    order = permutation.solve(P, solver=solver, A=A if A.shape[1] > 1 else None, grid=grid)
    return permutation.apply(order, R, sources=1, freq=0)


def images_of(data: Bins, R: Array) -> Array:
    """Return how the used channels, the loudest first, hear the outputs: (freq, used, sources)."""
    return data.D[:, list(data.used)] @ namespace(R).linalg.inv(R)


def reestimated(
    data: Bins,
    R: Array,
    grid: Grid | None = None,
    *,
    n_iter: int = 5,
    guide: Array | None = None,
    sigma_hz: float = 15.6,
    sigma_frames: float = 0.5,
    floor: float = 1e-3,
) -> Array:
    """Return R after iterations in which each source is Gaussian with a variance that is local in time and frequency.

    The variance of a source at a point is a Gaussian mean of its power around it, at the scale of its image and
    relative to the mean power of its bin, plus a floor; each iteration sets all variances, then each row by
    iterative projection with their inverse as weights. It needs sources in order and starts well from any method
    that gives them. It is not the descent of an objective: a few iterations help, many do not.

    Parameters
    ----------
    data : Bins
        The whitened data.
    R : complex128 array (freq, dims, dims)
        Demixing of it, sources in the same order in all bins; not written to.
    grid : Grid, optional
        Where the bins lie; without one they are 4 Hz apart.
    n_iter : int
        Number of iterations.
    guide : array (dims, freq, frames), optional
        Powers of the sources from elsewhere, say another transform: as many iterations with variances made of them
        come first, after which R depends little on where it started.
    sigma_hz : float
        Standard deviation of the mean in Hz; 0: each bin by itself.
    sigma_frames : float
        Standard deviation of the mean in frames; 0: each frame by itself.
    floor : float
        Added to the variance, relative to the mean power of the bin; above 0.

    Returns
    -------
    R : complex128 array (freq, dims, dims)

    Raises
    ------
    ParameterError
        A parameter is out of range.
    """
    check_count("n_iter", n_iter, 0)
    check_range("sigma_hz", sigma_hz, 0)
    check_range("sigma_frames", sigma_frames, 0)
    check_range("floor", floor, 0, above=True)
    xp = namespace(data.Z)
    sigma_bins = grid.span(sigma_hz) if grid is not None else sigma_hz / ASSUMED_BIN_HZ
    if guide is not None:
        guide = xp.array(guide, dtype=data.Z.dtype)
        weights = _precisions(guide, xp.ones(guide.shape[:2]), sigma_bins, sigma_frames, floor)
        for _ in range(n_iter):
            R, _ = sweep(data.Z, R, weights, load=data.load)
    if n_iter:
        power = powers(data.Z, R, summed=False)
    for _ in range(n_iter):
        scale = (abs(images_of(data, R)) ** 2).sum(axis=1).T  # over channels: their order means nothing
        weights = _precisions(power, scale, sigma_bins, sigma_frames, floor)
        R, power = sweep(data.Z, R, weights, load=data.load)
    return R


def _precisions(power: Array, scale: Array, sigma_bins: float, sigma_frames: float, floor: float) -> Array:
    """Return one over the local variances of scale (sources, freq) times power, in the memory of ``power``.

    A few neighbouring bins share one variance, where the mean is wide enough.
    """
    xp = namespace(power)
    level = (scale * power.mean(axis=2, dtype=xp.float64)).mean(axis=0)
    scale = (scale / xp.where(level > 0, level, 1)).astype(power.dtype)
    group = max(1, int(sigma_bins * _GROUP))
    for P, gain in zip(power, scale, strict=True):
        P *= gain[:, None]
        V = blurred(blurred(_means(P, group), sigma_bins / group).T, sigma_frames).T
        P[:] = xp.repeat(1 / (V + P.dtype.type(floor)), group, axis=0)[: len(P)]
    return power


def _means(P: Array, group: int) -> Array:
    """Return the mean of each ``group`` rows of P (rows, columns), and of what is left at the end."""
    if group == 1:
        return P
    whole = len(P) // group * group
    means = P[:whole].reshape(-1, group, P.shape[1]).mean(axis=1)
    rest = P[whole:].mean(axis=0, keepdims=True) if whole < len(P) else P[:0]
    return namespace(P).concatenate([means, rest])


def blurred(P: Array, sigma: float) -> Array:
    """Return the Gaussian mean of P (rows, columns) over neighbouring rows, weights at the borders adding up to one.

    Made of matrix products of bands, which are quick however wide the Gaussian is.
    """
    if sigma <= 0 or len(P) == 1:
        return P
    xp = namespace(P)
    reach = math.ceil(_REACH * sigma)
    block = max(_LEAST_BLOCK, 2 * reach)
    out = xp.empty(P.shape, dtype=P.dtype)
    with single_threaded_blas():
        for start in range(0, len(P), block):
            stop = min(start + block, len(P))
            low, high = max(0, start - reach), min(len(P), stop + reach)
            away = xp.arange(start, stop)[:, None] - xp.arange(low, high)
            band = xp.where(abs(away) <= reach, xp.exp(-0.5 * (away / sigma) ** 2), 0)
            band /= band.sum(axis=1, keepdims=True)
            out[start:stop] = band.astype(P.dtype) @ P[low:high]
    return out
