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

BUFFER_BYTES = 1 << 16
"""Of what is ordered at a time: it stays in cache, and rows are long enough for the loop over them to be cheap."""
LANES = 16
"""Rows are at least so many bins, and a multiple of it."""


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
    run_blocks(_median_lists, len(frames), V, frames, counts, out)


@jit
def _median_lists(first, stop, V, frames, counts, out):  # type: ignore[no-untyped-def]
    """Order rows of bins, as many at a time as the buffer holds, by a network that is made once a list."""
    n_bins, longest = V.shape[2], frames.shape[1]
    size = max(longest * LANES, BUFFER_BYTES // V.itemsize)
    buffer = np.empty(size, V.dtype)
    half = V.dtype.type(0.5)
    levels = 1
    while (1 << levels) < longest:
        levels += 1
    pairs = np.empty((longest * levels * (levels + 1) // 4 + longest, 3), np.int64)
    known, n_pairs = 0, 0
    for i in range(first, stop):
        count = counts[i]
        if count != known:
            n_pairs = _median_network(count, pairs)
            known = count
        width = size // count // LANES * LANES
        for c in range(len(V)):
            for f0 in range(0, n_bins, width):
                stop_f = min(f0 + width, n_bins)
                rows = buffer[: count * (stop_f - f0)].reshape(count, stop_f - f0)
                for r in range(count):
                    rows[r] = V[c, frames[i, r], f0:stop_f]
                for p in range(n_pairs):
                    _exchange(rows[pairs[p, 0]], rows[pairs[p, 1]], pairs[p, 2])
                if count % 2:
                    out[c, i, f0:stop_f] = rows[count // 2]
                else:
                    out[c, i, f0:stop_f] = (rows[count // 2 - 1] + rows[count // 2]) * half


@jit
def _median_network(count, pairs):  # type: ignore[no-untyped-def]
    """Fill in Batcher's merge exchange (Knuth, TAOCP 3, algorithm 5.2.2M) without what the middle does not need.

    Columns of ``pairs`` are the two rows and which of them is needed (1, 2, or 3 for both); returns their number.
    """
    n = 0
    p = 1
    while p < count:
        k = p
        while k >= 1:
            for j in range(k % p, count - k, 2 * k):
                for i in range(min(k, count - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs[n, 0] = i + j
                        pairs[n, 1] = i + j + k
                        n += 1
            k //= 2
        p *= 2
    needed = np.zeros(count, np.int64)
    needed[(count - 1) // 2] = 1
    needed[count // 2] = 1
    for i in range(n - 1, -1, -1):
        low, high = pairs[i, 0], pairs[i, 1]
        pairs[i, 2] = needed[low] + 2 * needed[high]
        if pairs[i, 2]:
            needed[low] = needed[high] = 1
    kept = 0
    for i in range(n):
        if pairs[i, 2]:
            pairs[kept] = pairs[i]
            kept += 1
    return kept


@jit
def _exchange(a, b, needed):  # type: ignore[no-untyped-def]
    """Put the smaller values into a and the larger into b, where they are needed; each loop is vectorised."""
    if needed == 3:
        for i in range(a.size):
            x, y = a[i], b[i]
            a[i] = x if x < y else y
            b[i] = y if x < y else x
    elif needed == 1:
        for i in range(a.size):
            x, y = a[i], b[i]
            a[i] = x if x < y else y
    else:
        for i in range(a.size):
            x, y = a[i], b[i]
            b[i] = y if x < y else x


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
