"""Shapes and letters used everywhere in the package.

=========  ==============================================  ==================================
name       axes                                            holds
=========  ==============================================  ==================================
``x``      (channels, samples)                             audio, real
``X``      (channels, freq, frames)                        a front-end's coefficients
``Y``      (sources, channels, freq, frames)               estimates, complex
``V``      as ``X`` or ``Y``                               non-negative magnitudes or powers
``W``      (freq, components)                              templates
``H``      (components, frames)                            activations
=========  ==============================================  ==================================

Letters: n source, c channel, f frequency bin, t frame, k component, l lag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

Array: TypeAlias = Any
"""A NumPy or CuPy array."""


_REFERENCE_HZ = 1000.0
"""Where a width in Hz is turned into bins that are not evenly spaced."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a front-end's coefficients lie in time and frequency.

    Parameters
    ----------
    frame_rate : float
        Frames per second.
    bin_hz : float
        Distance of two neighbouring frequency bins in Hz; 0 for a front-end with one frequency, and where they
        are not evenly spaced.
    frequencies : tuple of float or None
        Centres of the bins in Hz, rising, where they are not evenly spaced.
    """

    frame_rate: float
    bin_hz: float
    frequencies: tuple[float, ...] | None = None

    def span(self, hz: float) -> float:
        """Return how many bins lie within a width of ``hz``; 0 for a front-end with one frequency.

        Where bins are not evenly spaced, their distance is the one at 1 kHz: with 24 bins to the octave 400 Hz
        are 14 bins, on the whole axis.
        """
        if self.frequencies is None or len(self.frequencies) < 2:
            return hz / self.bin_hz if self.bin_hz > 0 else 0.0
        last = len(self.frequencies) - 2
        at = min(sum(f < _REFERENCE_HZ for f in self.frequencies), last)
        return hz / (self.frequencies[at + 1] - self.frequencies[at])

    def bins_up_to(self, hz: float, n_bins: int) -> int:
        """Return how many of ``n_bins`` bins lie at or below ``hz``; none of a front-end with one frequency."""
        if self.frequencies is not None:
            return sum(f <= hz for f in self.frequencies)
        return 1 + int(min(hz / self.bin_hz, n_bins - 1)) if self.bin_hz > 0 else 0


@runtime_checkable
class FrontEnd(Protocol):
    """Samples to coefficients and back; see `sigsep_classic.frontends`."""

    def analyze(self, x: Array) -> Array:
        """Return X (channels, freq, frames) of x (channels, samples)."""

    def synthesize(self, X: Array, n_samples: int) -> Array:
        """Return x (..., samples) of X (..., freq, frames)."""

    def grid(self, sample_rate: float) -> Grid:
        """Return the time-frequency grid at a sample rate in Hz."""
