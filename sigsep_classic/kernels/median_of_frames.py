"""Median over chosen frames, bin by bin: the repeating part at a frame is the median of the frames like it."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.layout import as_batch
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

LANE_BYTES = 256
"""Width of a row of the buffer: a hundred rows then fit the first-level cache."""


def median_of_frames(V: Array, frames: Array, counts: Array) -> Array:
    """Return for each list of frames the median of V over it.

    Parameters
    ----------
    V : array (channels, freq, frames)
        Non-negative and finite, float32 or float64, NumPy or CuPy.
    frames : int32 array (lists, longest)
        Frame numbers; list i is ``frames[i, :counts[i]]``.
    counts : int32 array (lists,)
        Lengths, at least 1. The median of an even number of values is the mean of the middle two.

    Returns
    -------
    array (channels, freq, lists)
        In the dtype of V, list after list in memory.

    Raises
    ------
    ShapeError
        ``frames`` and ``counts`` disagree.
    """
    xp = namespace(V)
    if frames.ndim != 2 or counts.shape != frames.shape[:1]:
        raise ShapeError(
            f"frames has shape {frames.shape} and counts {counts.shape}; expected (n, m) and (n,)"
        )
    planes = as_batch(V.swapaxes(-1, -2))
    frames, counts = (xp.ascontiguousarray(a, dtype=xp.int32) for a in (frames, counts))
    out = xp.empty((len(planes), len(frames), V.shape[1]), dtype=V.dtype)
    run = _gpu if is_cuda(V) else _cpu if enabled() else _numpy
    run(planes, frames, counts, out)
    return out.swapaxes(-1, -2)


def _numpy(V: np.ndarray, frames: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
    for i, count in enumerate(counts):
        out[:, i] = np.median(V[:, frames[i, :count]], axis=1)


def _cpu(V: np.ndarray, frames: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
    run_blocks(_median_lists, len(V) * len(frames), V, frames, counts, out)


@jit
def _median_lists(first, stop, V, frames, counts, out):  # type: ignore[no-untyped-def]
    """Sort a row of bins at a time by Batcher's merge-exchange network (Knuth, TAOCP 3, algorithm 5.2.2M)."""
    n_lists, n_bins = frames.shape[0], V.shape[2]
    lanes = LANE_BYTES // V.itemsize
    rows = np.zeros((frames.shape[1], lanes), V.dtype)
    half = V.dtype.type(0.5)
    for item in range(first, stop):
        plane, i = V[item // n_lists], item % n_lists
        count = counts[i]
        for f0 in range(0, n_bins, lanes):
            width = min(lanes, n_bins - f0)
            for r in range(count):
                for j in range(width):
                    rows[r, j] = plane[frames[i, r], f0 + j]
            _sort_rows(rows, count)
            low, high = rows[(count - 1) // 2], rows[count // 2]
            for j in range(width):
                middle = low[j] if count % 2 else (low[j] + high[j]) * half
                out[item // n_lists, i, f0 + j] = middle


@jit
def _sort_rows(rows, count):  # type: ignore[no-untyped-def]
    p = 1
    while p < count:
        k = p
        while k >= 1:
            for j in range(k % p, count - k, 2 * k):
                for i in range(min(k, count - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        a, b = rows[i + j], rows[i + j + k]
                        for lane in range(a.size):
                            small = a[lane] if a[lane] < b[lane] else b[lane]
                            b[lane] = b[lane] if a[lane] < b[lane] else a[lane]
                            a[lane] = small
            k //= 2
        p *= 2


def _gpu(V: Array, frames: Array, counts: Array, out: Array) -> None:
    channels, n_frames, n_bins = V.shape
    cuda.launch(
        "median_of_frames",
        "median_of_frames",
        grid=(cuda.blocks_for(n_bins, 128), min(len(frames), cuda.MAX_GRID_Y), channels),
        block=(128,),
        args=(V, frames, counts, out, n_frames, n_bins, len(frames), frames.shape[1]),
        real=V.dtype,
    )
