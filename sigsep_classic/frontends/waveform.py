"""The identity as a front-end, so that time-domain methods need no API of their own."""

from __future__ import annotations

from dataclasses import dataclass

from sigsep_classic.checks import check_kind
from sigsep_classic.errors import ShapeError
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The identity: one frequency, one frame a sample, real coefficients."""

    def grid(self, sample_rate: float) -> Grid:
        """Return the sample rate as frame rate; there is one frequency."""
        return Grid(frame_rate=sample_rate, bin_hz=0.0)

    def analyze(self, x: Array) -> Array:
        """Return x (..., samples) as (..., 1, samples)."""
        check_kind("x", x)
        if x.ndim == 0 or x.shape[-1] == 0:
            raise ShapeError("x has no samples; a front-end needs at least one")
        return x[..., None, :]

    def synthesize(self, X: Array, n_samples: int) -> Array:
        """Return X (..., 1, samples) as (..., samples)."""
        check_kind("X", X)
        if X.shape[-2:] != (1, n_samples):
            raise ShapeError(f"X has (freq, frames) = {X.shape[-2:]}; a waveform has {(1, n_samples)}")
        return X[..., 0, :]
