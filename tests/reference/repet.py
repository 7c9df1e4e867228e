"""REPET's background model with one period, and with a period for each frame, value by value."""

from __future__ import annotations

import statistics

import numpy as np


def gain(V: np.ndarray, repeating: np.ndarray) -> np.ndarray:
    """Return ``min(V, repeating) / V``, 1 where V is 0."""
    out = np.ones_like(V)
    for index in np.ndindex(V.shape):
        if V[index] > 0:
            out[index] = min(V[index], repeating[index]) / V[index]
    return out


def one_period(V: np.ndarray, period: int) -> np.ndarray:
    """Return the background gain of V (channels, freq, frames): medians over the frames of one phase."""
    repeating = np.empty_like(V)
    for c, f, t in np.ndindex(V.shape):
        repeating[c, f, t] = statistics.median(V[c, f, t % period :: period])
    return gain(V, repeating)


def many_periods(V: np.ndarray, periods: np.ndarray, n_periods: int) -> np.ndarray:
    """Return the background gain of V: medians over the frames some periods before and after each frame."""
    repeating = np.empty_like(V)
    reach = n_periods // 2
    for c, f, t in np.ndindex(V.shape):
        frames = [t + i * int(periods[t]) for i in range(-reach, reach + 1)]
        repeating[c, f, t] = statistics.median([V[c, f, u] for u in frames if 0 <= u < V.shape[2]])
    return gain(V, repeating)
