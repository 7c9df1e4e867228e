"""The tiles of `convolutive_nmf` on the CPU: copy out, multiply, ratios, contract, add back."""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.ratios import ratio_row

OUTER, INNER = 576, 576
"""Most rows of the factor that is updated, and of the other, in a tile: large, as each product copies both anew."""


def even_size(length: int, most: int, *, pairs: bool = False) -> int:
    """Return the size of equal parts of at most ``most``: a narrow last tile costs nearly what a wide one does.

    With ``pairs`` their number is even, so that two threads have as much to do.
    """
    n = -(-length // most)
    n += n % 2 if pairs and n > 1 else 0
    return -(-length // n)


@jit
def tile_sums(first, stop, V, A, B, sizes, of_H, kind, numbers, parts):  # type: ignore[no-untyped-def]
    """N and P of row blocks of A, with what they add to the J - 1 rows before; V is (frames, freq)."""
    n_a, n_b, rows, inner = sizes
    K, I, J = A.shape[1], A.shape[2], B.shape[2]
    M = I * K * J
    flat_a, flat_b, offset = A.reshape(A.size), B.reshape(B.size), _offsets(K, I, J)
    lefts, rights = np.empty(rows * M, V.dtype), np.empty(inner * M, V.dtype)
    model = np.empty(rows * inner, V.dtype)
    ratio = model if kind == 1 else np.empty(rows * inner, V.dtype)
    part = np.empty(rows * M, V.dtype)
    sums = np.empty((parts.shape[0], rows * M), V.dtype)
    for block in range(first, stop):
        a0 = block * rows
        n = min(rows, n_a - a0)
        left, out = lefts[: n * M].reshape(n, M), part[: n * M].reshape(n, M)
        _copy(flat_a[a0 * K * I :], K * I, offset, left)
        for b0 in range(0, n_b, inner):
            width = min(inner, n_b - b0)
            right = rights[: width * M].reshape(width, M)
            _copy_runs(flat_b[b0 * K * J :], K * J, right)
            t0, f0, n_t, n_f = (a0, b0, n, width) if of_H else (b0, a0, width, n)
            P, N = model[: n * width].reshape(n_t, n_f), ratio[: n * width].reshape(n_t, n_f)
            if of_H:
                np.dot(left, right.T, P)
            else:
                np.dot(right, left.T, P)
            _ratios(V, t0, f0, N, P, kind, numbers)
            for s in range(parts.shape[0]):
                R, total = N if s == 0 else P, sums[s, : n * M].reshape(n, M)
                to = out if b0 else total
                if of_H:
                    np.dot(R, right, to)
                else:
                    np.dot(R.T, right, to)
                if b0:
                    total += out
        parts[:, block] = 0
        for s in range(parts.shape[0]):
            target = parts[s, block].reshape(parts[s, block].size)
            _add_back(target, K * I, offset, sums[s, : n * M].reshape(n, M))


@jit
def _offsets(K, I, J):  # type: ignore[no-untyped-def]
    """Where the entries (i, k, j) of a tile's row are in A, counted from the row J - 1 before."""
    offset = np.empty(I * K * J, np.int64)
    for i in range(I):
        for k in range(K):
            for j in range(J):
                offset[(i * K + k) * J + j] = (J - 1 - j) * K * I + k * I + I - 1 - i
    return offset


@jit
def _copy(flat, step, offset, out):  # type: ignore[no-untyped-def]
    for a in range(out.shape[0]):
        source = flat[a * step :]
        for m in range(out.shape[1]):
            out[a, m] = source[offset[m]]


@jit
def _copy_runs(flat, step, out):  # type: ignore[no-untyped-def]
    for b in range(out.shape[0]):
        source = flat[b * step :]
        for m in range(out.shape[1]):
            out[b, m] = source[m]


@jit
def _add_back(flat, step, offset, part):  # type: ignore[no-untyped-def]
    for a in range(part.shape[0]):
        target = flat[a * step :]
        for m in range(part.shape[1]):
            target[offset[m]] += part[a, m]


@jit
def _ratios(V, t0, f0, N, P, kind, numbers):  # type: ignore[no-untyped-def]
    beta, gain, floor, least = numbers
    for t in range(P.shape[0]):
        ratio_row(V[t0 + t, f0 : f0 + P.shape[1]], N[t], P[t], kind, beta, gain, floor, least)


@jit
def multiply_entries(A, numerator, denominator, exponent, tiny):  # type: ignore[no-untyped-def]
    """Multiply A by (numerator / denominator)^exponent where there is a denominator; what is below tiny becomes 0."""
    for i in range(A.size):
        below = denominator[i]
        if below > 0:
            share = numerator[i] / below
            value = A[i] * (share if exponent == 1 else share**exponent)
            A[i] = value if value >= tiny else value - value
