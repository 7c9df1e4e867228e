"""Short-time Fourier transform and its least-squares inverse by their sums."""

from __future__ import annotations

import numpy as np
from scipy.signal import get_window


def transform(x: np.ndarray, n_fft: int, hop: int, window: str) -> np.ndarray:
    """Return X (freq, frames) of x (samples,); frame t is centred on sample ``t * hop``, zeros outside."""
    w = get_window(window, n_fft, fftbins=True)
    n_frames = -(-len(x) // hop) + 1
    X = np.zeros((n_fft // 2 + 1, n_frames), complex)
    for t in range(n_frames):
        for f in range(n_fft // 2 + 1):
            for m in range(n_fft):
                s = t * hop - n_fft // 2 + m
                if 0 <= s < len(x):
                    X[f, t] += w[m] * x[s] * np.exp(-2j * np.pi * f * m / n_fft)
    return X
