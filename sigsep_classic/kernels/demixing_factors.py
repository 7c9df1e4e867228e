"""Variances of low rank of one bin within a sweep: the weights they give, and how they follow the new outputs.

A model is a tuple: T (sources, freq, components), V (sources, components, frames), share (freq,), the exponent of
the updates, the constants of `in_dtype`, and what the sweep writes: T once more, that after its update, and the sums
over the bins of each block for that of V (blocks, 2, sources, components, frames). Frames are padded with zeros to
whole vectors, as tiles are.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.variance_loops import add_over_frames, add_over_freq
from sigsep_classic.kernels.variance_weights import variance_row

TILE = 512
LARGEST = 1e6


@jit(fastmath={"reassoc", "contract", "nsz"})
def low_rank_weights(model, f, start, size, held):  # type: ignore[no-untyped-def]
    """Write share / r of some frames of bin f to ``held`` (sources, frames)."""
    T, V, share, floor = model[0], model[1], model[2][f], model[4][3]
    for n in range(T.shape[0]):
        r, t_k = held[n], T[n, f]
        if t_k.shape[0] == 2:
            one, other = t_k[0], t_k[1]
            v, w = V[n, 0, start : start + size], V[n, 1, start : start + size]
            for t in range(size):
                r[t] = share / (floor + one * v[t] + other * w[t])
        else:
            variance_row(t_k, V[n], floor, start, size, r)
            for t in range(size):
                r[t] = share / r[t]


@jit
def unit_rows(R, T, f):  # type: ignore[no-untyped-def]
    """Give rows of R of bin f the length one and scale T, as the powers will be."""
    for n in range(R.shape[0]):
        length = 0.0
        for c in range(R.shape[1]):
            length += R[n, c].real ** 2 + R[n, c].imag ** 2
        scale = 1.0 / np.sqrt(length)
        for c in range(R.shape[1]):
            R[n, c] *= scale
        divisor = T.dtype.type(length)
        for k in range(T.shape[2]):
            T[n, f, k] /= divisor


@jit
def follow(model, f, block, out, rows):  # type: ignore[no-untyped-def]
    """Update T of bin f by its powers ``out`` (sources, frames and some), add to the sums for V; leave zeros."""
    T, V, exponent, constants, raised, parts = model[0], model[1], model[3], model[4], model[5], model[6]
    one, n_frames = constants[1], V.shape[2]
    sums = np.empty((2, T.shape[2]), T.dtype)
    for n in range(T.shape[0]):
        sums[:] = 0
        for start in range(0, n_frames, TILE):
            p = out[n, start : min(start + TILE, n_frames)]
            add_over_frames(p, one, T[n, f], V[n], 0, constants, start, rows, sums)
        for k in range(T.shape[2]):
            raised[n, f, k] = T[n, f, k] * _step(sums[0, k], sums[1, k], exponent)
        for start in range(0, n_frames, TILE):
            p = out[n, start : min(start + TILE, n_frames)]
            above, below = parts[block, 0, n], parts[block, 1, n]
            add_over_freq(p, one, raised[n, f], V[n], 0, constants, start, rows, above, below)
    out[:] = 0


@jit
def _step(above, below, exponent):  # type: ignore[no-untyped-def]
    ratio = float(above) / float(below) if below > 0 else 1.0
    ratio = min(max(ratio, 1 / LARGEST), LARGEST)
    return np.sqrt(ratio) if exponent == 0.5 else ratio if exponent == 1 else ratio**exponent
