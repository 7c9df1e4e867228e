"""Harmonic/percussive separation by median filtering (Fitzgerald 2010), with margins (Driedger 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.factorizers.harmonic.medians import TwoMedians
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.kernels.soft_mask import soft_mask
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class HPSS(TwoMedians):
    """Harmonic and percussive parts by medians along time and along frequency.

    Sustained sounds are ridges along time, struck ones along frequency. With V = |X|, Ĥ the running median of V
    along time and P̂ the one along frequency, the harmonic gain is Ĥ^p / (Ĥ^p + (β_h P̂)^p) and the percussive
    gain P̂^p / (P̂^p + (β_p Ĥ)^p). With both margins β at 1 the gains sum to one and the stems are ``harmonic``
    and ``percussive``; with larger margins what neither claims is a third stem, ``residual``.

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
    mask_power : float
        Exponent p of the gains, greater than 0; ``inf`` gives binary masks.
    harmonic_margin : float
        β_h, at least 1.
    percussive_margin : float
        β_p, at least 1.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    D. Fitzgerald, "Harmonic/percussive separation using median filtering", Proc. DAFx, 2010
    (equation numbers not checked).

    J. Driedger, M. Müller and S. Disch, "Extending harmonic-percussive separation of audio signals", Proc.
    ISMIR, 2014, pp. 611-616 (equation numbers not checked).

    Notes
    -----
    When to use: Tones from strokes, in anything: the quickest way to softer drums, and a first look at a recording.
    `drums` knows more cues.
    Complexity: Linear in channels · freq · frames, and so in the length of the recording.
    Differences from the paper: Window lengths are in seconds and Hz, so that any sample rate does; gains with margins
    larger than one leave a residual, as librosa has them.

    Each channel is filtered by itself; block-wise work is exact with ``context`` frames on both sides.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((1, 64, 64), np.complex64)
    >>> X[0, 20, :] = 1          # a tone
    >>> X[0, :, 40] = 1          # a click
    >>> harmonic, percussive = HPSS(harmonic_frames=17, percussive_bins=17).fit(X).gains()
    >>> float(harmonic[0, 20, 10]), float(percussive[0, 10, 40])
    (1.0, 1.0)
    """

    mask_power: float = 2.0
    harmonic_margin: float = 1.0
    percussive_margin: float = 1.0

    name: ClassVar[str] = "hpss"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("harmonic_margin", self.harmonic_margin, 1)
        check_range("percussive_margin", self.percussive_margin, 1)
        check_range("mask_power", self.mask_power, 0, above=True, infinite=True)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of the parts of X (channels, freq, frames)."""
        V, H, P = self.medians(X)
        harmonic = soft_mask(H, P, power=self.mask_power, margin=self.harmonic_margin)
        if self.harmonic_margin == self.percussive_margin == 1:
            return MaskModel(masks=harmonic[None], magnitude=V, names=("harmonic", "percussive"))
        percussive = soft_mask(P, H, power=self.mask_power, margin=self.percussive_margin)
        masks = namespace(V).stack([harmonic, percussive])
        return MaskModel(masks=masks, magnitude=V, names=("harmonic", "percussive", "residual"))
