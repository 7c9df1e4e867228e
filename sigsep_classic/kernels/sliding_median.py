"""Median of a sliding window along time or frequency, edges reflected.

The window is kept sorted while it slides: one value leaves, one enters, each slot needs one comparison of
each kind and no branch, so that many neighbouring lanes go through the processor's vector unit (or one CUDA
thread each) together. Results are those of ``scipy.ndimage.median_filter(mode="reflect")``, to the bit, as long
as the window is not many times longer than the signal (there SciPy 1.17 mirrors wrongly).
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.layout import as_batch, frames_first
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

LANES = 64
_SEGMENT = 128
CUDA_CONSTANTS = ({"SIZE": 3}, {"SIZE": 31}, {"SIZE": 201})


def sliding_median(V: Array, size: int, *, axis: int) -> Array:
    """Return the running median of V along one of its last two axes.

    Parameters
    ----------
    V : array (..., freq, frames)
        float32 or float64, finite, NumPy or CuPy.
    size : int
        Window length in frames or bins, at least 1. Output i is the element of rank ``size // 2`` among inputs
        ``i - size // 2 … i - size // 2 + size - 1``; beyond an edge the signal is mirrored, edge included.
    axis : int
        -1 (time) or -2 (frequency).

    Returns
    -------
    array
        As ``V``, in the same order in memory.

    Raises
    ------
    ParameterError
        ``size`` is less than 1 or ``axis`` is neither -1 nor -2.
    """
    if size < 1:
        raise ParameterError(f"median size is {size}; it must be at least 1")
    if axis not in (-1, -2):
        raise ParameterError(f"median axis is {axis}; use -1 (time) or -2 (frequency)")
    if size == 1 or V.size == 0:
        return V.copy()
    if frames_first(V):
        return sliding_median(V.swapaxes(-1, -2), size, axis=-3 - axis).swapaxes(-1, -2)
    batch = as_batch(V)
    run = _gpu if is_cuda(V) else _cpu if enabled() else _numpy
    return run(batch, size, axis).reshape(V.shape)


def odd_length(value: float) -> int:
    """Return the odd whole number at or next above the rounded value, at least 3: a window with a middle."""
    return max(3, round(value) | 1)


def _numpy(V: np.ndarray, size: int, axis: int) -> np.ndarray:
    from scipy.ndimage import median_filter

    half, n = size // 2, V.shape[axis]
    around = (half, size - 1 - half)  # SciPy itself mirrors wrongly when a window is many signals long
    padded = np.pad(V, ((0, 0), around, (0, 0)) if axis == -2 else ((0, 0), (0, 0), around), mode="symmetric")
    filtered = median_filter(padded, size=(1, size, 1) if axis == -2 else (1, 1, size), mode="nearest")
    kept = filtered[:, half : half + n] if axis == -2 else filtered[..., half : half + n]
    return np.ascontiguousarray(kept)


def _cpu(V: np.ndarray, size: int, axis: int) -> np.ndarray:
    out = np.empty_like(V)
    lanes = V.shape[1] if axis == -1 else V.shape[2]
    per_plane = -(-lanes // LANES)
    run_blocks(_median_blocks, len(V) * per_plane, V, out, size, axis == -1, per_plane)
    return out


@jit
def _reflected(i, n):  # type: ignore[no-untyped-def]
    i = i % (2 * n)
    return i if i < n else 2 * n - 1 - i


@jit
def _median_blocks(first, stop, V, out, size, along_last, per_plane):  # type: ignore[no-untyped-def]
    """Filter lane blocks ``first … stop - 1``; a block is up to 64 lanes of one plane."""
    n = V.shape[2] if along_last else V.shape[1]
    lanes = V.shape[1] if along_last else V.shape[2]
    half = size // 2
    state = np.empty((size + 1, LANES), V.dtype)
    before = np.empty(LANES, V.dtype)
    leaving = np.empty(LANES, V.dtype)
    source = np.zeros((n, LANES), V.dtype)
    rank = size // 2
    for block in range(first, stop):
        plane = V[block // per_plane]
        result = out[block // per_plane]
        lane0 = (block % per_plane) * LANES
        width = min(LANES, lanes - lane0)
        if along_last:
            for j in range(width):
                for i in range(n):
                    source[i, j] = plane[lane0 + j, i]
        else:
            for i in range(n):
                for j in range(width):
                    source[i, j] = plane[i, lane0 + j]
        state[:] = np.inf
        leaving[:] = np.inf
        for step in range(n + size - 1):
            entering = source[_reflected(step - half, n)]
            before[:] = -np.inf
            for i in range(size):
                row = state[i]
                after = state[i + 1]
                for j in range(LANES):
                    kept = row[j] if row[j] < leaving[j] else after[j]
                    low = kept if kept < entering[j] else entering[j]
                    row[j] = before[j] if before[j] > low else low
                    before[j] = kept
            done = step - size + 1
            if done >= 0:
                for j in range(width):
                    if along_last:
                        result[lane0 + j, done] = state[rank, j]
                    else:
                        result[done, lane0 + j] = state[rank, j]
                leaving[:] = source[_reflected(done - half, n)]


def _gpu(V: Array, size: int, axis: int) -> Array:
    xp = namespace(V)
    if axis == -1:  # neighbouring threads must read neighbouring values
        return xp.ascontiguousarray(_gpu(xp.ascontiguousarray(V.swapaxes(1, 2)), size, -2).swapaxes(1, 2))
    out = xp.empty_like(V)
    batch, n, lanes = V.shape
    segment = max(_SEGMENT, cuda.blocks_for(n, cuda.MAX_GRID_Y))
    cuda.launch(
        "sliding_median",
        "sliding_median",
        grid=(cuda.blocks_for(lanes, 128), cuda.blocks_for(n, segment), batch),
        block=(128,),
        args=(V, out, n, lanes, segment),
        real=V.dtype,
        SIZE=size,
    )
    return out
