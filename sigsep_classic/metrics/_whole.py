"""Energies of BSS Eval over a whole signal, from correlations and Cholesky factors: no signal is filtered.

With G = L Lᵀ the correlations of delayed references and b those with an estimate, filters are ``c = G⁻¹ b``
and any filters d put out the energy ``‖Lᵀ d‖²``: a sum of squares, so small errors lose no digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sigsep_classic.backend import namespace
from sigsep_classic.metrics._correlations import correlations
from sigsep_classic.metrics._energies import Channels, Energies, Pairs, time_domain
from sigsep_classic.metrics._projections import System
from sigsep_classic.typing import Array


class Projection:
    """All outputs projected on some channels at their delays; channels are divided by their norms.

    Parameters
    ----------
    auto : array (all channels, all channels, 2 taps − 1)
        Correlations of the references.
    cross : array (all channels, taps, outputs)
        Correlations with the estimates' channels.
    kept : sequence of int
        The channels to project on; none may be silent.
    load : float
        As `System` takes it.
    """

    def __init__(self, auto: Array, cross: Array, kept: Sequence[int], load: float) -> None:
        xp = namespace(auto)
        self.kept, self.outputs, self.taps = list(kept), cross.shape[-1], cross.shape[1]
        self.system = System(auto[xp.asarray(self.kept)][:, xp.asarray(self.kept)], load)
        cross = cross[xp.asarray(self.kept)]
        self.forward = self.system.forward(cross)
        self.filters = self.system.solved(cross, self.forward)

    @cached_property
    def _loaded(self) -> Array:
        return self.system.load * (self.filters**2).sum(axis=0)

    @property
    def power(self) -> Array:
        """Energy of the projections, (outputs,)."""
        return namespace(self.forward).maximum((self.forward**2).sum(axis=0) - self._loaded, 0)

    @property
    def explained(self) -> Array:
        """What the energy of the outputs exceeds that of the remainder by, (outputs,)."""
        return (self.forward**2).sum(axis=0) + self._loaded

    @property
    def responses(self) -> Array:
        """Filters of the channels themselves, (kept channels, taps, outputs)."""
        return (self.system.scale * self.filters).reshape(len(self.kept), self.taps, self.outputs)

    def distance(self, filters: Array) -> Array:
        """Return the energy of the projections less the outputs of other filters of the same channels, (outputs,)."""
        difference = self.forward - self.system.image(filters)
        energy = (difference**2).sum(axis=0)
        if self.system.load:
            energy = energy - self.system.load * ((self.filters - filters) ** 2).sum(axis=0)
        return namespace(energy).maximum(energy, 0)


def embedded(alone: Projection, everything: Projection, channels: Channels) -> Array:
    """Return the filters of one source's channels as filters of all channels."""
    xp = namespace(alone.filters)
    filters = xp.zeros((len(everything.kept), alone.taps, alone.outputs))
    for n, part in zip(alone.kept, alone.filters.reshape(-1, *filters.shape[1:]), strict=True):
        place, sign = channels.found_in(n, everything.kept)
        filters[place] += sign * part
    return filters.reshape(-1, alone.outputs)


def _identity(alone: Projection, source: int, channels: Channels) -> Array:
    """Return the filters that put out the source's own channels, again for each estimate."""
    xp = namespace(alone.filters)
    own = channels.of_source[source]
    filters = xp.zeros((len(alone.kept), alone.taps, alone.outputs))
    for c, n in enumerate(own):
        place, sign = channels.found_in(n, alone.kept)
        filters[place, 0, c :: len(own)] = sign
    return filters.reshape(-1, alone.outputs) / alone.system.scale


def whole(
    references: Sequence[Array], estimates: Sequence[Array], taps: int, load: float, pairs: Pairs
) -> Energies:
    """Return the energies over all samples; references and estimates are lists of (channels, samples)."""
    xp = namespace(references[0])
    n, m = len(references), len(estimates)
    channels = Channels(references)
    outputs = [channel for image in estimates for channel in image]
    auto, cross = correlations(channels.flat, outputs, taps)
    there = time_domain(references, estimates, pairs)
    spatial, own, interference = xp.full((3, n, m), float("nan"))
    joint, artefact = xp.zeros(m), there.estimate
    everything = Projection(auto, cross, channels.distinct, load) if channels.distinct else None
    if everything is not None:
        joint = _by_estimate(everything.power, m)
        artefact = xp.maximum(there.estimate - _by_estimate(everything.explained, m), 0)
    for j in range(n):
        kept = channels.distinct_of(j)
        chosen = [e for i, e in pairs if i == j]
        if everything is None or not kept:  # projects on nothing
            own[j, chosen], spatial[j, chosen], interference[j, chosen] = 0, there.reference[j], joint[chosen]
            continue
        alone = Projection(auto, cross, kept, load)
        own[j, chosen] = _by_estimate(alone.power, m)[chosen]
        spatial[j, chosen] = _by_estimate(alone.distance(_identity(alone, j, channels)), m)[chosen]
        interference[j, chosen] = 0
        if kept != channels.distinct:  # one sounding source has no interference
            leak = everything.distance(embedded(alone, everything, channels))
            interference[j, chosen] = _by_estimate(leak, m)[chosen]
    return Energies(there.reference, there.error, spatial, own, interference, joint, artefact, *there[2:4])


def _by_estimate(x: Array, n_estimates: int) -> Array:
    return x.reshape(n_estimates, -1).sum(axis=-1)
