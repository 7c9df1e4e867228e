"""What DUET counts and decides: frequencies, the plane of attenuation and delay, its peaks, who explains a point."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.counting import weighted_counts
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array, Grid

_ALPHA_BINS, _DELAY_BINS, _PHASE_BINS = 61, 61, 64
_BAND = 16
_SMOOTHING = 1.5
_APART = 4


def frequencies(grid: Grid, n_bins: int, *, complex_: bool) -> np.ndarray:
    """Return the frequencies of the bins in Hz, float64; 0 where there is no phase to turn."""
    if not complex_:
        return np.zeros(n_bins)
    if grid.frequencies is not None:
        return np.array(grid.frequencies, float)
    return np.arange(n_bins) * float(grid.bin_hz)


def plane_histogram(
    alpha: Array, delta: Array, weight: Array, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weight in each cell of the plane ± limits, smoothed, and the centres of its bins along both axes.

    Attenuations beyond the limit are counted at the edge, delays beyond it not at all.
    """
    rows = _places(alpha, limits[0], _ALPHA_BINS, clip=True)
    columns = _places(delta, limits[1], _DELAY_BINS, clip=False)
    inside = (columns >= 0) & (columns < _DELAY_BINS)
    flat = rows[inside] * _DELAY_BINS + columns[inside]
    counts = to_host(weighted_counts(flat, weight[inside], _ALPHA_BINS * _DELAY_BINS))
    alphas, delays = _axes(limits)
    return _smoothed(_smoothed(counts.reshape(len(alphas), len(delays))).T).T, alphas, delays


def voted_histogram(
    alpha: Array,
    phase: Array,
    weight: Array,
    limits: tuple[float, float],
    omega: np.ndarray,
    phase_error: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what `plane_histogram` does, but each point counts at every delay, as much as its phase fits there.

    Parameters
    ----------
    alpha, phase, weight : array (freq, frames)
        Symmetric attenuations, phases of L R* in radians, and weights.
    limits : (float, float)
        Largest attenuation and largest delay, in seconds.
    omega : float64 array (freq,)
        Frequencies in radians a second.
    phase_error : float
        Deviation of the phases in radians, greater than 0.
    """
    xp, (alphas, delays) = namespace(alpha), _axes(limits)
    width = 2 * np.pi / _PHASE_BINS
    turns, axis = width * xp.arange(_PHASE_BINS)[:, None], xp.asarray(delays)
    narrow = 1 / (phase_error**2 + width**2 / 12)  # phases are known to within their bin
    histogram, w = xp.zeros((len(alphas), len(delays))), xp.asarray(omega)[:, None, None]
    for start in range(0, len(omega), _BAND):
        band = slice(start, start + _BAND)
        rows = _places(alpha[band], limits[0], len(alphas), clip=True)
        columns = xp.rint(phase[band] / width).astype(int) % _PHASE_BINS
        shape = (len(w[band]), len(alphas), _PHASE_BINS)
        flat = (xp.arange(len(w[band]))[:, None] * len(alphas) + rows) * _PHASE_BINS + columns
        counts = weighted_counts(flat.ravel(), weight[band].ravel(), math.prod(shape))
        fits = xp.exp(narrow * (xp.cos(turns - w[band] * axis) - 1))
        with single_threaded_blas():
            histogram += xp.tensordot(counts.reshape(shape), fits, axes=((0, 2), (0, 1)))
    return _smoothed(_smoothed(to_host(histogram)).T).T, alphas, delays


def _axes(limits: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(-limits[0], limits[0], _ALPHA_BINS), np.linspace(-limits[1], limits[1], _DELAY_BINS)


def _places(values: Array, limit: float, n: int, *, clip: bool) -> Array:
    edge = limit if clip else 2 * limit
    clipped = values.astype(np.float64).clip(-edge, edge)
    return namespace(values).rint((clipped / limit + 1) * ((n - 1) / 2)).astype(int)


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Smooth along the rows by a Gaussian, folded at the edges."""
    half = int(np.ceil(4 * _SMOOTHING))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / _SMOOTHING) ** 2)
    padded = np.pad(counts, ((half, half), (0, 0)), mode="symmetric")
    n = len(counts)
    return sum(k * padded[i : i + n] for i, k in enumerate(kernel / kernel.sum()))


def peaks_of(histogram: np.ndarray, n_sources: int | None, *, threshold: float) -> np.ndarray:
    """Return (row, column) of the highest local maxima, highest first and a few bins apart.

    Parameters
    ----------
    histogram : float64 array (attenuations, delays)
        At least 0.
    n_sources : int or None
        How many, or all of at least ``threshold`` of the highest. Where there are fewer maxima, the highest of what
        is far from them fill up.
    threshold : float
        0 … 1.
    """
    top = histogram.max()
    if top <= 0:
        middle = [[size // 2 for size in histogram.shape]]
        return np.array(middle * (n_sources or 1))
    padded = np.pad(histogram, 1, constant_values=-1.0)
    rows, columns = histogram.shape
    around = [
        padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if (i, j) != (0, 0)
    ]
    maxima = (histogram >= np.max(around, axis=0)) & (histogram > 0)
    left, fallback = np.where(maxima, histogram, 0.0), histogram.copy()
    found: list[tuple[int, int]] = []
    while n_sources is None or len(found) < n_sources:
        if left.max() <= 0 and n_sources is not None:
            left = fallback
        row, column = divmod(int(left.argmax()), columns)
        if n_sources is None and left[row, column] < max(threshold * top, np.finfo(float).tiny):
            break
        found.append((row, column))
        i, j = np.ogrid[:rows, :columns]
        near = (i - row) ** 2 + (j - column) ** 2 < _APART**2
        left[near] = fallback[near] = -1
    return np.array(found)


def mixing_parameters(alpha: np.ndarray) -> np.ndarray:
    """Return a of α = a - 1/a."""
    return (alpha + np.sqrt(alpha**2 + 4)) / 2


def assigned(L: Array, R: Array, omega: np.ndarray, a: np.ndarray, delta: np.ndarray) -> Array:
    """Return for each point the source with the least |a e^(-iωδ) L - R|² / (1 + a²), the first of equals."""
    xp = namespace(L)
    least, owner = None, xp.zeros(L.shape, dtype=np.int16)
    for j in range(len(a)):
        # Both channels are multiplied by 1 / sqrt(1 + a²), so that no attenuation is too large.
        left, right = a[j] / np.hypot(1, a[j]), 1 / np.hypot(1, a[j])
        turn = left * np.exp(-1j * omega * delta[j]) if L.dtype.kind == "c" else np.full(len(omega), left)
        rest = xp.asarray(turn, dtype=L.dtype)[:, None] * L - L.real.dtype.type(right) * R
        distance = rest.real**2 + rest.imag**2
        if least is None:
            least = distance
        else:
            closer = distance < least
            owner[closer] = j
            least = xp.where(closer, distance, least)
    return owner
