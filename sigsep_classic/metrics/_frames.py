"""Energies of BSS Eval v4: filters of the whole signal, applied to one frame at a time.

A frame is filtered as if there were nothing around it, and what rings on after it counts, as museval has it.
Energies are taken from spectra (Parseval), so that no projection is ever transformed back.
"""

from __future__ import annotations

from collections.abc import Sequence

from sigsep_classic.backend import fft_namespace, fft_options, logger, namespace
from sigsep_classic.metrics._correlations import correlations
from sigsep_classic.metrics._energies import Channels, Energies, Pairs, time_domain
from sigsep_classic.metrics._whole import Projection, embedded
from sigsep_classic.typing import Array

EDGES = 2.0
"""How much more interference frames may have than the signal they are cut from before a warning says so."""

AUDIBLE = 1e-8
"""Interference over the source's energy below which no edge is warned of: SIR above 80 dB."""


class Filters:
    """Least-squares filters of all sources, and of each source alone, as spectra.

    Parameters
    ----------
    references, estimates : sequence of array (channels, samples)
        All of one shape.
    taps : int
        Length of the filters.
    load : float
        As `System` takes it.
    pairs : sequence of (source, estimate)
        Which filters are wanted.
    n_fft : int
        Even length of the transforms frames will have.
    """

    def __init__(
        self,
        references: Sequence[Array],
        estimates: Sequence[Array],
        taps: int,
        load: float,
        pairs: Pairs,
        n_fft: int,
    ) -> None:
        self.channels, self.pairs, self.n_fft = Channels(references), pairs, n_fft
        n, width = len(references), len(estimates[0])
        outputs = [channel for image in estimates for channel in image]
        auto, cross = correlations(self.channels.flat, outputs, taps)
        self.kept = [self.channels.distinct_of(j) for j in range(n)]
        everything = Projection(auto, cross, self.channels.distinct, load) if self.channels.distinct else None
        responses = [None if everything is None else everything.responses]
        xp = namespace(auto)
        own_only = xp.zeros((0, 0) if everything is None else everything.filters.shape)
        for j, kept in enumerate(self.kept):
            alone = Projection(auto, cross, kept, load) if kept else None
            if alone is not None and everything is not None:
                outputs_of_j = slice(j * width, (j + 1) * width)
                own_only[:, outputs_of_j] = embedded(alone, everything, self.channels)[:, outputs_of_j]
            responses.append(None if alone is None else alone.responses)
        # Of the whole signal: source j in estimate j.
        leaks = xp.zeros(n * width) if everything is None else everything.distance(own_only)
        self.interference = leaks.reshape(n, width).sum(axis=-1)
        del everything, alone  # the factors are by far the largest; spectra take their place
        self.joint, *own = (self._spectra(response, cross) for response in responses)
        self.own = {(j, e): own[j][:, e * width : (e + 1) * width].copy() for j, e in pairs}

    def _spectra(self, responses: Array | None, cross: Array) -> Array:
        """Return filters (kept channels, taps, outputs) as spectra (kept channels, outputs, frequencies)."""
        xp = namespace(cross)
        if responses is None:
            return xp.zeros((0, cross.shape[-1], self.n_fft // 2 + 1), "complex128")
        filters = xp.ascontiguousarray(responses.transpose(0, 2, 1))
        return fft_namespace(filters).rfft(filters, self.n_fft, **fft_options(filters))


def warn_of_edges(frames: Energies, filters: Filters, covered: float) -> None:
    """Warn where the interference of frames is not that of the signal.

    Filters of nearly dependent references are large; what they put out cancels, but not where a frame is cut.

    Parameters
    ----------
    frames : Energies
        With an axis of frames at the end.
    filters : Filters
        Those of the frames.
    covered : float
        Samples in all frames over samples of the signal.
    """
    xp = namespace(frames.own)
    same = xp.arange(len(filters.interference))
    own, found = (energy[same, same].sum(axis=-1) for energy in (frames.own, frames.interference))
    expected = covered * filters.interference
    matters = (found > EDGES * expected) & (found > AUDIBLE * own)
    share = float(xp.where(matters, 1 - expected / xp.where(matters, found, 1.0), 0.0).max())
    if share > 0:
        logger.warning(
            "bss_eval_v4: the references' delays nearly depend on each other, and up to %.1f %% of the interference is "
            "that of the frames' edges: SIR and SAR are too low; load=1e-6 prevents it, window=None has no edges",
            100 * share,
        )


def frame(references: Sequence[Array], estimates: Sequence[Array], filters: Filters) -> Energies:
    """Return the energies of one frame of references and estimates, lists of (channels, samples)."""
    xp, fft = namespace(references[0]), fft_namespace(references[0])
    there = time_domain(references, estimates, filters.pairs)
    n, m, width = len(references), len(estimates), len(estimates[0])
    samples = xp.zeros(((n + m) * width, filters.n_fft))
    samples[:, : references[0].shape[-1]] = xp.concatenate([*references, *estimates])
    spectra = fft.rfft(samples, **fft_options(samples))
    S, Y = spectra[: n * width], spectra[n * width :].reshape(m, width, -1)
    spatial, own, interference = xp.full((3, n, m), float("nan"))
    joint, artefact = xp.zeros(m), xp.zeros(m)
    for e in range(m):
        P = _filtered(S, filters.channels.distinct, filters.joint[:, e * width : (e + 1) * width])
        joint[e] = _energy(P, filters.n_fft)
        artefact[e] = _energy(Y[e] - P, filters.n_fft)
        for j in (j for j, other in filters.pairs if other == e):
            own_P = _filtered(S, filters.kept[j], filters.own[j, e])
            own[j, e] = _energy(own_P, filters.n_fft)
            spatial[j, e] = _energy(own_P - S[j * width : (j + 1) * width], filters.n_fft)
            interference[j, e] = 0
            if filters.kept[j] != filters.channels.distinct:  # one sounding source has no interference
                interference[j, e] = _energy(P - own_P, filters.n_fft)
    return Energies(there.reference, there.error, spatial, own, interference, joint, artefact, *there[2:4])


def _filtered(S: Array, kept: Sequence[int], filters: Array) -> Array:
    """Return the sum over the kept channels of their spectra times filters (kept, outputs, frequencies)."""
    xp = namespace(S)
    total = xp.zeros(filters.shape[1:], "complex128")
    term = xp.empty(S.shape[-1], "complex128")
    for place, (n, H) in enumerate(zip(kept, filters, strict=True)):
        for output, response in zip(total, H, strict=True):
            xp.multiply(S[n], response, out=term if place else output)
            if place:
                output += term
    return total


def _energy(spectra: Array, n_fft: int) -> Array:
    """Return the energy in time of half spectra (channels, n_fft / 2 + 1) of real signals."""
    inner = spectra.ravel().view("float64")
    edges = spectra[:, :: n_fft // 2].ravel().view("float64")  # 0 Hz and the Nyquist frequency count once
    return (2 * (inner @ inner) - edges @ edges) / n_fft
