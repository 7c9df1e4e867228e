"""One pass over V for the sums of β-NMF: whole rows of V, in order, a tile at a time, on the CPU."""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.betas import DATA_FLOOR, MODEL_FLOOR, joint_exponents, kind_of, snapped
from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.ratios import ratio_row
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas

SLOTS = 8
"""Most parts that frames are divided into; the sums for W of each are added in order, whatever the threads."""
TILE = 1 << 18
TINY = {"float32": 1e-16, "float64": 1e-30}
"""Factors below this (V at mean one) become 0: their products would be subnormal, which is slow, and mean nothing."""


def exponent_of(beta: float, *, fast: bool = False) -> float:
    """Return γ of the update [N / P]^γ.

    Parameters
    ----------
    beta : float
        β.
    fast : bool
        Take 1 also for 0 <= β < 1, where it lowers the divergence too (but belongs to no majoriser).

    References
    ----------
    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011 (equation numbers not checked).
    """
    beta = snapped(beta)
    if beta > 2:
        return 1 / (beta - 1)
    return 1 / (2 - beta) if beta < (0 if fast else 1) else 1.0


def tiny_of(dtype: np.dtype, factor: str, gain: float) -> float:
    """Return the smallest value kept: H carries the level of V, W does not."""
    tiny = TINY[np.dtype(dtype).name]
    return tiny / gain if factor == "H" else tiny


