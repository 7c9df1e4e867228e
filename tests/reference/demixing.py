"""Updates of demixing matrices written from their definitions: one bin, one frame, one row after the other."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq


def weighted_covariances(Z: np.ndarray, weights: np.ndarray, load: np.ndarray | None = None) -> np.ndarray:
    """Return V (freq, sources, dims, dims) of Z (freq, dims, 2, frames)."""
    n_freq, dims, _, n_frames = Z.shape
    V = np.zeros((n_freq, len(weights), dims, dims), complex)
    for f in range(n_freq):
        for n, row in enumerate(weights):
            for t in range(n_frames):
                z = Z[f, :, 0, t].astype(float) + 1j * Z[f, :, 1, t]
                phi = float(row[t] if row.ndim == 1 else row[f, t])
                V[f, n] += phi * np.outer(z, z.conj()) / n_frames
            if load is not None:
                V[f, n] += load[f] * V[f, n].trace().real / dims * np.eye(dims)
    return V


def powers(Z: np.ndarray, R: np.ndarray, load: np.ndarray | None = None) -> np.ndarray:
    """Return |R z|² (sources, freq, frames), with what a load adds."""
    z = Z[:, :, 0].astype(float) + 1j * Z[:, :, 1]
    power = np.zeros((R.shape[1], len(Z), Z.shape[3]))
    for n, f, t in np.ndindex(*power.shape):
        power[n, f, t] = abs(sum(R[f, n, c] * z[f, c, t] for c in range(Z.shape[1]))) ** 2
        if load is not None:
            power[n, f, t] += load[f] * (abs(z[f, :, t]) ** 2).mean() * (abs(R[f, n]) ** 2).sum()
    return power


def cost(R: np.ndarray, V: np.ndarray) -> float:
    """Return ``sum of r_n V_n r_nᴴ - log |det R|²`` of one bin."""
    forms = [(r @ V[n] @ r.conj()).real for n, r in enumerate(R)]
    return float(sum(forms) - 2 * np.linalg.slogdet(R)[1])


def update(rule: str, R: np.ndarray, V: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Return R (dims, dims) after one update of one bin, V (dims, dims, dims)."""
    R = R.astype(complex)
    if len(R) == 1:
        rule = {"ip2": "ip1", "iss2": "iss1"}.get(rule, rule)
    steps = pairs if rule in ("ip2", "iss2") else [(n, n) for n in range(len(R))]
    for m, n in steps:
        R = {"ip1": _ip1, "ip2": _ip2, "iss1": _iss1, "iss2": _iss2, "ipa": _ipa}[rule](R, V, m, n)
    return R


def _unit(w: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Return wᴴ scaled to wᴴ V w = 1."""
    return (w / np.sqrt((w.conj() @ V @ w).real)).conj()


def _ip1(R: np.ndarray, V: np.ndarray, n: int, _: int) -> np.ndarray:
    R = R.copy()
    R[n] = _unit(np.linalg.solve(R @ V[n], np.eye(len(R))[n]), V[n])
    return R


def _ip2(R: np.ndarray, V: np.ndarray, m: int, n: int) -> np.ndarray:
    R = R.copy()
    P, Q = (np.linalg.solve(R @ V[k], np.eye(len(R))[:, [m, n]]) for k in (m, n))
    _, h = eigh(P.conj().T @ V[m] @ P, Q.conj().T @ V[n] @ Q)
    R[m], R[n] = _unit(P @ h[:, 1], V[m]), _unit(Q @ h[:, 0], V[n])
    return R


def _iss1(R: np.ndarray, V: np.ndarray, n: int, _: int) -> np.ndarray:
    row = R[n].conj()
    v = [(r @ V[k] @ row) / (row.conj() @ V[k] @ row).real for k, r in enumerate(R)]
    v[n] = 1 - 1 / np.sqrt((row.conj() @ V[n] @ row).real)
    return R - np.outer(v, R[n])


def _iss2(R: np.ndarray, V: np.ndarray, m: int, n: int) -> np.ndarray:
    new, both = R.copy(), R[[m, n]]
    G = [both @ V[k] @ both.conj().T for k in range(len(R))]
    for k in range(len(R)):
        if k not in (m, n):
            new[k] = R[k] - (R[k] @ V[k] @ both.conj().T) @ np.linalg.inv(G[k]) @ both
    _, v = eigh(G[m], G[n])
    new[m], new[n] = _unit(v[:, 0], G[m]) @ both, _unit(v[:, 1], G[n]) @ both
    return new


def _ipa(R: np.ndarray, V: np.ndarray, k: int, _: int) -> np.ndarray:
    others = [m for m in range(len(R)) if m != k]
    C = R @ V[k] @ R.conj().T
    B = np.linalg.inv(C)
    x = np.eye(len(R), dtype=complex)[k]
    if others:
        a = np.array([(R[k] @ V[m] @ R[k].conj()).real for m in others])
        c = np.array([R[m] @ V[m] @ R[k].conj() for m in others]) / a
        x[others] = lqpqm(a, c, B[np.ix_(others, others)], B[others, k], B[k, k].real)
    new = R - np.outer(x, R[k])
    new[k] = _unit(B @ x, C) @ R
    return new


def lqpqm(a: np.ndarray, c: np.ndarray, B: np.ndarray, b: np.ndarray, rest: float) -> np.ndarray:
    """Return the x of least ``sum of a |x - c|² - log(xᴴ B x + 2 Re xᴴ b + rest)``, where no gain is zero."""
    root = np.sqrt(a)
    values, E = np.linalg.eigh(B / np.outer(root, root))
    d = -np.linalg.solve(B, b)
    z = rest - (d.conj() @ B @ d).real
    g = E.conj().T @ (root * (d - c))
    top, gains = values[-1], values * abs(g) ** 2

    def excess(above: float) -> float:
        return float(((gains * ((top + above) / (above + top - values)) ** 2).sum() + z) - top - above)

    above = brentq(excess, 1e-13 * top, 2 * top + 4 * gains.sum() + z, xtol=1e-15 * top, rtol=1e-14)
    return c + (E @ (-values * g / (above + top - values))) / root
