"""Shared by the stereo family: two channels out of X, the panning law, histograms of azimuths.

The law: a source at azimuth φ (-45 left … 45 right, degrees) is in the channels with the gains cos θ and sin θ,
θ = φ + 45°. This constant-power law is also the stereophonic tangent law for loudspeakers at ±45°. Azimuths beyond
±45 are out of phase, ±90 is (s, -s); they are counted modulo 180.
"""

from __future__ import annotations

import logging
import math

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import coefficients
from sigsep_classic.factorizers.counting import weighted_counts
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.typing import Array

logger = logging.getLogger("sigsep_classic")

EDGE = 45.0
"""Azimuth of the right channel alone, in degrees."""

_BINS_PER_DEGREE = 2


def left_and_right(X: Array, method: str) -> tuple[Array, Array]:
    """Return the two channels of X, each (freq, frames), brought near 1 by a power of two; one channel counts twice.

    Raises
    ------
    ShapeError
        There are more than two channels.
    """
    X = coefficients(X)
    if len(X) > 2:
        raise ShapeError(f"{method} is for two channels, X has {len(X)}; give a stereo pair, X[:2]")
    if len(X) == 1:
        logger.warning(
            "%s: one channel tells no directions; it is taken as both, all of it at 0 degrees", method
        )
    peak = float(abs(X).max())
    scale = 2.0 ** min(max(-math.frexp(peak)[1], -126), 126) if 0 < peak < math.inf else 1.0
    real = X.real.dtype.type(scale)
    return X[0] * real, X[-1] * real


def powers(L: Array, R: Array, size: int = 1) -> tuple[Array, Array, Array]:
    """Return |L|², |R|² and L R*, each averaged over ``size`` by ``size`` bins and frames."""
    A, B = _squared(L), _squared(R)
    return mean_of_neighbours(A, size), mean_of_neighbours(B, size), mean_of_neighbours(L * R.conj(), size)


def _squared(Z: Array) -> Array:
    return Z.real**2 + Z.imag**2 if Z.dtype.kind == "c" else Z * Z


def mean_of_neighbours(A: Array, size: int) -> Array:
    """Return A (freq, frames) averaged over a square of an odd ``size``; edges are repeated."""
    if size == 1:
        return A
    xp, half = namespace(A), size // 2
    for axis in (0, 1):
        widths = [(0, 0), (0, 0)]
        widths[axis] = (half, half)
        padded, n = xp.pad(A, widths, mode="edge"), A.shape[axis]
        total = xp.zeros_like(A)
        # Outwards from both ends alike, so that nothing depends on which end comes first.
        for k in range(size):
            total += padded[k : k + n] if axis == 0 else padded[:, k : k + n]
        A = total / A.real.dtype.type(size)
    return A


def azimuths_of(A: Array, B: Array, C: Array) -> Array:
    """Return the azimuth in degrees, -90 … 90, of the main direction of powers A, B and their product C."""
    xp = namespace(A)
    # Turned by 45° the law is symmetric: exchanging the channels only changes the sign.
    return xp.degrees(xp.arctan2(B - A, 2 * C.real)) / 2


def gains_at(azimuth: float) -> tuple[float, float]:
    """Return what left and right have of a source at an azimuth in degrees."""
    theta = math.radians(azimuth + EDGE)
    return math.cos(theta), math.sin(theta)


def beam(A: Array, B: Array, product: Array, azimuth: float, width: float) -> Array:
    """Return max(k M - D, 0) / (k M + D): M of the power lies along an azimuth, D across it.

    ``product`` is the real part of the mean of L R*, or what stands for it. k = 3 tan²(width / 2) makes the gain of
    a lone source one half at ± width / 2 degrees.
    """
    xp = namespace(A)
    left, right = (A.dtype.type(gain) for gain in gains_at(azimuth))
    along = left * left * A + right * right * B + (2 * left * right) * product
    across = right * right * A + left * left * B - (2 * left * right) * product
    along = xp.maximum(along, 0) * A.dtype.type(3 * math.tan(math.radians(width / 2)) ** 2)
    across = xp.maximum(across, 0)
    total = along + across
    return xp.maximum(along - across, 0) / xp.where(total > 0, total, 1)


