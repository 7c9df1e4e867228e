"""Median over listed frames, one value at a time with the standard library's median."""

from __future__ import annotations

import statistics

import numpy as np


def median_of_frames(V: np.ndarray, frames: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return (channels, freq, lists): the median of V (channels, freq, frames) over each list of frames."""
    out = np.empty((*V.shape[:2], len(frames)), V.dtype)
    for c in range(V.shape[0]):
        for f in range(V.shape[1]):
            for i, count in enumerate(counts):
                out[c, f, i] = statistics.median([V[c, f, t] for t in frames[i, :count]])
    return out
