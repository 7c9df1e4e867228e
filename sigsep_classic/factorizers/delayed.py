"""What dereverberation predicts from: the past of all channels, some frames back."""

from __future__ import annotations

from collections.abc import Iterator

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.typing import Array

_CELLS, _CELLS_ON_DEVICE = 1 << 16, 1 << 22


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
    size = max(1, cells // (rows * X.shape[2]))
    for f in range(0, X.shape[1], size):
        yield slice(f, f + size)
