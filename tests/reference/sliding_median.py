"""Running median, one window at a time: mirror the index, sort, take the element of rank ``size // 2``."""

from __future__ import annotations

import numpy as np


def mirrored(i: int, n: int) -> int:
    """Return where index i lands in 0 … n - 1 when a signal is mirrored at its ends, ends included."""
    while not 0 <= i < n:
        i = -1 - i if i < 0 else 2 * n - 1 - i
    return i


def sliding_median_1d(x: np.ndarray, size: int) -> np.ndarray:
    """Return the running median of x (n,)."""
    out = np.empty_like(x)
    for i in range(len(x)):
        window = sorted(x[mirrored(i - size // 2 + j, len(x))] for j in range(size))
        out[i] = window[size // 2]
    return out


def sliding_median(V: np.ndarray, size: int, *, axis: int) -> np.ndarray:
    """Return the running median of V along one axis."""
    return np.apply_along_axis(sliding_median_1d, axis, V, size)
