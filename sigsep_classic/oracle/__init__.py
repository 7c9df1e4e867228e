"""Upper bounds: what masks, filters and components made from the true stems achieve.

They bound methods of their kind on their transform, not all methods: a longer window, or an estimate with phases of
its own, may exceed them.

>>> import sigsep_classic as ssc
>>> mix = ssc.synthesize("song", seconds=1.0)
>>> sorted(ssc.oracle.apply("irm2", mix.mixture, mix.stems))
['bass', 'drums', 'other', 'vocals']
"""

from __future__ import annotations

from sigsep_classic.oracle._truth import COMPATIBLE, SISEC_STFT
from sigsep_classic.oracle.components import grouped_components, ordered_bins, supervised_nmf
from sigsep_classic.oracle.masks import (
    complex_ratio_mask,
    ideal_amplitude_mask,
    ideal_binary_mask,
    ideal_ratio_mask,
    phase_sensitive_mask,
)
from sigsep_classic.oracle.registry import ORACLES, Oracle, apply, find, with_accompaniment
from sigsep_classic.oracle.wiener import ideal_demixing, multichannel_wiener

__all__ = [
    "COMPATIBLE",
    "ORACLES",
    "SISEC_STFT",
    "Oracle",
    "apply",
    "complex_ratio_mask",
    "find",
    "grouped_components",
    "ideal_amplitude_mask",
    "ideal_binary_mask",
    "ideal_demixing",
    "ideal_ratio_mask",
    "multichannel_wiener",
    "ordered_bins",
    "phase_sensitive_mask",
    "supervised_nmf",
    "with_accompaniment",
]
