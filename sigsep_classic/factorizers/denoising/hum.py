"""Where mains hum is: the frequency whose multiples stand out of their surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import fft_namespace, fft_options, namespace, to_host
from sigsep_classic.typing import Array, Grid

RANGES = ((49.0, 51.0), (59.0, 61.0))
"""Hz between which the mains frequency is looked for; grids keep it to a few tenths."""

_FINENESS = 8
_AROUND_HZ = 6.0
_CHANCE_DB = 10.0
_HEARD_DB = 8.0
_N_SCORED = 10


@dataclass(frozen=True, kw_only=True)
class Found:
    """A mains frequency and how clearly it was heard.

    Parameters
    ----------
    frequency : float
        In Hz.
    score : float
        Sum of the decibels by which its multiples are more than 10 dB above the medians around them, which single
        frequencies of noise and of voices hardly are.
    """

    frequency: float
    score: float


def harmonics(frequency: float, grid: Grid, most: int, n_bins: int) -> list[float]:
    """Return the multiples of a frequency up to half the sample rate, at most so many."""
    top = grid.frame_rate / 2 if n_bins == 1 else grid.bin_hz * (n_bins - 1)
    return [k * frequency for k in range(1, most + 1) if k * frequency < top]


def bins_near(hz: float, grid: Grid, n_bins: int, reach: float) -> range:
    """Return the bins within so many bins of a frequency, which may be negative; the one there is of a waveform."""
    if grid.bin_hz <= 0 or n_bins == 1:
        return range(1)
    centre = hz / grid.bin_hz
    return range(max(0, math.ceil(centre - reach)), min(n_bins - 1, math.floor(centre + reach)) + 1)


def find(X: Array, grid: Grid, *, ranges: tuple[tuple[float, float], ...] = RANGES) -> Found | None:
    """Return the mains frequency that is heard in X, to a hundredth of what the length resolves; None for none.

    Each bin is transformed along its frames, which resolves frequencies to one over the length. A frequency scores
    the decibels by which its first ten multiples are more than 10 dB above the median of 6 Hz around them, and is
    heard from 8 dB on.

    Parameters
    ----------
    X : array (channels, freq, frames)
        Complex, or samples as a waveform's.
    grid : Grid
        Of X.
    ranges : tuple of (float, float)
        Hz to look between.
    """
    spectra: dict[int, np.ndarray] = {}
    best: Found | None = None
    duration = X.shape[-1] / grid.frame_rate
    if duration * _AROUND_HZ < 4:  # fewer than a handful of resolvable frequencies around each multiple
        return None
    for low, high in ranges:
        for frequency in np.arange(low, high, 0.1 / duration):
            score = _score(X, float(frequency), grid, spectra)
            if best is None or score > best.score:
                best = Found(frequency=float(frequency), score=score)
    return best if best is not None and best.score > _HEARD_DB else None


def _score(X: Array, frequency: float, grid: Grid, spectra: dict[int, np.ndarray]) -> float:
    multiples = harmonics(frequency, grid, _N_SCORED, X.shape[1])
    if not multiples:
        return 0.0
    levels = [
        _prominence(_spectrum(X, _nearest(hz, grid, X.shape[1]), spectra), hz, grid) for hz in multiples
    ]
    return float(np.sum(np.maximum(np.array(levels) - _CHANCE_DB, 0)))


def _nearest(hz: float, grid: Grid, n_bins: int) -> int:
    near = bins_near(hz, grid, n_bins, 0.5)
    return near[0] if len(near) else n_bins - 1


def _spectrum(X: Array, b: int, spectra: dict[int, np.ndarray]) -> np.ndarray:
    """Return the power of one bin over frequencies finer than the length resolves, on the host; kept for the next."""
    if b not in spectra:
        xp, frames = namespace(X), X.shape[-1]
        window = 0.5 - 0.5 * xp.cos(2 * math.pi * (xp.arange(frames) + 0.5) / frames)
        length = 2 ** math.ceil(math.log2(_FINENESS * frames))
        S = fft_namespace(X).fft(X[:, b] * window, n=length, axis=-1, **fft_options(X))
        spectra[b] = to_host((abs(S) ** 2).sum(axis=0)).astype(np.float64)
    return spectra[b]


def _prominence(power: np.ndarray, hz: float, grid: Grid) -> float:
    """Return how many dB the power at a frequency is above the median around it."""
    per_hz = len(power) / grid.frame_rate
    at = round(hz * per_hz)
    reach = max(2, round(_AROUND_HZ / 2 * per_hz))
    around = np.median(power[np.arange(at - reach, at + reach + 1) % len(power)])
    peak = power[at % len(power)]
    return 10 * math.log10(peak / around) if peak > 0 and around > 0 else 0.0
