"""REPET: the accompaniment is what repeats at one period (Rafii & Pardo 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.factorizers.base import Callback, spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.repetition.background import (
    background_model,
    check_compat,
    needed_grid,
    one_period,
    repet_frontend,
    strongest_period,
    warn_too_short,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beat_spectrum import beat_spectrum
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class REPET:
    """Background that repeats with one period, and the foreground over it.

    The period p is the lag with the strongest beat spectrum. The repeating model at phase ``t mod p`` is the
    median of V over all frames of that phase, and the background gain is ``min(V, model) / V``.

    Parameters
    ----------
    min_period, max_period : float
        Range of the period in seconds; at most a third of the signal is used, so that three repetitions are seen.
    period : float or None
        The period in seconds, if known; overrides the search.
    cutoff : float
        Everything at or below this frequency in Hz is background (a voice has nothing there); bin 0 always is.
    compat : {None, "repet-python"}
        What that public code does to the letter, for comparison: a period one frame longer than the lag, an epsilon in
        the gains, a cutoff rounded to the nearest bin without bin 0, windows and hop of `default_frontend`. (Its
        periods are 1 … 10 s.)
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.

    References
    ----------
    Z. Rafii and B. Pardo, "REpeating Pattern Extraction Technique (REPET): a simple method for music/voice
    separation", IEEE Trans. Audio, Speech, and Language Processing 21(1), 2013, pp. 71 ff.
    (equation numbers not checked).

    Notes
    -----
    When to use: A voice over a loop that repeats with one period for the whole recording. Where it changes,
    `repet_adaptive` or `repet_sim`.
    Complexity: O(channels · freq · frames · log frames): the beat spectrum by FFT, then one median.
    Differences from the paper: None known (equation numbers not checked). Public code takes a period one frame
    longer (``compat="repet-python"``).

    One frame more in the period would smear the model a little further at each repetition. The beat spectrum
    is that of the mean over channels, the medians are per channel. Memory is that of a few spectrograms; the whole
    signal is needed.
    """

    min_period: float = 0.8
    max_period: float = 8.0
    period: float | None = None
    cutoff: float = 100.0
    compat: str | None = None
    grid: Grid | None = None

    name: ClassVar[str] = "repet"

    def __post_init__(self) -> None:
        check_range("min_period", self.min_period, 0)
        check_range("max_period", self.max_period, self.min_period, infinite=True)
        check_range("cutoff", self.cutoff, 0)
        if self.period is not None:
            check_range("period", self.period, 0)
        check_compat(self.compat)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a Hann window of 40 ms or a little more, a quarter of it as hop."""
        return repet_frontend(sample_rate, self.compat)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames)."""
        grid = needed_grid(self.grid, "REPET")
        V = spectrogram(X)
        beats = beat_spectrum(V.mean(axis=0))
        period = self.period_frames(beats, grid)
        extra: dict[str, Any] = {"beat_spectrum": beats, "period": namespace(V).asarray(period)}
        repeating = one_period(V, period)
        return background_model(V, repeating, grid, self.cutoff, compat=self.compat, **extra)

    def period_frames(self, beats: Array, grid: Grid) -> int:
        """Return the period in frames, 1 … frames, from a beat spectrum (frames,)."""
        n_frames = len(beats)
        if self.period is not None:
            return max(1, round(min(self.period * grid.frame_rate, n_frames)))
        period = strongest_period(
            beats, grid, shortest=self.min_period, longest=self.max_period, compat=self.compat
        )
        if period is None:  # the whole is one repetition
            warn_too_short("REPET", n_frames, grid)
            return n_frames
        return period
