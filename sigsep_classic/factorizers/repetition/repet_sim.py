"""REPET-SIM: the accompaniment at a frame is the median of the frames most like it (Rafii & Pardo 2012)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.checks import check_count, check_range
from sigsep_classic.factorizers.base import Callback, spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.repetition.background import (
    background_model,
    check_compat,
    frames_apart,
    needed_grid,
    repet_frontend,
    warn_too_short,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.median_of_frames import median_of_frames
from sigsep_classic.kernels.similar_frames import similar_frames
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class REPETSIM:
    """Background that recurs at any time, periodic or not, and the foreground over it.

    For each frame the most similar frames (cosine similarity of the magnitude spectra, at least ``distance``
    apart) are found; the repeating model is their median, bin by bin, and the background gain is
    ``min(V, model) / V``.

    Parameters
    ----------
    n_similar : int
        Most frames a median is taken over, at least 1.
    distance : float
        Least distance of two similar frames in seconds, at least 0 (one frame at least is kept).
    threshold : float
        Least cosine similarity, 0 … 1.
    cutoff : float
        Everything at or below this frequency in Hz is background; bin 0 always is.
    compat : {None, "repet-python"}
        What that public code does to the letter, for comparison: the epsilon, cutoff and transform told at `REPET`;
        no frame near a silent one is similar to anything, and a distance of less than half a frame is none. Where it
        divides 0 by 0 the gain is 1.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `fit`.

    References
    ----------
    Z. Rafii and B. Pardo, "Music/voice separation using the similarity matrix", Proc. ISMIR, 2012,
    sections on the similarity matrix and the repeating model (equation numbers not checked).

    Notes
    -----
    When to use: A voice over music that recurs, not periodically; the one of its family with the highest published
    scores.
    Complexity: O(freq · frames²) for the similarities: time is quadratic in the number of frames, memory linear.
    Differences from the paper: None known (equation numbers not checked). Public code has an epsilon in the gains
    and rounds the cutoff (``compat="repet-python"``).

    Similarity is that of the mean over channels, the medians are per channel.
    """

    n_similar: int = 100
    distance: float = 0.3
    threshold: float = 0.0
    cutoff: float = 100.0
    compat: str | None = None
    grid: Grid | None = None

    name: ClassVar[str] = "repet_sim"

    def __post_init__(self) -> None:
        check_count("n_similar", self.n_similar)
        check_range("distance", self.distance, 0)
        check_range("threshold", self.threshold, 0, 1)
        check_range("cutoff", self.cutoff, 0)
        check_compat(self.compat)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a Hamming window of 40 ms or a little more, a quarter of it as hop."""
        return repet_frontend(sample_rate, self.compat, window="hamming")

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames)."""
        grid = needed_grid(self.grid, "REPET-SIM")
        V = spectrogram(X)
        frames, counts = similar_frames(
            V.mean(axis=0),
            number=min(self.n_similar, V.shape[-1]),
            distance=frames_apart(self.distance, grid, V.shape[-1], self.compat),
            threshold=self.threshold,
            silence_hides=self.compat is not None,
        )
        if int(counts.max()) == 1:
            warn_too_short("REPETSIM", V.shape[-1], grid)
        repeating = median_of_frames(V, frames, counts)
        extra = {"similar_frames": frames, "similar_counts": counts}
        return background_model(V, repeating, grid, self.cutoff, compat=self.compat, **extra)
