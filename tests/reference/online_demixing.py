"""Separation of a stream written from its definition: one frame, one bin, one row after the other."""

from __future__ import annotations

import numpy as np


def demix_online(
    x: np.ndarray,
    W: np.ndarray,
    C: np.ndarray,
    V: np.ndarray,
    told: np.ndarray,
    *,
    forgetting: float,
    n_updates: int = 2,
    prior: str = "laplace",
    rule: str = "iss",
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Return images (sources, channels, frames, freq) of x (frames, freq, channels), and W, C, V, told after it."""
    W, C, V, told = W.copy(), C.copy(), V.copy(), told.copy()
    frames, n_freq, channels = x.shape
    sources = W.shape[1]
    images = np.zeros((sources, channels, frames, n_freq), complex)
    for t in range(frames):
        power = np.mean([abs(x[t, f, c]) ** 2 for f in range(n_freq) for c in range(channels)])
        if power > 1e-10 * told[1]:
            told[0] += 1
            b = max(1 - forgetting, 1 / told[0])
            told[1] = (1 - b) * told[1] + b * power
            for f in range(n_freq):
                C[f] = (1 - b) * C[f] + b * np.outer(x[t, f], x[t, f].conj())
            spread = 1e-8 + 1 / told[0] ** 2
            before = V.copy()
            for i in range(n_updates):
                phi = []
                for n in range(sources):
                    u = np.mean([abs(W[f, n] @ x[t, f]) ** 2 for f in range(n_freq)])
                    if i == 0:
                        told[2 + n] = (1 - b) * told[2 + n] + b * u
                    u = max(u, 1e-6 * told[2 + n])
                    phi.append(0.0 if u <= 1e-200 else 1 / u if prior == "gauss" else u**-0.5)
                for f in range(n_freq):
                    for n in range(sources):
                        V[f, n] = (1 - b) * before[f, n] + b * phi[n] * np.outer(x[t, f], x[t, f].conj())
                    loaded = [_loaded(v, spread) for v in V[f]]
                    W[f] = {"ip": _projected, "iss": _steered}[rule](W[f], loaded, _loaded(C[f], spread))
        for f in range(n_freq):
            A = mixing(W[f], C[f], _loaded(C[f], 1e-8))
            parts = [A[:, n] * (W[f, n] @ x[t, f]) for n in range(sources)]
            left = (x[t, f] - sum(parts)) / sources if sources == channels else 0
            for n, part in enumerate(parts):
                images[n, :, t, f] = part + left
    return images, (W, C, V, told)


def mixing(W: np.ndarray, C: np.ndarray, loaded: np.ndarray) -> np.ndarray:
    """Return the A (channels, sources) that minimises the mean of |x - A W x|²; 0 for silence."""
    if not C.any():
        return C @ W.conj().T
    return C @ W.conj().T @ np.linalg.inv(W @ loaded @ W.conj().T)


def _loaded(C: np.ndarray, spread: float) -> np.ndarray:
    return C + np.diag(spread * C.diagonal().real + 1e-20 * C.trace().real)


def _projected(W: np.ndarray, V: list[np.ndarray], C: np.ndarray) -> np.ndarray:
    """Return W after each row was set to V_n⁻¹ a_n, with noise rows that are uncorrelated with the sources."""
    W = W.copy()
    sources, channels = W.shape
    for n in range(sources):
        if not V[n].any():
            continue
        whole = np.concatenate([W, background(W, C)])
        w = np.linalg.solve(whole @ V[n], np.eye(channels)[n])
        W[n] = (w / np.sqrt((w.conj() @ V[n] @ w).real)).conj()
    return W


def background(W: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Return rows (channels - sources, channels) U with U C Wᴴ = 0."""
    sources, channels = W.shape
    return (np.eye(channels) - mixing(W, C, C) @ W)[sources:]


def _steered(W: np.ndarray, V: list[np.ndarray], C: np.ndarray) -> np.ndarray:
    """Return W after source steering along each of its rows, then along each row of the background of that moment."""
    W = W.copy()
    sources, channels = W.shape
    for n in range(channels):
        row = W[n].copy() if n < sources else background(W, C)[n - sources]
        for m in range(sources):
            size = (row @ V[m] @ row.conj()).real
            if size > 0:
                u = 1 - size**-0.5 if m == n else (W[m] @ V[m] @ row.conj()) / size
                W[m] = W[m] - u * row
    return W


def predict(
    x: np.ndarray, *, n_taps: int, delay: int, forgetting: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what online WPE leaves of x (frames, freq, channels) after silence, with G and P after the last frame."""
    frames, n_freq, channels = x.shape
    rows = n_taps * channels
    G = np.zeros((n_freq, rows, channels), complex)
    P = np.array([np.eye(rows, dtype=complex)] * n_freq)
    y = np.zeros_like(x)
    for t in range(frames):
        for f in range(n_freq):
            z = np.zeros(rows, complex)
            for k in range(n_taps):
                if t - delay - k >= 0:
                    z[k * channels : (k + 1) * channels] = x[t - delay - k, f]
            held = delay + n_taps
            power = (abs(x[max(0, t - held + 1) : t + 1, f]) ** 2).sum() / (held * channels)
            y[t, f] = x[t, f] - G[f].conj().T @ z
            if power > 0:
                g = P[f] @ z / (forgetting * power + (z.conj() @ P[f] @ z).real)
                G[f] = G[f] + np.outer(g, y[t, f].conj())
                P[f] = (P[f] - np.outer(g, z.conj() @ P[f])) / forgetting
    return y, G, P
