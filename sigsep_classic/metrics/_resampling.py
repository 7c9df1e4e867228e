"""Other sample rates by the filter of GNU Octave's ``resample``, which published scores of speech are made with.

Polyphase filtering as matrix products: outputs go in blocks, each block a stretch of input times a matrix of taps.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_REJECTION_DB = 60.0
_FEW_PHASES = 1000
_AT_ONCE = 1 << 18


def resampled(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Return float64 signals (..., samples) at another rate in Hz, ceil(samples * wanted / rate) long.

    The low-pass is a sinc under a Kaiser window that rolls off in a tenth of the band. Measures of speech differ in the
    third decimal with another one.
    """
    if rate == wanted:
        return x
    shared = math.gcd(rate, wanted)
    up, down = wanted // shared, rate // shared
    if up > _FEW_PHASES:
        from scipy.signal import resample_poly

        return resample_poly(x, up, down, axis=-1, window=low_pass(up, down))
    n_out = -(-x.shape[-1] * up // down)
    blocks = _blocks(up, down)
    turns = -(-n_out // blocks[0].period)
    y = np.empty((*x.shape[:-1], turns, blocks[0].period))
    left = -min(block.start for block in blocks)
    right = max(block.start + len(block.taps) for block in blocks)
    step = blocks[0].step
    padded = np.zeros((*x.shape[:-1], left + max(x.shape[-1], (turns - 1) * step + right)))
    padded[..., left : left + x.shape[-1]] = x
    for block in blocks:
        begin, size = left + block.start, len(block.taps)
        stretches = np.lib.stride_tricks.sliding_window_view(padded, size, axis=-1)
        stretches = stretches[..., begin : begin + (turns - 1) * step + 1 : step, :]
        columns = slice(block.first, block.first + block.taps.shape[1])
        few = max(1, _AT_ONCE // size)
        for t in range(0, turns, few):
            part = np.ascontiguousarray(stretches[..., t : t + few, :])  # BLAS takes no overlapping rows
            y[..., t : t + few, columns] = part @ block.taps
    return y.reshape(*x.shape[:-1], -1)[..., :n_out]


class _Block(NamedTuple):
    """Outputs ``first …`` of each ``period`` from inputs ``start …`` of each ``step``: taps (inputs, outputs)."""

    first: int
    start: int
    period: int
    step: int
    taps: np.ndarray


@lru_cache(maxsize=8)
def _blocks(up: int, down: int) -> tuple[_Block, ...]:
    """Return the blocks of one period, each as long as makes products large and few of their taps zero."""
    taps = low_pass(up, down) * up
    half = len(taps) // 2
    reach = 2 * half // up  # inputs an output hears
    turns = max(1, round(reach / (2 * down)))
    parts = max(1, round(2 * down / reach))
    edges = np.linspace(0, turns * up, min(parts, turns * up) + 1).astype(int)
    blocks = []
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        start = -((half - first * down) // up)
        stop = ((last - 1) * down + half) // up + 1
        index = half + np.arange(first, last) * down - np.arange(start, stop)[:, None] * up
        inside = (index >= 0) & (index < len(taps))
        matrix = np.where(inside, taps[np.clip(index, 0, len(taps) - 1)], 0.0)
        blocks.append(_Block(first, start, turns * up, turns * down, matrix))
    return tuple(blocks)


@lru_cache(maxsize=8)
def low_pass(up: int, down: int) -> np.ndarray:
    """Return the filter at ``up`` times the rate, an odd number of taps with the sum 1."""
    cutoff = 1 / (2 * max(up, down))
    half = math.ceil((_REJECTION_DB - 8) / (28.714 * cutoff / 10))
    t = np.arange(-half, half + 1)
    taps = np.kaiser(2 * half + 1, 0.1102 * (_REJECTION_DB - 8.7)) * np.sinc(2 * cutoff * t)
    taps /= taps.sum()
    taps.flags.writeable = False
    return taps
