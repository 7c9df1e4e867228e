"""Sparse codes of shifted atoms by cyclic coordinate descent in plain loops."""

from __future__ import annotations

import numpy as np


def soft(value: float, penalty: float, signed: bool) -> float:
    """Return value moved towards zero by the penalty."""
    if value > penalty:
        return value - penalty
    return value + penalty if signed and value < -penalty else 0.0


def greedy_descent(
    Z: np.ndarray, beta: np.ndarray, G: np.ndarray, *, penalty: float, signed: bool, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return codes and correlations with the residual, float64, once no code moves by more than tol * penalty."""
    Z, beta = Z.astype(float), beta.astype(float)
    n_k, n = Z.shape
    reach = G.shape[2] // 2
    while True:
        longest = 0.0
        for k in range(n_k):
            for t in range(n):
                change = soft(beta[k, t] + Z[k, t], penalty, signed) - Z[k, t]
                longest = max(longest, abs(change))
                Z[k, t] += change
                for s in range(max(-reach, -t), min(reach, n - 1 - t) + 1) if change else ():
                    for j in range(n_k):
                        beta[j, t + s] -= change * G[k, j, s + reach]
        if longest <= tol * penalty:
            return Z, beta
