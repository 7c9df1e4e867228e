"""Passes over the frames of one bin: weighted covariances and powers, in tiles that stay in first-level cache.

Loops are written for the compiler's vectors: real and imaginary parts apart, several sums at once, whole vectors
only (tiles are padded with zeros). The product of two channels is formed in registers and used for two to four
sources.
"""

from __future__ import annotations

from sigsep_classic.kernels.demixing_factors import low_rank_weights
from sigsep_classic.kernels.jit import jit

TILE = 512
PAD = 64

# Sums may be taken in any order (several at once in one register); NaN and infinity stay what they are.
_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER)
def load_tile(Z, f, start, tile):  # type: ignore[no-untyped-def]
    """Copy frames from ``start`` of bin f to ``tile`` (dims, 2, TILE); return how many, zeros included."""
    size = min(TILE, Z.shape[3] - start)
    padded = (size + PAD - 1) // PAD * PAD
    for c in range(Z.shape[1]):
        for part in range(2):
            source, target = Z[f, c, part, start : start + size], tile[c, part]
            for t in range(size):
                target[t] = source[t]
            for t in range(size, padded):
                target[t] = 0
    return padded


@jit
def load_weights(weights, f, start, size, held):  # type: ignore[no-untyped-def]
    """Copy the weights (sources, 1 or freq, frames) of a tile of bin f to ``held`` (sources, TILE)."""
    for n in range(weights.shape[0]):
        source, target = weights[n, f, start : start + size], held[n]
        for t in range(source.shape[0]):
            target[t] = source[t]


@jit(fastmath=_REORDER)
def _self2(z, w, n, size, out):  # type: ignore[no-untyped-def]
    x, y = z[0], z[1]
    u, v = w[n], w[n + 1]
    a = b = x.dtype.type(0)
    for t in range(size):
        p = x[t] * x[t] + y[t] * y[t]
        a += u[t] * p
        b += v[t] * p
    out[0], out[1] = a, b


@jit(fastmath=_REORDER)
def _self3(z, w, n, size, out):  # type: ignore[no-untyped-def]
    x, y = z[0], z[1]
    u, v, r = w[n], w[n + 1], w[n + 2]
    a = b = c = x.dtype.type(0)
    for t in range(size):
        p = x[t] * x[t] + y[t] * y[t]
        a += u[t] * p
        b += v[t] * p
        c += r[t] * p
    out[0], out[1], out[2] = a, b, c


@jit(fastmath=_REORDER)
def _self4(z, w, n, size, out):  # type: ignore[no-untyped-def]
    x, y = z[0], z[1]
    u, v, r, q = w[n], w[n + 1], w[n + 2], w[n + 3]
    a = b = c = d = x.dtype.type(0)
    for t in range(size):
        p = x[t] * x[t] + y[t] * y[t]
        a += u[t] * p
        b += v[t] * p
        c += r[t] * p
        d += q[t] * p
    out[0], out[1], out[2], out[3] = a, b, c, d


@jit(fastmath=_REORDER)
def _cross2(z, other, w, n, size, out):  # type: ignore[no-untyped-def]
    x0, x1, y0, y1 = z[0], z[1], other[0], other[1]
    u, v = w[n], w[n + 1]
    a = b = e = f = x0.dtype.type(0)
    for t in range(size):
        real = x0[t] * y0[t] + x1[t] * y1[t]
        imag = x1[t] * y0[t] - x0[t] * y1[t]
        a += u[t] * real
        e += u[t] * imag
        b += v[t] * real
        f += v[t] * imag
    out[0], out[1] = a, b
    out[4], out[5] = e, f


@jit(fastmath=_REORDER)
def _cross3(z, other, w, n, size, out):  # type: ignore[no-untyped-def]
    x0, x1, y0, y1 = z[0], z[1], other[0], other[1]
    u, v, r = w[n], w[n + 1], w[n + 2]
    a = b = c = e = f = g = x0.dtype.type(0)
    for t in range(size):
        real = x0[t] * y0[t] + x1[t] * y1[t]
        imag = x1[t] * y0[t] - x0[t] * y1[t]
        a += u[t] * real
        e += u[t] * imag
        b += v[t] * real
        f += v[t] * imag
        c += r[t] * real
        g += r[t] * imag
    out[0], out[1], out[2] = a, b, c
    out[4], out[5], out[6] = e, f, g


