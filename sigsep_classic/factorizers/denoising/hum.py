"""Where mains hum is: the frequency whose multiples stand out of their surroundings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
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
    n_bins, frames = X.shape[1:]

    def spectrum_of(b: int) -> _Spectrum:
        if b not in spectra:
            starts, length = _segments(frames, grid.frame_rate)
            spectra[b] = _spectrum((X[:, b, at : at + length] for at in starts), length, grid.frame_rate)
        return spectra[b]

    return _best(spectrum_of, n_bins, frames, grid)


def find_in_samples(pieces: Iterable[Array], n_samples: int, grid: Grid) -> Found | None:
    """Return what `find` would of samples (channels, samples) that come in pieces of any length.

    Parameters
    ----------
    pieces : iterable of array (channels, samples)
        A recording.
    n_samples : int
        How many there are of each channel.
    grid : Grid
        Of samples.
    """
    starts, length = _segments(n_samples, grid.frame_rate)
    spectrum = _spectrum(_cut(pieces, starts, length), length, grid.frame_rate)
    return _best(lambda b: spectrum, 1, n_samples, grid)


def _best(spectrum_of: Callable[[int], _Spectrum], n_bins: int, frames: int, grid: Grid) -> Found | None:
    """Return the frequency with the highest score, if it is heard."""
    best: Found | None = None
    duration = min(frames / grid.frame_rate, SEGMENT_SECONDS)
    if duration * _AROUND_HZ < 4:  # fewer than a handful of resolvable frequencies around each multiple
        return None
    for low, high in RANGES:
        for frequency in np.arange(low, high, 0.1 / duration):
            score = _score(spectrum_of, n_bins, float(frequency), grid)
            if best is None or score > best.score:
                best = Found(frequency=float(frequency), score=score)
    return best if best is not None and best.score > _HEARD_DB else None


def _score(spectrum_of: Callable[[int], _Spectrum], n_bins: int, frequency: float, grid: Grid) -> float:
    levels = []
    for hz in harmonics(frequency, grid, _N_SCORED, n_bins):
        near = bins_near(hz, grid, n_bins, 0.5)
        levels.append(_prominence(spectrum_of(near[0] if len(near) else n_bins - 1), hz))
    return float(np.sum(np.maximum(np.array(levels) - _CHANCE_DB, 0)))


def _segments(frames: int, rate: float) -> tuple[list[int], int]:
    """Return where the pieces of up to 30 s begin that are transformed, and how long they are."""
    length = min(frames, math.ceil(SEGMENT_SECONDS * rate))
    return np.linspace(0, frames - length, -(-frames // length)).astype(int).tolist(), length


def _cut(pieces: Iterable[Array], starts: list[int], length: int) -> Iterator[Array]:
    """Yield the segments (channels, length) of a recording that comes in pieces."""
    held: list[Array] = []
    first = there = 0  # what is held begins at sample `first`, and is `there` samples long
    for piece in pieces:
        held.append(piece)
        there += piece.shape[1]
        if first + there < starts[0] + length:
            continue
        joined = namespace(piece).concatenate(held, axis=1)
        while starts and first + there >= starts[0] + length:
            yield joined[:, starts[0] - first : starts[0] - first + length]
            starts = starts[1:]
        if not starts:
            return
        drop = min(there, starts[0] - first)
        held, first, there = [joined[:, drop:]], first + drop, there - drop


@dataclass(frozen=True, kw_only=True)
class _Spectrum:
    """Power over frequencies, on the host; negative ones come last, and ``per_hz`` of them are a hertz."""

    power: np.ndarray
    per_hz: float


def _spectrum(pieces: Iterable[Array], frames: int, rate: float) -> _Spectrum:
    """Return the power of pieces (channels, frames), over frequencies finer than they resolve."""
    # Of samples, all that is looked at lies far below half their rate.
    low = min(frames, 2 * math.ceil(_TOP_HZ * frames / rate))
    power, kept = np.zeros(1), frames
    for piece in pieces:
        xp, fft, options = namespace(piece), fft_namespace(piece), fft_options(piece)
        kept = low if piece.dtype.kind != "c" else frames
        if kept < frames:
            below = fft.rfft(piece, axis=-1, **options)[:, : kept // 2 + 1]
            piece = fft.irfft(below, n=kept, axis=-1, **options)
        window = 0.5 - 0.5 * xp.cos(2 * math.pi * (xp.arange(kept) + 0.5) / kept)
        S = fft.fft(piece * window, n=2 ** math.ceil(math.log2(_FINENESS * kept)), axis=-1, **options)
        power = power + to_host((abs(S) ** 2).sum(axis=0)).astype(np.float64)
    return _Spectrum(power=power, per_hz=len(power) / (rate * kept / frames))


def _prominence(spectrum: _Spectrum, hz: float) -> float:
    """Return how many dB the power at a frequency is above the median around it."""
    power, per_hz = spectrum.power, spectrum.per_hz
    at = round(hz * per_hz)
    reach = max(2, round(_AROUND_HZ / 2 * per_hz))
    around = np.median(power[np.arange(at - reach, at + reach + 1) % len(power)])
    peak = power[at % len(power)]
    return 10 * math.log10(peak / around) if peak > 0 and around > 0 else 0.0
