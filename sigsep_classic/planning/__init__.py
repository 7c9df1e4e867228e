"""How a recording of any length is taken apart in the memory there is: as a whole, in blocks, from a sample."""

from sigsep_classic.planning.footprints import (
    Footprint,
    described,
    footprint_of,
    measures,
    memory_estimate,
)
from sigsep_classic.planning.lengths import KINDS, USUAL_RATE, Length, length_of
from sigsep_classic.planning.plans import (
    BLOCK_SECONDS,
    LEAST_SECONDS,
    LONG_SECONDS,
    Plan,
    Scene,
    halved,
    margin_of,
    plan,
    with_piece,
)

__all__ = [
    "BLOCK_SECONDS",
    "KINDS",
    "LEAST_SECONDS",
    "LONG_SECONDS",
    "USUAL_RATE",
    "Footprint",
    "Length",
    "Plan",
    "Scene",
    "described",
    "footprint_of",
    "halved",
    "length_of",
    "margin_of",
    "measures",
    "memory_estimate",
    "plan",
    "with_piece",
]
