"""Sums of one source over the frames of a bin, or over bins: the inner loops of `variance_sums` and of fused sweeps."""

from __future__ import annotations

from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.variance_weights import slope_row, variance_row

_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER)
def _ratio_rows(p, c, T, V, kind, constants, start, a, b, g):  # type: ignore[no-untyped-def]
    """Write G'(x) x / r to ``a`` and 1 / r to ``b``."""
    zero, one, size = constants[0], constants[1], p.shape[0]
    variance_row(T, V, constants[3], start, size, b)
    if kind == 0:
        for t in range(size):
            inverse = one / b[t]
            inverse = inverse if p[t] >= zero else zero
            b[t] = inverse
            a[t] = c * p[t] * inverse * inverse
        return
    for t in range(size):
        inverse = one / b[t]
        inverse = inverse if p[t] >= zero else zero
        a[t] = c * p[t] * inverse
        b[t] = inverse
    slope_row(a, kind, constants, size, g)
    for t in range(size):
        a[t] *= g[t] * b[t]


@jit(fastmath=_REORDER)
def _two_over_frames(p, c, v, w, T, constants):  # type: ignore[no-untyped-def]
    """Return the sums over frames for two components and G(x) = x, in one loop without arrays between."""
    zero, one, floor, first, second = constants[0], constants[1], constants[3], T[0], T[1]
    a0, a1, b0, b1 = zero, zero, zero, zero
    for t in range(p.shape[0]):
        inverse = one / (floor + first * v[t] + second * w[t])
        inverse = inverse if p[t] >= zero else zero
        ratio = c * p[t] * inverse * inverse
        a0 += ratio * v[t]
        a1 += ratio * w[t]
        b0 += inverse * v[t]
        b1 += inverse * w[t]
    return a0, a1, b0, b1


@jit(fastmath=_REORDER)
def _two_over_freq(p, c, v, w, T, constants, a0, a1, b0, b1):  # type: ignore[no-untyped-def]
    """Add what one bin has to the sums over bins for two components and G(x) = x."""
    zero, one, floor, first, second = constants[0], constants[1], constants[3], T[0], T[1]
    for t in range(p.shape[0]):
        inverse = one / (floor + first * v[t] + second * w[t])
        inverse = inverse if p[t] >= zero else zero
        ratio = c * p[t] * inverse * inverse
        a0[t] += ratio * first
        a1[t] += ratio * second
        b0[t] += inverse * first
        b1[t] += inverse * second


@jit(fastmath=_REORDER)
def add_over_frames(p, c, T, V, kind, constants, start, rows, out):  # type: ignore[no-untyped-def]
    """Add the sums over some frames of one bin and source to ``out`` (2, components), with scratch ``rows``."""
    size = p.shape[0]
    if kind == 0 and T.shape[0] == 2:
        v, w = V[0, start : start + size], V[1, start : start + size]
        a0, a1, b0, b1 = _two_over_frames(p, c, v, w, T, constants)
        out[0, 0] += a0
        out[0, 1] += a1
        out[1, 0] += b0
        out[1, 1] += b1
        return
    a, b = rows[0], rows[1]
    _ratio_rows(p, c, T, V, kind, constants, start, a, b, rows[2])
    for k in range(T.shape[0]):
        v = V[k, start : start + size]
        above, below = constants[0], constants[0]
        for t in range(size):
            above += a[t] * v[t]
            below += b[t] * v[t]
        out[0, k] += above
        out[1, k] += below


@jit(fastmath=_REORDER)
def add_over_freq(p, c, T, V, kind, constants, start, rows, above, below):  # type: ignore[no-untyped-def]
    """Add what some frames of one bin and source have to the sums over bins (components, frames)."""
    size = p.shape[0]
    end = start + size
    if kind == 0 and T.shape[0] == 2:
        sums = above[0, start:end], above[1, start:end], below[0, start:end], below[1, start:end]
        _two_over_freq(p, c, V[0, start:end], V[1, start:end], T, constants, *sums)
        return
    a, b = rows[0], rows[1]
    _ratio_rows(p, c, T, V, kind, constants, start, a, b, rows[2])
    for k in range(T.shape[0]):
        x, y, w = above[k, start:end], below[k, start:end], T[k]
        for t in range(size):
            x[t] += w * a[t]
            y[t] += w * b[t]