def sweep(
    V: np.ndarray,
    W: np.ndarray,
    H: np.ndarray,
    factors: str,
    beta: float,
    exponent: float,
    gain: float,
    weights: np.ndarray | None,
    sums: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Read V once: update H in place (or write its sums) and return the sums for W, for each that is named.

    With both, the sums for W are those of the joint majorisation: see `joint_update`.
    """
    real = V.dtype.type
    n_slots, per_slot, rows = _partition(*V.shape)
    kind, n_k = kind_of(beta), W.shape[1]
    tiny = max(tiny_of(V.dtype, "H", gain), float(np.finfo(real).tiny))
    parts = (beta, exponent, gain, MODEL_FLOOR, DATA_FLOOR, tiny, *joint_exponents(beta))
    numbers = tuple([real(x) for x in parts])  # from a list: a generator would fill the cache of free tuples
    Mt = np.empty((0, 0), real) if weights is None else np.require(weights.T, real, ("C", "W"))
    above_H, below_H = (np.empty((0, 0), real),) * 2 if sums is None else sums
    lone = kind == 1 and weights is None
    slots = n_slots if "W" in factors else 0
    above_W = np.zeros((slots, len(W), n_k), real)
    below_W = np.zeros((slots, 1 if lone else len(W), n_k), real)
    args = (V.T, Mt, W, H.T, "H" in factors, kind, (per_slot, rows), numbers)
    with single_threaded_blas():
        run_blocks(_sweep_blocks, n_slots, *args, above_H, below_H, above_W, below_W)
    return above_W.sum(axis=0), np.broadcast_to(below_W.sum(axis=0), above_W.shape[1:]).copy()


def _partition(n_freq: int, n_frames: int) -> tuple[int, int, int]:
    """Return slots of frames (what threads share), tiles a slot and frames a tile: whole rows of V, read in order."""
    n_slots = min(SLOTS, -(-n_frames // 64))
    largest = min(256, max(64, TILE // n_freq))
    per_slot = -(-n_frames // (n_slots * largest))
    return n_slots, per_slot, -(-n_frames // (n_slots * per_slot))


@jit
def _weigh(weights, t0, N, P, kind):  # type: ignore[no-untyped-def]
    """Multiply what `ratio_row` made by the weights, 0 where they are 0 whatever it is there."""
    zero = weights.dtype.type(0)
    for j in range(N.shape[0]):
        w, n, p = weights[t0 + j], N[j], P[j]
        if kind == 1:
            for f in range(n.size):
                n[f] = p[f] * w[f] if w[f] > 0 else zero
                p[f] = w[f]
        else:
            for f in range(n.size):
                n[f] = n[f] * w[f] if w[f] > 0 else zero
                p[f] = p[f] * w[f]


# Copies and sums are spelt out: numba compiles whole-array ones with messages about shapes, for seconds.


@jit
def _copy(rows, out, first):  # type: ignore[no-untyped-def]
    for a in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            out[first + a, k] = rows[a, k]


@jit
def _add(rows, total):  # type: ignore[no-untyped-def]
    for a in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            total[a, k] += rows[a, k]


@jit
def _sweep_blocks(  # type: ignore[no-untyped-def]
    first, stop, V, weights, W, H, of_H, kind, shape, numbers, above_H, below_H, above_W, below_W
):
    """One pass over slots of frames; V, weights and H are (frames, …)."""
    per_slot, rows = shape
    n_frames, n_freq, n_k = H.shape[0], W.shape[0], W.shape[1]
    beta, _, gain, floor, least = numbers[:5]
    of_W = above_W.size > 0
    lone = kind == 1 and weights.size == 0
    model = np.empty(rows * n_freq, V.dtype)
    ratio = model if lone else np.empty(rows * n_freq, V.dtype)
    small = np.empty((4, rows, n_k), V.dtype)
    part = np.empty((n_freq if of_W else 0, n_k), V.dtype)
    columns = np.zeros(n_k, V.dtype)
    for f in range(n_freq):
        for k in range(n_k):
            columns[k] += W[f, k]
    for slot in range(first, stop):
        for tile in range(slot * per_slot, (slot + 1) * per_slot):
            t0, t1 = tile * rows, min((tile + 1) * rows, n_frames)
            if t0 >= t1:
                break
            n = t1 - t0
            scaled, above, below, later = small[0, :n], small[1, :n], small[2, :n], small[3, :n]
            for t in range(n):
                for k in range(n_k):
                    scaled[t, k] = later[t, k] = H[t0 + t, k] * gain
            P = model[: n * n_freq].reshape(n, n_freq)
            N = ratio[: n * n_freq].reshape(n, n_freq)
            np.dot(scaled, W.T, P)
            for j in range(n):
                ratio_row(V[t0 + j], N[j], P[j], kind, beta, gain, floor, least)
            if weights.size:
                _weigh(weights, t0, N, P, kind)
            if of_H:
                np.dot(N, W, above)
                if lone:
                    for t in range(n):
                        for k in range(n_k):
                            below[t, k] = columns[k]
                else:
                    np.dot(P, W, below)
                if above_H.size:
                    _copy(above, above_H, t0)
                    _copy(below, below_H, t0)
                else:
                    _multiply_rows(H[t0:t1], above, below, numbers)
            if of_W:
                if of_H:
                    _joint_rows(H[t0:t1], scaled, later, numbers)
                np.dot(N.T, scaled, part)
                _add(part, above_W[slot])
                if lone:
                    for t in range(n):
                        for k in range(n_k):
                            below_W[slot, 0, k] += later[t, k]
                else:
                    np.dot(P.T, later, part)
                    _add(part, below_W[slot])


@jit
def _multiply_rows(A, numerator, denominator, numbers):  # type: ignore[no-untyped-def]
    exponent, tiny = numbers[1], numbers[5]
    for a in range(A.shape[0]):
        for k in range(A.shape[1]):
            below = denominator[a, k]
            if below > 0:
                share = numerator[a, k] / below
                value = A[a, k] * (share if exponent == 1 else share**exponent)
                A[a, k] = value if value >= tiny else value - value


@jit
def _joint_rows(A, up, low, numbers):  # type: ignore[no-untyped-def]
    """Turn the old activations in ``up`` and ``low`` into those times powers of the change to A; 0 where A is."""
    gain, p, q = numbers[2], numbers[6], numbers[7]
    for a in range(A.shape[0]):
        for k in range(A.shape[1]):
            old, new = up[a, k], A[a, k] * gain
            if p == -1:
                up[a, k] = old * old / new if new > 0 else new
            elif p != 0:
                up[a, k] = old * (new / old) ** p if new > 0 else new
            low[a, k] = new if q == 1 or new == 0 else old * (new / old) ** q
