"""From model spectrograms (or true stems) to gains or filters, and from these to estimates."""

from __future__ import annotations

from sigsep_classic.masking.gains import (
    GAINS,
    apply,
    binary,
    is_partition,
    logit,
    phase_sensitive,
    ratio,
    wiener,
)
from sigsep_classic.masking.models import compress, reduce_interferences, residual_model
from sigsep_classic.masking.spatial import LocalGaussian, expectation_maximization, multichannel_wiener

__all__ = [
    "GAINS",
    "MASKS",
    "LocalGaussian",
    "apply",
    "binary",
    "compress",
    "expectation_maximization",
    "is_partition",
    "logit",
    "multichannel_wiener",
    "phase_sensitive",
    "ratio",
    "reduce_interferences",
    "residual_model",
    "wiener",
]

MASKS = (*GAINS, "multichannel_wiener")
"""Masks by the name users type."""
