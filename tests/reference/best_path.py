"""The best path by the textbook: every candidate and the pause against every other, each frame."""

from __future__ import annotations

import numpy as np


def value(path, scores, *, step, jump, silent, toggle):
    """Return the sum of scores along a path less the costs of its moves."""
    total = 0.0
    for t, here in enumerate(path):
        total += silent if here < 0 else scores[here, t]
        if t and (path[t - 1] < 0) != (here < 0):
            total -= toggle
        elif t and here >= 0:
            total -= min(step * abs(here - path[t - 1]), jump)
    return total


def best_path(scores, *, step, jump, silent, toggle):
    """Return the best path, (frames,); -1 is the pause."""
    n, n_frames = scores.shape
    cost = np.minimum(step * abs(np.subtract.outer(np.arange(n), np.arange(n))), jump)
    table = np.full((n + 1, n + 1), toggle, float)
    table[:n, :n], table[n, n] = cost, 0
    gains = np.vstack([scores, np.full(n_frames, silent)])
    total, came = gains[:, 0].copy(), []
    for t in range(1, n_frames):
        options = total[:, None] - table
        came.append(options.argmax(axis=0))
        total = options.max(axis=0) + gains[:, t]
    path = [int(total.argmax())]
    for source in reversed(came):
        path.append(int(source[path[-1]]))
    return np.array([-1 if k == n else k for k in reversed(path)])
