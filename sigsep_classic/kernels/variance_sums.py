"""The sums that update variances of low rank: how well each template, or each activation, explains the powers.

With p, r and G as in `variance_weights`, and x = p / r, the sums over frames or over bins of

    G'(x) x / r   and   1 / r

times the other factor are what multiplicative updates of the two factors divide.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.kernels.variance_weights import (
    DENSITIES,
    FLOOR,
    LEAST,
    checked,
    dimensions,
    in_dtype,
    powers_in,
    slope_row,
    slopes,
    variance_row,
    variances,
)
from sigsep_classic.typing import Array

OVER = ("frames", "freq")
CUDA_CONSTANTS = ({"THREADS": 128},)

_BLOCKS = 32
_TILE = 512
_THREADS = 128


def variance_sums(
    P: Array,
    scales: Array,
    T: Array,
    V: Array,
    *,
    over: str,
    density: str = "gauss",
    shape: float = 2.0,
) -> Array:
    """Return the sums of G'(x) x / r and of 1 / r, times V over frames or times T over bins.

    Cells where P is negative are left out.

    Parameters
    ----------
    P, scales, T, V, density, shape
        As `variance_weights` takes them.
    over : {"frames", "freq"}
        What to sum over.

    Returns
    -------
    array (2, sources, freq, components) or (2, sources, components, frames)
        In the dtype of P.

    Raises
    ------
    ParameterError
        The density or ``over`` is unknown.
    ShapeError
        The arrays do not fit together.

    Notes
    -----
    No array as large as P is made. Bins are cut into at most 32 blocks, whose sums are added in order, so that the
    result has the same bits on any number of threads.
    """
    if over not in OVER:
        raise ParameterError(f"over is {over!r}; use one of {', '.join(OVER)}")
    constants = checked(P, scales, T, V, density, shape)
    run = _gpu if is_cuda(P) else _cpu if enabled() else _numpy
    return run(P, scales, T, V, over == "freq", DENSITIES.index(density), constants)


def _numpy(
    P: Array, scales: Array, T: Array, V: Array, freq: bool, kind: int, shape: tuple[float, float]
) -> Array:
    sums = np.zeros((2, len(P), *((T.shape[2], P.shape[2]) if freq else T.shape[1:])), P.dtype)
    for n in range(len(P)):
        for start in range(0, P.shape[1], 64):
            bins = slice(start, start + 64)
            r = variances(T, V, n, bins)
            x = powers_in(P, scales, n, bins) / r
            b = np.where(P[n, bins] >= 0, 1 / r, 0)
            for i, values in enumerate((slopes(x, kind, shape[0]) * x * b, b)):
                if freq:
                    sums[i, n] += T[n, bins].T @ values
                else:
                    sums[i, n, bins] = values @ V[n % len(V)].T
    return sums


def _cpu(
    P: Array, scales: Array, T: Array, V: Array, freq: bool, kind: int, shape: tuple[float, float]
) -> Array:
    blocks = min(_BLOCKS, P.shape[1])
    constants = in_dtype(P, shape)
    if not freq:
        sums = np.zeros((2, *T.shape), P.dtype)
        run_blocks(_over_frames, blocks, P, scales, T, V, kind, constants, sums)
        return sums
    parts = np.zeros((blocks, 2, len(P), T.shape[2], P.shape[2]), P.dtype)
    run_blocks(_over_freq, blocks, P, scales, T, V, kind, constants, parts)
    return parts.sum(axis=0)


_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER, error_model="numpy")
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


@jit(fastmath=_REORDER, error_model="numpy")
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


@jit(fastmath=_REORDER, error_model="numpy")
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


@jit(fastmath=_REORDER, error_model="numpy")
def _over_frames(first, stop, P, scales, T, V, kind, constants, sums):  # type: ignore[no-untyped-def]
    n_sources, n_freq, n_frames = P.shape
    n_blocks = min(_BLOCKS, n_freq)
    a, b, g = np.empty(_TILE, P.dtype), np.empty(_TILE, P.dtype), np.empty(_TILE, P.dtype)
    for f in range(n_freq * first // n_blocks, n_freq * stop // n_blocks):
        for n in range(n_sources):
            activations, out = V[n % V.shape[0]], sums[:, n, f]
            c = scales[n, f]
            for start in range(0, n_frames, _TILE):
                end = min(start + _TILE, n_frames)
                p, w = P[n, f, start:end], T[n, f]
                if kind == 0 and w.shape[0] == 2:
                    v, u = activations[0, start:end], activations[1, start:end]
                    a0, a1, b0, b1 = _two_over_frames(p, c, v, u, w, constants)
                    out[0, 0] += a0
                    out[0, 1] += a1
                    out[1, 0] += b0
                    out[1, 1] += b1
                    continue
                _ratio_rows(p, c, w, activations, kind, constants, start, a, b, g)
                for k in range(w.shape[0]):
                    v = activations[k, start:end]
                    above, below = constants[0], constants[0]
                    for t in range(end - start):
                        above += a[t] * v[t]
                        below += b[t] * v[t]
                    out[0, k] += above
                    out[1, k] += below


@jit(fastmath=_REORDER, error_model="numpy")
def _over_freq(first, stop, P, scales, T, V, kind, constants, parts):  # type: ignore[no-untyped-def]
    n_sources, n_freq, n_frames = P.shape
    n_blocks = parts.shape[0]
    a, b, g = np.empty(_TILE, P.dtype), np.empty(_TILE, P.dtype), np.empty(_TILE, P.dtype)
    for block in range(first, stop):
        begin, finish = n_freq * block // n_blocks, n_freq * (block + 1) // n_blocks
        for n in range(n_sources):
            activations, above, below = V[n % V.shape[0]], parts[block, 0, n], parts[block, 1, n]
            for start in range(0, n_frames, _TILE):
                end = min(start + _TILE, n_frames)
                for f in range(begin, finish):
                    p, w = P[n, f, start:end], T[n, f]
                    c = scales[n, f]
                    if kind == 0 and w.shape[0] == 2:
                        v, u = activations[0, start:end], activations[1, start:end]
                        a0, a1, b0, b1 = (
                            above[0, start:end],
                            above[1, start:end],
                            below[0, start:end],
                            below[1, start:end],
                        )
                        _two_over_freq(p, c, v, u, w, constants, a0, a1, b0, b1)
                        continue
                    _ratio_rows(p, c, w, activations, kind, constants, start, a, b, g)
                    for k in range(w.shape[0]):
                        for t in range(end - start):
                            above[k, start + t] += w[k] * a[t]
                            below[k, start + t] += w[k] * b[t]


def _gpu(
    P: Array, scales: Array, T: Array, V: Array, freq: bool, kind: int, shape: tuple[float, float]
) -> Array:
    xp = namespace(P)
    sizes = dimensions(P, T, V)
    n_sources, n_freq, n_frames, components, _ = sizes
    if not freq:
        sums = xp.empty((2, *T.shape), dtype=P.dtype)
        grid = (n_sources * n_freq,)
        args = (P, scales, T, V, sums, *sizes, kind, *shape, LEAST, FLOOR)
        cuda.launch(
            "variance_sums",
            "over_frames",
            grid=grid,
            block=(_THREADS,),
            args=args,
            real=P.dtype,
            THREADS=_THREADS,
        )
        return sums
    parts = min(_BLOCKS, n_freq)
    sums = xp.empty((parts, 2, n_sources, components, n_frames), dtype=P.dtype)
    tiles = cuda.blocks_for(n_frames, _THREADS)
    cuda.launch(
        "variance_sums",
        "over_freq",
        grid=(tiles, n_sources, parts),
        block=(_THREADS,),
        args=(P, scales, T, V, sums, *sizes, kind, *shape, LEAST, FLOOR),
        real=P.dtype,
        THREADS=_THREADS,
    )
    return sums.sum(axis=0)
