"""What dereverberation predicts from: the past of all channels, some frames back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.typing import Array

logger = logging.getLogger("sigsep_classic")

_CELLS, _CELLS_ON_DEVICE = 1 << 16, 1 << 22
_COMFORTABLE, _TOLERABLE = 12, 4
"""Frames for each number that predicts a channel: fewer, and the prediction takes sound for reverberation."""


def usable_taps(
    n_taps: int | None, default: int, *, channels: int, frames: int, delay: int, tell: bool = False
) -> int:
    """Return how many frames of the past are to predict, 0 where a recording is too short for any.

    Parameters
    ----------
    n_taps : int or None
        What the user asked for; fewer are returned only if there are no more frames than n_taps times channels. None:
        ``default``, or as many as leave twelve frames for each number that predicts a channel, at least one if there
        are four.
    tell : bool
        Write a line to the log where recordings are short.
    """
    few = max(1, frames // (_COMFORTABLE * channels)) if frames >= _TOLERABLE * channels else 0
    found = min(default, few) if n_taps is None else n_taps
    if n_taps is not None and 0 < frames - delay <= n_taps * channels:
        found = min(n_taps, few)
    if not tell or frames <= delay:
        return found
    asked = "" if n_taps is None else f" for n_taps={n_taps}"
    if not found:
        logger.warning(
            "%d frames of %d channels are too few%s: no reverberation is removed", frames, channels, asked
        )
    elif n_taps is not None and frames < _TOLERABLE * n_taps * channels:
        taken = f", {found} are taken" if found < n_taps else ""
        logger.warning(
            "%d frames of %d channels are few%s%s: sound may pass for reverberation; None chooses",
            frames,
            channels,
            asked,
            taken,
        )
    return found


def stacked_past(x: Array, n_taps: int, delay: int) -> Array:
    """Return the frames ``delay`` … ``delay + n_taps - 1`` back, (freq, n_taps * channels, frames), zero before all.

    Parameters
    ----------
    x : array (freq, channels, frames)
        Row ``k * channels + c`` of the result is channel c, ``delay + k`` frames back.
    """
    xp = namespace(x)
    n_freq, channels, frames = x.shape
    past = xp.zeros((n_freq, n_taps, channels, frames), dtype=x.dtype)
    for k in range(n_taps):
        back = delay + k
        if back < frames:
            past[:, k, :, back:] = x[:, :, : frames - back]
    return past.reshape(n_freq, n_taps * channels, frames)


def blocks_of_bins(X: Array, rows: int) -> Iterator[slice]:
    """Yield blocks of bins of X (channels, freq, frames) whose pasts of ``rows`` rows fit a cache, or a device."""
    cells = _CELLS_ON_DEVICE if is_cuda(X) else _CELLS
    size = max(1, cells // (max(1, rows) * X.shape[2]))
    for f in range(0, X.shape[1], size):
        yield slice(f, f + size)
