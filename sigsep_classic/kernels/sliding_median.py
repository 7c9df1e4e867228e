"""Median of a sliding window along time or frequency.

On the CPU neighbouring windows share a network of comparisons (`median_network`), which works on rows of neighbouring
lanes; the CUDA twin gives each lane a thread, which keeps its window sorted while it slides: one value leaves, one
enters, each slot needs one comparison of each kind and no branch. Results are those of
``scipy.ndimage.median_filter``, to the bit, as long as the window is not many times longer than the
signal (there SciPy 1.17 mirrors wrongly).
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.layout import as_batch, frames_first
from sigsep_classic.kernels.median_network import BOTH, LOW, OUTPUT, program
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

LANES = 128
"""Values in a row of registers: neighbours across the axis that is filtered."""

TILE = 16
"""Edge of the squares in which rows are turned to columns."""

_CHUNK = 256
_SEGMENT = 128
MODES = {
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
    "constant": "constant",
}
"""What SciPy calls the ways to go on beyond an edge, and what `numpy.pad` calls them."""

CUDA_CONSTANTS = ({"SIZE": 3}, {"SIZE": 31}, {"SIZE": 201})


def sliding_median(V: Array, size: int, *, axis: int, mode: str = "reflect") -> Array:
    """Return the running median of V along one of its last two axes.

    Parameters
    ----------
    V : array (..., freq, frames)
        float32 or float64, finite, NumPy or CuPy.
    size : int
        Window length in frames or bins, at least 1. Output i is the element of rank ``size // 2`` among inputs
        ``i - size // 2 … i - size // 2 + size - 1``.
    axis : int
        -1 (time) or -2 (frequency).
    mode : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What is beyond an edge: the mirrored signal with the edge or without, the last value, the other end, or 0. The
        default needs no copy.

    Returns
    -------
    array
        As ``V``, in the same order in memory.

    Raises
    ------
    ParameterError
        ``size`` is less than 1, ``axis`` is neither -1 nor -2, or ``mode`` is unknown.
    """
    if size < 1:
        raise ParameterError(f"median size is {size}; it must be at least 1")
    if axis not in (-1, -2):
        raise ParameterError(f"median axis is {axis}; use -1 (time) or -2 (frequency)")
    if mode not in MODES:
        raise ParameterError(f"median mode is {mode!r}; use one of {', '.join(MODES)}")
    if size == 1 or V.size == 0:
        return V.copy()
    if mode != "reflect":
        half, n = size // 2, V.shape[axis]
        around = [(half, size - 1 - half) if k == axis % V.ndim else (0, 0) for k in range(V.ndim)]
        filtered = sliding_median(namespace(V).pad(V, around, mode=MODES[mode]), size, axis=axis)
        kept = slice(half, half + n)
        return filtered[..., kept] if axis == -1 else filtered[..., kept, :]
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
    n, lanes = (V.shape[2], V.shape[1]) if axis == -1 else V.shape[1:]
    plan = program(size)
    chunk = max(1, _CHUNK // plan.n_outputs) * plan.n_outputs
    blocks = len(V) * -(-n // chunk) * -(-lanes // LANES)
    run_blocks(
        _median_blocks, blocks, V, out, size, axis == -1, plan.code, plan.n_registers, plan.n_outputs, chunk
    )
    return out


@jit
def _reflected(i, n):  # type: ignore[no-untyped-def]
    i = i % (2 * n)
    return i if i < n else 2 * n - 1 - i


@jit
def _rows(n_rows, dtype):  # type: ignore[no-untyped-def]
    """Return zeros (n_rows, LANES) that begin where a line of the cache begins."""
    space = np.zeros(n_rows * LANES + 16, dtype)
    skip = (-space.ctypes.data // space.itemsize) % 16
    return space[skip : skip + n_rows * LANES].reshape(n_rows, LANES)


@jit
def _loaded(work, at, plane, along_last, start, count, lane0, width):  # type: ignore[no-untyped-def]
    """Copy inputs ``start … start + count - 1`` of ``width`` lanes, edges reflected, into rows ``at …``."""
    n = plane.shape[1] if along_last else plane.shape[0]
    first, stop = max(start, 0), min(start + count, n)
    if along_last:
        for j0 in range(0, width, TILE):
            for i0 in range(first, stop, TILE):
                for j in range(j0, min(j0 + TILE, width)):
                    for i in range(i0, min(i0 + TILE, stop)):
                        work[at + i - start, j] = plane[lane0 + j, i]
    for k in range(count):
        i = start + k
        if along_last and 0 <= i < n:
            continue
        i = _reflected(i, n)
        for j in range(width):
            work[at + k, j] = plane[lane0 + j, i] if along_last else plane[i, lane0 + j]


@jit
def _stored(work, at, result, along_last, start, count, lane0, width):  # type: ignore[no-untyped-def]
    """Copy rows ``at …`` to outputs ``start … start + count - 1`` of ``width`` lanes."""
    if not along_last:
        for i in range(count):
            for j in range(width):
                result[start + i, lane0 + j] = work[at + i, j]
        return
    for j0 in range(0, width, TILE):
        for i0 in range(0, count, TILE):
            for j in range(j0, min(j0 + TILE, width)):
                for i in range(i0, min(i0 + TILE, count)):
                    result[lane0 + j, start + i] = work[at + i, j]


@jit
def _exchange(work, code, inputs, outputs, lanes):  # type: ignore[no-untyped-def]
    """Run a program over rows of ``lanes``: inputs from row ``inputs`` on, outputs to row ``outputs`` on."""
    for k in range(len(code)):
        kind, a, b, low, high = code[k, 0], code[k, 1], code[k, 2], code[k, 3], code[k, 4]
        if a < 0:
            a = inputs - 1 - a
        if kind == OUTPUT:
            for j in range(lanes):
                work[outputs + b, j] = work[a, j]
            continue
        if b < 0:
            b = inputs - 1 - b
        if kind == BOTH:
            for j in range(lanes):
                x, y = work[a, j], work[b, j]
                work[low, j] = x if x < y else y
                work[high, j] = y if x < y else x
        elif kind == LOW:
            for j in range(lanes):
                x, y = work[a, j], work[b, j]
                work[low, j] = x if x < y else y
        else:
            for j in range(lanes):
                x, y = work[a, j], work[b, j]
                work[high, j] = y if x < y else x


@jit
def _median_blocks(first, stop, V, out, size, along_last, code, n_registers, n_outputs, chunk):  # type: ignore[no-untyped-def]
    """Filter blocks ``first … stop - 1`` of ``chunk`` outputs and up to LANES lanes of one plane."""
    n = V.shape[2] if along_last else V.shape[1]
    lanes = V.shape[1] if along_last else V.shape[2]
    across = -(-lanes // LANES)
    per_plane = -(-n // chunk) * across
    results = n_registers + chunk + size - 1
    work = _rows(results + chunk, V.dtype)
    for block in range(first, stop):
        plane, result = V[block // per_plane], out[block // per_plane]
        start = block % per_plane // across * chunk
        lane0 = block % across * LANES
        width = min(LANES, lanes - lane0)
        count = min(chunk, n - start)
        _loaded(work, n_registers, plane, along_last, start - size // 2, count + size - 1, lane0, width)
        for done in range(0, count, n_outputs):
            _exchange(work, code, n_registers + done, results + done, min(LANES, (width + 15) // 16 * 16))
        _stored(work, results, result, along_last, start, count, lane0, width)


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
