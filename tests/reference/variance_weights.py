"""Powers under variances of low rank, cell by cell in Python floats."""

from __future__ import annotations

import numpy as np

FLOOR, LEAST = 1e-12, 1e-10


def slope(x: float, density: str, shape: float) -> float:
    """Return G'(x)."""
    if density == "gauss":
        return 1.0
    if density == "student":
        return (1 + shape / 2) * (2 / shape) / (1 + 2 * x / shape)
    return shape / 2 * max(x, LEAST) ** (shape / 2 - 1)


def cell(P, scales, T, V, n: int, f: int, t: int) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return p and r of a cell."""
    p = float(scales[n, f]) * max(float(P[n, f, t]), 0.0)
    v = V[n] if len(V) > 1 else V[0]
    return p, FLOOR + sum(float(T[n, f, k]) * float(v[k, t]) for k in range(T.shape[2]))


def variance_weights(P, scales, T, V, share, *, density="gauss", shape=2.0) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Return the weights (sources, freq, frames), float64."""
    weights = np.zeros(P.shape)
    for n, f, t in np.ndindex(*P.shape):
        p, r = cell(P, scales, T, V, n, f, t)
        weights[n, f, t] = share[f] * slope(p / r, density, shape) / r
    return weights
