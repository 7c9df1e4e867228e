"""Updates of one bin's demixing matrix from its weighted covariances: small complex matrices, in double precision.

All lower ``sum of r_n V_n r_nᴴ - log |det R|²`` over some entries of R with the others fixed. A is R⁻¹ where a rule
needs it, kept up by updates of rank one or two. A source that is silent (V_n = 0) keeps its row.

Each rule takes R (dims, dims), updated in place, V (dims, dims, dims), ``pairs`` (pairs, 2), and scratch: ``work``
(N_MATRICES, dims, dims) and ``vectors`` (4, dims), complex, and ``numbers`` (4, dims). The loops are compiled by numba;
without it they are the plain Python they look like.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.demixing_cuda import RULES as CUDA_CONSTANTS  # noqa: F401
from sigsep_classic.kernels.demixing_matrices import (
    LEAST,
    LOOP,
    dot,
    factor,
    inverse_length,
    invert,
    joint,
    orthonormalize,
    replace_one,
    replace_two,
    silent,
    solve,
    squared,
    through,
)
from sigsep_classic.kernels.jit import jit

N_MATRICES = 3


@jit(**LOOP)
def ip1(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    """Iterative projection: r_nᴴ = (R V_n)⁻¹ e_n = V_n⁻¹ a_n, then r_n V_n r_nᴴ = 1; one row after the other."""
    n_rows = R.shape[0]
    if n_rows == 2:
        _ip1_of_two(R, V)
        return
    A, L, x, inverse = work[0], work[1], vectors[0], numbers[0]
    invert(R, A, L)
    for n in range(n_rows):
        if silent(V[n]):
            continue
        factor(V[n], L, inverse)
        for i in range(n_rows):
            x[i] = A[i, n]
        solve(L, inverse, x)
        size = 0.0
        for i in range(n_rows):
            size += (A[i, n].conjugate() * x[i]).real
        scale = 1.0 / np.sqrt(size)
        for i in range(n_rows):
            R[n, i] = x[i].conjugate() * scale
        replace_one(R, A, n, scale)


@jit(**LOOP)
def _ip1_of_two(R, V):  # type: ignore[no-untyped-def]
    """The same for two rows, where a_n is at a right angle to the other row."""
    for n in range(2):
        if silent(V[n]):
            continue
        a0, a1 = R[1 - n, 1], -R[1 - n, 0]
        d0 = 1.0 / V[n, 0, 0].real if V[n, 0, 0].real != 0 else 1e300
        below = V[n, 1, 0] * d0
        rest = V[n, 1, 1].real - squared(V[n, 1, 0]) * d0
        if rest < LEAST * V[n, 1, 1].real:
            rest = LEAST * V[n, 1, 1].real
        d1 = 1.0 / rest if rest != 0 else 1.0 / (LEAST * V[n, 0, 0].real)
        a1 -= below * a0
        x1 = a1 * d1
        x0 = a0 * d0 - below.conjugate() * x1
        scale = 1.0 / np.sqrt(squared(a0) * d0 + squared(a1) * d1)
        R[n, 0] = x0.conjugate() * scale
        R[n, 1] = x1.conjugate() * scale


@jit(**LOOP)
def _alike(A, m, n):  # type: ignore[no-untyped-def]
    """Say whether the cosine between columns m and n is above 0.99 or so, or their lengths are far apart."""
    a, b, c = 0.0, 0.0, 0j
    for i in range(A.shape[0]):
        a += squared(A[i, m])
        b += squared(A[i, n])
        c += A[i, m].conjugate() * A[i, n]
    return not (squared(c) < 0.98 * a * b and 1e-6 * a < b and 1e-6 * b < a)


@jit(**LOOP)
def ip2(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    """Iterative projection of two rows at once: the best pair with all other rows fixed."""
    n_rows = R.shape[0]
    if n_rows == 2:
        _ip2_of_two(R, V)
        return
    A, L, inverse = work[0], work[1], numbers[0]
    invert(R, A, L)
    for p in range(pairs.shape[0]):
        m, n = pairs[p, 0], pairs[p, 1]
        if silent(V[m]) or silent(V[n]):
            continue
        P, Q = vectors[:2], vectors[2:]
        if _alike(A, m, n):
            orthonormalize(A[:, m], A[:, n])
        u0, u, u1 = _project(V[m], A, m, n, L, inverse, P)
        s0, s, s1 = _project(V[n], A, m, n, L, inverse, Q)
        g0, g1, h0, h1 = joint(u0, u, u1, s0, s, s1)
        g = inverse_length(u0, u, u1, g0, g1)
        h = inverse_length(s0, s, s1, h0, h1)
        for i in range(n_rows):
            R[m, i] = ((P[0, i] * g0 + P[1, i] * g1) * g).conjugate()
            R[n, i] = ((Q[0, i] * h0 + Q[1, i] * h1) * h).conjugate()
        replace_two(R, A, m, n)


@jit(**LOOP)
def _ip2_of_two(R, V):  # type: ignore[no-untyped-def]
    """The same where there are no other rows: eigenvectors of the covariances themselves, R does not matter."""
    if silent(V[0]) or silent(V[1]):
        return
    u0, u, u1 = V[0, 0, 0].real, V[0, 1, 0], V[0, 1, 1].real
    s0, s, s1 = V[1, 0, 0].real, V[1, 1, 0], V[1, 1, 1].real
    g0, g1, h0, h1 = joint(s0, s, s1, u0, u, u1)
    g = inverse_length(u0, u, u1, g0, g1)
    h = inverse_length(s0, s, s1, h0, h1)
    R[0, 0], R[0, 1] = g0.conjugate() * g, g1.conjugate() * g
    R[1, 0], R[1, 1] = h0.conjugate() * h, h1.conjugate() * h


@jit(**LOOP)
def _project(V, A, m, n, L, inverse, P):  # type: ignore[no-untyped-def]
    """Write V⁻¹ a_m and V⁻¹ a_n to two rows of P; return [a_m a_n]ᴴ V⁻¹ [a_m a_n]."""
    n_rows = V.shape[0]
    factor(V, L, inverse)
    for i in range(n_rows):
        P[0, i] = A[i, m]
        P[1, i] = A[i, n]
    solve(L, inverse, P[0])
    solve(L, inverse, P[1])
    u0, u, u1 = 0.0, 0j, 0.0
    for i in range(n_rows):
        u0 += (A[i, m].conjugate() * P[0, i]).real
        u += A[i, n].conjugate() * P[0, i]
        u1 += (A[i, n].conjugate() * P[1, i]).real
    return u0, u, u1


@jit(**LOOP)
def iss1(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    """Iterative source steering: R - u r_n for each n, with the u that lowers the cost most."""
    n_rows = R.shape[0]
    row, x = vectors[0], vectors[1]
    for n in range(n_rows):
        if silent(V[n]):
            continue
        row[:] = R[n]
        for m in range(n_rows):
            if silent(V[m]):
                continue
            size = through(V[m], row, x)
            if m == n:
                u = 1.0 - 1.0 / np.sqrt(size) + 0j
            else:
                u = dot(R[m], x) * (1.0 / size)
            for i in range(n_rows):
                R[m, i] -= u * row[i]


@jit(**LOOP)
def iss2(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    """Source steering along two rows at once: each other row is freed of both, the pair solved jointly."""
    n_rows = R.shape[0]
    first, second, x, y = vectors[0], vectors[1], vectors[2], vectors[3]
    for p in range(pairs.shape[0]):
        m, n = pairs[p, 0], pairs[p, 1]
        if silent(V[m]) or silent(V[n]):
            continue
        first[:] = R[m]
        second[:] = R[n]
        orthonormalize(first, second)
        for k in range(n_rows):
            if k in (m, n) or silent(V[k]):
                continue
            g0 = through(V[k], first, x)
            g1 = through(V[k], second, y)
            g = dot(second, x)
            a, b = dot(R[k], x), dot(R[k], y)
            det = g0 * g1 - squared(g)
            if det < LEAST * g0 * g1:
                det = LEAST * g0 * g1
            # (a b) G⁻¹ with G = [[g0, g*], [g, g1]]
            s = (a * g1 - b * g) * (1.0 / det)
            t = (b * g0 - a * g.conjugate()) * (1.0 / det)
            for i in range(n_rows):
                R[k, i] -= s * first[i] + t * second[i]
        u0 = through(V[m], first, x)
        u1 = through(V[m], second, y)
        u = dot(second, x)
        s0 = through(V[n], first, x)
        s1 = through(V[n], second, y)
        s = dot(second, x)
        g0, g1, h0, h1 = joint(s0, s, s1, u0, u, u1)
        g = inverse_length(u0, u, u1, g0, g1)
        h = inverse_length(s0, s, s1, h0, h1)
        for i in range(n_rows):
            R[m, i] = (g0.conjugate() * first[i] + g1.conjugate() * second[i]) * g
            R[n, i] = (h0.conjugate() * first[i] + h1.conjugate() * second[i]) * h
