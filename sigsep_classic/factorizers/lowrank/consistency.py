"""How far spectrograms are from being the transform of any signal (Le Roux et al. 2009)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, FrontEnd


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """The distance of a spectrogram S from the nearest transform of a signal, Σ m_f |S − G S|².

    G is synthesis, then analysis. Synthesis is the least-squares one, so that G is the orthogonal projection on
    the transforms of real signals, in the norm of the two-sided spectrum: bins that stand for two frequencies count
    m = 1, the first and (even lengths) the last count 1/2. No signal is nearer than G S, so Σ m_f |S' − G S|²
    bounds the distance of any other S' from above.

    Parameters
    ----------
    stft : STFT
        The front-end.
    n_frames : int
        Frames of S.
    """

    stft: STFT
    n_frames: int

    @property
    def n_samples(self) -> int:
        """Length of the longest signal with so many frames."""
        return (self.n_frames - 1) * self.stft.step

    @property
    def weights(self) -> np.ndarray:
        """m, (freq,)."""
        m = np.ones(self.stft.n_bins)
        m[0] = 0.5
        if self.stft.n_fft % 2 == 0:
            m[-1] = 0.5
        return m

    def project(self, S: Array) -> Array:
        """Return G S of S (..., frames, freq)."""
        x = self.stft.synthesize(S.swapaxes(-1, -2), self.n_samples)
        return self.stft.analyze(x).swapaxes(-1, -2)

    def distance(self, S: Array) -> float:
        """Return Σ m_f |S − G S|² of S (..., frames, freq)."""
        xp = namespace(S)
        D = S - self.project(S)
        m = xp.asarray(self.weights, dtype=D.real.dtype)
        return float((m * (D.real**2 + D.imag**2)).sum(dtype=float))


def consistency_of(frontend: FrontEnd | None, n_frames: int, n_freq: int) -> Consistency | None:
    """Return the distance for a front-end; None where there is none: on waveforms, and of a single frame.

    Raises
    ------
    ParameterError
        The front-end is none that this is known for, or makes other arrays.
    """
    if n_frames == 1 or (n_freq == 1 and not isinstance(frontend, STFT)):
        return None
    if not isinstance(frontend, STFT):
        raise ParameterError(
            f"consistency is about the STFT, and frontend is {frontend!r}; give the STFT that X was made with"
        )
    if frontend.n_bins != n_freq:
        raise ParameterError(
            f"frontend has {frontend.n_bins} bins, X has {n_freq}; give the STFT that made X"
        )
    return Consistency(stft=frontend, n_frames=n_frames)
