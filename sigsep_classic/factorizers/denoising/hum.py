"""Where mains hum is: the frequency whose multiples stand out of their surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import fft_namespace, fft_options, namespace, to_host
from sigsep_classic.typing import Array, Grid

RANGES = ((49.0, 51.0), (59.0, 61.0))
"""Hz between which the mains frequency is looked for; grids keep it to a few tenths."""

SEGMENT_SECONDS = 30.0
"""Longest piece that is transformed as one: mains drift, and what has to be looked at grows as its square."""

_FINENESS = 8
_AROUND_HZ = 6.0
_CHANCE_DB = 10.0
_HEARD_DB = 8.0
_N_SCORED = 10
_TOP_HZ = 700.0


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
    return [k * frequency for k in range(1, most + 1) if k * frequency < top_of(grid, n_bins)]


def top_of(grid: Grid, n_bins: int) -> float:
    """Return half the sample rate, in Hz."""
    return grid.frame_rate / 2 if n_bins == 1 else grid.bin_hz * (n_bins - 1)


def bins_near(hz: float, grid: Grid, n_bins: int, reach: float) -> range:
    """Return the bins within so many bins of a frequency, which may be negative; the one there is of a waveform."""
    if grid.bin_hz <= 0 or n_bins == 1:
        return range(1)
    centre = hz / grid.bin_hz
    return range(max(0, math.ceil(centre - reach)), min(n_bins - 1, math.floor(centre + reach)) + 1)


def find(X: Array, grid: Grid) -> Found | None:
    """Return the mains frequency that is heard in X, to a tenth of what 30 s (or the length) resolve; None for none.

    Each bin is transformed along its frames, in pieces of up to 30 s whose powers are added: frequencies are resolved
    to one over their length. A frequency scores
    the decibels by which its first ten multiples are more than 10 dB above the median of 6 Hz around them, and is
    heard from 8 dB on.

    Parameters
    ----------
    X : array (channels, freq, frames)
        Complex, or samples as a waveform's.
    grid : Grid
        Of X.
    """
    spectra: dict[int, _Spectrum] = {}
    best: Found | None = None
    duration = min(X.shape[-1] / grid.frame_rate, SEGMENT_SECONDS)
    if duration * _AROUND_HZ < 4:  # fewer than a handful of resolvable frequencies around each multiple
        return None
    for low, high in RANGES:
        for frequency in np.arange(low, high, 0.1 / duration):
            score = _score(X, float(frequency), grid, spectra)
            if best is None or score > best.score:
                best = Found(frequency=float(frequency), score=score)
    return best if best is not None and best.score > _HEARD_DB else None


def _score(X: Array, frequency: float, grid: Grid, spectra: dict[int, _Spectrum]) -> float:
    n_bins, levels = X.shape[1], []
    for hz in harmonics(frequency, grid, _N_SCORED, n_bins):
        near = bins_near(hz, grid, n_bins, 0.5)
        b = near[0] if len(near) else n_bins - 1
        if b not in spectra:
            spectra[b] = _spectrum(X[:, b], grid.frame_rate)
        levels.append(_prominence(spectra[b], hz))
    return float(np.sum(np.maximum(np.array(levels) - _CHANCE_DB, 0)))


@dataclass(frozen=True, kw_only=True)
class _Spectrum:
    """Power over frequencies, on the host; negative ones come last, and ``per_hz`` of them are a hertz."""

    power: np.ndarray
    per_hz: float


def _spectrum(x: Array, rate: float) -> _Spectrum:
    """Return the power of x (channels, frames), over frequencies finer than its pieces resolve."""
    xp, fft, options = namespace(x), fft_namespace(x), fft_options(x)
    frames = min(x.shape[-1], math.ceil(SEGMENT_SECONDS * rate))
    # Of samples, all that is looked at lies far below half their rate.
    kept = min(frames, 2 * math.ceil(_TOP_HZ * frames / rate)) if x.dtype.kind != "c" else frames
    window = 0.5 - 0.5 * xp.cos(2 * math.pi * (xp.arange(kept) + 0.5) / kept)
    length = 2 ** math.ceil(math.log2(_FINENESS * kept))
    power = np.zeros(length)
    for start in np.linspace(0, x.shape[-1] - frames, -(-x.shape[-1] // frames)).astype(int):
        piece = x[:, start : start + frames]
        if kept < frames:
            low = fft.rfft(piece, axis=-1, **options)[:, : kept // 2 + 1]
            piece = fft.irfft(low, n=kept, axis=-1, **options)
        S = fft.fft(piece * window, n=length, axis=-1, **options)
        power += to_host((abs(S) ** 2).sum(axis=0)).astype(np.float64)
    return _Spectrum(power=power, per_hz=length / (rate * kept / frames))


def _prominence(spectrum: _Spectrum, hz: float) -> float:
    """Return how many dB the power at a frequency is above the median around it."""
    power, per_hz = spectrum.power, spectrum.per_hz
    at = round(hz * per_hz)
    reach = max(2, round(_AROUND_HZ / 2 * per_hz))
    around = np.median(power[np.arange(at - reach, at + reach + 1) % len(power)])
    peak = power[at % len(power)]
    return 10 * math.log10(peak / around) if peak > 0 and around > 0 else 0.0
