"""Sums over frames or bins of what updates variances of low rank, cell by cell in Python floats."""

from __future__ import annotations

import numpy as np

from tests.reference.variance_weights import cell, slope


def variance_sums(P, scales, T, V, *, over, density="gauss", shape=2.0) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Return both sums, (2, sources, freq, components) or (2, sources, components, frames), float64."""
    n_sources, _, n_frames = P.shape
    sums = np.zeros((2, *T.shape) if over == "frames" else (2, n_sources, T.shape[2], n_frames))
    for n, f, t in np.ndindex(*P.shape):
        if P[n, f, t] < 0:
            continue
        p, r = cell(P, scales, T, V, n, f, t)
        values = (slope(p / r, density, shape) * p / r**2, 1 / r)
        for i, k in np.ndindex(2, T.shape[2]):
            if over == "frames":
                sums[i, n, f, k] += values[i] * float(V[n % len(V), k, t])
            else:
                sums[i, n, k, t] += values[i] * float(T[n, f, k])
    return sums
