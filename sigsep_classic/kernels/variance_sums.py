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
from sigsep_classic.kernels.variance_loops import add_over_frames, add_over_freq
from sigsep_classic.kernels.variance_weights import (
    DENSITIES,
    FLOOR,
    LEAST,
    checked,
    dimensions,
    in_dtype,
    powers_in,
    slopes,
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


@jit
def _over_frames(first, stop, P, scales, T, V, kind, constants, sums):  # type: ignore[no-untyped-def]
    n_sources, n_freq, n_frames = P.shape
    n_blocks = min(_BLOCKS, n_freq)
    rows = np.empty((3, _TILE), P.dtype)
    for f in range(n_freq * first // n_blocks, n_freq * stop // n_blocks):
        for n in range(n_sources):
            for start in range(0, n_frames, _TILE):
                p, v = P[n, f, start : min(start + _TILE, n_frames)], V[n % V.shape[0]]
                add_over_frames(p, scales[n, f], T[n, f], v, kind, constants, start, rows, sums[:, n, f])


@jit
def _over_freq(first, stop, P, scales, T, V, kind, constants, parts):  # type: ignore[no-untyped-def]
    n_sources, n_freq, n_frames = P.shape
    n_blocks = parts.shape[0]
    rows = np.empty((3, _TILE), P.dtype)
    for block in range(first, stop):
        begin, finish = n_freq * block // n_blocks, n_freq * (block + 1) // n_blocks
        for n in range(n_sources):
            v, above, below = V[n % V.shape[0]], parts[block, 0, n], parts[block, 1, n]
            for start in range(0, n_frames, _TILE):
                for f in range(begin, finish):
                    p = P[n, f, start : min(start + _TILE, n_frames)]
                    add_over_freq(p, scales[n, f], T[n, f], v, kind, constants, start, rows, above, below)


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
