"""Decision-directed gains, one bin after the other, with the special functions of SciPy."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import exp1, i0, i1

LARGEST = 1e8


def gain(rule: str, prior: float, posterior: float) -> float:
    """Return the gain at one point."""
    wiener = prior / (1 + prior)
    if rule == "wiener":
        return wiener
    posterior = max(posterior, 1e-8)
    v = wiener * posterior
    if rule == "log_mmse":
        return min(wiener * math.exp(exp1(v) / 2), 1)
    half = min(
        v / 2, 350
    )  # beyond it the plain functions overflow, and the gain is one that of Wiener approaches
    scale = math.exp(-half) * math.gamma(1.5) * math.sqrt(v) / posterior
    return min(scale * ((1 + v) * i0(half) + v * i1(half)), 1) if v < 700 else wiener


def ratio(a: float, b: float) -> float:
    """Return a / b, at most `LARGEST`."""
    if b == 0:
        return LARGEST if a > 0 else 0.0
    return min(a / b, LARGEST)


def directed(P: np.ndarray, N: np.ndarray, rule: str, smoothing: float, least: float) -> np.ndarray:
    """Return the a-priori SNR of one bin over frames."""
    found, before = np.empty(len(P)), N[0]
    for t in range(len(P)):
        posterior = ratio(P[t], N[t])
        found[t] = max(smoothing * ratio(before, N[t]) + (1 - smoothing) * max(posterior - 1, 0), least)
        before = gain(rule, found[t], posterior) ** 2 * P[t]
    return found


def spectral_gain(
    P: np.ndarray, N: np.ndarray, *, rule: str, smoothing: float, least: float, causal: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return gain and a-priori SNR of P (channels, freq, frames)."""
    N = np.broadcast_to(N, P.shape)
    gains, priors = np.empty(P.shape), np.empty(P.shape)
    for c, f in np.ndindex(P.shape[:2]):
        prior = directed(P[c, f], N[c, f], rule, smoothing, least)
        if not causal:
            back = directed(P[c, f, ::-1], N[c, f, ::-1], rule, smoothing, least)[::-1]
            prior = (prior + back) / 2
        priors[c, f] = prior
        gains[c, f] = [gain(rule, x, ratio(p, n)) for x, p, n in zip(prior, P[c, f], N[c, f], strict=True)]
    return gains, priors
