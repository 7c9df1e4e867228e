"""What BSS Eval divides: energies of an estimate's projections on one source and on all, and of its errors.

With ``P_j ŝ`` the projection of an estimate on the delayed channels of source j and ``P ŝ`` that on all
sources', the errors are spatial ``P_j ŝ − s_j``, interference ``P ŝ − P_j ŝ`` and artefacts ``ŝ − P ŝ``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.metrics._correlations import copies
from sigsep_classic.metrics._signals import BLOCK, decibel
from sigsep_classic.typing import Array

Pairs = Sequence[tuple[int, int]]
"""(source, estimate) pairs to score; what is computed for others is NaN."""


class Energies(NamedTuple):
    """Energies of a signal or frame, float64: (sources, estimates) where not said otherwise."""

    reference: Array  # ‖s_j‖², (sources,)
    error: Array  # ‖ŝ_e − s_j‖²
    spatial: Array
    own: Array  # ‖P_j ŝ_e‖²
    interference: Array
    joint: Array  # ‖P ŝ_e‖², (estimates,)
    artefact: Array  # (estimates,)
    silent_reference: Array  # channels sum to 0 at every sample, (sources,)
    silent_estimate: Array  # (estimates,)

    def ratios(self) -> Array:
        """Return SDR, ISR, SIR and SAR in dB, (4, sources, estimates, ...)."""
        energy = self.reference[:, None]
        joint, artefact = (
            namespace(energy).broadcast_to(x[None], self.own.shape) for x in (self.joint, self.artefact)
        )
        ratios = [
            decibel(energy, self.error),
            decibel(energy, self.spatial),
            decibel(self.own, self.interference),
            decibel(joint, artefact),
        ]
        return namespace(energy).stack(ratios)


class Channels:
    """Which channels of which sources sound, and which are no copies of others.

    Parameters
    ----------
    references : sequence of array (channels, samples)
        Each source's channels.
    """

    def __init__(self, references: Sequence[Array]) -> None:
        self.flat = [channel for image in references for channel in image]
        self.copies = copies(self.flat)
        self.of_source: list[list[int]] = []
        first = 0
        for image in references:
            self.of_source.append(list(range(first, first + len(image))))
            first += len(image)
        self.distinct = [n for n, (original, sign) in enumerate(self.copies) if sign and original == n]

    def distinct_of(self, source: int) -> list[int]:
        """Return the channels of one source that sound, no two of them copies of one channel."""
        kept: dict[int, int] = {}
        for n in self.of_source[source]:
            original, sign = self.copies[n]
            if sign:
                kept.setdefault(original, n)
        return list(kept.values())

    def found_in(self, channel: int, kept: Sequence[int]) -> tuple[int, int]:
        """Return where in ``kept`` a copy of a channel stands, and its sign; (0, 0) for a silent channel."""
        original, sign = self.copies[channel]
        for place, n in enumerate(kept):
            if self.copies[n][0] == original and sign:
                return place, sign * self.copies[n][1]
        return 0, 0


class TimeDomain(NamedTuple):
    """What needs no filter: see `Energies` for the first four; ``estimate`` is ‖ŝ_e‖² (estimates,)."""

    reference: Array
    error: Array
    silent_reference: Array
    silent_estimate: Array
    estimate: Array


def time_domain(references: Sequence[Array], estimates: Sequence[Array], pairs: Pairs) -> TimeDomain:
    """Return energies and silence of sources and estimates (channels, samples), in float64 over blocks."""
    xp = namespace(references[0])
    n, m, samples = len(references), len(estimates), references[0].shape[-1]
    energy, error, sounds = xp.zeros(n + m), xp.full((n, m), float("nan")), xp.zeros(n + m, dtype=bool)
    for j, e in pairs:
        error[j, e] = 0
    for start in range(0, samples, BLOCK):
        images = [x[:, start : start + BLOCK].astype("float64") for x in (*references, *estimates)]
        energy += xp.stack([_energy(image) for image in images])
        sounds |= xp.stack([image.sum(axis=0).any() for image in images])
        for j, e in pairs:
            error[j, e] += _energy(images[j] - images[n + e])
    return TimeDomain(energy[:n], error, ~sounds[:n], ~sounds[n:], energy[n:])


def _energy(x: Array) -> Array:
    x = x.ravel()
    return x @ x


def assignment(sir: Array) -> np.ndarray:
    """Return for each source the estimate with the largest mean SIR (sources, estimates); NaN counts least."""
    from scipy.optimize import linear_sum_assignment

    finite = np.nan_to_num(to_host(sir), nan=-1e3, posinf=1e3, neginf=-1e3)
    return linear_sum_assignment(-finite)[1]
