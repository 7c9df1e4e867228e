"""Passes over the bins for `fast_mnmf`, rows of frames in cache; nothing of the size of the data is made.

Arrays of the loops have three axes, the last one of frames. Here components are filled up to a multiple of `QUAD` and
frames to one of `LINE`, with zeros: no loop has a remainder, and rows begin where lines of cache do. Helpers take
whole arrays and indices, and go over all rows of a bin: a view, or a call, for each row would cost as much as the row.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit

LEAST = 1e-12
"""No update takes an entry below it; of data near one, what is smaller is nothing, and slow to compute with."""

ROWS = 8
"""Bins whose share of the sums for H is added at once."""

QUAD, LINE = 4, 16

# Sums may be taken in any order (several at once in one register); NaN and infinity stay what they are.
_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER)
def _variances_of_two(W, H, f, g, power):  # type: ignore[no-untyped-def]
    """Write Σ_k w_nk h_nk of bin f to power[0], of bin g to power[1]: each row of H is read once for both."""
    for n in range(H.shape[0]):
        for k in range(0, H.shape[1], QUAD):
            a, b, c, d = W[n, f, k], W[n, f, k + 1], W[n, f, k + 2], W[n, f, k + 3]
            p, q, r, s = W[n, g, k], W[n, g, k + 1], W[n, g, k + 2], W[n, g, k + 3]
            if k == 0:
                for t in range(H.shape[2]):
                    h0, h1, h2, h3 = H[n, 0, t], H[n, 1, t], H[n, 2, t], H[n, 3, t]
                    power[0, n, t] = a * h0 + b * h1 + c * h2 + d * h3
                    power[1, n, t] = p * h0 + q * h1 + r * h2 + s * h3
            else:
                for t in range(H.shape[2]):
                    h0, h1, h2, h3 = H[n, k, t], H[n, k + 1, t], H[n, k + 2, t], H[n, k + 3, t]
                    power[0, n, t] += a * h0 + b * h1 + c * h2 + d * h3
                    power[1, n, t] += p * h0 + q * h1 + r * h2 + s * h3


@jit(fastmath=_REORDER)
def _mix(G, own, A, a, out, first, r):  # type: ignore[no-untyped-def]
    """Write Σ_i g_ij A[a, i] to out[first + j, r]."""
    inputs, frames = G.shape[1], A.shape[2]
    for j in range(G.shape[2]):
        o = first + j
        g0, g1 = G[own, 0, j], G[own, min(1, inputs - 1), j]
        g2, g3 = G[own, min(2, inputs - 1), j], G[own, min(3, inputs - 1), j]
        if inputs == 1:
            for t in range(frames):
                out[o, r, t] = g0 * A[a, 0, t]
        elif inputs == 2:
            for t in range(frames):
                out[o, r, t] = g0 * A[a, 0, t] + g1 * A[a, 1, t]
        elif inputs == 3:
            for t in range(frames):
                out[o, r, t] = g0 * A[a, 0, t] + g1 * A[a, 1, t] + g2 * A[a, 2, t]
        else:
            for t in range(frames):
                out[o, r, t] = g0 * A[a, 0, t] + g1 * A[a, 1, t] + g2 * A[a, 2, t] + g3 * A[a, 3, t]
            for i in range(4, inputs):
                g0 = G[own, i, j]
                for t in range(frames):
                    out[o, r, t] += g0 * A[a, i, t]


@jit(fastmath=_REORDER)
def _ratios(P, ridge, f, y, frames, terms):  # type: ignore[no-untyped-def]
    """Write p / y² and 1 / y of bin f to terms."""
    one = y.dtype.type(1)
    for m in range(y.shape[0]):
        low = ridge[m, f]
        for t in range(frames):
            u = one / y[m, 0, t]
            terms[1, m, t] = u
            terms[0, m, t] = (P[m, f, t] + low) * u * u


@jit(fastmath=_REORDER)
def _known_ratios(P, ridge, f, U, frames, terms):  # type: ignore[no-untyped-def]
    """Write p u² and u of bin f to terms."""
    for m in range(P.shape[0]):
        low = ridge[m, f]
        for t in range(frames):
            u = U[m, f, t]
            terms[1, m, t] = u
            terms[0, m, t] = (P[m, f, t] + low) * u * u


@jit(fastmath=_REORDER)
def _dots(A, i, j, r, H, n, found):  # type: ignore[no-untyped-def]
    """Write the inner products of A[i, r] with the rows of H[n] to found[0], those of A[j, r] to found[1]."""
    for k in range(0, H.shape[1], QUAD):
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = H.dtype.type(0)
        for t in range(H.shape[2]):
            a, b = A[i, r, t], A[j, r, t]
            h0, h1, h2, h3 = H[n, k, t], H[n, k + 1, t], H[n, k + 2, t], H[n, k + 3, t]
            a0 += a * h0
            a1 += a * h1
            a2 += a * h2
            a3 += a * h3
            b0 += b * h0
            b1 += b * h1
            b2 += b * h2
            b3 += b * h3
        found[0, k], found[0, k + 1], found[0, k + 2], found[0, k + 3] = a0, a1, a2, a3
        found[1, k], found[1, k + 1], found[1, k + 2], found[1, k + 3] = b0, b1, b2, b3


@jit(fastmath=_REORDER)
def _add(A, w, out):  # type: ignore[no-untyped-def]
    """Add Σ_r w_rk A[n, r] to out[n, k], two k at a time; w is the same for n in the two halves of A."""
    for n in range(A.shape[0]):
        s = n % w.shape[0]
        for k in range(0, out.shape[1], 2):
            a0, a1, a2, a3 = w[s, 0, k], w[s, 1, k], w[s, 2, k], w[s, 3, k]
            a4, a5, a6, a7 = w[s, 4, k], w[s, 5, k], w[s, 6, k], w[s, 7, k]
            b0, b1, b2, b3 = w[s, 0, k + 1], w[s, 1, k + 1], w[s, 2, k + 1], w[s, 3, k + 1]
            b4, b5, b6, b7 = w[s, 4, k + 1], w[s, 5, k + 1], w[s, 6, k + 1], w[s, 7, k + 1]
            for t in range(A.shape[2]):
                p0, p1, p2, p3 = A[n, 0, t], A[n, 1, t], A[n, 2, t], A[n, 3, t]
                p4, p5, p6, p7 = A[n, 4, t], A[n, 5, t], A[n, 6, t], A[n, 7, t]
                out[n, k, t] += (
                    a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3 + (a4 * p4 + a5 * p5 + a6 * p6 + a7 * p7)
                )
                out[n, k + 1, t] += (
                    b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3 + (b4 * p4 + b5 * p5 + b6 * p6 + b7 * p7)
                )


@jit(fastmath=_REORDER)
def _update_templates(W, f, found, n, components, share):  # type: ignore[no-untyped-def]
    least = W.dtype.type(LEAST)
    for k in range(components):
        W[n, f, k] = max(W[n, f, k] * np.sqrt(share * found[0, k] / found[1, k]), least)


@jit
def sum_spectra(first, stop, P, ridge, U, W, H, G, back, size, share, sums):  # type: ignore[no-untyped-def]
    """Update W in place; add what H is multiplied by to sums (blocks, 2 sources, components, frames).

    ``size`` is the number of components and of frames before they were filled up.
    """
    (sources, freq, _), (components, frames), blocks = W.shape, size, sums.shape[0]
    dims, padded = P.shape[0], H.shape[2]
    power, y = np.zeros((2, sources, padded), W.dtype), np.zeros((dims, 1, padded), W.dtype)
    terms = np.zeros((2, dims, padded), W.dtype)
    shares, w = np.zeros((2 * sources, ROWS, padded), W.dtype), np.zeros((sources, ROWS, H.shape[1]), W.dtype)
    found = np.empty((2, H.shape[1]), W.dtype)
    for block in range(first, stop):
        begin, end = freq * block // blocks, freq * (block + 1) // blocks
        for start in range(begin, end, ROWS):
            rows = min(ROWS, end - start)
            if rows < ROWS:
                shares.fill(0)
                w.fill(0)
            for r in range(rows):
                f = start + r
                own = f if G.shape[0] > 1 else 0
                _known_ratios(P, ridge, f, U, frames, terms)
                _mix(back, own, terms, 0, shares, 0, r)
                _mix(back, own, terms, 1, shares, sources, r)
                for n in range(sources):
                    _dots(shares, n, sources + n, r, H, n, found)
                    _update_templates(W, f, found, n, components, share)
                    for k in range(components):
                        w[n, r, k] = W[n, f, k]
            for r in range(rows):
                f = start + r
                own = f if G.shape[0] > 1 else 0
                if r % 2 == 0:
                    _variances_of_two(W, H, f, min(f + 1, end - 1), power)
                _mix(G, own, power, r % 2, y, 0, 0)
                _ratios(P, ridge, f, y, frames, terms)
                _mix(back, own, terms, 0, shares, 0, r)
                _mix(back, own, terms, 1, shares, sources, r)
            _add(shares, w, sums[block])


@jit(fastmath=_REORDER)
def _add_gains(P, ridge, f, y, power, s, frames, sums, own):  # type: ignore[no-untyped-def]
    """Add Σ_t λ_n p / y_m² and Σ_t λ_n / y_m of bin f to sums[own]; p / y² and 1 / y are not kept."""
    one = y.dtype.type(1)
    for m in range(y.shape[0]):
        low = ridge[m, f]
        for n in range(0, power.shape[1], QUAD):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = y.dtype.type(0)
            for t in range(frames):
                u = one / y[m, 0, t]
                v = (P[m, f, t] + low) * u * u
                h0, h1, h2, h3 = power[s, n, t], power[s, n + 1, t], power[s, n + 2, t], power[s, n + 3, t]
                a0 += v * h0
                a1 += v * h1
                a2 += v * h2
                a3 += v * h3
                b0 += u * h0
                b1 += u * h1
                b2 += u * h2
                b3 += u * h3
            for j, a, b in ((n, a0, b0), (n + 1, a1, b1), (n + 2, a2, b2), (n + 3, a3, b3)):
                sums[own, 0, j, m] += a
                sums[own, 1, j, m] += b


@jit
def sum_gains(first, stop, blocks, P, ridge, W, H, G, frames, sums):  # type: ignore[no-untyped-def]
    """Add what G is multiplied by to sums (blocks or freq, 2, sources filled up, dims)."""
    freq, dims, padded = W.shape[1], P.shape[0], H.shape[2]
    power, y = np.zeros((2, sums.shape[2], padded), W.dtype), np.zeros((dims, 1, padded), W.dtype)
    for block in range(first, stop):
        begin, end = freq * block // blocks, freq * (block + 1) // blocks
        for f in range(begin, end):
            s, local = (f - begin) % 2, G.shape[0] > 1
            if s == 0:
                _variances_of_two(W, H, f, min(f + 1, end - 1), power)
            _mix(G, f if local else 0, power, s, y, 0, 0)
            _add_gains(P, ridge, f, y, power, s, frames, sums, f if local else block)


@jit(fastmath=_REORDER)
def write_precisions(first, stop, blocks, W, H, G, frames, level, U):  # type: ignore[no-untyped-def]
    """Write ``level`` / y to U, and its sum over frames where U is longer."""
    (sources, freq, _), dims, padded = W.shape, U.shape[0], H.shape[2]
    power, y = np.zeros((2, sources, padded), W.dtype), np.zeros((dims, 1, padded), W.dtype)
    for block in range(first, stop):
        begin, end = freq * block // blocks, freq * (block + 1) // blocks
        for f in range(begin, end):
            if (f - begin) % 2 == 0:
                _variances_of_two(W, H, f, min(f + 1, end - 1), power)
            _mix(G, f if G.shape[0] > 1 else 0, power, (f - begin) % 2, y, 0, 0)
            for m in range(dims):
                total = W.dtype.type(0)
                for t in range(frames):
                    u = level / y[m, 0, t]
                    U[m, f, t] = u
                    total += u
                for t in range(frames, U.shape[2]):
                    U[m, f, t] = total
