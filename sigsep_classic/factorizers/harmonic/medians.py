"""What methods by two medians share: how long the medians are, and the medians."""

from __future__ import annotations

from dataclasses import dataclass

from sigsep_classic.checks import check_count, check_range
from sigsep_classic.factorizers.base import spectrogram, usual_stft
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.sliding_median import odd_length, sliding_median
from sigsep_classic.typing import Array, Grid

UNSCALED = 31
"""Length of both medians in frames and bins where nothing says how many seconds and Hz they are."""


@dataclass(frozen=True, kw_only=True)
class TwoMedians:
    """Base of the methods that compare the median along time with the median along frequency.

    Parameters
    ----------
    harmonic_seconds : float
        Length of the median along time in seconds, greater than 0.
    percussive_hz : float
        Length of the median along frequency in Hz, greater than 0; on a logarithmic axis, as many bins as these Hz
        are at 1 kHz.
    harmonic_frames, percussive_bins : int or None
        The two lengths in frames and bins, at least 1, in place of the above. Without these and without a grid
        with more than one frequency both are 31.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    """

    harmonic_seconds: float = 0.4
    percussive_hz: float = 400.0
    harmonic_frames: int | None = None
    percussive_bins: int | None = None
    grid: Grid | None = None

    def __post_init__(self) -> None:
        for name in ("harmonic_seconds", "percussive_hz"):
            check_range(name, getattr(self, name), 0, above=True)
        for name in ("harmonic_frames", "percussive_bins"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))

    @property
    def sizes(self) -> tuple[int, int]:
        """Lengths of the medians in frames and in bins; odd where they come from seconds and Hz."""
        frames = bins = UNSCALED
        if self.grid is not None and (width := self.grid.span(self.percussive_hz)) > 0:
            frames = odd_length(self.harmonic_seconds * self.grid.frame_rate)
            bins = odd_length(width)
        return self.harmonic_frames or frames, self.percussive_bins or bins

    @property
    def context(self) -> int:
        """Frames of neighbourhood that make block-wise work exact."""
        return self.sizes[0] // 2

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def medians(self, X: Array) -> tuple[Array, Array, Array]:
        """Return V = |X| and its running medians along time and along frequency, (channels, freq, frames) each."""
        frames, bins = self.sizes
        V = spectrogram(X)
        return V, sliding_median(V, frames, axis=-1), sliding_median(V, bins, axis=-2)
