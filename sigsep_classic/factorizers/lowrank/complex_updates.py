"""Updates of complex NMF beside the kernel: templates from their sums, and all with the consistency penalty."""

from __future__ import annotations

from itertools import pairwise

from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.lowrank.complex_model import ComplexNMFModel
from sigsep_classic.factorizers.lowrank.complex_start import Mixture
from sigsep_classic.factorizers.lowrank.consistency import Consistency
from sigsep_classic.kernels.complex_nmf import FLOOR, multiplied
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

TINY = 1e-20
"""Templates below this share of their largest value become 0: products with them would be subnormal."""


def learned(model: ComplexNMFModel, above: Array, below: Array, *, n_given: int) -> ComplexNMFModel:
    """Return the model with W, then gains, at the minimum of the bound whose sums these are; changed in place.

    The bound is a sum of squares of g w with weights ``below`` / (g w) before: so w is multiplied by
    Σ_c g above / Σ_c g below, and then, with the ratio r of w to what it was, g by Σ_f w above / Σ_f w r below.

    Parameters
    ----------
    model : ComplexNMFModel
        Before.
    above, below : array (components, channels * freq)
        The sums.
    n_given : int
        The first so many templates stay.
    """
    xp = namespace(above)
    W, gains = model.W, model.gains
    shape = (W.shape[1], len(gains), -1)
    above, below = above.reshape(shape), below.reshape(shape)
    ratio = xp.ones_like(W)
    if n_given < W.shape[1]:
        free = slice(n_given, None)
        up, down = (xp.einsum("kcf,ck->fk", A[free], gains[:, free]) for A in (above, below))
        ratio[:, free] = xp.where(down > 0, up / xp.where(down > 0, down, 1), 1)
        W[:, free] *= ratio[:, free]
        xp.copyto(W, 0, where=W.max(axis=0) * W.dtype.type(TINY) > W)
    if len(gains) > 1:
        up = xp.einsum("kcf,fk->ck", above, W)
        down = xp.einsum("kcf,fk->ck", below, W * ratio)
        gains *= xp.where(down > 0, up / xp.where(down > 0, down, 1), 1)
    return model


def consistent_half(
    X: Mixture,
    rows: Array,
    Ht: Array,
    planes: Array,
    starts: tuple[int, ...],
    consistency: Consistency,
    weight: float,
    *,
    half: str,
    penalty: Array,
    exponent: float,
) -> tuple[Array, Array]:
    """Turn the phases and, for ``half="H"``, update H, in place; return the sums for the templates otherwise.

    The bounds of both terms are squares of X_j u_j, so their sum is one: with C_j = G F_j the transform nearest to
    the source as it is, and weight m_f μ, v = X z_j + μ m C_j; u_j ← v / |v|, and |v| over X + μ m X_j takes the
    place of X |z| over X in both ratios.

    Parameters
    ----------
    X, rows, Ht, planes, starts
        As in `complex_nmf`: the mixture, templates (components, rows), activations (frames, components), phases.
    consistency : Consistency
        The distance.
    weight : float
        μ.
    half : {"H", "W"}
        What the sums are for.
    penalty, exponent
        As in `complex_nmf`.
    """
    xp = namespace(X.Y)
    D, total = _left(X, rows, Ht, planes, starts)
    total = xp.maximum(total, rows.dtype.type(FLOOR))
    D /= total
    m = xp.tile(xp.asarray(weight * consistency.weights, dtype=rows.dtype), len(X.Y))
    shape = Ht.shape if half == "H" else rows.shape
    above, below = xp.zeros(shape, rows.dtype), xp.zeros(shape, rows.dtype)
    with single_threaded_blas():
        for j, (a, b) in enumerate(pairwise(starts)):
            P = Ht[:, a:b] @ rows[a:b]
            u = planes[:, j, 0] + 1j * planes[:, j, 1]
            v = total * (u + D) + m * _projected(P * u, X, consistency)
            size = xp.abs(v)
            moved = size > FLOOR * FLOOR
            u = xp.where(moved, v / xp.where(moved, size, 1), u)
            planes[:, j, 0], planes[:, j, 1] = u.real, u.imag
            under = total + m * P
            if half == "H":
                above[:, a:b], below[:, a:b] = size @ rows[a:b].T, under @ rows[a:b].T
            else:
                above[a:b], below[a:b] = Ht[:, a:b].T @ size, Ht[:, a:b].T @ under
    if half == "H":
        Ht[:] = multiplied(Ht, above, below, penalty, exponent)
    return above, below


def inconsistency(
    X: Mixture, rows: Array, Ht: Array, planes: Array, starts: tuple[int, ...], consistency: Consistency
) -> float:
    """Return the summed squared distance of the sources from transforms of signals, for the level one."""
    C, T, F = X.Y.shape
    value = 0.0
    for j, (a, b) in enumerate(pairwise(starts)):
        with single_threaded_blas():
            S = (Ht[:, a:b] @ rows[a:b]) * (planes[:, j, 0] + 1j * planes[:, j, 1])
        value += consistency.distance(S.reshape(T, C, F).swapaxes(0, 1))
    return value


def _projected(S: Array, X: Mixture, consistency: Consistency) -> Array:
    """Return the transform nearest to S (frames, rows), channel by channel."""
    C, T, F = X.Y.shape
    G = consistency.project(S.reshape(T, C, F).swapaxes(0, 1))
    return G.swapaxes(0, 1).reshape(T, C * F)


def _left(X: Mixture, rows: Array, Ht: Array, planes: Array, starts: tuple[int, ...]) -> tuple[Array, Array]:
    """Return level Y − F and X, (frames, rows)."""
    D = X.Y.swapaxes(0, 1).reshape(len(Ht), -1) * rows.dtype.type(X.level)
    total = namespace(D).zeros(D.shape, rows.dtype)
    with single_threaded_blas():
        for j, (a, b) in enumerate(pairwise(starts)):
            P = Ht[:, a:b] @ rows[a:b]
            total += P
            D -= P * (planes[:, j, 0] + 1j * planes[:, j, 1])
    return D, total
