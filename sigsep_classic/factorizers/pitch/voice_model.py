"""A voice as a source through filters, and its accompaniment, as found in one mixture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.models import Groups, check_groups
from sigsep_classic.factorizers.pitch.voice_updates import Factors, Observed
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class VoiceModel:
    """Powers V̂ = (W_F0 H_F0) ⊙ (W_Γ H_Γ H_Φ) + W_M H_M, a voice and its accompaniment, one for all channels.

    Parameters
    ----------
    dictionary : Observed
        W_F0 and W_Γ, and the pitches of the former in Hz.
    H_F0 : array (frames, sources)
        When each source sounds.
    H_P : array (frames, filters)
        H_Φ, which filters it goes through; rows sum to one.
    H_M : array (frames, components)
        Activations of the accompaniment.
    H_G : array (bumps, filters)
        H_Γ, the bumps of each filter; columns sum to one.
    W_M : array (freq, components)
        Spectra of the accompaniment.
    S : array (frames, freq)
        The source, H_F0 W_F0ᵀ.
    level : float
        Powers are those of X over this.
    f0 : ndarray (frames,) or None
        The melody in Hz, NaN in pauses, where the sources are held to it.
    losses : tuple of (int, float)
        Iteration number and divergence.
    """

    dictionary: Observed
    H_F0: Array
    H_P: Array
    H_M: Array
    H_G: Array
    W_M: Array
    S: Array
    level: float
    f0: Array | None = None
    losses: tuple[tuple[int, float], ...] = ()

    names: ClassVar[tuple[str, str]] = ("vocals", "accompaniment")
    n_components: ClassVar[int] = 2
    power: ClassVar[float] = 2.0

    @property
    def factors(self) -> Factors:
        """What the updates work on, not copied."""
        return Factors(H_F0=self.H_F0, H_P=self.H_P, H_M=self.H_M, H_G=self.H_G, W_M=self.W_M, S=self.S)

    @property
    def filters(self) -> Array:
        """The filters W_Γ H_Γ as powers, (freq, filters)."""
        return self.dictionary.W_G @ self.H_G

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the power of each group of stems, (groups, 1, freq, frames)."""
        xp, level = namespace(self.S), self.S.dtype.type(self.level)
        voice = level * (self.S * (self.H_P @ self.filters.T)).T
        parts = (voice, level * (self.W_M @ self.H_M.T))
        wanted = check_groups(groups, self.names)
        return xp.stack([sum(parts[k] for k in members)[None] for members in wanted.values()])


def source_salience(model: VoiceModel, per_semitone: int) -> np.ndarray:
    """Return the square root of the power of the sources within half a semitone of each pitch, (candidates, frames).

    In units of the loudest ones of loud frames (the 95th percentile).
    """
    power = to_host(model.H_F0 * model.dictionary.W_F0.sum(axis=0)).astype(float)
    half = max(1, round(0.5 * per_semitone))
    window = np.bartlett(2 * half + 3)[1:-1]
    padded = np.pad(power, ((0, 0), (half, half)))
    S = np.sqrt(np.lib.stride_tricks.sliding_window_view(padded, len(window), axis=1) @ window).T
    level = float(np.percentile(S.max(axis=0), 95))
    return S / level if level > 0 else S
