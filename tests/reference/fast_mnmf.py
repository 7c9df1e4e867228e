"""Multiplicative updates of FastMNMF, cell by cell in Python floats."""

from __future__ import annotations

import math

import numpy as np


def variance(W: np.ndarray, H: np.ndarray, G: np.ndarray, m: int, f: int, t: int) -> float:
    """Return y_m(f, t)."""
    return float(sum(G[f % len(G), n, m] * (W[n, f] @ H[n, :, t]) for n in range(len(W))))


def precisions(W, H, G, *, pad=0, level=1.0):
    """Return level / y, and the sum over frames ``pad`` times."""
    dims, freq, frames = G.shape[2], W.shape[1], H.shape[2]
    U = np.zeros((dims, freq, frames + pad))
    for m in range(dims):
        for f in range(freq):
            for t in range(frames):
                U[m, f, t] = level / variance(W, H, G, m, f, t)
            U[m, f, frames:] = U[m, f, :frames].sum()
    return U


def _sums(P, ridge, W, H, G, along):
    """Return Σ p / y² ∂y and Σ 1 / y ∂y, where ``along(n, m, f, t)`` yields (index, ∂y / ∂entry)."""
    up, down = {}, {}
    for m in range(len(P)):
        for f in range(W.shape[1]):
            for t in range(H.shape[2]):
                y = variance(W, H, G, m, f, t)
                for n in range(len(W)):
                    for index, slope in along(n, m, f, t):
                        up[index] = up.get(index, 0.0) + (P[m, f, t] + ridge[m, f]) / y**2 * slope
                        down[index] = down.get(index, 0.0) + slope / y
    return up, down


def _multiplied(A, up, down):
    A = A.copy()
    for index, value in up.items():
        A[index] *= math.sqrt(value / down[index])
    return A


def update_spectra(P, ridge, W, H, G):
    """Return W, then H, after one update each."""
    K, local = W.shape[2], len(G) > 1

    def of_w(n, m, f, t):
        return [((n, f, k), G[f * local, n, m] * H[n, k, t]) for k in range(K)]

    W = _multiplied(W, *_sums(P, ridge, W, H, G, of_w))

    def of_h(n, m, f, t):
        return [((n, k, t), G[f * local, n, m] * W[n, f, k]) for k in range(K)]

    return W, _multiplied(H, *_sums(P, ridge, W, H, G, of_h))


def update_gains(P, ridge, W, H, G):
    """Return G after one update."""
    local = len(G) > 1

    def of_g(n, m, f, t):
        return [((f * local, n, m), W[n, f] @ H[n, :, t])]

    return _multiplied(G, *_sums(P, ridge, W, H, G, of_g))
