"""Naive value of an order, and the best order by trying all of them."""

from __future__ import annotations

import itertools

import numpy as np


def value(Z: np.ndarray, order: np.ndarray, decays: np.ndarray, amplitudes: np.ndarray) -> float:
    """Sum over all pairs of frequencies, scales and sources, one product at a time."""
    n_freq, n_sources, _ = Z.shape
    total = 0.0
    for f in range(n_freq):
        for g in range(f + 1, n_freq):
            k = sum(a * np.prod(d[f:g]) for a, d in zip(amplitudes, decays, strict=True))
            for n in range(n_sources):
                total += k * float(np.dot(Z[f, order[f, n]].astype(float), Z[g, order[g, n]].astype(float)))
    return total


def best_order(Z: np.ndarray, decays: np.ndarray, amplitudes: np.ndarray) -> tuple[np.ndarray, float]:
    """Try every order whose first frequency is left as it is."""
    n_freq, n_sources, _ = Z.shape
    rows = list(itertools.permutations(range(n_sources)))
    best, most = np.tile(np.arange(n_sources), (n_freq, 1)), -np.inf
    for choice in itertools.product(rows, repeat=n_freq - 1):
        order = np.array([rows[0], *choice])
        found = value(Z, order, decays, amplitudes)
        if found > most:
            best, most = order, found
    return best, most
