"""Posteriors and moments of a mixture of directions, point by point in Python numbers."""

from __future__ import annotations

import cmath
import math

import numpy as np


def directional_mixture(
    Z: np.ndarray,
    K: np.ndarray,
    log_weights: np.ndarray,
    saliency: np.ndarray,
    *,
    prior: np.ndarray | None = None,
    density: str = "angular",
    degree: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return posterior, S, counts and value, all in double precision."""
    freq, dims, _, frames = Z.shape
    sources, rows = K.shape[1:3]
    posterior = np.zeros((sources, freq, frames))
    S = np.zeros((freq, sources, dims, dims), complex)
    counts, value = np.zeros((freq, sources)), np.zeros(freq)
    for f in range(freq):
        for t in range(frames):
            z = [complex(Z[f, m, 0, t], Z[f, m, 1, t]) for m in range(dims)]
            q = [
                sum(abs(sum(K[f, n, r, m] * z[m] for m in range(dims))) ** 2 for r in range(rows))
                for n in range(sources)
            ]
            logs = [-degree * math.log(x) if density == "angular" else x for x in q]
            likelihoods = [cmath.exp(logs[n] + log_weights[f, n]).real for n in range(sources)]
            if prior is not None:
                likelihoods = [likelihoods[n] * float(prior[n, f, t]) for n in range(sources)]
            total = sum(likelihoods)
            value[f] += float(saliency[f, t]) * math.log(total)
            for n in range(sources):
                posterior[n, f, t] = likelihoods[n] / total
                counted = float(saliency[f, t]) * posterior[n, f, t]
                counts[f, n] += counted
                for i in range(dims):
                    for j in range(dims):
                        S[f, n, i, j] += (
                            counted / (q[n] if density == "angular" else 1) * z[i] * z[j].conjugate()
                        )
    return posterior, S, counts, value
