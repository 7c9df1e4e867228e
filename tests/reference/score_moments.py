"""Averages of g(y) yᵀ, g'(y) and G(y), sample by sample in Python floats."""

from __future__ import annotations

import math

import numpy as np


def scores(y: float, contrast: str) -> tuple[float, float, float]:
    """Return g(y), g'(y) and G(y)."""
    if contrast == "logcosh":
        return math.tanh(y), 1 - math.tanh(y) ** 2, abs(y) + math.log1p(math.exp(-2 * abs(y))) - math.log(2)
    if contrast == "exp":
        e = math.exp(-(y**2) / 2)
        return y * e, (1 - y**2) * e, -e
    return y**3, 3 * y**2, y**4 / 4


def score_moments(
    X: np.ndarray, W: np.ndarray, offset: np.ndarray, *, contrast: str = "logcosh"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return S (rows, rows), slope (rows,) and value (rows,), float64."""
    rows, samples = len(W), X.shape[1]
    S, slope, value = np.zeros((rows, rows)), np.zeros(rows), np.zeros(rows)
    for t in range(samples):
        y = [sum(float(W[n, c]) * float(X[c, t]) for c in range(len(X))) - offset[n] for n in range(rows)]
        for i in range(rows):
            g, bend, height = scores(y[i], contrast)
            slope[i] += bend / samples
            value[i] += height / samples
            for j in range(rows):
                S[i, j] += g * y[j] / samples
    return S, slope, value
