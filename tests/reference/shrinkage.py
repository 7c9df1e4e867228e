"""One step of robust PCA's inexact augmented Lagrangian, element by element and with E spelt out."""

from __future__ import annotations

import math

import numpy as np


def shrunk(value: float, threshold: float) -> float:
    """Return a value moved towards zero by ``threshold``, zero if it is nearer than that."""
    return math.copysign(max(abs(value) - threshold, 0.0), value)


def shrinkage(
    D: np.ndarray, A: np.ndarray, M: np.ndarray, B: np.ndarray, *, growth: float, threshold: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the next M, the next B and the squared residual, float64."""
    M_out, B_out, residual = np.empty(D.shape), np.empty(D.shape), 0.0
    for i in np.ndindex(D.shape):
        d, a, m, b = (float(matrix[i]) for matrix in (D, A, M, B))
        sparse = d + b - m
        B_out[i] = (b + (d - a - sparse)) / growth
        sparse = shrunk(d - a + B_out[i], threshold)
        M_out[i] = d - sparse + B_out[i]
        residual += (d - a - sparse) ** 2
    return M_out, B_out, residual
