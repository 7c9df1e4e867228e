"""Coordinate descent of non-negative least squares, one number at a time (Cichocki & Phan 2009)."""

from __future__ import annotations

import numpy as np


def hals_update(
    A: np.ndarray, gram: np.ndarray, cross: np.ndarray, *, n_sweeps: int, l1: float = 0.0
) -> np.ndarray:
    """Return A after ``n_sweeps`` passes over its columns, float64."""
    A, gram, cross = (M.astype(float) for M in (A, gram, cross))
    for row in range(len(A)):
        for _ in range(n_sweeps):
            for k in range(A.shape[1]):
                if gram[k, k] == 0:
                    continue
                slope = cross[row, k] - l1 - sum(gram[k, j] * A[row, j] for j in range(A.shape[1]))
                A[row, k] = max(0.0, A[row, k] + slope / gram[k, k])
    return A
