"""The loud and the quiet: everything above a share of the largest magnitude, and the rest."""

from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.factorizers.base import spectrogram
from sigsep_classic.factorizers.models import MaskModel


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Part what is loud from what is quiet.

    Parameters
    ----------
    share : float
        Of the largest magnitude, from 0 to 1; points above it are ``loud``.
    """

    share: float = 0.1
    name: ClassVar[str] = "gate"

    def fit(self, X, *, callback=None):
        """Return the gains of ``loud`` and ``quiet`` in X (channels, freq, frames)."""
        V = spectrogram(X)
        gain = (self.share * V.max() < V).astype(V.dtype)
        return MaskModel(masks=gain[None], magnitude=V, names=("loud", "quiet"))
