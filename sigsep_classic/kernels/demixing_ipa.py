"""Iterative projection with adjustment: one row of R is free, the others may take their share of its old value.

With q fixed, the best row is known; what is left for q is a quadratic function less the logarithm of another one,
whose least value is one root away (Scheibler, "Independent vector analysis via log-quadratically penalized quadratic
minimization", IEEE Trans. Signal Processing, 2021; equation numbers not checked).
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.demixing_cuda import RULES as CUDA_CONSTANTS  # noqa: F401
from sigsep_classic.kernels.demixing_matrices import LEAST, LOOP, dot, factor, silent, solve, squared, through
from sigsep_classic.kernels.jit import jit


@jit(**LOOP)
def ipa(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    """Update each row k in turn: r_k becomes u R, r_m becomes r_m + x_m r_k for all m != k, u and x the best."""
    dims = R.shape[0]
    C, H, E, sizes = work[0], work[1], work[2], numbers[0]
    t, x, y, row = vectors[0], vectors[1], vectors[2], vectors[3]
    for k in range(dims):
        if silent(V[k]):
            continue
        _covariance_of_outputs(R, V[k], x, C)
        row[:] = R[k]
        t[:] = 0
        for m in range(dims):
            sizes[m] = 1.0
            if m != k and not silent(V[m]):
                sizes[m] = through(V[m], row, x)
                t[m] = dot(R[m], x) * (1.0 / sizes[m])  # r_m - t_m r_k is what steering alone would take
        _adjust(C, k, sizes, t, y, H, E, numbers)
        # t is now what is taken of r_k; the determinant grows by u t' with t' = e_k + t
        t[k] = 1.0
        factor(C, H, numbers[1])
        x[:] = t
        solve(H, numbers[1], x)
        length = 0.0
        for m in range(dims):
            length += (t[m].conjugate() * x[m]).real
        scale = 1.0 / np.sqrt(length)
        y[:] = 0
        for m in range(dims):
            for i in range(dims):
                y[i] += x[m].conjugate() * scale * R[m, i]
        for m in range(dims):
            if m != k:
                for i in range(dims):
                    R[m, i] -= t[m] * row[i]
        R[k] = y


@jit(**LOOP)
def _covariance_of_outputs(R, V, x, C):  # type: ignore[no-untyped-def]
    """Write R V Rᴴ to C."""
    dims = R.shape[0]
    for n in range(dims):
        through(V, R[n], x)
        for m in range(dims):
            C[m, n] = dot(R[m], x)


@jit(**LOOP)
def _adjust(C, k, sizes, t, y, H, E, numbers):  # type: ignore[no-untyped-def]
    """Replace t by the least of ``sum of sizes |x - t|² - log(z' C⁻¹ z)``, z = e_k + x, over x with x_k = 0.

    With C⁻¹ = B, completing the square: z' B z = (x - d)ᴴ B_LL (x - d) + 1 / C_kk, d = C_Lk / C_kk.
    """
    dims = C.shape[0]
    values, gains, roots = numbers[1], numbers[2], numbers[3]
    own = 1.0 / C[k, k].real
    for m in range(dims):
        roots[m] = np.sqrt(sizes[m])
    # B_LL⁻¹ in coordinates in which the quadratic term is |y|²; row k is left out by being the identity.
    for m in range(dims):
        for n in range(dims):
            if m == k or n == k:
                H[m, n] = 0.0
            else:
                H[m, n] = (C[m, n] - C[m, k] * C[k, n] * own) * (roots[m] * roots[n])
    _eigen(H, k, E)
    for i in range(dims):
        s = 0j
        for m in range(dims):
            if m != k:
                s += E[m, i].conjugate() * (C[m, k] * own - t[m]) * roots[m]
        y[i] = s  # where the least of the other quadratic is
    low, first = 0.0, -1
    for i in range(dims):
        if i != k:
            low = max(low, LEAST * C[i, i].real * sizes[i])
    for i in range(dims):
        values[i] = gains[i] = 0.0
        if i != k:
            values[i] = 1.0 / max(H[i, i].real, low)
            gains[i] = values[i] * squared(y[i])
            if first < 0 or values[i] > values[first]:
                first = i
    if first >= 0:
        _least(values, gains, own, first, k, y)
    for m in range(dims):
        if m != k:
            s = 0j
            for i in range(dims):
                if i != k:
                    s += E[m, i] * y[i]
            t[m] += s * (1.0 / roots[m])


@jit(**LOOP)
def _least(values, gains, rest, first, k, y):  # type: ignore[no-untyped-def]
    """Replace y by the least of ``|x|² - log(sum of values |x - y|² + rest)``, gains being values |y|²."""
    top = values[first]
    above = _root(values, gains, rest, top, k)  # the argument of the logarithm there, less the largest value
    left = top + above - rest
    for i in range(y.shape[0]):
        if i != k and (i != first or above > 1e-14 * top):
            gap = above + (top - values[i])
            ratio = (top + above) / gap
            left -= gains[i] * ratio * ratio
            y[i] *= -values[i] / gap
    if above <= 1e-14 * top:  # all directions are as good; the length is not
        y[first] = np.sqrt(max(left, 0.0) / top)


@jit(**LOOP)
def _root(values, gains, rest, top, k):  # type: ignore[no-untyped-def]
    """Return x - top >= 0 for the largest root x of ``sum of gains (x / (x - values))² + rest = x``; 0 if below."""
    total = 0.0
    for i in range(gains.shape[0]):
        total += gains[i]
    low, high = max(0.0, rest - top), max(top, 4 * total + rest - top)
    above = high
    for _ in range(200):
        x = top + above
        f, slope = rest - x, -1.0
        for i in range(gains.shape[0]):
            if i != k:
                gap = above + (top - values[i])
                ratio = x / gap
                f += gains[i] * ratio * ratio
                slope -= 2 * gains[i] * ratio * values[i] / (gap * gap)
        if f > 0:
            low = above
        else:
            high = above
        moved = above - f / slope
        if not low < moved < high:
            moved = 0.5 * (low + high)
        if abs(moved - above) <= 1e-15 * above or moved <= 1e-15 * top:
            above = moved
            break
        above = moved
    return above


@jit(**LOOP)
def _eigen(H, skip, E):  # type: ignore[no-untyped-def]
    """Diagonalise a Hermitian H by Jacobi rotations, eigenvectors to the columns of E; ``skip`` is left out."""
    dims = H.shape[0]
    for i in range(dims):
        for j in range(dims):
            E[i, j] = 1.0 if i == j else 0.0
    for _ in range(30):
        off, on = 0.0, 0.0
        for i in range(dims):
            if i != skip:
                on += squared(H[i, i])
                for j in range(i):
                    if j != skip:
                        off += squared(H[i, j])
        if off <= 1e-32 * on:
            break
        for p in range(dims):
            for q in range(p + 1, dims):
                if p != skip and q != skip:
                    _rotate(H, E, p, q)


@jit(**LOOP)
def _rotate(H, E, p, q):  # type: ignore[no-untyped-def]
    """Make H[p, q] zero by a rotation of rows and columns p and q."""
    size = np.sqrt(squared(H[p, q]))
    if size == 0:
        return
    phase = H[p, q] * (1.0 / size)
    theta = (H[q, q].real - H[p, p].real) / (2 * size)
    tangent = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1))
    if theta < 0:
        tangent = -tangent
    c = 1.0 / np.sqrt(tangent * tangent + 1)
    s = tangent * c
    for i in range(H.shape[0]):
        a, b = H[i, p], H[i, q]
        H[i, p] = c * a - s * phase.conjugate() * b
        H[i, q] = s * phase * a + c * b
        a, b = E[i, p], E[i, q]
        E[i, p] = c * a - s * phase.conjugate() * b
        E[i, q] = s * phase * a + c * b
    for i in range(H.shape[0]):
        a, b = H[p, i], H[q, i]
        H[p, i] = c * a - s * phase * b
        H[q, i] = s * phase.conjugate() * a + c * b
