"""For each frame the frames most like it: the highest local maxima of its cosine-similarity row."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

_ROWS = 256


def similar_frames(V: Array, *, number: int, distance: int, threshold: float = 0.0) -> tuple[Array, Array]:
    """Return for each frame of V the numbers of the frames most similar to it.

    Frame u is a candidate for frame t if their cosine similarity is at least ``threshold`` and greater than that
    of every other frame within ``distance`` of u. The ``number`` most similar candidates are kept, the most
    similar first, the earlier one first where two are equal. A frame without candidates keeps itself.

    Parameters
    ----------
    V : array (freq, frames)
        Non-negative, float32 or float64, NumPy or CuPy.
    number : int
        Longest list, at least 1.
    distance : int
        Frames, at least 1.
    threshold : float
        Least similarity, 0 … 1.

    Returns
    -------
    frames : int32 array (frames, number)
        Row t holds the list of frame t; entries past ``counts[t]`` are 0.
    counts : int32 array (frames,)
        Lengths of the lists, at least 1.

    Notes
    -----
    The similarity matrix is computed 256 rows at a time, so memory is linear in the number of frames.
    """
    xp = namespace(V)
    rows = xp.ascontiguousarray(V.swapaxes(0, 1))
    norms = xp.sqrt((rows * rows).sum(axis=1, keepdims=True))
    rows = rows / xp.where(norms > 0, norms, 1)
    n_frames = len(rows)
    frames = xp.zeros((n_frames, number), dtype=xp.int32)
    counts = xp.zeros(n_frames, dtype=xp.int32)
    run = _gpu if is_cuda(V) else _cpu if enabled() else _numpy
    run(rows, frames, counts, distance, V.dtype.type(threshold))
    empty = counts == 0
    frames[:, 0] = xp.where(empty, xp.arange(n_frames, dtype=xp.int32), frames[:, 0])
    return frames, xp.maximum(counts, 1)


def _numpy(rows: np.ndarray, frames: np.ndarray, counts: np.ndarray, distance: int, threshold: float) -> None:
    from numpy.lib.stride_tricks import sliding_window_view

    for t, row in enumerate(rows):
        s = rows @ row
        windows = sliding_window_view(np.pad(s, distance, constant_values=-np.inf), distance)
        before, after = windows[: len(s)].max(axis=1), windows[distance + 1 :].max(axis=1)
        candidates = np.flatnonzero((s >= threshold) & (before < s) & (after < s))
        best = candidates[np.argsort(-s[candidates], kind="stable")][: frames.shape[1]]
        frames[t, : len(best)] = best
        counts[t] = len(best)


def _cpu(rows: np.ndarray, frames: np.ndarray, counts: np.ndarray, distance: int, threshold: float) -> None:
    def work(first: int, stop: int) -> None:
        for t in range(first * _ROWS, min(stop * _ROWS, len(rows)), _ROWS):
            part = slice(t, t + _ROWS)
            S = rows[part] @ rows.T
            _peak_rows(S, frames[part], counts[part], distance, threshold)

    with single_threaded_blas():
        run_blocks(work, -(-len(rows) // _ROWS))


@jit
def _is_peak(row, i, distance, threshold):  # type: ignore[no-untyped-def]
    value = row[i]
    if value < threshold:
        return False
    for d in range(1, distance + 1):
        if i - d >= 0 and row[i - d] >= value:
            return False
        if i + d < row.size and row[i + d] >= value:
            return False
    return True


@jit
def _peak_rows(S, frames, counts, distance, threshold):  # type: ignore[no-untyped-def]
    number = frames.shape[1]
    best = np.empty(number, S.dtype)
    for r in range(len(S)):
        row = S[r]
        count = 0
        i = 0
        while i < row.size:
            if not _is_peak(row, i, distance, threshold):
                i += 1
                continue
            value = row[i]
            if count < number or value > best[count - 1]:
                k = count if count < number else count - 1
                while k > 0 and best[k - 1] < value:
                    best[k] = best[k - 1]
                    frames[r, k] = frames[r, k - 1]
                    k -= 1
                best[k] = value
                frames[r, k] = i
                count = min(count + 1, number)
            i += distance + 1  # nothing within reach of a peak is one
        counts[r] = count


def _gpu(rows: Array, frames: Array, counts: Array, distance: int, threshold: float) -> None:
    xp, n = namespace(rows), len(rows)
    for t in range(0, n, _ROWS):
        part = slice(t, t + _ROWS)
        S = rows[part] @ rows.T
        cuda.launch(
            "similar_frames",
            "similar_frames",
            grid=(len(S),),
            block=(256,),
            args=(
                S,
                xp.empty_like(S),
                frames[part],
                counts[part],
                n,
                frames.shape[1],
                distance,
                float(threshold),
            ),
            real=rows.dtype,
        )
