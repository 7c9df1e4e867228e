"""Autocorrelation of the power along time, by its sum."""

from __future__ import annotations

import numpy as np


def beat_spectrum(V: np.ndarray) -> np.ndarray:
    """Return the mean product of ``V**2`` with itself ``lag`` frames later, over that at lag 0, float64."""
    P = V.astype(float) ** 2
    n_bins, n_frames = P.shape
    beats = np.zeros(n_frames)
    for lag in range(n_frames):
        for f in range(n_bins):
            products = [P[f, t] * P[f, t + lag] for t in range(n_frames - lag)]
            beats[lag] += np.mean(products) / n_bins
    return beats / beats[0] if beats[0] > 0 else beats
