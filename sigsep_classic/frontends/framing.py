"""Signals cut into overlapping frames, and frames added up to signals, in blocks that stay in cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array

_BLOCK_VALUES = 1 << 18
"""Values of one block of frames: small enough to stay in cache."""


def cut(x: Array, first: int, count: int, *, n_fft: int, step: int) -> Array:
    """Return frames ``first … first + count - 1`` of x (..., samples), centred on multiples of ``step``.

    A read-only view (..., count, n_fft) where all lie inside the signal; a copy with zeros beyond its ends else.
    """
    xp, n_samples = namespace(x), x.shape[-1]
    start = first * step - n_fft // 2
    stop = start + (count - 1) * step + n_fft
    inside = x[..., max(start, 0) : max(min(stop, n_samples), 0)]
    if inside.shape[-1] < stop - start:
        padded = xp.zeros((*x.shape[:-1], stop - start), dtype=x.dtype)
        left = max(-start, 0)
        padded[..., left : left + inside.shape[-1]] = inside
        inside = padded
    strides = (*inside.strides[:-1], step * inside.strides[-1], inside.strides[-1])
    return xp.lib.stride_tricks.as_strided(inside, (*x.shape[:-1], count, n_fft), strides)


def added(frames: Array, skipped: int, n_steps: int, *, step: int) -> Array:
    """Return frames (..., count, n_fft) overlap-added, (..., n_steps, step), without the first ``skipped`` steps."""
    *lead, count, n_fft = frames.shape
    total = namespace(frames).zeros((*lead, n_steps, step), dtype=frames.dtype)
    for r, start in enumerate(range(0, n_fft, step)):
        piece = frames[..., start : start + step]
        low, high = max(skipped, r), min(skipped + n_steps, r + count)
        if low < high:
            target = total[..., low - skipped : high - skipped, : piece.shape[-1]]
            target += piece[..., low - r : high - r, :]
    return total


def weights(window: np.ndarray, n_frames: int, *, step: int) -> np.ndarray:
    """Return the sums of squared windows over the steps of few frames, (rows, step); see `steps`."""
    overlap = -(-len(window) // step)
    few = min(n_frames, 2 * overlap)  # between the ends all steps are alike
    ones = np.broadcast_to(window**2, (few, len(window)))
    return added(ones, 0, few + overlap - 1, step=step)


def steps(at: Array, n_fft: int, n_frames: int, *, step: int) -> Array:
    """Return which rows of `weights` the steps ``at`` of ``n_frames`` frames have."""
    xp = namespace(at)
    overlap = -(-n_fft // step)
    few = min(n_frames, 2 * overlap)
    return xp.where(at < overlap, at, xp.where(at < n_frames, overlap - 1, at - (n_frames - few)))


def blocks(lead: tuple[int, ...], count: int, *, n_fft: int, least: int, whole: bool) -> list[Any]:
    """Return ``(index of the leading axes, first, stop)`` of runs of ``count`` frames; ``whole``: a single one."""
    if whole:
        return [((), 0, count)]
    size = max(16, least, _BLOCK_VALUES // n_fft)
    return [(at, s, min(s + size, count)) for at in np.ndindex(lead) for s in range(0, count, size)]
