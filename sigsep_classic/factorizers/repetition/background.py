"""Shared by the REPET family: from what repeats to the gains of background and foreground."""

from __future__ import annotations

import logging

import numpy as np

from sigsep_classic.backend import namespace, real_like, to_host
from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.median_of_frames import median_of_frames
from sigsep_classic.typing import Array, Grid

logger = logging.getLogger("sigsep_classic")

NAMES = ("background", "foreground")
_FRAMES = 32

COMPAT = ("repet-python",)
"""Public code whose rules ``compat`` follows to the letter: Rafii's REPET-Python."""


def check_compat(compat: str | None) -> None:
    """Raise `ParameterError` unless ``compat`` is None or names code whose rules are known."""
    if compat is not None:
        check_choice("compat", compat, COMPAT)


def repet_frontend(sample_rate: float, compat: str | None = None, *, window: str = "hann") -> STFT:
    """Return a window of at least 40 ms, a power of two long as in the REPET papers.

    Hann windows at a quarter of their length, where the papers have Hamming windows at half of it: measured half a
    decibel better, on songs made here and on a real one; ``compat`` has the latter.
    """
    n_fft = 16
    while n_fft < 0.04 * sample_rate:
        n_fft *= 2
    if compat is not None:
        return STFT(n_fft=n_fft, hop=n_fft // 2, window="hamming")
    return STFT(n_fft=n_fft, window=window)


def needed_grid(grid: Grid | None, method: str) -> Grid:
    """Return ``grid``, or say that the method can't turn seconds into frames without it."""
    if grid is None:
        raise ParameterError(
            f"{method} has times in seconds; give grid=frontend.grid(sample_rate), or call separate()"
        )
    return grid


def strongest_period(
    beats: Array, grid: Grid, *, shortest: float, longest: float, compat: str | None = None
) -> int | None:
    """Return the lag in frames with the strongest beat between two periods in seconds.

    At most a third of ``beats`` (frames,) is searched, so that three repetitions are seen; None if nothing is left.
    With ``compat`` the longest lag is left out, and the period is one frame more than the lag.
    """
    if compat is not None:
        low = round(shortest * grid.frame_rate)
        end = int(min(round(min(longest * grid.frame_rate, len(beats))), len(beats) // 3))
        return low + 1 + int(np.argmax(to_host(beats[low:end]))) if low < end else None
    low = max(1, round(shortest * grid.frame_rate))
    high = int(min(longest * grid.frame_rate + 0.5, len(beats) // 3))
    return low + int(np.argmax(to_host(beats[low : high + 1]))) if low <= high else None


def frames_apart(seconds: float, grid: Grid, most: int, compat: str | None = None) -> int:
    """Return the distance of two similar frames in frames, at least 1 (0 with ``compat``)."""
    return max(0 if compat else 1, round(min(seconds * grid.frame_rate, most)))


def warn_too_short(method: str, n_frames: int, grid: Grid) -> None:
    """Say that nothing can be heard to repeat, so that everything is background."""
    seconds = n_frames / grid.frame_rate
    logger.warning("%s: nothing can repeat within %.2f s; everything is background", method, seconds)


def background_gain(
    V: Array, repeating: Array, grid: Grid, cutoff: float, compat: str | None = None
) -> Array:
    """Return the gains ``min(V, repeating) / V``; all of the mixture up to ``cutoff`` Hz is background.

    Bin 0 always belongs to the background. Where V is 0 the gain is 1, so that silence is background too. With
    ``compat`` the rounding of a double is added above and below, the cutoff is rounded to the nearest bin, and bin 0
    is treated like those above the cutoff. The gains take the place of ``repeating``.
    """
    if compat is None:
        low, end = 0, grid.bins_up_to(cutoff, V.shape[1])
    else:
        low, end = 1, 1 + round(min(cutoff / grid.bin_hz, V.shape[1])) if grid.bin_hz > 0 else 0
    eps = None if compat is None else real_like(V, np.finfo(float).eps)
    size = _FRAMES if namespace(V) is np else V.shape[-1]
    for t in range(0, V.shape[-1], size):  # a few frames at a time stay in cache
        part = (slice(None), slice(None), slice(t, t + size))
        _ratio(V[part], repeating[part], eps)
    repeating[:, low:end] = 1
    return repeating


def _ratio(V: Array, out: Array, eps: np.floating | None) -> None:
    """Replace ``out`` by ``min(V, out) / V``, 1 where V is 0, or with eps added above and below."""
    namespace(V).minimum(V, out, out=out)
    if eps is not None:
        out += eps
        out /= V + eps
        return
    silent = V == 0
    out += silent
    out /= V + silent


def background_model(
    V: Array, repeating: Array, grid: Grid, cutoff: float, *, compat: str | None = None, **extra: Array
) -> MaskModel:
    """Return the model of the gains of `background_gain`."""
    gain = background_gain(V, repeating, grid, cutoff, compat)
    return MaskModel(masks=gain[None], magnitude=V, names=NAMES, extra=extra)


def one_period(V: Array, period: int) -> Array:
    """Return the median of V (channels, freq, frames) over all frames of the same phase, of the shape of V."""
    xp, n_frames = namespace(V), V.shape[-1]
    phases = xp.arange(min(period, n_frames))[:, None] + period * xp.arange(-(-n_frames // period))
    counts = (phases < n_frames).sum(axis=1)
    model = median_of_frames(V, xp.minimum(phases, n_frames - 1), counts)
    return model[:, :, xp.arange(n_frames) % period]
