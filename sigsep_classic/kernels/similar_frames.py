"""For each frame the frames most like it: the highest local maxima of its cosine-similarity row."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

_ROWS = 256
_WHOLE = 2048
"""Up to so many frames the similarity matrix is computed at once, which BLAS does in half the time: it is symmetric."""


def similar_frames(
    V: Array,
    *,
    number: int,
    distance: int,
    threshold: float = 0.0,
    memory: int | None = None,
    first: int = 0,
    ring: bool = False,
    silence_hides: bool = False,
) -> tuple[Array, Array]:
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
        Frames, at least 0.
    threshold : float
        Least similarity, 0 … 1.
    memory : int, optional
        Frame t knows but itself and the ``memory`` - 1 frames before it. Default: it knows all.
    first : int
        With ``memory``, the first frame that a list is wanted of.
    ring : bool
        With ``memory``, neighbours are those in a ring buffer, where the frame after t is the oldest.
    silence_hides : bool
        Near a silent frame is no candidate, where its similarity else is 0.

    Returns
    -------
    frames : int32 array (frames - first, number)
        Each row holds the list of a frame; entries past its count are 0.
    counts : int32 array (frames - first,)
        Lengths of the lists, at least 1.

    Notes
    -----
    The similarity matrix is computed 256 rows at a time, that of a short piece at once: memory is linear in the number
    of frames.
    """
    xp = namespace(V)
    rows = xp.ascontiguousarray(V.swapaxes(0, 1))
    norms = xp.sqrt((rows * rows).sum(axis=1, keepdims=True))
    rows = rows / xp.where(norms > 0, norms, xp.nan if silence_hides else 1)
    times = xp.arange(first, len(rows), dtype=xp.int32)
    frames = xp.zeros((len(times), number), dtype=xp.int32)
    counts = xp.zeros(len(times), dtype=xp.int32)
    run = _gpu if is_cuda(V) else _cpu if enabled() else _numpy
    run(_Similarities(rows, first, memory, ring), frames, counts, distance, V.dtype.type(threshold))
    if memory is not None:
        if ring:
            frames = (frames - times[:, None] % memory - 1) % memory
        inside = xp.arange(number) < counts[:, None]
        frames = xp.where(inside, frames + times[:, None] - (memory - 1), 0).astype(xp.int32)
    frames[:, 0] = xp.where(counts == 0, times, frames[:, 0])
    return frames, xp.maximum(counts, 1)


class _Similarities:
    """Rows of the similarity matrix, a part at a time; with ``memory`` the last so many columns, -1 where none is."""

    def __init__(self, rows: Array, first: int, memory: int | None, ring: bool) -> None:
        self.rows, self.first, self.memory, self.ring = rows, first, memory, ring

    def __len__(self) -> int:
        return len(self.rows) - self.first

    def __getitem__(self, part: slice) -> Array:
        start, stop, _ = part.indices(len(self))
        start, stop = start + self.first, stop + self.first
        if self.memory is None:
            return self.rows[start:stop] @ self.rows.T
        xp, reach = namespace(self.rows), self.memory - 1
        oldest = max(0, start - reach)
        band = xp.full((stop - start, stop - start + reach), -1, dtype=self.rows.dtype)
        band[:, oldest - (start - reach) :] = self.rows[start:stop] @ self.rows[oldest:stop].T
        long, short = band.strides
        S = xp.lib.stride_tricks.as_strided(band, (stop - start, self.memory), (long + short, short))
        if self.ring:
            slots = xp.arange(self.memory) - xp.arange(start, stop)[:, None] % self.memory - 1
            S = xp.take_along_axis(S, slots % self.memory, axis=1)
        return xp.ascontiguousarray(S)


def _numpy(S: _Similarities, frames: np.ndarray, counts: np.ndarray, distance: int, threshold: float) -> None:
    from numpy.lib.stride_tricks import sliding_window_view

    for t in range(len(S)):
        s = S[t : t + 1][0]
        peaks = s >= threshold
        if distance:
            windows = sliding_window_view(np.pad(s, distance, constant_values=-np.inf), distance)
            peaks &= (windows[: len(s)].max(axis=1) < s) & (windows[distance + 1 :].max(axis=1) < s)
        candidates = np.flatnonzero(peaks)
        best = candidates[np.argsort(-s[candidates], kind="stable")][: frames.shape[1]]
        frames[t, : len(best)] = best
        counts[t] = len(best)


def _cpu(S: _Similarities, frames: np.ndarray, counts: np.ndarray, distance: int, threshold: float) -> None:
    whole = S[:] if S.memory is None and len(S) <= _WHOLE else S

    def work(first: int, stop: int) -> None:
        for t in range(first * _ROWS, min(stop * _ROWS, len(S)), _ROWS):
            part = slice(t, t + _ROWS)
            _peak_rows(whole[part], frames[part], counts[part], distance, threshold)

    with single_threaded_blas():
        run_blocks(work, -(-len(S) // _ROWS))


@jit
def _is_peak(row, i, distance, threshold):  # type: ignore[no-untyped-def]
    value = row[i]
    if not value >= threshold:
        return False
    for d in range(1, distance + 1):
        if i - d >= 0 and not value > row[i - d]:  # as is one beside a NaN
            return False
        if i + d < row.size and not value > row[i + d]:
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


def _gpu(S: _Similarities, frames: Array, counts: Array, distance: int, threshold: float) -> None:
    xp = namespace(S.rows)
    for t in range(0, len(S), _ROWS):
        part = slice(t, t + _ROWS)
        rows = S[part]
        cuda.launch(
            "similar_frames",
            "similar_frames",
            grid=(len(rows),),
            block=(256,),
            args=(
                rows,
                xp.empty_like(rows),
                frames[part],
                counts[part],
                rows.shape[1],
                frames.shape[1],
                distance,
                float(threshold),
            ),
            real=rows.dtype,
        )
