"""Passes over the bins for `fast_mnmf`, a row of frames at a time in cache; nothing of the size of the data is made."""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit

LEAST = 1e-12
"""No update takes an entry below it; of data near one, what is smaller is nothing, and slow to compute with."""

ROWS = 8
"""Bins whose share of the sums for H is added at once."""

# Sums may be taken in any order (several at once in one register); NaN and infinity stay what they are. Helpers take
# whole arrays and indices: a view made for each row would cost as much as the row.
_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER, error_model="numpy")
def _combine(out, i, j, w, K, B, b, n):  # type: ignore[no-untyped-def]
    """Write Σ_k w[k] B[b, k] to out[i, j], four rows at once."""
    w0, w1, w2, w3 = w[0], w[min(1, K - 1)], w[min(2, K - 1)], w[min(3, K - 1)]
    if K >= 4:
        for t in range(n):
            out[i, j, t] = w0 * B[b, 0, t] + w1 * B[b, 1, t] + w2 * B[b, 2, t] + w3 * B[b, 3, t]
    elif K == 3:
        for t in range(n):
            out[i, j, t] = w0 * B[b, 0, t] + w1 * B[b, 1, t] + w2 * B[b, 2, t]
    elif K == 2:
        for t in range(n):
            out[i, j, t] = w0 * B[b, 0, t] + w1 * B[b, 1, t]
    else:
        for t in range(n):
            out[i, j, t] = w0 * B[b, 0, t]
    _add(out, i, j, w, 4, K, B, b, n)


@jit(fastmath=_REORDER, error_model="numpy")
def _add(out, i, j, w, first, K, B, b, n):  # type: ignore[no-untyped-def]
    """Add Σ_k w[k] B[b, k], first <= k < K, to out[i, j], four rows at once."""
    k = first
    while k + 3 < K:
        w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
        for t in range(n):
            out[i, j, t] += w0 * B[b, k, t] + w1 * B[b, k + 1, t] + w2 * B[b, k + 2, t] + w3 * B[b, k + 3, t]
        k += 4
    while k < K:
        w0 = w[k]
        for t in range(n):
            out[i, j, t] += w0 * B[b, k, t]
        k += 1


@jit(fastmath=_REORDER, error_model="numpy")
def _variances(W, H, G, f, w, power, y):  # type: ignore[no-untyped-def]
    """Write Σ_k w_nk h_nk of bin f to power[0] (sources, frames), and its mixture by G to y[0] (dims, frames)."""
    n_frames, own = H.shape[2], f if G.shape[0] > 1 else 0
    for n in range(W.shape[0]):
        for k in range(W.shape[2]):
            w[k] = W[n, f, k]
        _combine(power, 0, n, w, W.shape[2], H, n, n_frames)
    for m in range(y.shape[1]):
        for n in range(W.shape[0]):
            w[n] = G[own, n, m]
        _combine(y, 0, m, w, W.shape[0], power, 0, n_frames)


@jit(fastmath=_REORDER, error_model="numpy")
def _ratios(P, ridge, f, y, up, down):  # type: ignore[no-untyped-def]
    """Write p / y² and 1 / y of bin f."""
    one = y.dtype.type(1)
    for m in range(y.shape[1]):
        low = ridge[m, f]
        for t in range(y.shape[2]):
            u = one / y[0, m, t]
            down[0, m, t] = u
            up[0, m, t] = (P[m, f, t] + low) * u * u


@jit(fastmath=_REORDER, error_model="numpy")
def _known_ratios(P, ridge, f, U, up, down):  # type: ignore[no-untyped-def]
    """Write p u² and u of bin f."""
    for m in range(up.shape[1]):
        low = ridge[m, f]
        for t in range(up.shape[2]):
            u = U[m, f, t]
            down[0, m, t] = u
            up[0, m, t] = (P[m, f, t] + low) * u * u


@jit(fastmath=_REORDER, error_model="numpy")
def _through_gains(G, f, r, w, up, down, above, below):  # type: ignore[no-untyped-def]
    """Write Σ_m g_nm up_m to above[n, r], and the same of down to below."""
    dims, own = G.shape[2], f if G.shape[0] > 1 else 0
    for n in range(G.shape[1]):
        for m in range(dims):
            w[m] = G[own, n, m]
        _combine(above, n, r, w, dims, up, 0, up.shape[2])
        _combine(below, n, r, w, dims, down, 0, up.shape[2])


