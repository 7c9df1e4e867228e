"""EM of the local Gaussian model with full-rank covariances, one time-frequency point at a time (Duong 2010)."""

from __future__ import annotations

import numpy as np


def multichannel_wiener(
    V: np.ndarray, X: np.ndarray, *, power: float, n_iter: int, load: float
) -> np.ndarray:
    """Return Y (sources, channels, freq, frames); ``load`` times the mean eigenvalue is added to each covariance.

    What the loading takes is shared out equally, so that the estimates sum to X.
    """
    n_sources, (n_channels, n_freq, n_frames) = len(V), X.shape
    powers = V ** (2 / power)
    Y = powers / powers.sum(axis=0) * X
    for _ in range(n_iter):
        new = np.empty_like(Y)
        for f in range(n_freq):
            v = (abs(Y[:, :, f]) ** 2).mean(axis=1)
            R = []
            for n in range(n_sources):
                outer = sum(np.outer(Y[n, :, f, t], Y[n, :, f, t].conj()) for t in range(n_frames))
                R.append(outer / v[n].sum())
            for t in range(n_frames):
                C = sum(v[n, t] * R[n] for n in range(n_sources))
                C = C + load * np.trace(C).real / n_channels * np.eye(n_channels)
                for n in range(n_sources):
                    new[n, :, f, t] = v[n, t] * R[n] @ np.linalg.inv(C) @ X[:, f, t]
        Y = new + (X - new.sum(axis=0)) / n_sources
    return Y
