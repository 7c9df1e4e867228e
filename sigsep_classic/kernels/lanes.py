"""Small complex matrices of several bins side by side, for numba: inverse, determinant, row updates.

An array (2, rows, columns, `LANES`) holds real and imaginary parts in double precision; what is done for one bin is
done for all, entry by entry along the last axis, so that the compiler makes vectors of it.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit

LANES = 16
LEAST_PIVOT = 1e-15

_FAST = {"reassoc", "contract", "nsz"}
_entry = jit(fastmath=_FAST, inline="always")


@_entry
def clear(A, i, j):
    """A_ij = 0."""
    for lane in range(LANES):
        A[0, i, j, lane] = 0.0
        A[1, i, j, lane] = 0.0


@_entry
def take(A, i, j, X, k, l, sign):
    """A_ij = X_kl, or its conjugate with sign -1."""
    for lane in range(LANES):
        A[0, i, j, lane] = X[0, k, l, lane]
        A[1, i, j, lane] = sign * X[1, k, l, lane]


@_entry
def add(A, i, j, X, k, l, Y, m, n, first, second, sign):
    """A_ij += sign X_kl Y_mn; either factor conjugate where its sign, ``first`` or ``second``, is -1."""
    for lane in range(LANES):
        x, u = sign * X[0, k, l, lane], sign * first * X[1, k, l, lane]
        y, v = Y[0, m, n, lane], second * Y[1, m, n, lane]
        A[0, i, j, lane] += x * y - u * v
        A[1, i, j, lane] += x * v + u * y


@_entry
def scale(A, i, j, D, k):
    """A_ij times the real D_kk."""
    for lane in range(LANES):
        A[0, i, j, lane] *= D[0, k, k, lane]
        A[1, i, j, lane] *= D[0, k, k, lane]


@jit(fastmath=_FAST)
def decompose(R, Q, L):
    """Write R = L Q: the rows of Q orthonormal (modified Gram-Schmidt), L lower triangular with 1 / L_ii for L_ii."""
    dims = R.shape[1]
    for i in range(dims):
        for c in range(dims):
            take(Q, i, c, R, i, c, 1.0)
        for j in range(i):
            clear(L, i, j)
            for c in range(dims):
                add(L, i, j, Q, i, c, Q, j, c, 1.0, -1.0, 1.0)
            for c in range(dims):
                add(Q, i, c, L, i, j, Q, j, c, 1.0, 1.0, -1.0)
        clear(L, i, i)
        for c in range(dims):
            add(L, i, i, Q, i, c, Q, i, c, 1.0, -1.0, 1.0)
        for lane in range(LANES):
            L[0, i, i, lane] = 1.0 / np.sqrt(L[0, i, i, lane])
        for c in range(dims):
            scale(Q, i, c, L, i)


@jit(fastmath=_FAST)
def invert(R, A, Q, L):
    """Write A = R⁻¹ = Qᴴ L⁻¹, column after column from the last; Q and L are scratch."""
    dims = R.shape[1]
    decompose(R, Q, L)
    for j in range(dims - 1, -1, -1):
        for c in range(dims):
            take(A, c, j, Q, j, c, -1.0)
            for i in range(j + 1, dims):
                add(A, c, j, A, c, i, L, i, j, 1.0, 1.0, -1.0)
            scale(A, c, j, L, j)


@jit(fastmath=_FAST)
def update_row(R, A, V, n, C, w):
    """Iterative projection: row n of R becomes wᴴ / sqrt(wᴴ V w) with w = V⁻¹ a_n, and A stays the inverse of R.

    V (2, dims, dims, LANES) is Hermitian, its lower triangle given. C like it and w (2, dims + 1, dims + 1, LANES)
    are scratch.
    """
    dims = R.shape[1]
    _factor(V, C)
    for i in range(dims):
        take(w, i, 0, A, i, n, 1.0)
        for j in range(i):
            add(w, i, 0, C, i, j, w, j, 0, 1.0, 1.0, -1.0)
        scale(w, i, 0, C, i)
    clear(w, dims, dims)  # wᴴ V w = wᴴ a_n
    for i in range(dims - 1, -1, -1):
        for j in range(i + 1, dims):
            add(w, i, 0, C, j, i, w, j, 0, -1.0, 1.0, -1.0)
        scale(w, i, 0, C, i)
        add(w, dims, dims, w, i, 0, A, i, n, -1.0, 1.0, 1.0)
    for lane in range(LANES):
        w[0, dims, dims, lane] = 1.0 / np.sqrt(w[0, dims, dims, lane])
    for i in range(dims):
        take(R, n, i, w, i, 0, -1.0)
        scale(R, n, i, w, dims)
        scale(A, i, n, w, dims)
    for m in range(dims):
        if m != n:  # the other columns lose what the new row sees of them
            clear(w, 0, 0)
            for c in range(dims):
                add(w, 0, 0, R, n, c, A, c, m, 1.0, 1.0, 1.0)
            for c in range(dims):
                add(A, c, m, A, c, n, w, 0, 0, 1.0, 1.0, -1.0)


@jit(fastmath=_FAST)
def _factor(V, C):
    """Write V = C Cᴴ (Cholesky), with 1 / C_ii for C_ii."""
    for i in range(V.shape[1]):
        for j in range(i + 1):
            take(C, i, j, V, i, j, 1.0)
            for k in range(j):
                add(C, i, j, C, i, k, C, j, k, 1.0, -1.0, -1.0)
            if j < i:
                scale(C, i, j, C, j)
        for lane in range(LANES):
            C[0, i, i, lane] = 1.0 / np.sqrt(max(C[0, i, i, lane], LEAST_PIVOT * V[0, i, i, lane]))
