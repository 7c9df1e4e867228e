"""The loops of `fdica` for the CPU: eight bins side by side, frames in tiles that stay in cache.

Frames are worked on in the precision of the data, many at a time; the small matrices of eight bins lie side by side
(last axis) in double precision, so that one instruction does the same step of eight solves.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

import numpy as np

from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.lanes import LANES, decompose, invert, update_row

_PAD = 32
_TILE = 512
_CACHE = 1 << 20

# Sums in any order, 1 / sqrt by an estimate and Newton's step; NaN and infinity stay what they are.
_FAST = {"reassoc", "contract", "nsz", "arcp", "afn"}


@jit
def iterate(first, stop, Z, R, load, n_iter, exponent, floor, costs):
    """Take R (freq, dims, dims, 2) through steps of the auxiliary function: groups ``first`` to ``stop`` of bins."""
    dims = Z.shape[1]
    frame, now, inverse, Q, L, V, cost = scratch(Z)
    w = np.zeros((2, dims + 1, dims + 1, LANES))
    for group in range(first, stop):
        begin = group * LANES
        fetch(Z, R, begin, frame, now)
        for _ in range(n_iter):
            look(Z, begin, now, load, True, frame, V, cost, exponent, floor)
            invert(now, inverse, Q, L)
            for n in range(dims):
                update_row(now, inverse, V[n], n, L, w)
        look(Z, begin, now, load, False, frame, V, cost, exponent, floor)
        add_determinant(begin, load, cost, now, Q, L)
        store(R, begin, now, cost, costs)


@jit
def scratch(Z):
    """Return what a thread works in: data of the bins in cache, four matrices of each, V and costs."""
    dims, frames = Z.shape[1], Z.shape[3]
    padded = -(-frames // _PAD) * _PAD
    whole = dims * dims * padded * Z.itemsize * LANES <= _CACHE
    held, tile = (LANES, padded) if whole else (1, _TILE)
    shape = (2, dims, dims, LANES)
    frame = (
        np.zeros((held, dims, 2, tile), Z.dtype),
        np.zeros((held, dims * dims, tile), Z.dtype),
        np.zeros((3, tile), Z.dtype),
        np.zeros((dims, 2), Z.dtype),
        np.zeros(dims * dims, Z.dtype),
    )
    V, cost = np.zeros((dims, 2, dims, dims, LANES)), np.zeros(LANES)
    return frame, np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), V, cost


@jit
def fetch(Z, R, begin, frame, now):
    """Put R of the bins side by side, and their data in cache; lanes past the last bin repeat it."""
    n_bins, dims = len(Z), R.shape[1]
    for lane in range(LANES):
        f = min(begin + lane, n_bins - 1)
        for n in range(dims):
            for c in range(dims):
                now[0, n, c, lane] = R[f, n, c, 0]
                now[1, n, c, lane] = R[f, n, c, 1]
        if len(frame[0]) == LANES and begin + lane < n_bins:
            _take(Z, begin + lane, 0, frame[0], frame[1], lane)


@jit
def store(R, begin, now, cost, costs):
    """Put R of the bins back, and their costs."""
    dims = R.shape[1]
    for lane in range(min(LANES, len(R) - begin)):
        costs[begin + lane] = cost[lane]
        for n in range(dims):
            for c in range(dims):
                R[begin + lane, n, c, 0] = now[0, n, c, lane]
                R[begin + lane, n, c, 1] = now[1, n, c, lane]


@jit
def add_determinant(begin, load, cost, R, Q, L):
    """Add load |R|² - 2 log |det R| to the cost."""
    dims = R.shape[1]
    decompose(R, Q, L)
    for lane in range(min(LANES, len(load) - begin)):
        size, total = 0.0, 0.0
        for i in range(dims):
            total += math.log(L[0, i, i, lane])  # of the inverse
            for c in range(dims):
                size += R[0, i, c, lane] * R[0, i, c, lane] + R[1, i, c, lane] * R[1, i, c, lane]
        cost[lane] += load[begin + lane] * size + 2 * total


# ---- over frames


@jit(fastmath=_FAST)
def _take(Z, f, start, z, products, held):
    """Copy frames of a bin, zeros after the last, and write the products z zᴴ: |z_i|², z_i z_j* with j < i."""
    dims, tile = z.shape[1], z.shape[3]
    size = min(tile, Z.shape[3] - start)
    for i in range(dims):
        for part in range(2):
            for t in range(size):
                z[held, i, part, t] = Z[f, i, part, start + t]
            for t in range(size, tile):
                z[held, i, part, t] = 0
        k = i * i
        for t in range(tile):
            a, b = z[held, i, 0, t], z[held, i, 1, t]
            products[held, k, t] = a * a + b * b
        for j in range(i):
            k = i * i + 1 + 2 * j
            for t in range(tile):
                a, b, c, d = z[held, i, 0, t], z[held, i, 1, t], z[held, j, 0, t], z[held, j, 1, t]
                products[held, k, t] = a * c + b * d
                products[held, k + 1, t] = b * c - a * d


@jit
def look(Z, begin, R, load, covariances, frame, V, cost, exponent, floor):
    """Write the contrast at R to ``cost`` and, if asked, the weighted covariances, loaded, to V, of each bin."""
    n_bins, dims, _, frames = Z.shape
    z, products, vectors, row, sums = frame
    whole, tile = len(z) == LANES, z.shape[3]
    real = z.dtype.type
    spare = (tile - frames % tile) % tile  # zeros after the last frame add to the contrast
    padding = dims * spare * float(real(floor)) ** (exponent + 1)
    for lane in range(min(LANES, n_bins - begin)):
        total = -padding
        if covariances:
            _reset(V, lane)
        for start in range(0, frames, tile):
            held = lane if whole else 0
            if not whole:
                _take(Z, begin + lane, start, z, products, 0)
            for n in range(dims):
                for c in range(dims):
                    row[c, 0], row[c, 1] = real(R[0, n, c, lane]), real(R[1, n, c, lane])
                _demix(z, held, row, vectors)
                total += _weigh(vectors, real(floor), exponent)
                if covariances:
                    _contract(products, held, vectors, sums)
                    _gather(sums, V, n, lane)
        cost[lane] = total / ((exponent + 1) * frames)
        if covariances:
            _average(V, lane, frames, load[begin + lane])


@jit
def _reset(V, lane):
    dims = len(V)
    for n in range(dims):
        for i in range(dims):
            for j in range(i + 1):
                V[n, 0, i, j, lane] = 0.0
                V[n, 1, i, j, lane] = 0.0


@jit
def _gather(sums, V, n, lane):
    for i in range(len(V)):
        V[n, 0, i, i, lane] += sums[i * i]
        for j in range(i):
            V[n, 0, i, j, lane] += sums[i * i + 1 + 2 * j]
            V[n, 1, i, j, lane] += sums[i * i + 2 + 2 * j]


@jit
def _average(V, lane, frames, load):
    dims = len(V)
    for n in range(dims):
        for i in range(dims):
            for j in range(i + 1):
                V[n, 0, i, j, lane] /= frames
                V[n, 1, i, j, lane] /= frames
            V[n, 0, i, i, lane] += load


@jit(fastmath=_FAST)
def _demix(z, h, row, y):
    """Write one row of R times z; two dims at a time, so that sums stay in registers."""
    dims, tile = z.shape[1], z.shape[3]
    for m in range(0, dims, 2):
        a, b = row[m, 0], row[m, 1]
        if m + 1 < dims:
            c, d = row[m + 1, 0], row[m + 1, 1]
            if m == 0:
                for t in range(tile):
                    x, u, v, w = z[h, 0, 0, t], z[h, 0, 1, t], z[h, 1, 0, t], z[h, 1, 1, t]
                    y[0, t] = a * x - b * u + c * v - d * w
                    y[1, t] = a * u + b * x + c * w + d * v
            else:
                for t in range(tile):
                    x, u, v, w = z[h, m, 0, t], z[h, m, 1, t], z[h, m + 1, 0, t], z[h, m + 1, 1, t]
                    y[0, t] += a * x - b * u + c * v - d * w
                    y[1, t] += a * u + b * x + c * w + d * v
        else:
            if m == 0:
                for t in range(tile):
                    y[0, t] = 0
                    y[1, t] = 0
            for t in range(tile):
                x, u = z[h, m, 0, t], z[h, m, 1, t]
                y[0, t] += a * x - b * u
                y[1, t] += a * u + b * x


@jit(fastmath=_FAST)
def _weigh(y, floor, exponent):
    """Write phi = (|y|² + floor)^exponent after y; return the sum of phi (|y|² + floor)."""
    tile = y.shape[1]
    one, total = y.dtype.type(1), y.dtype.type(0)
    if exponent == -0.5:
        for t in range(tile):
            power = y[0, t] * y[0, t] + y[1, t] * y[1, t] + floor
            phi = one / np.sqrt(power)
            total += phi * power
            y[2, t] = phi
    elif exponent == -0.75:
        for t in range(tile):
            power = y[0, t] * y[0, t] + y[1, t] * y[1, t] + floor
            root = np.sqrt(power)
            phi = one / (root * np.sqrt(root))
            total += phi * power
            y[2, t] = phi
    else:
        for t in range(tile):
            power = y[0, t] * y[0, t] + y[1, t] * y[1, t] + floor
            phi = math.exp(exponent * math.log(power))
            total += phi * power
            y[2, t] = phi
    return float(total)


@jit(fastmath=_FAST)
def _contract(products, h, y, sums):
    """Write the sum over frames of phi times each product, four at a time."""
    count, tile = products.shape[1], products.shape[2]
    zero = y.dtype.type(0)
    for k in range(0, count - 3, 4):
        p, q, r, s = zero, zero, zero, zero
        for t in range(tile):
            phi = y[2, t]
            p += phi * products[h, k, t]
            q += phi * products[h, k + 1, t]
            r += phi * products[h, k + 2, t]
            s += phi * products[h, k + 3, t]
        sums[k], sums[k + 1], sums[k + 2], sums[k + 3] = p, q, r, s
    for k in range(count - count % 4, count):
        p = zero
        for t in range(tile):
            p += y[2, t] * products[h, k, t]
        sums[k] = p
