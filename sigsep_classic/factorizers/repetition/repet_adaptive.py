"""Adaptive REPET: the repeating period may change along the piece (Liutkus et al. 2012)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.repetition.background import (
    background_model,
    check_compat,
    needed_grid,
    repet_frontend,
    strongest_period,
    warn_too_short,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beat_spectrum import beat_spectrum
from sigsep_classic.kernels.median_of_frames import median_of_frames
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class AdaptiveREPET:
    """Background that repeats with a period that changes over time, and the foreground over it.

    A beat spectrum is taken around every ``segment_step`` seconds over ``segment_length`` seconds; its strongest
    lag is the period p(t) there. The repeating model at frame t is the median of V over the frames
    ``t + i p(t)``, i = −n … n, that exist; the background gain is ``min(V, model) / V``.

    Parameters
    ----------
    segment_length, segment_step : float
        Seconds over which, and after which, the period is found anew; greater than 0.
    min_period, max_period : float
        Range of the period in seconds; at most a third of a segment is used.
    n_periods : int
        Number of frames 2 n + 1 a median is taken over; odd, at least 3.
    cutoff : float
        Everything at or below this frequency in Hz is background; bin 0 always is.
    compat : {None, "repet-python"}
        What that public code does to the letter, for comparison: as for `REPET`, and segments padded with silence at
        both ends of the piece, and at the last frame before each new segment the shortest period plus one.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.

    References
    ----------
    A. Liutkus, Z. Rafii, R. Badeau, B. Pardo and G. Richard, "Adaptive filtering for music/voice separation
    exploiting the repeating musical structure", Proc. ICASSP, 2012 (equation numbers not checked).

    Notes
    -----
    When to use: A voice over music whose period changes slowly: a live band.
    Complexity: O(channels · freq · frames · n_periods), and a beat spectrum for each segment.
    Differences from the paper: The paper's background is a robust filter of the power; the median over ``n_periods``
    is its simplest form.
    """

    segment_length: float = 10.0
    segment_step: float = 5.0
    min_period: float = 0.8
    max_period: float = 8.0
    n_periods: int = 5
    cutoff: float = 100.0
    compat: str | None = None
    grid: Grid | None = None

    name: ClassVar[str] = "repet_adaptive"

    def __post_init__(self) -> None:
        check_range("segment_length", self.segment_length, 0.1, infinite=True)
        check_range("segment_step", self.segment_step, 0.1)
        check_range("min_period", self.min_period, 0)
        check_range("max_period", self.max_period, self.min_period, infinite=True)
        check_count("n_periods", self.n_periods, 3)
        if self.n_periods % 2 == 0:
            raise ParameterError(f"n_periods is {self.n_periods}; it must be odd, as many before as after")
        check_range("cutoff", self.cutoff, 0)
        check_compat(self.compat)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a Hann window of 40 ms or a little more, a quarter of it as hop."""
        return repet_frontend(sample_rate, self.compat)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames)."""
        grid = needed_grid(self.grid, "AdaptiveREPET")
        V = spectrogram(X)
        xp, n_frames = namespace(V), V.shape[-1]
        find = self.periods if self.compat is None else self._compatible_periods
        periods = find(V.mean(axis=0), grid)
        reach = self.n_periods // 2
        frames = np.arange(n_frames)[:, None] + periods[:, None] * np.arange(-reach, reach + 1)
        inside = (frames >= 0) & (frames < n_frames)
        order = np.argsort(~inside, axis=1, kind="stable")  # existing frames first
        frames = np.clip(np.take_along_axis(frames, order, axis=1), 0, n_frames - 1)
        repeating = median_of_frames(V, xp.asarray(frames), xp.asarray(inside.sum(axis=1)))
        found = xp.asarray(periods)
        return background_model(V, repeating, grid, self.cutoff, compat=self.compat, periods=found)

    def periods(self, V: Array, grid: Grid) -> np.ndarray:
        """Return the period at each frame of V (freq, frames), in frames, int array (frames,)."""
        n_frames = V.shape[-1]
        length = max(1, int(min(self.segment_length * grid.frame_rate + 0.5, n_frames)))
        step = max(1, round(self.segment_step * grid.frame_rate))
        centres = np.arange(0, n_frames, step)
        found = []
        for centre in centres:
            start = min(max(0, centre - length // 2), n_frames - length)
            beats = beat_spectrum(V[:, start : start + length])
            period = strongest_period(beats, grid, shortest=self.min_period, longest=self.max_period)
            if period is None:  # of no segment then: all are equally long
                warn_too_short("AdaptiveREPET", length, grid)
                return np.full(n_frames, n_frames)
            found.append(period)
        nearest = np.clip((np.arange(n_frames) + step // 2) // step, 0, len(centres) - 1)
        return np.asarray(found)[nearest]

    def _compatible_periods(self, V: Array, grid: Grid) -> np.ndarray:
        """Return what `periods` does, by the rules of REPET-Python."""
        n_frames, xp = V.shape[-1], namespace(V)
        length = max(1, round(min(self.segment_length * grid.frame_rate, 10 * n_frames)))
        step = max(1, round(min(self.segment_step * grid.frame_rate, n_frames)))
        padded = xp.pad(V, ((0, 0), (length // 2, (length - 1) // 2)))
        options = {"shortest": self.min_period, "longest": self.max_period, "compat": self.compat}
        # It leaves the last column of each step of its beat spectrogram at 0, whose maximum is the first lag.
        unset = strongest_period(np.zeros(length), grid, **options)  # type: ignore[arg-type]
        if unset is None:
            warn_too_short("AdaptiveREPET", length, grid)
            return np.full(n_frames, n_frames)
        periods = np.full(n_frames, unset)
        for start in range(0, n_frames, step):
            beats = beat_spectrum(padded[:, start : start + length])
            periods[start : start + max(1, step - 1)] = strongest_period(beats, grid, **options)  # type: ignore[arg-type]
        return periods
