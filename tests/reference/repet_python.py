"""What the public NumPy code of the REPET family does, from the spectrogram to the mask, off-by-ones included.

Written anew from the behaviour of Rafii's REPET-Python (one file on GitHub, not on PyPI; it needs SciPy before 1.13):
which loops there are, what they compare, which frames they leave out. V is (channels, freq, frames), float64; rates in
frames per second.
"""

from __future__ import annotations

import math

import numpy as np

EPS = np.finfo(float).eps


def original(
    V: np.ndarray, *, frame_rate: float, bin_hz: float, period_range=(1.0, 10.0), cutoff: float = 100.0
) -> np.ndarray:
    """Return the background mask with one period."""
    period = strongest(beat_spectrum(V.mean(axis=0) ** 2), period_range, frame_rate)
    return _high_passed(np.stack([one_period_mask(S, period) for S in V]), bin_hz, cutoff)


def adaptive(
    V: np.ndarray,
    *,
    frame_rate: float,
    bin_hz: float,
    period_range=(1.0, 10.0),
    segment_length: float = 10.0,
    segment_step: float = 5.0,
    order: int = 5,
    cutoff: float = 100.0,
) -> np.ndarray:
    """Return the background mask with a period for each frame."""
    n_frames = V.shape[2]
    length, step = round(segment_length * frame_rate), round(segment_step * frame_rate)
    P = V.mean(axis=0) ** 2
    padded = np.pad(P, ((0, 0), (math.ceil((length - 1) / 2), (length - 1) // 2)))
    beats = np.zeros((length, n_frames))
    for i in range(0, n_frames, step):
        beats[:, i] = beat_spectrum(padded[:, i : i + length])
        for j in range(i, min(i + step - 1, n_frames)):  # the last one of a step stays 0
            beats[:, j] = beats[:, i]
    periods = [strongest(beats[:, t], period_range, frame_rate) for t in range(n_frames)]
    reach = order // 2
    masks = []
    for S in V:
        repeating = np.zeros_like(S)
        for t in range(n_frames):
            frames = t + np.arange(-reach, reach + 1) * periods[t]
            frames = frames[(frames >= 0) & (frames < n_frames)]
            repeating[:, t] = np.median(S[:, frames], axis=1)
        masks.append(_mask(S, repeating))
    return _high_passed(np.stack(masks), bin_hz, cutoff)


def sim(
    V: np.ndarray,
    *,
    frame_rate: float,
    bin_hz: float,
    threshold: float = 0.0,
    distance: float = 1.0,
    number: int = 100,
    cutoff: float = 100.0,
) -> np.ndarray:
    """Return the background mask from the frames most like each frame."""
    unit = _unit(V.mean(axis=0))
    similarity = unit.T @ unit
    apart = round(distance * frame_rate)
    lists = [local_maxima(similarity[:, t], threshold, apart, number) for t in range(V.shape[2])]
    masks = []
    for S in V:
        repeating = np.zeros_like(S)
        for t, frames in enumerate(lists):
            repeating[:, t] = np.median(S[:, frames], axis=1)
        masks.append(_mask(S, repeating))
    return _high_passed(np.stack(masks), bin_hz, cutoff)


def simonline(
    V: np.ndarray,
    *,
    frame_rate: float,
    bin_hz: float,
    buffer: float = 10.0,
    threshold: float = 0.0,
    distance: float = 1.0,
    number: int = 100,
    cutoff: float = 100.0,
) -> np.ndarray:
    """Return the background mask of each frame from a ring buffer of those before it; 0 until that is full."""
    size, apart = round(buffer * frame_rate), round(distance * frame_rate)
    ring = np.zeros((*V.shape[:2], size))
    ring[:, :, : size - 1] = V[:, :, : size - 1]
    gain = np.zeros_like(V)
    for t in range(size - 1, V.shape[2]):
        slot = t % size
        ring[:, :, slot] = V[:, :, t]
        unit = _unit(ring.mean(axis=0))
        frames = local_maxima(unit.T @ unit[:, slot], threshold, apart, number)
        gain[:, :, t] = _mask(V[:, :, t], np.median(ring[:, :, frames], axis=2))
        gain[:, 1 : 1 + round(cutoff / bin_hz), t] = 1
    return gain


def beat_spectrum(P: np.ndarray) -> np.ndarray:
    """Return the unbiased autocorrelation of the rows of P (freq, frames), mean over the rows."""
    n_frames = P.shape[1]
    spectrum = np.abs(np.fft.fft(P.T, n=2 * n_frames, axis=0)) ** 2
    correlation = np.real(np.fft.ifft(spectrum, axis=0))[:n_frames]
    return (correlation / np.arange(n_frames, 0, -1)[:, None]).mean(axis=1)


def strongest(beats: np.ndarray, period_range, frame_rate: float) -> int:
    """Return the period in frames: one more than the lag of the maximum."""
    low, high = (round(seconds * frame_rate) for seconds in period_range)
    return int(np.argmax(beats[low : min(high, len(beats) // 3)])) + 1 + low


def one_period_mask(S: np.ndarray, period: int) -> np.ndarray:
    """Return the mask of S (freq, frames): medians over the segments of one period, the last one incomplete."""
    n_frames = S.shape[1]
    repeating = np.empty_like(S)
    for phase in range(min(period, n_frames)):
        frames = np.arange(phase, n_frames, period)
        repeating[:, frames] = np.median(S[:, frames], axis=1)[:, None]
    return _mask(S, repeating)


def local_maxima(values: np.ndarray, threshold: float, distance: int, number: int) -> np.ndarray:
    """Return the positions of the highest values that exceed all within a distance, by a loop over all of them."""
    found = []
    for i, value in enumerate(values):
        if value >= threshold:
            before = values[max(i - distance, 0) : i]
            after = values[i + 1 : i + distance + 1]
            if all(value > before) and all(value > after):  # Python's all, element by element, as there
                found.append(i)
    positions = np.array(found, dtype=int)
    return positions[np.argsort(values[positions])[::-1][:number]]


def _unit(S: np.ndarray) -> np.ndarray:
    return S / np.sqrt((S**2).sum(axis=0))


def _mask(S: np.ndarray, repeating: np.ndarray) -> np.ndarray:
    return (np.minimum(S, repeating) + EPS) / (S + EPS)


def _high_passed(gain: np.ndarray, bin_hz: float, cutoff: float) -> np.ndarray:
    gain[:, 1 : 1 + round(cutoff / bin_hz)] = 1
    return gain
