"""Activations of a given sparseness, by projection (Hoyer 2004)."""

from __future__ import annotations

from collections.abc import Callable

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array

HALVINGS = 12
"""How often a step is halved before it is given up."""


def sparseness(H: Array) -> Array:
    """Return (√n − ‖h‖₁ / ‖h‖₂) / (√n − 1) of each row of H (rows, n): 0 if all entries are equal, 1 if one is not 0.

    References
    ----------
    P. O. Hoyer, "Non-negative matrix factorization with sparseness constraints", Journal of Machine Learning
    Research 5, 2004.
    """
    xp, root = namespace(H), H.shape[1] ** 0.5
    l2 = xp.sqrt((H * H).sum(axis=1))
    l1 = abs(H).sum(axis=1)
    return (root - l1 / xp.where(l2 > 0, l2, 1)) / max(root - 1, 1e-30)


def project(H: Array, target: float) -> Array:
    """Return the non-negative rows nearest to those of H (rows, n) with their ‖·‖₂ and the sparseness asked for.

    Parameters
    ----------
    H : array (rows, n)
        May have negative entries; not written to.
    target : float
        Sparseness, 0 … 1. Rows of one entry have none and stay.

    References
    ----------
    P. O. Hoyer, as in `sparseness`: the alternation between the plane of given sum and the sphere.
    """
    xp, n = namespace(H), H.shape[1]
    if n == 1:
        return xp.maximum(H, 0)
    root = n**0.5
    l2 = xp.sqrt((H * H).sum(axis=1, keepdims=True))
    l1 = l2 * (root - (root - 1) * target)
    S = H + (l1 - H.sum(axis=1, keepdims=True)) / n
    free = xp.ones(H.shape, bool)
    for _ in range(n):
        count = free.sum(axis=1, keepdims=True)
        middle = xp.where(free, l1 / xp.maximum(count, 1), 0)
        away = xp.where(free, S - middle, 0)
        a = (away * away).sum(axis=1, keepdims=True)
        c = (middle * middle).sum(axis=1, keepdims=True) - l2 * l2
        reach = xp.sqrt(xp.maximum(-c, 0) / xp.where(a > 0, a, 1))
        S = middle + reach * away
        if not bool((S < 0).any()):
            break
        free &= S > 0
        S = xp.maximum(S, 0)
        excess = (S.sum(axis=1, keepdims=True) - l1) / xp.maximum(free.sum(axis=1, keepdims=True), 1)
        S = xp.where(free, S - excess, 0)
    return xp.maximum(S, 0).astype(H.dtype)


def projected_step(
    H: Array, gradient: Array, value: Callable[[Array], float], *, target: float, stride: float
) -> tuple[Array, float]:
    """Return H after a projected gradient step that does not raise ``value``, and the stride for the next one.

    Parameters
    ----------
    H : array (components, frames)
        Of the sparseness asked for.
    gradient : array (components, frames)
        Of ``value`` at H.
    value : callable
        The divergence for some H.
    target : float
        Sparseness, 0 … 1.
    stride : float
        Length of the first step tried, relative to the largest entry of H over that of the gradient.
    """
    top, steepest = float(H.max()), float(abs(gradient).max())
    if top == 0 or steepest == 0:
        return H, stride
    before = value(H)
    for _ in range(HALVINGS):
        moved = project(H - gradient * (stride * top / steepest), target)
        if value(moved) <= before:
            return moved, min(2 * stride, 1e6)
        stride /= 2
    return H, stride
