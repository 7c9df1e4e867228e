"""β-divergence and its multiplicative updates, one entry at a time (Févotte & Idier 2011, eqs. 2.2 and 4.1)."""

from __future__ import annotations

import math

import numpy as np


def d(v: float, m: float, beta: float) -> float:
    """Return d_β(v | m) of two positive numbers (v may be 0 where β > 0)."""
    if beta == 0:
        return v / m - math.log(v / m) - 1
    if beta == 1:
        return (v * math.log(v / m) if v > 0 else 0.0) - v + m
    return (v**beta + (beta - 1) * m**beta - beta * v * m ** (beta - 1)) / (beta * (beta - 1))


def divergence(V: np.ndarray, W: np.ndarray, H: np.ndarray, *, beta: float) -> float:
    """Return the sum of d_β(V | W H)."""
    M = W.astype(float) @ H.astype(float)
    return sum(d(float(V[i]), float(M[i]), beta) for i in np.ndindex(V.shape))


def updated(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, *, factor: str, beta: float, exponent: float
) -> np.ndarray:
    """Return the factor named, times its ratio to the power ``exponent``, float64."""
    V, W, H = (A.astype(float) for A in (V, W, H))
    M = W @ H
    (F, K), T = W.shape, H.shape[1]
    out = (H if factor == "H" else W).copy()
    for k in range(K):
        for i in range(T if factor == "H" else F):
            numerator = denominator = 0.0
            for j in range(F if factor == "H" else T):
                f, t = (j, i) if factor == "H" else (i, j)
                weight = W[f, k] if factor == "H" else H[k, t]
                numerator += weight * V[f, t] * M[f, t] ** (beta - 2)
                denominator += weight * M[f, t] ** (beta - 1)
            index = (k, i) if factor == "H" else (i, k)
            out[index] *= (numerator / denominator) ** exponent
    return out