@jit(fastmath=_REORDER)
def _cross4(z, other, w, n, size, out):  # type: ignore[no-untyped-def]
    x0, x1, y0, y1 = z[0], z[1], other[0], other[1]
    u, v, r, q = w[n], w[n + 1], w[n + 2], w[n + 3]
    a = b = c = d = e = f = g = h = x0.dtype.type(0)
    for t in range(size):
        real = x0[t] * y0[t] + x1[t] * y1[t]
        imag = x1[t] * y0[t] - x0[t] * y1[t]
        a += u[t] * real
        b += v[t] * real
        c += r[t] * real
        d += q[t] * real
        e += u[t] * imag
        f += v[t] * imag
        g += r[t] * imag
        h += q[t] * imag
    out[0], out[1], out[2], out[3] = a, b, c, d
    out[4], out[5], out[6], out[7] = e, f, g, h


@jit
def add_covariances(z, w, size, V, sums):  # type: ignore[no-untyped-def]
    """Add the sums over the tile of w_n z_i z_j* to V (sources, dims, dims), i >= j."""
    n_sources, dims = V.shape[0], V.shape[1]
    n = 0
    while n < n_sources:
        left = n_sources - n
        count = 3 if left in (3, 5) else min(left, 4)
        for i in range(dims):
            for j in range(i + 1):
                if count == 4 and i == j:
                    _self4(z[i], w, n, size, sums)
                elif count == 4:
                    _cross4(z[i], z[j], w, n, size, sums)
                elif count == 3 and i != j:
                    _cross3(z[i], z[j], w, n, size, sums)
                elif count == 3:
                    _self3(z[i], w, n, size, sums)
                elif i != j:
                    _cross2(z[i], z[j], w, n, size, sums)
                else:
                    _self2(z[i], w, n, size, sums)
                for k in range(count):
                    V[n + k, i, j] += complex(sums[k], sums[4 + k] if i != j else 0.0)
        n += count


@jit
def finish_covariances(V, n_frames, load):  # type: ignore[no-untyped-def]
    """Divide by the number of frames, add ``load`` times the mean eigenvalue, mirror."""
    n_sources, dims = V.shape[0], V.shape[1]
    scale = 1.0 / n_frames
    for n in range(n_sources):
        trace = 0.0
        for i in range(dims):
            for j in range(i):
                V[n, i, j] *= scale
                V[n, j, i] = V[n, i, j].conjugate()
            V[n, i, i] *= scale
            trace += V[n, i, i].real
        if load > 0:
            for i in range(dims):
                V[n, i, i] += trace * load / dims


@jit(fastmath=_REORDER)
def _power2(z, q, size, out):  # type: ignore[no-untyped-def]
    u0, u1, v0, v1 = z[0, 0], z[0, 1], z[1, 0], z[1, 1]
    a, b, c, d = q[0, 0], q[0, 1], q[1, 0], q[1, 1]
    for t in range(size):
        real = a * u0[t] - b * u1[t] + c * v0[t] - d * v1[t]
        imag = a * u1[t] + b * u0[t] + c * v1[t] + d * v0[t]
        out[t] += real * real + imag * imag


@jit(fastmath=_REORDER)
def _power3(z, q, size, out):  # type: ignore[no-untyped-def]
    u0, u1, v0, v1, w0, w1 = z[0, 0], z[0, 1], z[1, 0], z[1, 1], z[2, 0], z[2, 1]
    a, b, c, d, e, f = q[0, 0], q[0, 1], q[1, 0], q[1, 1], q[2, 0], q[2, 1]
    for t in range(size):
        real = a * u0[t] - b * u1[t] + c * v0[t] - d * v1[t] + e * w0[t] - f * w1[t]
        imag = a * u1[t] + b * u0[t] + c * v1[t] + d * v0[t] + e * w1[t] + f * w0[t]
        out[t] += real * real + imag * imag


@jit(fastmath=_REORDER)
def _power4(z, q, size, out):  # type: ignore[no-untyped-def]
    u0, u1, v0, v1, w0, w1, x0, x1 = z[0, 0], z[0, 1], z[1, 0], z[1, 1], z[2, 0], z[2, 1], z[3, 0], z[3, 1]
    a, b, c, d, e, f, g, h = q[0, 0], q[0, 1], q[1, 0], q[1, 1], q[2, 0], q[2, 1], q[3, 0], q[3, 1]
    for t in range(size):
        real = (a * u0[t] - b * u1[t] + c * v0[t] - d * v1[t]) + (
            e * w0[t] - f * w1[t] + g * x0[t] - h * x1[t]
        )
        imag = (a * u1[t] + b * u0[t] + c * v1[t] + d * v0[t]) + (
            e * w1[t] + f * w0[t] + g * x1[t] + h * x0[t]
        )
        out[t] += real * real + imag * imag


