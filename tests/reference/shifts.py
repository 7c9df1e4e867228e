"""Sums over shifts in plain loops over atoms and rows."""

from __future__ import annotations

import numpy as np


def correlate(D: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return products of every atom with the signal from every frame on."""
    return np.array([sum(np.correlate(y, d, "valid") for y, d in zip(Y, atom, strict=True)) for atom in D])


def render(D: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Return the sum of all atoms moved to their codes."""
    return np.array([sum(np.convolve(Z[k], D[k, p]) for k in range(len(D))) for p in range(D.shape[1])])


def gram(D: np.ndarray) -> np.ndarray:
    """Return products of atoms with moved atoms."""
    return np.array(
        [[sum(np.correlate(a, b, "full") for a, b in zip(A, B, strict=True)) for B in D] for A in D]
    )


def code_gram(Z: np.ndarray, n_lags: int) -> np.ndarray:
    """Return products of codes with codes moved by up to n_lags - 1 either way."""
    wide = np.pad(Z, ((0, 0), (n_lags - 1, n_lags - 1)))
    return np.array([[np.correlate(b, a, "valid") for b in wide] for a in Z])


def code_signal(Z: np.ndarray, Y: np.ndarray, n_lags: int) -> np.ndarray:
    """Return products of codes with rows from every lag on."""
    n = Z.shape[1]
    return np.array([[[z @ y[lag : lag + n] for lag in range(n_lags)] for y in Y] for z in Z])


def matrix(D: np.ndarray, n_frames: int) -> np.ndarray:
    """Return the matrix whose columns are the moved atoms: (rows * frames, components * shifts)."""
    n_k, n_rows, n_lags = D.shape
    columns = []
    for k in range(n_k):
        for t in range(n_frames - n_lags + 1):
            column = np.zeros((n_rows, n_frames))
            column[:, t : t + n_lags] = D[k]
            columns.append(column.ravel())
    return np.array(columns).T
