"""What a studio does to the parts of a song: tone, compression, echoes, doubling, distortion, a codec's low-pass.

All of it that is done to the sum is one gain for all stems, or linear, so that the stems still add up to the mixture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

RATE = 44_100
_BLOCK = 64


def toned(x: np.ndarray, rng: np.random.Generator, decibels: float = 2.0, cut: float = 0.0) -> np.ndarray:
    """Return x (..., samples) with a smooth random tone, of so many dB, and nothing below ``cut`` Hz."""
    knots = np.log2([60, 150, 400, 1000, 2500, 6000, 14000])
    gains = rng.normal(0, decibels, knots.size)

    def gain(hz: np.ndarray) -> np.ndarray:
        level = 10 ** (np.interp(np.log2(np.maximum(hz, 1)), knots, gains) / 20)
        return level * (1 / np.sqrt(1 + (cut / np.maximum(hz, 1)) ** 8) if cut else 1.0)

    return filtered(x, gain)


def low_passed(x: np.ndarray, hz: float) -> np.ndarray:
    """Return x without what is above a frequency, as lossy codecs leave it."""
    return filtered(x, lambda f: np.clip((hz + 300 - f) / 300, 0, 1))


def filtered(x: np.ndarray, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return x (..., samples) with its spectrum multiplied by a gain of Hz."""
    n = x.shape[-1]
    hz = np.fft.rfftfreq(2 * n, 1 / RATE)
    return np.fft.irfft(np.fft.rfft(x, 2 * n) * gain(hz), 2 * n)[..., :n]


def compression(x: np.ndarray, ratio: float, above: float, release: float = 0.15) -> np.ndarray:
    """Return the gain (samples,) that makes 1/``ratio`` of the dB of what is louder than ``above`` times the RMS."""
    level = np.abs(x).reshape(-1, x.shape[-1]).max(axis=0)
    blocks = np.pad(level, (0, -level.size % _BLOCK)).reshape(-1, _BLOCK).max(axis=1)
    fall, held, envelope = np.exp(-_BLOCK / RATE / release), 0.0, np.empty(blocks.size)
    for i, value in enumerate(blocks):
        held = max(value, held * fall)
        envelope[i] = held
    active = level[level > 1e-3 * level.max()] if level.any() else level
    threshold = above * np.sqrt(np.mean(active**2)) + 1e-12
    gain = np.minimum(1, (np.maximum(envelope, 1e-12) / threshold) ** (1 / ratio - 1))
    return np.interp(np.arange(level.size), (np.arange(blocks.size) + 0.5) * _BLOCK, gain)


def reverberated(voice: np.ndarray, seconds: float, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Return the tail alone (2, samples) of a room with a T60 in seconds, so many dB beside the voice."""
    t = np.arange(int(seconds * RATE)) / RATE
    before = rng.uniform(0.01, 0.04)
    slow = rng.standard_normal((2, t.size)) * 10 ** (-3 * t / seconds)
    quick = rng.standard_normal((2, t.size)) * 10 ** (-3 * t / (0.4 * seconds))
    corner = rng.uniform(2000, 5000)
    tail = filtered(slow, lambda f: (f > 200) / (1 + (f / corner) ** 2))
    tail += filtered(quick, lambda f: 1 - 1 / (1 + (f / corner) ** 2))
    tail *= (t > before) * 10 ** (decibels / 20) / np.sqrt((tail**2).sum(axis=1, keepdims=True))
    size = 1 << (voice.size + t.size - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(tail, size) * np.fft.rfft(voice, size), size)[:, : voice.size]


def echoed(voice: np.ndarray, seconds: float, decibels: float) -> np.ndarray:
    """Return echoes alone (2, samples), by turns left and right, each so many dB below the last."""
    y, dark = np.zeros((2, voice.size)), low_passed(voice, 5000.0)
    for k in range(1, 4):
        late = int(k * seconds * RATE)
        sides = np.array([1.0, 0.3] if k % 2 else [0.3, 1.0]) * 10 ** (k * decibels / 20)
        y[:, late:] += sides[:, None] * dark[: voice.size - late]
    return y


def panned(x: np.ndarray, place: float) -> np.ndarray:
    """Return x (samples,) at a place from -1, left, to 1, right, (2, samples); in the middle both channels are x."""
    angle = (1 + place) * np.pi / 4
    return np.sqrt(2) * np.outer([np.cos(angle), np.sin(angle)], x)


def driven(x: np.ndarray, drive: float) -> np.ndarray:
    """Return x distorted, as loud as it was: tanh of ``drive`` times its RMS."""
    size = np.sqrt(np.mean(x**2))
    if size < 1e-6:
        return x
    y = np.tanh(drive * x / size)
    return y * (size / np.sqrt(np.mean(y**2)))


def widened(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a part (2, samples) played twice, once on each side, a little apart in time and tone."""
    middle = x.mean(axis=0)
    late = int(rng.uniform(0.008, 0.025) * RATE)
    other = np.pad(middle[:-late], (late, 0))
    sides = (panned(toned(side, rng, 1.5), place) for side, place in ((middle, -0.85), (other, 0.85)))
    return sum(sides, start=np.zeros_like(x)) / np.sqrt(2)


def narrower(x: np.ndarray, width: float) -> np.ndarray:
    """Return x (2, samples) with its channels' difference times ``width``."""
    middle = x.mean(axis=0, keepdims=True)
    return middle + width * (x - middle)


def mastered(stems: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return stems with the one gain that compresses their sum, many without what a codec leaves out, peak 0.9."""
    gain = compression(
        np.sum(list(stems.values()), axis=0), ratio=float(rng.uniform(1.0, 4.0)), above=1.4, release=0.1
    )
    made = {name: gain * stem for name, stem in stems.items()}
    if rng.random() < 0.6:
        hz = float(rng.uniform(15_000, 17_500))
        made = {name: low_passed(stem, hz) for name, stem in made.items()}
    peak = np.abs(sum(made.values())).max()
    return {name: stem * (0.9 / peak) for name, stem in made.items()}
