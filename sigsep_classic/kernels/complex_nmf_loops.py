"""The loops of complex NMF on a processor: frame by frame, a run of frequencies at a time, everything in cache."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.kernels.jit import jit

SLOTS = 8
"""Parts of the frames whose sums over time are kept apart: more threads would find no work."""

ROW = 1152
"""Longest run of frequencies that is worked on at once; a few of them fit in first-level cache."""

FAST = {"reassoc", "contract", "arcp", "nsz", "afn"}
"""Sums in vector order, reciprocal square roots by estimate and Newton step; no assumption about infinities."""


@jit(fastmath=FAST)
def _model(y, B, h, u, starts, row, width, gain, D, X, P):  # type: ignore[no-untyped-def]
    """Write gain y − F as two planes into D and the sum of the amplitudes into X, for ``width`` rows from ``row``."""
    dr, di, x, p = D[0, :width], D[1, :width], X[:width], P[:width]
    for f in range(width):
        dr[f] = y[2 * f] * gain
        di[f] = y[2 * f + 1] * gain
    x[:] = 0
    for j in range(u.shape[0]):
        ur, ui = u[j, 0, row : row + width], u[j, 1, row : row + width]
        first, last = starts[j], starts[j + 1] - 1
        p[:] = 0
        for k in range(first, last):
            b, a = B[k, row : row + width], h[k]
            for f in range(width):
                p[f] += a * b[f]
        if last >= first:
            b, a = B[last, row : row + width], h[last]
            if last == first:
                for f in range(width):
                    c = a * b[f]
                    x[f] += c
                    dr[f] -= c * ur[f]
                    di[f] -= c * ui[f]
            else:
                for f in range(width):
                    c = p[f] + a * b[f]
                    x[f] += c
                    dr[f] -= c * ur[f]
                    di[f] -= c * ui[f]


@jit(fastmath=FAST)
def _errors(D, X, width, floor):  # type: ignore[no-untyped-def]
    dr, di, x = D[0, :width], D[1, :width], X[:width]
    for f in range(width):
        model = max(x[f], floor)
        x[f] = model
        dr[f] /= model
        di[f] /= model


@jit(fastmath=FAST)
def _turn(ur, ui, er, ei, x, v, tiny, one):  # type: ignore[no-untyped-def]
    """u ← z / |z| with z = u + E, and v = X |z|; a z of zero leaves u as it is."""
    for f in range(v.size):
        zr, zi = ur[f] + er[f], ui[f] + ei[f]
        square = zr * zr + zi * zi
        moved = square > tiny
        inverse = one / math.sqrt(max(square, tiny))
        v[f] = x[f] * (square * inverse)
        ur[f] = zr * inverse if moved else ur[f]
        ui[f] = zi * inverse if moved else ui[f]


@jit(fastmath=FAST)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@jit(fastmath=FAST)
def _add(scale, a, total):  # type: ignore[no-untyped-def]
    for i in range(a.size):
        total[i] += scale * a[i]


@jit
def _scale(h, above, below, penalty, exponent, tiny):  # type: ignore[no-untyped-def]
    for k in range(h.size):
        if h[k] <= tiny:
            h[k] = 0
            continue
        under = below[k]
        if penalty[k] > 0:
            under += penalty[k] * exponent * h[k] ** (exponent - h.dtype.type(1))
        if under > 0:
            h[k] *= above[k] / under


@jit
def _gather(B, h, v, x, first, last, row, width, of_H, above, below, slot):  # type: ignore[no-untyped-def]
    """Add what one source's components get from v = X |z| and x = X to the sums of H or of the templates."""
    for k in range(first, last):
        if of_H:
            b = B[k, row : row + width]
            above[k] += _dot(b, v)
            below[k] += _dot(b, x)
        else:
            _add(h[k], v, slot[0, k, row : row + width])
            _add(h[k], x, slot[1, k, row : row + width])


@jit
def iterate_blocks(first, stop, Y, B, Ht, U, starts, numbers, penalty, learn, slots):  # type: ignore[no-untyped-def]
    """Both halves of an iteration for the frames of some slots; sums over time go to the slot's own array."""
    gain, floor, least, exponent, tiny = numbers
    n_channels, n_frames, n_freq = Y.shape[0], Y.shape[1], Y.shape[2] // 2
    n_slots = min(SLOTS, n_frames)
    pieces = -(-n_freq // ROW)
    size = -(-n_freq // pieces)
    one = B.dtype.type(1)
    work = np.empty((5, size), B.dtype)
    D, X, P, V = work[:2], work[2], work[3], work[4]
    above, below = np.empty(B.shape[0], B.dtype), np.empty(B.shape[0], B.dtype)
    for slot in range(first, stop):
        sums = slots[slot] if learn else slots[0]
        for t in range(n_frames * slot // n_slots, n_frames * (slot + 1) // n_slots):
            h, u = Ht[t], U[t]
            for half in range(2 if learn else 1):
                above[:] = 0
                below[:] = 0
                for piece in range(n_channels * pieces):
                    c, f0 = piece // pieces, piece % pieces * size
                    width = min(size, n_freq - f0)
                    row, x, v = c * n_freq + f0, X[:width], V[:width]
                    _model(Y[c, t, 2 * f0 : 2 * (f0 + width)], B, h, u, starts, row, width, gain, D, X, P)
                    _errors(D, X, width, floor)
                    for j in range(u.shape[0]):
                        ur, ui = u[j, 0, row : row + width], u[j, 1, row : row + width]
                        _turn(ur, ui, D[0], D[1], x, v, tiny, one)
                        j0, j1 = starts[j], starts[j + 1]
                        _gather(B, h, v, x, j0, j1, row, width, half == 0, above, below, sums)
                if half == 0:
                    _scale(h, above, below, penalty, exponent, least)


@jit
def error_blocks(first, stop, Y, B, Ht, U, starts, gain, partial):  # type: ignore[no-untyped-def]
    """Add |gain Y − F|² of the frames of some slots to their entries of ``partial``."""
    n_channels, n_frames, n_freq = Y.shape[0], Y.shape[1], Y.shape[2] // 2
    pieces = -(-n_freq // ROW)
    size = -(-n_freq // pieces)
    D, X, P = np.empty((2, size), B.dtype), np.empty(size, B.dtype), np.empty(size, B.dtype)
    for slot in range(first, stop):
        for t in range(n_frames * slot // partial.size, n_frames * (slot + 1) // partial.size):
            for piece in range(n_channels * pieces):
                c, f0 = piece // pieces, piece % pieces * size
                width = min(size, n_freq - f0)
                row = c * n_freq + f0
                _model(Y[c, t, 2 * f0 : 2 * (f0 + width)], B, Ht[t], U[t], starts, row, width, gain, D, X, P)
                partial[slot] += _dot(D[0, :width], D[0, :width]) + _dot(D[1, :width], D[1, :width])
