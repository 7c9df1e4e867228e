"""V̂ = W ∗ H in time and frequency and its multiplicative updates, one term at a time (Schmidt & Mørup 2006)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def terms(
    W: np.ndarray, H: np.ndarray, shape: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], tuple[int, int, int], tuple[int, int, int]]]:
    """Yield the index of V̂, of W (bins, components, lags) and of H (components, shifts, frames) of each term."""
    (bins, n_k, lags), (_, shifts, frames) = W.shape, H.shape
    for f in range(bins):
        for k in range(n_k):
            for lag in range(lags):
                for shift in range(shifts):
                    for t in range(frames):
                        if f + shift < shape[0] and t + lag < shape[1]:
                            yield (f + shift, t + lag), (f, k, lag), (k, shift, t)


def convolved(W: np.ndarray, H: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return V̂ (freq, frames), float64."""
    out = np.zeros(shape)
    for at, w, h in terms(W, H, shape):
        out[at] += float(W[w]) * float(H[h])
    return out


def sums(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, *, factor: str, beta: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator of the update of W or H, in its shape, float64."""
    M = convolved(W, H, V.shape)
    numerator = np.zeros(W.shape if factor == "W" else H.shape)
    denominator = np.zeros_like(numerator)
    for at, w, h in terms(W, H, V.shape):
        own, other = (w, H[h]) if factor == "W" else (h, W[w])
        numerator[own] += other * V[at] * M[at] ** (beta - 2)
        denominator[own] += other * M[at] ** (beta - 1)
    return numerator, denominator


def expectation_maximisation(
    V: np.ndarray, kernels: np.ndarray, impulses: np.ndarray, priors: np.ndarray, *, of: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return P(z) and the kernels (bins, z, lags) or impulses (z, shifts, frames) after one EM half-step.

    From the posterior P(z, place | f, t) of every coefficient, as in shift-invariant PLCA.
    """
    M = convolved(kernels * priors[:, None], impulses, V.shape)
    found = np.zeros_like(kernels if of == "kernels" else impulses)
    for at, w, h in terms(kernels, impulses, V.shape):
        posterior = priors[w[1]] * kernels[w] * impulses[h] / M[at]
        found[w if of == "kernels" else h] += V[at] * posterior
    mass = found.sum(axis=(0, 2) if of == "kernels" else (1, 2))
    axis = mass[:, None] if of == "kernels" else mass[:, None, None]
    return mass / mass.sum(), found / axis
