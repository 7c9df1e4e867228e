"""The constant-Q transform as the sum it is defined by, band by band and bin by bin."""

from __future__ import annotations

import cmath
import math

import numpy as np


def fade(distance: float) -> float:
    """Return the gain at a distance from the centre of a band, 1 being where the next band has its centre."""
    return math.cos(math.pi / 2 * math.sin(math.pi / 2 * min(distance, 1)) ** 2)


def gain(hz: float, centres: list[float], k: int) -> float:
    """Return the gain of band k at a frequency; centres[0] is where the flat lowest band begins to fall."""
    if hz == centres[k] or (k == 0 and hz < centres[0]):
        return 1.0
    neighbour = k + (1 if hz > centres[k] else -1)
    if not 0 <= neighbour < len(centres):
        return 0.0
    return fade((hz - centres[k]) / (centres[neighbour] - centres[k]))


def transform(x: np.ndarray, sample_rate: float, centres: list[float], hop: int, n_frames: int) -> np.ndarray:
    """Return X (rows, frames) of x (samples,): every second of the spectrum's halves in the rows at both ends."""
    length = hop * n_frames
    X = np.zeros((len(centres), n_frames), complex)
    for j in range(length):
        mirrored = min(j, length - j)
        bin_value = sum(x[s] * cmath.exp(-2j * math.pi * j * s / length) for s in range(len(x)))
        for k in range(len(centres)):
            if k not in (0, len(centres) - 1) and 2 * j > length:
                continue  # rows within are of positive frequencies only
            g = gain(mirrored * sample_rate / length, centres, k)
            for m in range(n_frames if g else 0):
                X[k, m] += g * bin_value * cmath.exp(2j * math.pi * j * m / n_frames) / length
    return X
