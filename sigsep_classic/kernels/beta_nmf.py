"""Multiplicative updates of V ≈ W H for any β-divergence, without ever forming W H.

The model is computed for a tile of frames at a time (a small GEMM), turned into the ratios in place while it is in
cache, and contracted at once (another small GEMM). V is read where it lies, in order. Frames are divided into a
fixed number of parts, so threads never change a result, and extra memory is a tile or two and sums the size of W.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigsep_classic.backend import is_cuda, namespace, real_like
from sigsep_classic.kernels import beta_tiles
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_sweep import exponent_of, sweep, tiny_of
from sigsep_classic.kernels.betas import DATA_FLOOR, MODEL_FLOOR, joint_exponents
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

__all__ = ["divergence", "joint_update", "multiplicative_update", "statistics"]

Tile = tuple[slice, Array, Array, Array]


def multiplicative_update(
    V: Array,
    W: Array,
    H: Array,
    *,
    factor: str,
    beta: float,
    exponent: float,
    gain: float = 1.0,
    weights: Array | None = None,
) -> None:
    """Multiply one factor of V ≈ W H by its majorisation-minimisation ratio, in place.

    H ← H ⊙ [Wᵀ(M ⊙ V ⊙ V̂^(β−2)) / Wᵀ(M ⊙ V̂^(β−1))]^γ with V̂ = W H, and likewise for W.

    Parameters
    ----------
    V : array (freq, frames)
        Non-negative data, float32 or float64, any order in memory (frame after frame is fastest).
    W : array (freq, components)
        C-contiguous.
    H : array (components, frames)
        The transpose of a C-contiguous array.
    factor : {"W", "H"}
        Which one to update.
    beta : float
        Divergence: 2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito, any real number.
    exponent : float
        γ.
    gain : float
        V and H are multiplied by it inside, which changes nothing but the range of intermediate powers;
        1 / mean(V), rounded to a power of two, makes the result independent of the level of V.
    weights : array (freq, frames), optional
        M, at least 0, in the dtype of V (frame after frame is fastest); where it is 0 the entry is missing and
        V is not looked at. None is 1 everywhere. Entries of a factor that see no data stay.

    References
    ----------
    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011 (equation numbers not checked).
    """
    if beta == 2 and weights is None:
        numerator, denominator = _euclidean(V, W, H, factor, gain)
        multiply(_rows(W, H, factor), numerator, denominator, exponent, 0.0)
    elif is_cuda(V):
        _gpu(V, W, H, factor, beta, exponent, gain, weights)
    elif enabled():
        _cpu(V, W, H, factor, beta, exponent, gain, weights)
    else:
        numerator, denominator = _sums(_numpy(V, W, H, beta, gain, weights), W, H, factor)
        multiply(_rows(W, H, factor), numerator, denominator, exponent, tiny_of(V.dtype, factor, gain))


def statistics(
    V: Array,
    W: Array,
    H: Array,
    *,
    factor: str,
    beta: float,
    gain: float = 1.0,
    weights: Array | None = None,
) -> tuple[Array, Array]:
    """Return the two sums whose ratio `multiplicative_update` multiplies by; what penalties are added to.

    For H: Wᵀ(M ⊙ V ⊙ V̂^(β−2)) and Wᵀ(M ⊙ V̂^(β−1)); for W the same times Hᵀ from the right. Denominator less
    numerator is the gradient of the divergence.

    Parameters
    ----------
    V, W, H, factor, beta, gain, weights
        As in `multiplicative_update`. With a gain g the sums are those of the problem g V ≈ W (g H): both come
        multiplied by g^(β−1) for H and by g^β for W. So they are the parts of the gradient of
        ``divergence(..., gain=g)`` with respect to g H, or to W.

    Returns
    -------
    numerator, denominator : array
        In the shape, order and dtype of the factor: (components, frames) as the transpose of a C-contiguous
        array for H, (freq, components) C-contiguous for W. New arrays.
    """
    if beta == 2 and weights is None:
        pair = _euclidean(V, W, H, factor, gain)
    elif is_cuda(V):
        pair = _gpu_sums(V, W, H, factor, beta, gain, weights)
    elif enabled():
        pair = np.empty(H.T.shape, V.dtype), np.empty(H.T.shape, V.dtype)
        if factor == "H":
            sweep(V, W, H, "H", beta, 1.0, gain, weights, pair)
        else:
            pair = sweep(V, W, H, "W", beta, 1.0, gain, weights)
    else:
        pair = _sums(_numpy(V, W, H, beta, gain, weights), W, H, factor)
    return (pair[0].T, pair[1].T) if factor == "H" else pair


def joint_update(
    V: Array, W: Array, H: Array, *, beta: float, gain: float = 1.0, weights: Array | None = None
) -> None:
    """Update both factors of V ≈ W H in place from one V̂ = W H and one look at V; D_β does not rise.

    With N = M ⊙ V ⊙ V̂^(β−2), P = M ⊙ V̂^(β−1) and ρ = (Wᵀ N / Wᵀ P)^γ ::

        H' = H ⊙ ρ
        W' = W ⊙ [N (H ⊙ ρ^a)ᵀ / P (H ⊙ ρ^b)ᵀ]^γ,  a = min(β − 1, 1), b = max(β, 1)

    γ is 1/(2−β) for β < 1, 1 up to 2, 1/(β−1) above. This needs three matrix products in place of four (β = 1) or
    five in place of six, and half the divisions.

    Parameters
    ----------
    V, W, H, gain, weights
        As in `multiplicative_update`.
    beta : float
        Any real number.

    References
    ----------
    A. Marmin, J. H. de M. Goulart and C. Févotte, "Joint majorization-minimization for nonnegative matrix
    factorization with the β-divergence", arXiv:2106.15214, 2021 (equation numbers not checked). The bound of
    each entry is that of the alternating updates, taken in both factors.
    """
    exponent = exponent_of(beta)
    if is_cuda(V):
        _gpu(V, W, H, "HW", beta, exponent, gain, weights)
        return
    if enabled():
        numerator, denominator = sweep(V, W, H, "HW", beta, exponent, gain, weights)
    else:
        tiles = _numpy(V, W, H, beta, gain, weights)
        numerator, denominator = _joint_sums(tiles, W, H, beta, exponent, gain)
    multiply(W, numerator, denominator, exponent, tiny_of(V.dtype, "W", gain))


def _rows(W: Array, H: Array, factor: str) -> Array:
    return H.T if factor == "H" else W


def _euclidean(V: Array, W: Array, H: Array, factor: str, gain: float) -> tuple[Array, Array]:
    """Return the sums of g V ≈ W (g H); g V is never formed."""
    scaled, g = H.T * real_like(V, gain), real_like(V, gain)
    A, B, data = (scaled, W, V.T) if factor == "H" else (W, scaled, V)
    with single_threaded_blas():  # the same bits whatever the number of threads
        numerator = data @ B
        numerator *= g
        return numerator, A @ (B.T @ B)


def multiply(A: Array, numerator: Array, denominator: Array, exponent: float, tiny: float = 0.0) -> None:
    """A ← A (numerator / denominator)^exponent in place; entries without denominator stay, those below tiny become 0.

    Overwrites ``numerator``.
    """
    xp = namespace(A)
    has = denominator > 0
    numerator /= xp.where(has, denominator, 1)
    if exponent != 1:
        numerator **= real_like(A, exponent)
    A *= xp.where(has, numerator, 1)
    if tiny:
        xp.copyto(A, 0, where=tiny > A)


def _cpu(
    V: np.ndarray,
    W: np.ndarray,
    H: np.ndarray,
    factor: str,
    beta: float,
    exponent: float,
    gain: float,
    weights: np.ndarray | None,
) -> None:
    numerator, denominator = sweep(V, W, H, factor, beta, exponent, gain, weights)
    if factor == "W":
        multiply(W, numerator, denominator, exponent, tiny_of(V.dtype, "W", gain))


def _numpy(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: float, gain: float, weights: np.ndarray | None
) -> Iterator[Tile]:
    """Yield all frames at once: where, gain H, N and P, each frame after frame."""
    v = V.T if weights is None else np.where(weights.T > 0, V.T, 0)
    v = v * real_like(V, gain)
    if beta <= 0:
        v = np.maximum(v, real_like(V, DATA_FLOOR))
    activations = H.T * real_like(V, gain)
    m = np.maximum(activations @ W.T, real_like(V, MODEL_FLOOR))
    P = m ** real_like(V, beta - 1)
    N = v * P / m
    if weights is not None:
        N, P = N * weights.T, P * weights.T
    yield slice(None), activations, N, P


def _gpu(
    V: Array,
    W: Array,
    H: Array,
    factors: str,
    beta: float,
    exponent: float,
    gain: float,
    weights: Array | None,
) -> None:
    """Update a factor, or both, in place: a batch of one problem."""
    xp = namespace(V)
    data = beta_tiles.of_one(V, beta, gain, weights)
    given = (W, H.T)
    dense = tuple(xp.ascontiguousarray(A) for A in given)
    batch = (dense[0][None], dense[1][None])
    tiny = tiny_of(V.dtype, "W", gain), tiny_of(V.dtype, "H", gain)
    if factors == "HW":
        beta_tiles.update_both(data, *batch, exponent=exponent, tiny=tiny)
    elif factors == "H":
        beta_tiles.update_H(data, *batch, exponent=exponent, tiny=tiny[1])
    else:
        beta_tiles.update_W(data, *batch, exponent=exponent, tiny=tiny[0])
    for A, changed in zip(given, dense, strict=True):
        if changed is not A:
            A[:] = changed


def _gpu_sums(
    V: Array, W: Array, H: Array, factor: str, beta: float, gain: float, weights: Array | None
) -> tuple[Array, Array]:
    xp = namespace(V)
    data = beta_tiles.of_one(V, beta, gain, weights)
    batch = tuple(xp.ascontiguousarray(A)[None] for A in (W, H.T))
    if factor == "H":
        above, below = beta_tiles.sums_of_H(data, *batch)
        return above[0], below[0]
    above, below = (sums[0] * real_like(W, gain) for sums in beta_tiles.sums_of_W(data, *batch))
    return above, xp.ascontiguousarray(xp.broadcast_to(below, W.shape))


def _sums(tiles: Iterator[Tile], W: Array, H: Array, factor: str) -> tuple[Array, Array]:
    A = _rows(W, H, factor)
    xp = namespace(A)
    numerator, denominator = xp.zeros_like(A), xp.zeros_like(A)
    for tile, activations, N, P in tiles:
        if factor == "H":
            numerator[tile], denominator[tile] = N @ W, P @ W
        else:
            numerator += N.T @ activations
            denominator += P.T @ activations
    return numerator, denominator


def _joint_sums(
    tiles: Iterator[Tile], W: Array, H: Array, beta: float, exponent: float, gain: float
) -> tuple[Array, Array]:
    """Update H in place and return the sums for W."""
    xp, Ht = namespace(W), H.T
    a, b = (real_like(W, power) for power in joint_exponents(beta))
    numerator, denominator = xp.zeros_like(W), xp.zeros_like(W)
    for tile, old, N, P in tiles:
        multiply(Ht[tile], N @ W, P @ W, exponent, tiny_of(W.dtype, "H", gain))
        new = Ht[tile] * real_like(W, gain)
        kept = new > 0
        change = xp.where(kept, new, 1) / xp.where(kept, old, 1)
        numerator += N.T @ xp.where(kept | (a == 0), old * change**a, 0)
        denominator += P.T @ xp.where(kept, old * change**b, 0)
    return numerator, denominator
