"""Phases for estimates that have magnitudes, and are given the mixture's phase by masks.

All take magnitudes or variances V (sources, channels or 1, freq, frames), the mixture X and the front-end that made it,
and return signals, or in `unwrapped` a start for these.
"""

from __future__ import annotations

from sigsep_classic.phase.consistent import Filtered, consistent_wiener
from sigsep_classic.phase.griffin_lim import griffin_lim
from sigsep_classic.phase.misi import misi
from sigsep_classic.phase.unwrapped import frequencies, unwrapped

__all__ = ["PHASES", "Filtered", "consistent_wiener", "frequencies", "griffin_lim", "misi", "unwrapped"]

PHASES = ("mixture", "misi", "consistent_wiener", "unwrapped", "griffin_lim")
"""Ways to the phases of masked stems, by the name users type."""
