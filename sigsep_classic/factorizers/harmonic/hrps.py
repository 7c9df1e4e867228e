"""Harmonic, residual and percussive parts by binary masks with a separation factor (Driedger et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace, real_like
from sigsep_classic.checks import check_range
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.factorizers.harmonic.medians import TwoMedians
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class HRPS(TwoMedians):
    """What is clearly harmonic, what is clearly percussive, and the rest, each coefficient in one of them.

    With Ĥ the running median of V = |X| along time and P̂ the one along frequency, a coefficient is ``harmonic``
    where Ĥ > β P̂, ``percussive`` where P̂ ≥ β Ĥ, and ``residual`` elsewhere: noise, consonants, what lies between.
    The larger β, the purer the first two and the more is left over; at 1 nothing is.

    Parameters
    ----------
    beta : float
        Separation factor β, at least 1.
    harmonic_seconds : float
        Length of the median along time in seconds, greater than 0.
    percussive_hz : float
        Length of the median along frequency in Hz, greater than 0.
    harmonic_frames, percussive_bins : int or None
        The two lengths in frames and bins, at least 1, in place of the above. Without these and without a grid
        with more than one frequency both are 31.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    J. Driedger, M. Müller and S. Disch, "Extending harmonic-percussive separation of audio signals", Proc.
    ISMIR, 2014, pp. 611-616 (equation numbers not checked).

    Notes
    -----
    When to use: Where the clearest tones or strokes alone are wanted and the rest may be thrown away.
    Complexity: That of `hpss`.
    Differences from the paper: None known (equation numbers not checked).

    Each channel is filtered by itself. `HPSS` with margins is the same with soft masks. That paper's cascade of a
    long and a short window is the recipe ``hpss_cascade``.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((1, 64, 64), np.complex64)
    >>> X[0, 20, :] = 1          # a tone
    >>> X[0, :, 40] = 1          # a click
    >>> harmonic, percussive, residual = HRPS(harmonic_frames=17, percussive_bins=17).fit(X).gains()
    >>> float(harmonic[0, 20, 10]), float(percussive[0, 10, 40]), float(residual[0, 20, 40])
    (1.0, 1.0, 1.0)
    """

    beta: float = 2.0

    name: ClassVar[str] = "hrps"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("beta", self.beta, 1)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains, zeros and ones, of the parts of X (channels, freq, frames)."""
        V, H, P = self.medians(X)
        beta = real_like(V, self.beta)
        harmonic = beta * P < H
        percussive = (beta * H <= P) & (P > 0)
        masks = namespace(V).stack([harmonic, percussive]).astype(V.dtype)
        return MaskModel(masks=masks, magnitude=V, names=("harmonic", "percussive", "residual"))
