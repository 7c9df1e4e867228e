"""Correlation with the sources' mean activities, with neighbouring frequencies and with harmonics."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count
from sigsep_classic.permutation.assignment import best_orders
from sigsep_classic.permutation.features import Outputs, compressed
from sigsep_classic.typing import Array

_EVERYWHERE = 0.3


def correlation(data: Outputs, *, neighbours: int = 3, n_iter: int = 20, dims: int = 48) -> Array:
    """Return an order in which each frequency fits the others as they are: centroids first, then neighbours.

    1. Mean activities over all frequencies and the order of each frequency by them, in turn, until nothing changes;
       each turn raises the sum of the norms of the sums.
    2. Frequency by frequency, the order with the largest sum of products with the frequencies at most
       ``neighbours`` bins away, with the harmonics f / 2 and 2 f (± 1 bin), and, with a small weight, with all.
       Each move raises the sum of those products over all related pairs.

    Parameters
    ----------
    data : Outputs
        What to put in order; mixing matrices are not used.
    neighbours : int
        How many bins to either side count.
    n_iter : int
        Largest number of rounds of either step.
    dims : int
        Directions of activity that are kept.

    References
    ----------
    N. Murata, S. Ikeda and A. Ziehe, "An approach to blind source separation based on temporal structure of speech
    signals", Neurocomputing 41, 2001.

    H. Sawada, S. Araki and S. Makino, "Measuring dependence of bin-wise separated signals for permutation alignment
    in frequency-domain BSS", Proc. ISCAS, 2007: centroids, then neighbours and harmonics.
    """
    check_count("neighbours", neighbours)
    check_count("n_iter", n_iter, 0)
    Z = compressed(data.activities, dims)
    order = by_centroids(Z, data.identity, n_iter)
    return _by_neighbours(Z, order, neighbours, n_iter)


def by_centroids(Z: Array, order: Array, n_iter: int) -> Array:
    """Return an order of features (freq, sources, dims) in which each frequency fits the mean directions best."""
    xp = namespace(Z)
    for _ in range(n_iter):
        rows = xp.take_along_axis(Z, order[:, :, None], axis=1)
        total = rows.sum(axis=0)
        norm = xp.sqrt((total * total).sum(axis=1, keepdims=True))
        centroids = total / xp.where(norm > 0, norm, 1)
        turn = best_orders(centroids @ rows.swapaxes(1, 2))
        if not bool((turn != xp.arange(Z.shape[1])).any()):
            break
        order = xp.take_along_axis(order, turn, axis=1)
    return order


def related(n_freq: int, neighbours: int) -> list[np.ndarray]:
    """Return for each frequency those near it, its octaves and their neighbours; each pair goes both ways."""
    pairs: set[tuple[int, int]] = set()
    for f in range(n_freq):
        near = [f + i for i in range(1, neighbours + 1)]
        pairs.update((f, g) for g in (*near, 2 * f - 1, 2 * f, 2 * f + 1) if f < g < n_freq)
    found: list[list[int]] = [[] for _ in range(n_freq)]
    for f, g in sorted(pairs):
        found[f].append(g)
        found[g].append(f)
    return [np.array(others, dtype=int) for others in found]


def _by_neighbours(Z: Array, order: Array, neighbours: int, n_iter: int) -> Array:
    """Return the order after moves of single frequencies; one after the other."""
    xp, n_freq = namespace(Z), len(Z)
    others = [xp.asarray(near) for near in related(n_freq, neighbours)]
    rows = xp.take_along_axis(Z, order[:, :, None], axis=1)
    total, order = rows.sum(axis=0), order.copy()
    for _ in range(n_iter):
        moved = False
        for f in range(n_freq):
            around = rows[others[f]].sum(axis=0) + _EVERYWHERE / n_freq * (total - rows[f])
            S = around @ rows[f].T
            if bool((S.argmax(axis=1) == xp.arange(len(S))).all()):
                continue
            turn = best_orders(S)
            if bool((turn != xp.arange(len(S))).any()):
                total += rows[f][turn] - rows[f]
                rows[f], order[f], moved = rows[f][turn], order[f][turn], True
        if not moved:
            break
    return order
