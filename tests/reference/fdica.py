"""FDICA of each bin by the textbook: loops over bins, frames and sources, matrices inverted as they stand."""

from __future__ import annotations

import numpy as np


def cost_of(z: np.ndarray, R: np.ndarray, beta: float, floor: float, load: float) -> float:
    """Return the cost of one bin z (dims, frames)."""
    dims, frames = z.shape
    total = 0.0
    for n in range(dims):
        for t in range(frames):
            y = sum(R[n, c] * z[c, t] for c in range(dims))
            total += (2 / beta) * (abs(y) ** 2 + floor) ** (beta / 2) / frames
    return total + load * float((abs(R) ** 2).sum()) - 2 * float(np.log(abs(np.linalg.det(R))))


def weighted_covariance(z: np.ndarray, row: np.ndarray, beta: float, floor: float, load: float) -> np.ndarray:
    """Return the mean of phi z zᴴ, phi from one row of R, plus load times the identity."""
    dims, frames = z.shape
    V = load * np.eye(dims, dtype=complex)
    for t in range(frames):
        y = sum(row[c] * z[c, t] for c in range(dims))
        V += (abs(y) ** 2 + floor) ** (beta / 2 - 1) * np.outer(z[:, t], z[:, t].conj()) / frames
    return V


def fdica(
    Z: np.ndarray,
    R: np.ndarray,
    *,
    n_iter: int = 1,
    solver: str = "auxiliary",
    beta: float = 1.0,
    floor: float = 1e-6,
    step_size: float = 0.5,
    load: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return R (freq, dims, dims) and the cost (freq,)."""
    load = np.zeros(len(Z)) if load is None else load
    results, costs = [], []
    for z, start, extra in zip(Z[:, :, 0] + 1j * Z[:, :, 1].astype(float), R, load, strict=True):
        now = start.copy()
        for _ in range(n_iter):
            V = [weighted_covariance(z, row, beta, floor, extra) for row in now]
            if solver == "auxiliary":
                for n, V_n in enumerate(V):
                    w = np.linalg.inv(now @ V_n)[:, n]
                    now[n] = (w / np.sqrt((w.conj() @ V_n @ w).real)).conj()
            else:
                now = _natural(z, now, V, beta, floor, extra, step_size)
        results.append(now)
        costs.append(cost_of(z, now, beta, floor, extra))
    return np.array(results), np.array(costs)


def _natural(z, R, V, beta, floor, load, step_size):  # type: ignore[no-untyped-def]
    dims = len(R)
    G = np.eye(dims) - np.array([[R[n] @ V[n] @ R[m].conj() for m in range(dims)] for n in range(dims)])
    mu = step_size / max(1.0, float(np.sqrt((abs(G) ** 2).sum() / dims)))
    before = cost_of(z, R, beta, floor, load)
    for _ in range(12):
        trial = R + mu * G @ R
        if cost_of(z, trial, beta, floor, load) <= before:
            return trial
        mu /= 2
    return R
