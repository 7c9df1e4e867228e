"""Median over a small cross of points, as operations on whole arrays: longer medians have kernels."""

from __future__ import annotations

from functools import lru_cache

from sigsep_classic.backend import namespace
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.typing import Array


def cross_median(Z: Array, frames: int, bins: int) -> Array:
    """Return the median of Z over each point and its neighbours along time and along frequency.

    Parameters
    ----------
    Z : array (freq, frames)
        Finite, float32 or float64, NumPy or CuPy.
    frames, bins : int
        Neighbours to each side, at least 0. Beyond an edge the last value goes on.

    Returns
    -------
    array (freq, frames)
        In the order of Z in memory.
    """
    if frames_first(Z):
        return cross_median(Z.T, bins, frames).T
    xp, (n_bins, n_frames) = namespace(Z), Z.shape
    values = [Z.copy()]
    for reach, axis, n in ((bins, 0, n_bins), (frames, 1, n_frames)):
        places = xp.arange(n)
        for step in range(1, reach + 1):
            values += [xp.take(Z, xp.clip(places + way, 0, n - 1), axis=axis) for way in (-step, step)]
    for low, high, need_low, need_high in _network(len(values)):
        a, b = values[low], values[high]
        if need_high:
            values[high] = xp.maximum(a, b)
        if need_low:
            values[low] = xp.minimum(a, b)
    return values[len(values) // 2]


@lru_cache(maxsize=16)
def _network(n: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Return the exchanges, of an insertion sort of n values, that the middle depends on, and which end it needs."""
    pairs = [(i, i + 1) for last in range(1, n) for i in range(last - 1, -1, -1)]
    needed, kept = {n // 2}, []
    for low, high in reversed(pairs):
        if needed & {low, high}:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return tuple(reversed(kept))
