"""Robust PCA as textbooks have it: inexact augmented Lagrangian, a full singular value decomposition a step."""

from __future__ import annotations

import numpy as np


def robust_pca(
    D: np.ndarray, *, weight: float, tol: float, n_iter: int = 100, growth: float = 1.5
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return low-rank and sparse matrix and the number of steps (Lin, Chen & Ma 2010)."""
    norm, size = np.linalg.norm(D, 2), np.linalg.norm(D)
    Y = D / max(norm, np.abs(D).max() / weight)
    penalty = 1.25 / norm
    A = np.zeros_like(D)
    steps = 0
    while steps < n_iter:
        steps += 1
        E = D - A + Y / penalty
        E = np.sign(E) * np.maximum(np.abs(E) - weight / penalty, 0)
        U, values, Vt = np.linalg.svd(D - E + Y / penalty, full_matrices=False)
        A = (U * np.maximum(values - 1 / penalty, 0)) @ Vt
        rest = D - A - E
        Y = Y + penalty * rest
        penalty *= growth
        if np.linalg.norm(rest) < tol * size:
            break
    return A, E, steps


def objective(A: np.ndarray, E: np.ndarray, weight: float) -> float:
    """Return the nuclear norm of A plus ``weight`` times the sum of |E|."""
    return float(np.linalg.norm(A.astype(float), "nuc") + weight * np.abs(E).sum(dtype=float))
