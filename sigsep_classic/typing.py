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


@dataclass(frozen=True, kw_only=True)
class Grid:
    """How a front-end's coefficients lie in time and frequency.

    Parameters
    ----------
    frame_rate : float
        Frames per second.
    bin_hz : float
        Distance of two neighbouring frequency bins in Hz; 0 for a front-end with one frequency.
    """

    frame_rate: float
    bin_hz: float


@runtime_checkable
class FrontEnd(Protocol):
    """Samples to coefficients and back; see `sigsep_classic.frontends`."""

    def analyze(self, x: Array) -> Array:
        """Return X (channels, freq, frames) of x (channels, samples)."""

    def synthesize(self, X: Array, n_samples: int) -> Array:
        """Return x (..., samples) of X (..., freq, frames)."""

    def grid(self, sample_rate: float) -> Grid:
        """Return the time-frequency grid at a sample rate in Hz."""
