"""Small complex matrices in double precision, as loops for numba (plain Python without it): no pivots but in `invert`.

Hermitian matrices are positive; those of two rows are told by their diagonal and, between, what is below it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.kernels.jit import jit

LOOP: dict[str, Any] = {"fastmath": {"contract", "nsz", "reassoc"}}
LEAST = 1e-15
"""A pivot below this share of its diagonal entry is rounding."""


@jit(**LOOP)
def silent(V):  # type: ignore[no-untyped-def]
    """Say whether V is 0: its diagonal tells."""
    total = 0.0
    for i in range(V.shape[0]):
        total += abs(V[i, i].real)
    return total == 0


@jit(**LOOP)
def squared(v):  # type: ignore[no-untyped-def]
    """Return |v|²."""
    return v.real * v.real + v.imag * v.imag


@jit(**LOOP)
def invert(R, A, B):  # type: ignore[no-untyped-def]
    """Write R⁻¹ to A by elimination with row pivots; B is overwritten."""
    n = R.shape[0]
    for i in range(n):
        for j in range(n):
            B[i, j] = R[i, j]
            A[i, j] = 1.0 if i == j else 0.0
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if squared(B[i, k]) > squared(B[best, k]):
                best = i
        if best != k:
            for j in range(n):
                B[k, j], B[best, j] = B[best, j], B[k, j]
                A[k, j], A[best, j] = A[best, j], A[k, j]
        factor = B[k, k].conjugate() * (1.0 / squared(B[k, k]))
        for j in range(n):
            A[k, j] *= factor
        for j in range(k + 1, n):
            B[k, j] *= factor
        for i in range(n):
            if i != k:
                factor = B[i, k]
                for j in range(n):
                    A[i, j] -= factor * A[k, j]
                for j in range(k + 1, n):
                    B[i, j] -= factor * B[k, j]


@jit(**LOOP)
def factor(V, L, inverse):  # type: ignore[no-untyped-def]
    """Factor V = L D Lᴴ: L below the diagonal, D Lᴴ above it (conjugate), 1 / D in ``inverse``."""
    n = V.shape[0]
    for j in range(n):
        own = V[j, j].real
        d = own
        for k in range(j):
            d -= (L[j, k] * L[k, j].conjugate()).real
        if d < LEAST * own:
            d = LEAST * own
        if d == 0:
            d = LEAST * V[0, 0].real + 1e-300
        inverse[j] = 1.0 / d
        for i in range(j + 1, n):
            s = V[i, j]
            for k in range(j):
                s -= L[i, k] * L[k, j].conjugate()
            L[j, i] = s
            L[i, j] = s * inverse[j]


@jit(**LOOP)
def solve(L, inverse, x):  # type: ignore[no-untyped-def]
    """Solve V x = b in place."""
    n = x.shape[0]
    for i in range(n):
        s = x[i]
        for k in range(i):
            s -= L[i, k] * x[k]
        x[i] = s
    for i in range(n - 1, -1, -1):
        s = x[i] * inverse[i]
        for k in range(i + 1, n):
            s -= L[k, i].conjugate() * x[k]
        x[i] = s


@jit(**LOOP)
def joint(u0, u, u1, s0, s, s1):  # type: ignore[no-untyped-def]
    """Return eigenvectors g, h of U x = value S x: of the larger value and of the smaller one."""
    l0 = np.sqrt(s0)
    below = s / l0
    rest = s1 - squared(below)
    if rest < LEAST * s1:
        rest = LEAST * s1
    l1 = np.sqrt(rest)
    # C = L⁻¹ U L⁻ᴴ for S = L Lᴴ
    a = u0 / s0
    low = u - below * (u0 / l0)
    b = low / (l0 * l1)
    c = (u1 - 2 * (below.conjugate() * u).real / l0 + squared(below) * a) / rest
    half = 0.5 * (a - c)
    root = np.sqrt(half * half + squared(b))
    if root == 0:
        v0, v1 = 1.0 + 0j, 0j
    elif half >= 0:
        v0, v1 = complex(half + root, 0.0), b
    else:
        v0, v1 = b.conjugate(), complex(root - half, 0.0)
    g1, h1 = v1 / l1, v0.conjugate() / l1
    g0 = (v0 - below.conjugate() * g1) / l0
    h0 = (-v1.conjugate() - below.conjugate() * h1) / l0
    return g0, g1, h0, h1


@jit(**LOOP)
def inverse_length(u0, u, u1, x0, x1):  # type: ignore[no-untyped-def]
    """Return (xᴴ U x)^(-1/2) of a Hermitian 2 x 2 matrix."""
    cross = 2 * (x1.conjugate() * u * x0).real
    return 1.0 / np.sqrt(squared(x0) * u0 + squared(x1) * u1 + cross)


@jit(**LOOP)
def through(V, row, out):  # type: ignore[no-untyped-def]
    """Write V rowᴴ to ``out``; return row V rowᴴ."""
    size = 0.0
    for i in range(V.shape[0]):
        s = 0j
        for j in range(V.shape[0]):
            s += V[i, j] * row[j].conjugate()
        out[i] = s
        size += (row[i] * s).real
    return size


@jit(**LOOP)
def dot(row, x):  # type: ignore[no-untyped-def]
    """Return row x."""
    s = 0j
    for i in range(row.shape[0]):
        s += row[i] * x[i]
    return s


@jit(**LOOP)
def replace_one(R, A, n, scale):  # type: ignore[no-untyped-def]
    """Make columns of A after the n-th those of the inverse of R again after row n changed; r_n a_n = 1 / ``scale``."""
    n_rows = R.shape[0]
    for m in range(n + 1, n_rows):
        s = 0j
        for i in range(n_rows):
            s += R[n, i] * A[i, m]
        s *= scale
        for i in range(n_rows):
            A[i, m] -= A[i, n] * s


@jit(**LOOP)
def orthonormalize(x, y):  # type: ignore[no-untyped-def]
    """Give x and y length one and a right angle in the plane they span, however alike they are."""
    _without(x, y, 0.0)
    _without(y, x, 1.0)
    _without(x, y, 1.0)
    _without(y, x, 1.0)


@jit(**LOOP)
def _without(x, y, share):  # type: ignore[no-untyped-def]
    """Take from x its part along y, of length one, or the ``share`` of it, and make its length one."""
    s, length = 0j, 0.0
    for i in range(x.shape[0]):
        s += y[i].conjugate() * x[i]
    for i in range(x.shape[0]):
        x[i] -= y[i] * (s * share)
        length += squared(x[i])
    scale = 1.0 / np.sqrt(length)
    for i in range(x.shape[0]):
        x[i] *= scale


@jit(**LOOP)
def replace_two(R, A, m, n):  # type: ignore[no-untyped-def]
    """Make A the inverse of R again after rows m and n changed."""
    n_rows = R.shape[0]
    a, b, c, d = 0j, 0j, 0j, 0j
    for i in range(n_rows):
        a += R[m, i] * A[i, m]
        b += R[m, i] * A[i, n]
        c += R[n, i] * A[i, m]
        d += R[n, i] * A[i, n]
    det = a * d - b * c
    scale = det.conjugate() * (1.0 / squared(det))
    for i in range(n_rows):
        first, second = A[i, m], A[i, n]
        A[i, m] = (first * d - second * c) * scale
        A[i, n] = (second * a - first * b) * scale
    for k in range(n_rows):
        if k in (m, n):
            continue
        s, t = 0j, 0j
        for i in range(n_rows):
            s += R[m, i] * A[i, k]
            t += R[n, i] * A[i, k]
        for i in range(n_rows):
            A[i, k] -= A[i, m] * s + A[i, n] * t
