"""The source at one azimuth of a stereo recording, and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.checks import check_range
from sigsep_classic.factorizers.base import Callback, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.stereo.panning import (
    azimuth_histogram,
    azimuths_of,
    beam,
    check_azimuth,
    check_size,
    left_and_right,
    partition,
    powers,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Panned:
    """What is panned to one azimuth, and what is not: ``separate(x, sr, method="panned", azimuth=-30)``.

    The panning law is that of constant power: a source at azimuth φ is in the left channel with cos(φ + 45°), in
    the right one with sin(φ + 45°); -45 is left alone, 0 the middle, 45 right alone. (It is also the tangent law
    for loudspeakers at ±45°.) A pan knob that is linear in amplitude puts its source at atan(R / L) - 45°.

    At each point, M is the power along the source's direction and D that across it; the gain is
    max(k M - D, 0) / (k M + D) with k = 3 tan²(width / 2).

    Parameters
    ----------
    azimuth : float
        Degrees, -45 … 45.
    width : float
        Full width in degrees, 0 … 120 (not 0), at which the gain of a lone source is one half.
    smoothing : int
        Bins and frames over which both are averaged first, odd; 1 is none, which is best where sources overlap.

    Raises
    ------
    ParameterError
        A parameter is out of range.
    ShapeError
        X has more than two channels. One channel is all at azimuth 0.

    Notes
    -----
    When to use: Stereo, and you know where the source is panned: one call with its azimuth. To find azimuths look at
    ``extra["histogram"]``.
    Complexity: Linear in freq · frames.
    Differences from the paper: The idea of a window over azimuths is the paper's, the window is ours: a ratio of
    powers that halves at half the width.

    The model's ``extra`` has ``azimuths`` in degrees and ``histogram``, the power found at each: its peaks say where
    it is worth listening.

    References
    ----------
    C. Avendano, "Frequency-domain source identification and manipulation in stereo mixes for enhancement,
    suppression and re-panning applications", Proc. WASPAA, 2003. The idea of a window over azimuths is from
    there, the window is not.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.ones((2, 9, 9), np.complex64)
    >>> X[0, :, 5:] = 0                     # from frame 5 on in the right channel only
    >>> source, rest = Panned(azimuth=45).fit(X).gains()
    >>> round(float(source[0, 4, 1]), 2), round(float(source[0, 4, 7]), 2)
    (0.0, 1.0)
    """

    azimuth: float = 0.0
    width: float = 25.0
    smoothing: int = 1

    name: ClassVar[str] = "panned"
    max_channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_azimuth("azimuth", self.azimuth)
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
        """Return the gains of ``source`` and ``rest`` in X (1 or 2 channels, freq, frames)."""
        A, B, C = powers(*left_and_right(X, self.name), self.smoothing)
        gain = beam(A, B, C.real, self.azimuth, self.width)
        centres, counts = azimuth_histogram(azimuths_of(A, B, C), A + B, smoothing=1.0)
        return partition(gain[None], spectrogram(X), ("source", "rest"), azimuths=centres, histogram=counts)
