"""The best path through scores of pitches over time, with jumps that cost and pauses: Viterbi without a matrix.

Where a step of d candidates costs λ d, at most c, the best predecessors of all candidates come from one running
maximum upwards and one downwards: a frame costs as many operations as there are candidates, not their square.
"""

from __future__ import annotations

import numpy as np


def best_path(
    scores: np.ndarray, *, step: float, jump: float, silent: np.ndarray | float, toggle: float
) -> np.ndarray:
    """Return the path of the largest sum of scores less costs, (frames,) int; -1 where it pauses.

    Parameters
    ----------
    scores : ndarray (candidates, frames)
        What each candidate adds, finite.
    step : float
        λ, the cost of moving by one candidate from frame to frame, at least 0.
    jump : float
        Largest cost of a move, at least 0.
    silent : float or ndarray (frames,)
        What a frame of pause adds.
    toggle : float
        Cost of beginning or ending a pause, at least 0.

    Notes
    -----
    On the host. Ties go to the lower candidate. O(candidates × frames).
    """
    n, n_frames = scores.shape
    if n == 0 or n_frames == 0:
        return np.full(n_frames, -1)
    rests = np.broadcast_to(np.asarray(silent, float), (n_frames,))
    S = np.ascontiguousarray(scores.T, dtype=float)
    came = np.empty((n_frames, n), np.int32)
    paused = np.empty(n_frames, np.int32)  # where a pause came from; -1: it went on
    ramp = step * np.arange(n)
    value, pause = S[0].copy(), float(rests[0])
    for t in range(1, n_frames):
        top = int(value.argmax())
        rise, rise_from = _running(value + ramp)
        fall, fall_from = _running((value - ramp)[::-1])
        down, down_from = fall[::-1] + ramp, n - 1 - fall_from[::-1]
        best, source = rise - ramp, rise_from
        better = down > best
        best, source = np.where(better, down, best), np.where(better, down_from, source)
        far = value[top] - jump
        source = np.where(far > best, top, source)
        best = np.maximum(best, far)
        begun = pause - toggle
        source = np.where(begun > best, -1, source)
        best = np.maximum(best, begun)
        ended = value[top] - toggle
        paused[t] = top if ended > pause else -1
        pause = max(pause, ended) + float(rests[t])
        came[t], value = source, best + S[t]
    path = np.full(n_frames, -1)
    state = int(value.argmax()) if value.max() >= pause else -1
    for t in range(n_frames - 1, -1, -1):
        path[t] = state
        if t:
            state = int(came[t, state]) if state >= 0 else int(paused[t])
    return path


def _running(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of x up to each place, and where it was first."""
    top = np.maximum.accumulate(x)
    new = np.empty(len(x), bool)
    new[0] = True
    np.greater(top[1:], top[:-1], out=new[1:])
    return top, np.maximum.accumulate(np.where(new, np.arange(len(x)), 0))
