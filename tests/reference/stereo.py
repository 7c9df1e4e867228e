"""ADRess, DUET and PROJET as published: grids, planes and whole arrays of projections, in plain NumPy."""

from __future__ import annotations

import numpy as np


def adress_planes(L: np.ndarray, R: np.ndarray, n_gains: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the best gain of the stronger channel on a grid, the relative depth there, and who is stronger.

    Parameters
    ----------
    L, R : complex array (freq, frames)
    n_gains : int
        β: gains i / β for i = 0 … β.
    """
    gains = np.arange(n_gains + 1) / n_gains
    left_is_stronger = abs(L) >= abs(R)
    plane_left = np.stack([abs(R - g * L) for g in gains])  # sources on the left cancel in the right channel
    plane_right = np.stack([abs(L - g * R) for g in gains])
    plane = np.where(left_is_stronger, plane_left, plane_right)
    most = plane.max(axis=0)
    depth = (most - plane.min(axis=0)) / np.where(most > 0, most, 1)
    return gains[plane.argmin(axis=0)], depth, left_is_stronger


def duet(
    L: np.ndarray,
    R: np.ndarray,
    bin_hz: float,
    n_sources: int,
    *,
    limits: tuple[float, float] = (3.0, 2.5e-4),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return attenuations, delays in seconds and the owner of each point: histogram, peaks, likelihood."""
    omega = 2 * np.pi * bin_hz * np.arange(L.shape[0])[:, None]
    tiny = 1e-30
    ratio = (R + tiny) / (L + tiny)
    alpha = abs(ratio) - 1 / np.maximum(abs(ratio), tiny)
    delay = -np.angle(ratio) / np.where(omega > 0, omega, 1)
    weight = abs(L) * abs(R)
    inside = (abs(alpha) < limits[0]) & (abs(delay) < limits[1]) & (omega > 0) & (omega * limits[1] <= np.pi)
    edges = [np.linspace(-limit, limit, 62) for limit in limits]
    counts, *_ = np.histogram2d(alpha[inside], delay[inside], bins=edges, weights=weight[inside])
    box = np.ones((3, 3)) / 9
    padded = np.pad(counts, 1)
    counts = sum(
        box[i, j] * padded[i : i + counts.shape[0], j : j + counts.shape[1]]
        for i in range(3)
        for j in range(3)
    )
    centres = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    found = []
    for _ in range(n_sources):
        i, j = np.unravel_index(counts.argmax(), counts.shape)
        found.append((centres[0][i], centres[1][j]))
        counts[max(i - 4, 0) : i + 5, max(j - 4, 0) : j + 5] = -1
    a = np.array([(alpha + np.sqrt(alpha**2 + 4)) / 2 for alpha, _ in found])
    delta = np.array([delay for _, delay in found])
    return a, delta, likeliest(L, R, omega, a, delta)


def likeliest(
    L: np.ndarray, R: np.ndarray, omega: np.ndarray, a: np.ndarray, delta: np.ndarray
) -> np.ndarray:
    """Return argmin over j of |a_j exp(-i ω δ_j) L - R|² / (1 + a_j²)."""
    cost = [
        abs(g * np.exp(-1j * omega * d) * L - R) ** 2 / (1 + g * g) for g, d in zip(a, delta, strict=True)
    ]
    return np.argmin(cost, axis=0)


def projet_step(V: np.ndarray, K: np.ndarray, P: np.ndarray, Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return P (sources, points) and Q (azimuths, sources) after the published factors, V (projections, points)."""
    W = K @ Q
    sigma = W @ P
    P = P * (W.T @ (1 / sigma)) / (W.T @ (3 * sigma / (sigma**2 + V**2)))
    sigma = W @ P
    Q = Q * (K.T @ ((1 / sigma) @ P.T)) / (K.T @ ((3 * sigma / (sigma**2 + V**2)) @ P.T))
    return P, Q


def projet(
    X: np.ndarray,
    n_sources: int,
    *,
    n_iter: int,
    n_projections: int = 15,
    n_azimuths: int = 31,
    seed: int = 0,
) -> np.ndarray:
    """Return images (sources, 2, freq, frames) from a random start and complex random projections, as published."""
    rng = np.random.default_rng(seed)
    theta = np.linspace(0, np.pi / 2, n_azimuths)
    panning = np.stack([np.cos(theta), np.sin(theta)])
    grid = np.linspace(0, np.pi / 2, 5)
    across = np.stack([np.sin(grid), -np.cos(grid)], axis=1)
    drawn = rng.standard_normal((n_projections - 5, 2)) + 1j * rng.standard_normal((n_projections - 5, 2))
    U = np.concatenate([across, drawn / np.linalg.norm(drawn, axis=1, keepdims=True)])
    K = abs(U @ panning)
    C = np.tensordot(U, X, 1).reshape(n_projections, -1)
    V = abs(C) + 1e-12 * abs(C).max()
    P = 1 + abs(rng.standard_normal((n_sources, V.shape[1])))
    Q = 1 + abs(rng.standard_normal((n_azimuths, n_sources)))
    for _ in range(n_iter):
        P, Q = projet_step(V, K, P, Q)
    sigma, back = K @ Q @ P, np.linalg.pinv(U)
    return np.stack(
        [(back @ (np.outer(K @ Q[:, j], P[j]) / sigma * C)).reshape(X.shape) for j in range(n_sources)]
    )
