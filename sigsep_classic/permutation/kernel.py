"""The multi-scale kernel solver: near frequencies count most, and where sources come from helps at low ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.kernels.permutation_sweep import permutation_sweep
from sigsep_classic.permutation.dyadic import merged_in_pairs
from sigsep_classic.permutation.features import Outputs, compressed, phase_slopes
from sigsep_classic.typing import Array

SCALES = ((60.0, 0.5), (300.0, 1.0), (1200.0, 1.0))
"""Widths in Hz of the exponential kernels, and their weights."""

PHASE_WEIGHTS = (2.4, 1.2, 0.6, 0.3)

_FAR = 30.0
_OFFSETS = np.array([0.0, 0.17, 0.06, 0.42, 0.1, 0.33, 0.03, 0.25])
_FEWEST = 16


def kernel(
    data: Outputs,
    *,
    scales: Sequence[tuple[float, float]] = SCALES,
    everywhere: float = 0.3,
    phase_weights: Sequence[float] = PHASE_WEIGHTS,
    highest_hz: float = 2000.0,
    dims: int | None = None,
    n_starts: int | None = None,
) -> Array:
    """Return the order with the largest value that block moves find from several starts.

    The value is the sum over pairs of frequencies f, g of k(f, g) Σ_n ⟨z_n(f), z_n(g)⟩, with

        k(f, g) = everywhere / F + Σ_c a_c (1 - λ_c) / (2 λ_c) λ_c^|f - g|,   λ_c = exp(-1 bin / c Hz).

    z holds the activities (see `features.activities`), projected to ``dims`` directions, and the phase slopes. Those
    first count for much, which leads to the right region, and then for less and less, as reverberation blurs them.

    Parameters
    ----------
    data : Outputs
        What to put in order.
    scales : sequence of (Hz, weight)
        c and a_c.
    everywhere : float
        Weight of the kernel that joins all frequencies alike.
    phase_weights : sequence of float
        Weights of the phase slopes, where there are mixing matrices, in one search after the other: at the last but
        one all starts are compared, the last one is the score's, those before lead to the first of several starts.
    highest_hz : float
        Where the phase slopes end: c / (2 spacing) for microphones that far apart (2 kHz: 8.5 cm).
    dims : int or None
        Features in all: those of phase, and as many directions of activity (at least 16) as make up this number.
        None: 32 for every four sources begun, which on speech is as good as all frames.
    n_starts : int or None
        At most 9: dyadic merging with the heaviest phases, then with borders of blocks at other places. None: one for
        every 1024 frequencies; the more frequencies, the more orders are nearly as good as the best.
    """
    check_count("phase_weights: how many", len(phase_weights), 2)
    for weight in phase_weights:
        check_range("phase_weights", weight, 0)
    n_starts = -(-(len(data.hz) - 1) // 1024) if n_starts is None else n_starts
    check_count("n_starts", n_starts)
    Z, slopes = features(data, highest_hz, dims)
    decays, amplitudes = weights(data, scales, everywhere)
    *lead, compared, last = phase_weights if slopes is not None else (0.0, 0.0)
    lead = lead if n_starts > 1 else []

    def search(weight: float, starts: Array) -> Array:
        orders, values = permutation_sweep(joined(Z, slopes, weight), starts, decays, amplitudes)
        return orders[[int(np.argmax(values))]]

    xp, heaviest = namespace(Z), joined(Z, slopes, (*lead, compared)[0])
    order = merged_in_pairs(heaviest)[None]
    for weight in lead:
        order = search(weight, order)
    usual = joined(Z, slopes, compared)
    offsets = _OFFSETS[: n_starts - 1] * len(Z)
    others = [merged_in_pairs(usual, int(offset))[None] for offset in offsets]
    order = search(compared, xp.concatenate([order, *others]))
    return search(last, order)[0] if slopes is not None and last != compared else order[0]


def improved(data: Outputs, order: Array) -> Array:
    """Return an order after the moves of the kernel solver, with its usual options, from this one start."""
    Z, decays, amplitudes = problem(data)
    return permutation_sweep(Z, order[None], decays, amplitudes)[0][0]


def value(data: Outputs, order: Array, **options: Any) -> float:
    """Return the value of an order as a share of the sum of all weights."""
    Z, decays, amplitudes = problem(data, **options)
    xp = namespace(Z)
    ones = xp.full((len(Z), data.n_sources, 1), data.n_sources**-0.5, dtype=Z.dtype)
    found, whole = (
        permutation_sweep(x, order[None], decays, amplitudes, cycles=0)[1][0]
        for x in (Z / data.n_sources**0.5, ones)
    )
    return float(found / whole)


def problem(
    data: Outputs,
    *,
    scales: Sequence[tuple[float, float]] = SCALES,
    everywhere: float = 0.3,
    phase_weights: Sequence[float] = PHASE_WEIGHTS,
    highest_hz: float = 2000.0,
    dims: int | None = None,
) -> tuple[Array, Array, Array]:
    """Return features, decays and amplitudes of the last search, for `permutation_sweep`."""
    return joined(*features(data, highest_hz, dims), phase_weights[-1]), *weights(data, scales, everywhere)


def features(data: Outputs, highest_hz: float, dims: int | None) -> tuple[Array, Array | None]:
    """Return activities in a few directions, and phase slopes where there are mixing matrices."""
    check_range("highest_hz", highest_hz, 0, above=True)
    dims = 32 * -(-data.n_sources // 4) if dims is None else dims
    check_count("dims", dims)
    if data.A is None:
        return compressed(data.activities, dims), None
    slopes = phase_slopes(data, highest_hz)
    Z = compressed(data.activities, max(_FEWEST, dims - slopes.shape[2]))
    return Z, slopes.astype(Z.dtype)


def joined(Z: Array, slopes: Array | None, phase_weight: float) -> Array:
    """Return both kinds of features as one."""
    return Z if slopes is None else namespace(Z).concatenate([Z, phase_weight**0.5 * slopes], axis=2)


def weights(data: Outputs, scales: Sequence[tuple[float, float]], everywhere: float) -> tuple[Array, Array]:
    """Return the decays and amplitudes of the kernels."""
    check_range("everywhere", everywhere, 0)
    for hz, weight in scales:
        check_range("scales: Hz", hz, 0, above=True)
        check_range("scales: weight", weight, 0)
    step = np.diff(data.hz)
    usual = float(np.median(step))
    decays = np.ones((len(scales) + 1, len(step)))
    amplitudes = np.full(len(scales) + 1, everywhere / len(data.hz))
    for c, (hz, weight) in enumerate(scales, 1):
        decays[c] = np.exp(-np.minimum(step / hz, _FAR))
        # The mass of one side of the kernel is half its weight, however wide the bins are.
        amplitudes[c] = weight / 2 * np.expm1(min(usual / hz, _FAR))
    xp, real = namespace(data.activities), data.activities.dtype
    return xp.asarray(decays, dtype=real), xp.asarray(amplitudes, dtype=real)
