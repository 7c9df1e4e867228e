"""Complex NMF as its papers write it, β and Ȳ of every component and all (Kameoka 2009; King & Atlas 2011)."""

from __future__ import annotations

import numpy as np


def auxiliaries(
    Y: np.ndarray, W: np.ndarray, H: np.ndarray, u: np.ndarray, owners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return β and Ȳ (components, rows, frames) of Y (rows, frames), W, H and u (sources, rows, frames)."""
    beta, bar = (np.zeros((W.shape[1], *Y.shape), kind) for kind in (float, complex))
    for r, t in np.ndindex(Y.shape):
        parts = [W[r, k] * H[k, t] for k in range(W.shape[1])]
        F = sum(part * u[owners[k], r, t] for k, part in enumerate(parts))
        for k, part in enumerate(parts):
            beta[k, r, t] = part / sum(parts)
            bar[k, r, t] = part * u[owners[k], r, t] + beta[k, r, t] * (Y[r, t] - F)
    return beta, bar


def half_step(
    Y: np.ndarray,
    W: np.ndarray,
    H: np.ndarray,
    u: np.ndarray,
    owners: np.ndarray,
    *,
    factor: str,
    penalty: np.ndarray | None = None,
    exponent: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numerator and denominator of the new factor, and the new phases.

    Each minimises Σ |Ȳ − w h u|² / β (+ 2 penalty p h^(p−2) h²/2 for H) with the others fixed.
    """
    K = W.shape[1]
    beta, bar = auxiliaries(Y, W, H, u, owners)
    turned = np.zeros_like(u)
    for j, r, t in np.ndindex(u.shape):
        z = sum(W[r, k] * H[k, t] / beta[k, r, t] * bar[k, r, t] for k in range(K) if owners[k] == j)
        turned[j, r, t] = z / abs(z)
    above, below = np.zeros((2, *(H if factor == "H" else W).shape))
    for k, r, t in np.ndindex(beta.shape):
        at, weight = ((k, t), W[r, k]) if factor == "H" else ((r, k), H[k, t])
        above[at] += weight / beta[k, r, t] * (turned[owners[k], r, t].conj() * bar[k, r, t]).real
        below[at] += weight**2 / beta[k, r, t]
    if factor == "H" and penalty is not None:
        below += penalty[:, None] * exponent * H ** (exponent - 2)
    return above, below, turned


def iteration(
    Y: np.ndarray, W: np.ndarray, H: np.ndarray, u: np.ndarray, owners: np.ndarray, **penalties
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W, H and u after H was updated, the auxiliary variables were refreshed, and W was updated."""
    above, below, u = half_step(Y, W, H, u, owners, factor="H", **penalties)
    H = above / below
    above, below, u = half_step(Y, W, H, u, owners, factor="W")
    return above / below, H, u
