"""REPET extended: REPET by itself in each of overlapping segments of a long piece (Rafii & Pardo 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.repetition.background import (
    NAMES,
    background_gain,
    check_compat,
    needed_grid,
    one_period,
    repet_frontend,
    strongest_period,
    warn_too_short,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beat_spectrum import beat_spectrum
from sigsep_classic.kernels.layout import empty_alike
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class ExtendedREPET:
    """Background that repeats with one period in each of overlapping segments, and the foreground over it.

    Segments of ``segment_length`` seconds begin every ``segment_step`` seconds; the last one goes to the end. Each has
    a period and a repeating model of its own, as in `REPET`, and so gains of its own; where two overlap, gains are
    blended from the earlier to the later on a straight line.

    Parameters
    ----------
    segment_length, segment_step : float
        Length of segments and distance of their beginnings in seconds, greater than 0; the step at most the length.
    min_period, max_period : float
        Range of the period in seconds; at most a third of a segment is used.
    cutoff : float
        Everything at or below this frequency in Hz is background; bin 0 always is.
    compat : {None, "repet-python"}
        What that public code does to the letter, for comparison: as for `REPET`. It transforms each segment by itself
        and blends signals; here gains are blended, on the frames of the whole.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.

    References
    ----------
    Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
    separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013: the extension to full songs by a
    sliding window (section and equation numbers not checked).

    Notes
    -----
    When to use: A long piece with parts that each repeat with a period of their own.
    Complexity: That of `repet` for each segment.
    Differences from the paper: Gains of overlapping segments are blended, not signals, so that the stems add up.

    A piece of less than a length and a step is one segment: `REPET`. Gains on the frames of the whole spare the edges
    of segments, and the stems still add up.
    """

    segment_length: float = 10.0
    segment_step: float = 5.0
    min_period: float = 0.8
    max_period: float = 8.0
    cutoff: float = 100.0
    compat: str | None = None
    grid: Grid | None = None

    name: ClassVar[str] = "repet_extended"

    def __post_init__(self) -> None:
        check_range("segment_length", self.segment_length, 0.1, infinite=True)
        check_range("segment_step", self.segment_step, 0.1, infinite=True)
        if self.segment_step > self.segment_length:
            raise ParameterError(
                f"segment_step is {self.segment_step}; it must be at most segment_length = {self.segment_length}"
            )
        check_range("min_period", self.min_period, 0)
        check_range("max_period", self.max_period, self.min_period, infinite=True)
        check_range("cutoff", self.cutoff, 0)
        check_compat(self.compat)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a Hann window of 40 ms or a little more, a quarter of it as hop."""
        return repet_frontend(sample_rate, self.compat)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames).

        Returns
        -------
        MaskModel
            With the first frame and the period in frames of each segment as ``extra["starts"]`` and
            ``extra["periods"]``.
        """
        grid = needed_grid(self.grid, "ExtendedREPET")
        V = spectrogram(X)
        xp = namespace(V)
        starts, stops = self.segments(V.shape[-1], grid)
        gain, periods = empty_alike(V), []
        for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            part = V[:, :, start:stop]
            period = self._period(part, grid)
            found = background_gain(part, one_period(part, period), grid, self.cutoff, self.compat)
            shared = stops[i - 1] - start if i else 0
            rising = (xp.arange(shared, dtype=V.dtype) + 0.5) / max(1, shared)
            gain[:, :, start : start + shared] *= 1 - rising
            gain[:, :, start : start + shared] += found[:, :, :shared] * rising
            gain[:, :, start + shared : stop] = found[:, :, shared:]
            periods.append(period)
        extra = {"starts": xp.asarray(starts), "periods": xp.asarray(periods)}
        return MaskModel(masks=gain[None], magnitude=V, names=NAMES, extra=extra)

    def segments(self, n_frames: int, grid: Grid) -> tuple[list[int], list[int]]:
        """Return the first frame of each segment, and the one after its last."""
        length = max(1, round(min(self.segment_length * grid.frame_rate, n_frames)))
        step = max(1, round(min(self.segment_step * grid.frame_rate, n_frames)))
        count = 1 if n_frames < length + step else 1 + (n_frames - length) // step
        starts = [i * step for i in range(count)]
        return starts, [*(start + length for start in starts[:-1]), n_frames]

    def _period(self, V: Array, grid: Grid) -> int:
        """Return the period of a segment in frames; its length, where it is too short to repeat."""
        beats = beat_spectrum(V.mean(axis=0))
        bounds = {"shortest": self.min_period, "longest": self.max_period}
        period = strongest_period(beats, grid, **bounds, compat=self.compat)
        if period is None:
            warn_too_short("ExtendedREPET", len(beats), grid)
            return len(beats)
        return int(np.clip(period, 1, len(beats)))
