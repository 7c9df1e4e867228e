"""The centre of a stereo recording, by how alike both channels are at each point (Avendano & Jot 2004)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.checks import check_choice, check_range
from sigsep_classic.factorizers.base import Callback, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.stereo.panning import beam, check_size, left_and_right, partition, powers
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array

SIMILARITIES = ("in_phase", "any_phase")


@dataclass(frozen=True, kw_only=True)
class Centre:
    """What lies in the middle between two channels, and what lies at their sides.

    With A = <|L|²>, B = <|R|²> and C = <L R*>, averaged over neighbouring bins and frames, the gain of ``centre`` is
    the similarity ψ = 2 |C| / (A + B), or its in-phase form max(2 Re C, 0) / (A + B). The latter is also
    (M - D) / (M + D) with the powers M of the sum and D of the difference of the channels.

    Parameters
    ----------
    similarity : {"in_phase", "any_phase"}
        Whether what the channels have with opposite phases belongs to the sides, or to the centre as in the paper.
    width : float
        Full width in degrees of azimuth, 0 … 120 (not 0), at which the gain of a lone source is one half. 60 is the
        formula above; smaller is narrower.
    smoothing : int
        Bins and frames of the averages, odd, at least 1. At 1 the centre is judged point by point.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    ShapeError
        X has more than two channels. One channel is all centre.

    References
    ----------
    C. Avendano and J.-M. Jot, "A frequency-domain approach to multichannel upmix", J. Audio Engineering Society
    52(7/8), 2004 (equation numbers not checked).

    Notes
    -----
    When to use: Stereo: what is panned to the middle, or everything but that (karaoke with a mask).
    Complexity: Linear in freq · frames.
    Differences from the paper: By default only what is in phase counts as centre (``similarity="in_phase"``); the
    paper's is ``"any_phase"``.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.ones((2, 9, 9), np.complex64)
    >>> X[1, :, 5:] = 0                     # from frame 5 on in the left channel only
    >>> centre, sides = Centre().fit(X).gains()
    >>> float(centre[0, 4, 1]), float(centre[0, 4, 7])
    (1.0, 0.0)
    """

    similarity: str = "in_phase"
    width: float = 60.0
    smoothing: int = 3

    name: ClassVar[str] = "centre"
    max_channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_choice("similarity", self.similarity, SIMILARITIES)
        check_range("width", self.width, 0, 120, above=True)
        check_size("smoothing", self.smoothing)

    @property
    def context(self) -> int:
        """Frames of neighbourhood that make block-wise work exact."""
        return self.smoothing // 2

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of ``centre`` and ``sides`` in X (1 or 2 channels, freq, frames)."""
        A, B, C = powers(*left_and_right(X, self.name), self.smoothing)
        product = C.real if self.similarity == "in_phase" else abs(C)
        gain = beam(A, B, product, 0.0, self.width)
        return partition(gain[None], spectrogram(X), ("centre", "sides"))