@jit(fastmath=_REORDER)
def _mix2(u, v, q, first, size, real, imag):  # type: ignore[no-untyped-def]
    """Add the part of a row q that two channels have to y."""
    u0, u1, v0, v1 = u[0], u[1], v[0], v[1]
    a, b, c, d = q[first, 0], q[first, 1], q[first + 1, 0], q[first + 1, 1]
    for t in range(size):
        real[t] += a * u0[t] - b * u1[t] + c * v0[t] - d * v1[t]
        imag[t] += a * u1[t] + b * u0[t] + c * v1[t] + d * v0[t]


@jit(fastmath=_REORDER)
def _mix1(z, q, size, real, imag):  # type: ignore[no-untyped-def]
    u0, u1, a, b = z[0], z[1], q[0], q[1]
    for t in range(size):
        real[t] += a * u0[t] - b * u1[t]
        imag[t] += a * u1[t] + b * u0[t]


@jit(fastmath=_REORDER)
def _add_squares(real, imag, size, out):  # type: ignore[no-untyped-def]
    for t in range(size):
        out[t] += real[t] * real[t] + imag[t] * imag[t]


@jit
def add_powers(z, q, n, size, own, y):  # type: ignore[no-untyped-def]
    """Add |y_n|² of the tile to ``own`` (frames); q is R (sources, dims, 2)."""
    dims = q.shape[1]
    if dims == 2:
        _power2(z, q[n], size, own)
    elif dims == 3:
        _power3(z, q[n], size, own)
    elif dims == 4:
        _power4(z, q[n], size, own)
    else:
        real, imag = y[0], y[1]
        for t in range(size):
            real[t] = imag[t] = 0
        for c in range(0, dims - 1, 2):
            _mix2(z[c], z[c + 1], q[n], c, size, real, imag)
        if dims % 2:
            _mix1(z[dims - 1], q[n, dims - 1], size, real, imag)
        _add_squares(real, imag, size, own)


@jit(fastmath=_REORDER)
def add_energy(z, q, load, size, first, out):  # type: ignore[no-untyped-def]
    """Add what a load of the covariances adds to the powers: load |z|² |r_n|² / dims."""
    n_sources, dims = q.shape[0], q.shape[1]
    for n in range(n_sources):
        length = 0.0
        for c in range(dims):
            length += float(q[n, c, 0]) ** 2 + float(q[n, c, 1]) ** 2
        gain = q.dtype.type(length * load / dims)
        own = out[n, first : first + size]
        for t in range(size):
            own[t] += gain * z[t]


@jit(fastmath=_REORDER)
def energy(z, size, e):  # type: ignore[no-untyped-def]
    """Write |z|² of the tile to ``e``."""
    x0, x1 = z[0, 0], z[0, 1]
    for t in range(size):
        e[t] = x0[t] * x0[t] + x1[t] * x1[t]
    for c in range(1, z.shape[0]):
        y0, y1 = z[c, 0], z[c, 1]
        for t in range(size):
            e[t] += y0[t] * y0[t] + y1[t] * y1[t]


@jit
def bin_covariances(Z, f, weights, model, load, V, scratch):  # type: ignore[no-untyped-def]
    """Write V (sources, dims, dims) of bin f, given weights (sources, 1 or freq, frames) or a model of them."""
    tile, held, sums = scratch[0], scratch[1], scratch[5]
    n_frames = Z.shape[3]
    V[:] = 0
    for start in range(0, n_frames, TILE):
        size = load_tile(Z, f, start, tile)
        if model is not None:
            low_rank_weights(model, f, start, size, held)
        if weights is not None:  # noqa: SIM102 (numba leaves out a branch on None, not a condition with it)
            if weights.shape[1] > 1 or n_frames > TILE:  # else they are there already
                load_weights(weights, f if weights.shape[1] > 1 else 0, start, size, held)
        add_covariances(tile, held, size, V, sums)
    finish_covariances(V, n_frames, load)


@jit
def bin_powers(Z, f, R, load, loaded, scratch):  # type: ignore[no-untyped-def]
    """Add |R z|² of bin f to the sums in ``scratch``; with ``loaded`` its only tile is there already."""
    tile, y, q, out = scratch[0], scratch[2], scratch[3], scratch[4]
    n_sources, dims, n_frames = R.shape[0], R.shape[1], Z.shape[3]
    for n in range(n_sources):
        for c in range(dims):
            q[n, c, 0] = R[n, c].real
            q[n, c, 1] = R[n, c].imag
    for start in range(0, n_frames, TILE):
        if loaded and n_frames <= TILE:
            size = (n_frames + PAD - 1) // PAD * PAD
        else:
            size = load_tile(Z, f, start, tile)
        if load > 0:
            energy(tile, size, y[0])
            add_energy(y[0], q, load, size, start, out)
        for n in range(n_sources):
            add_powers(tile, q, n, size, out[n, start : start + size], y)
