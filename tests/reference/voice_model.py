"""The leading-voice model by its definition: one entry at a time, all factors by multiplicative updates."""

from __future__ import annotations

import numpy as np


def model(W_F0, W_G, H_F0, H_P, H_M, H_G, W_M, floor):
    """Return V̂ (frames, freq) entry by entry."""
    V = np.zeros((len(H_F0), len(W_F0)))
    for t in range(V.shape[0]):
        for f in range(V.shape[1]):
            source = sum(W_F0[f, n] * H_F0[t, n] for n in range(W_F0.shape[1]))
            voice = 0.0
            for k in range(H_P.shape[1]):
                voice += H_P[t, k] * sum(W_G[f, p] * H_G[p, k] for p in range(W_G.shape[1]))
            V[t, f] = source * voice + sum(W_M[f, r] * H_M[t, r] for r in range(W_M.shape[1])) + floor
    return V


def divergence(V, V_hat):
    """Return the Itakura-Saito divergence, summed."""
    return float(sum(v / m - np.log(v / m) - 1 for v, m in zip(V.ravel(), V_hat.ravel(), strict=True)))


def gradient_parts(V, V_hat, slopes):
    """Return the two parts of the gradient by a factor whose slopes d V̂ / d factor are (…, frames, freq)."""
    return (slopes * (V / V_hat**2)).sum(axis=(-2, -1)), (slopes / V_hat).sum(axis=(-2, -1))


def update(V, W_F0, W_G, factors, floor):
    """Return the factors (a dict) after H_P and H_M, then H_F0, then H_G and W_M."""
    new = {name: value.copy() for name, value in factors.items()}

    def current():
        return model(W_F0, W_G, floor=floor, **new)

    def slopes(name):
        out = np.zeros((*new[name].shape, *V.shape))
        source, filters = new["H_F0"] @ W_F0.T, W_G @ new["H_G"]
        for i, j in np.ndindex(new[name].shape):
            if name == "H_M":
                out[i, j, i] = new["W_M"][:, j]
            elif name == "W_M":
                out[i, j, :, i] = new["H_M"][:, j]
            elif name == "H_P":
                out[i, j, i] = source[i] * filters[:, j]
            elif name == "H_F0":
                out[i, j, i] = W_F0[:, j] * (new["H_P"][i] @ filters.T)
            else:
                out[i, j] = source * np.outer(new["H_P"][:, j], W_G[:, i])
        return out

    for together in (("H_P", "H_M"), ("H_F0",), ("H_G", "W_M")):
        V_hat = current()
        parts = {name: gradient_parts(V, V_hat, slopes(name)) for name in together}
        for name, (above, below) in parts.items():
            new[name] *= above / below
    return new
