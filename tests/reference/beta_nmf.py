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


def sums(
    V: np.ndarray,
    W: np.ndarray,
    H: np.ndarray,
    *,
    factor: str,
    beta: float,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator of the update of ``factor``, in its shape, float64."""
    V, W, H = (A.astype(float) for A in (V, W, H))
    M = W @ H
    (F, K), T = W.shape, H.shape[1]
    above, below = (np.zeros((K, T) if factor == "H" else (F, K)) for _ in range(2))
    for k in range(K):
        for f in range(F):
            for t in range(T):
                index, other = ((k, t), W[f, k]) if factor == "H" else ((f, k), H[k, t])
                weight = other * (1.0 if weights is None else float(weights[f, t]))
                above[index] += weight * V[f, t] * M[f, t] ** (beta - 2)
                below[index] += weight * M[f, t] ** (beta - 1)
    return above, below


def updated(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, *, factor: str, beta: float, exponent: float
) -> np.ndarray:
    """Return the factor named, times its ratio to the power ``exponent``, float64."""
    above, below = sums(V, W, H, factor=factor, beta=beta)
    return (H if factor == "H" else W).astype(float) * (above / below) ** exponent


def joint(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, *, beta: float, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return W and H after a joint update (Marmin, Goulart & Févotte 2021), float64."""
    exponent = 1 / (2 - beta) if beta < 1 else 1 if beta <= 2 else 1 / (beta - 1)
    V, W, H = (A.astype(float) for A in (V, W, H))
    M = W @ H
    above, below = sums(V, W, H, factor="H", beta=beta, weights=weights)
    change = (above / below) ** exponent
    new_W = W.copy()
    for f, k in np.ndindex(W.shape):
        numerator = denominator = 0.0
        for t in range(H.shape[1]):
            weight = H[k, t] * (1.0 if weights is None else float(weights[f, t]))
            numerator += weight * change[k, t] ** min(beta - 1, 1) * V[f, t] * M[f, t] ** (beta - 2)
            denominator += weight * change[k, t] ** max(beta, 1) * M[f, t] ** (beta - 1)
        new_W[f, k] *= (numerator / denominator) ** exponent
    return new_W, H * change