@jit(fastmath=_REORDER, error_model="numpy")
def _dots(A, B, i, j, H, n, along_a, along_b):  # type: ignore[no-untyped-def]
    """Write the inner products of A[i, j] and of B[i, j] with each row of H[n], four rows at once."""
    frames, K = H.shape[2], H.shape[1]
    zero, k = H.dtype.type(0), 0
    while k + 3 < K:
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zero
        for t in range(frames):
            a, b = A[i, j, t], B[i, j, t]
            a0 += a * H[n, k, t]
            a1 += a * H[n, k + 1, t]
            a2 += a * H[n, k + 2, t]
            a3 += a * H[n, k + 3, t]
            b0 += b * H[n, k, t]
            b1 += b * H[n, k + 1, t]
            b2 += b * H[n, k + 2, t]
            b3 += b * H[n, k + 3, t]
        along_a[k], along_a[k + 1], along_a[k + 2], along_a[k + 3] = a0, a1, a2, a3
        along_b[k], along_b[k + 1], along_b[k + 2], along_b[k + 3] = b0, b1, b2, b3
        k += 4
    while k < K:
        a0 = b0 = zero
        for t in range(frames):
            a0 += A[i, j, t] * H[n, k, t]
            b0 += B[i, j, t] * H[n, k, t]
        along_a[k], along_b[k] = a0, b0
        k += 1


@jit(fastmath=_REORDER, error_model="numpy")
def sum_spectra(first, stop, blocks, P, ridge, U, W, H, G, share, sum_up, sum_down):  # type: ignore[no-untyped-def]
    """Update W in place; add what H is multiplied by to the sums (blocks * sources, components, frames)."""
    sources, freq, components = W.shape
    dims, frames = P.shape[0], H.shape[2]
    power, y = np.empty((1, sources, frames), W.dtype), np.empty((1, dims, frames), W.dtype)
    up, down = np.empty((1, dims, frames), W.dtype), np.empty((1, dims, frames), W.dtype)
    above = np.empty((sources, ROWS, frames), W.dtype)
    below = np.empty((sources, ROWS, frames), W.dtype)
    w = np.empty(max(sources, components, dims, ROWS), W.dtype)
    raising, lowering, least = (
        np.empty(components, W.dtype),
        np.empty(components, W.dtype),
        W.dtype.type(LEAST),
    )
    for block in range(first, stop):
        begin, end = freq * block // blocks, freq * (block + 1) // blocks
        for start in range(begin, end, ROWS):
            rows = min(ROWS, end - start)
            for r in range(rows):
                f = start + r
                _known_ratios(P, ridge, f, U, up, down)
                _through_gains(G, f, r, w, up, down, above, below)
                for n in range(sources):
                    _dots(above, below, n, r, H, n, raising, lowering)
                    for k in range(components):
                        W[n, f, k] = max(W[n, f, k] * np.sqrt(share * raising[k] / lowering[k]), least)
                _variances(W, H, G, f, w, power, y)
                _ratios(P, ridge, f, y, up, down)
                _through_gains(G, f, r, w, up, down, above, below)
            for n in range(sources):
                for k in range(components):
                    for r in range(rows):
                        w[r] = W[n, start + r, k]
                    _add(sum_up, block * sources + n, k, w, 0, rows, above, n, frames)
                    _add(sum_down, block * sources + n, k, w, 0, rows, below, n, frames)


@jit(fastmath=_REORDER, error_model="numpy")
def sum_gains(first, stop, blocks, P, ridge, W, H, G, sum_up, sum_down):  # type: ignore[no-untyped-def]
    """Add what G is multiplied by to the sums (blocks or freq, sources, dims)."""
    sources, freq, components = W.shape
    dims, frames = P.shape[0], H.shape[2]
    power, y = np.empty((1, sources, frames), W.dtype), np.empty((1, dims, frames), W.dtype)
    up, down = np.empty((1, dims, frames), W.dtype), np.empty((1, dims, frames), W.dtype)
    w = np.empty(max(sources, components), W.dtype)
    raising, lowering = np.empty(sources, W.dtype), np.empty(sources, W.dtype)
    for block in range(first, stop):
        for f in range(freq * block // blocks, freq * (block + 1) // blocks):
            own = f if G.shape[0] > 1 else block
            _variances(W, H, G, f, w, power, y)
            _ratios(P, ridge, f, y, up, down)
            for m in range(dims):
                _dots(up, down, 0, m, power, 0, raising, lowering)
                for n in range(sources):
                    sum_up[own, n, m] += raising[n]
                    sum_down[own, n, m] += lowering[n]


@jit(fastmath=_REORDER, error_model="numpy")
def write_precisions(first, stop, blocks, W, H, G, level, U):  # type: ignore[no-untyped-def]
    """Write ``level`` / y to U, and its sum over frames where U is longer."""
    sources, freq, components = W.shape
    dims, frames = U.shape[0], H.shape[2]
    power, y = np.empty((1, sources, frames), W.dtype), np.empty((1, dims, frames), W.dtype)
    w = np.empty(max(sources, components), W.dtype)
    for block in range(first, stop):
        for f in range(freq * block // blocks, freq * (block + 1) // blocks):
            _variances(W, H, G, f, w, power, y)
            for m in range(dims):
                total = W.dtype.type(0)
                for t in range(frames):
                    u = level / y[0, m, t]
                    U[m, f, t] = u
                    total += u
                for t in range(frames, U.shape[2]):
                    U[m, f, t] = total