def check_azimuth(name: str, value: float) -> None:
    """Raise `ParameterError` unless ``value`` is an azimuth in degrees between the two channels."""
    check_range(name, value, -EDGE, EDGE)


def azimuth_histogram(azimuths: Array, weights: Array, smoothing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the azimuths of bins half a degree wide and the weight in each, smoothed; out of phase is left out.

    Parameters
    ----------
    azimuths, weights : array
        Of the same shape, in degrees and at least 0.
    smoothing : float
        Standard deviation in degrees of the Gaussian the histogram is smoothed by.
    """
    xp, n = namespace(azimuths), round(2 * EDGE * _BINS_PER_DEGREE) + 1
    places = xp.rint((azimuths.ravel(order="K").astype(np.float64) + EDGE) * _BINS_PER_DEGREE)
    inside = (places >= 0) & (places < n)
    mass = weights.ravel(order="K")
    counts = to_host(weighted_counts(places[inside].astype(int), mass[inside], n))
    half = math.ceil(4 * smoothing * _BINS_PER_DEGREE)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / (smoothing * _BINS_PER_DEGREE)) ** 2)
    # Folded at the edges: what is panned hard to one side has no other half.
    folded = np.convolve(np.pad(counts, half, mode="symmetric"), kernel / kernel.sum(), mode="same")
    centres = np.arange(n) / _BINS_PER_DEGREE - EDGE
    return centres, folded[half : half + n]


def strongest_azimuths(
    centres: np.ndarray, counts: np.ndarray, n_sources: int | None, *, threshold: float
) -> np.ndarray:
    """Return the azimuths of the most prominent peaks, from left to right; 0 where there is nothing.

    Parameters
    ----------
    centres, counts : float64 array (bins,)
        From `azimuth_histogram`.
    n_sources : int or None
        How many; where there are fewer peaks, directions far from those found fill up. None: all above ``threshold``.
    threshold : float
        Least prominence of a peak, as a share of the highest.
    """
    from scipy.signal import find_peaks

    padded = np.concatenate([[0.0], counts, [0.0]])
    top = counts.max()
    if top <= 0:
        return np.zeros(n_sources or 1)
    places, found = find_peaks(padded, prominence=(threshold if n_sources is None else 1e-3) * top)
    best = np.argsort(-found["prominences"], kind="stable")[:n_sources]
    chosen = list(centres[places[best] - 1])
    while n_sources is not None and len(chosen) < n_sources:
        chosen.append(_farthest(centres, chosen))
    return np.sort(np.array(chosen))


def _farthest(centres: np.ndarray, chosen: list[float]) -> float:
    """Return the azimuth farthest from those chosen."""
    distance = np.abs(centres[:, None] - np.array(chosen)).min(axis=1)
    return float(centres[distance.argmax()])


def warn_one_direction(method: str, n_sources: int | None, found: int, X: Array) -> None:
    """Say that a search of two channels has found one source alone, which then is the whole mixture."""
    if n_sources is None and found == 1 and len(X) == 2:
        logger.warning(
            "%s: one direction stands out, so source1 is the mixture; give n_sources for more", method
        )


def empty_stems(n: int, like: Array) -> Array:
    """Return an uninitialised array (n, freq, frames), each stem in the order in memory of ``like`` (freq, frames)."""
    xp = namespace(like)
    if frames_first(like):
        return xp.empty((n, *like.shape[::-1]), dtype=like.dtype).swapaxes(1, 2)
    return xp.empty((n, *like.shape), dtype=like.dtype)


def partition(gains: Array, magnitude: Array, names: tuple[str, ...], **extra: Array) -> MaskModel:
    """Return a model of gains (stems - 1, freq, frames) that are common to all channels; the last stem has the rest."""
    return MaskModel(masks=gains[:, None], magnitude=magnitude, names=names, extra=extra)


def check_size(name: str, value: int) -> None:
    """Raise `ParameterError` unless ``value`` is an odd number of points."""
    check_count(name, value)
    if value % 2 == 0:
        raise ParameterError(f"{name} is {value}; it must be odd")
