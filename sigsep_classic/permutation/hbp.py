"""Hungarian block permutation with spectrogram inpainting: a reconstruction.

Li, Kameoka & Makino's paper could not be read here; what follows is made from its title and from what others write
about it, with classical parts (non-negative matrix factorisation fills in what is masked). Figures of that paper say
nothing about this code.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.permutation.assignment import best_orders
from sigsep_classic.permutation.dyadic import merged_in_pairs
from sigsep_classic.permutation.features import Outputs, powers
from sigsep_classic.permutation.kernel import improved
from sigsep_classic.typing import Array

_SEED = 0
_EPS = 1e-9


def hbp(
    data: Outputs,
    *,
    block_hz: float = 250.0,
    reach_hz: float = 1000.0,
    n_components: int = 6,
    n_iter: int = 30,
    n_fill: int = 12,
    refine: bool = True,
) -> Array:
    """Return the order that inpainting grows from the clearest block outwards.

    Frequencies in a block are ordered by dyadic merging. Then blocks join one by one, the clearer neighbour of what
    is joined first: each source's ratio spectrogram next to the gap is factorised as W H, the masked block of each
    output is explained as W' H with H as it is, and the Kullback-Leibler divergences of all outputs from all sources
    are handed to the Hungarian algorithm. The kernel solver's moves follow, from the order found, with its score.

    Parameters
    ----------
    data : Outputs
        What to put in order.
    block_hz, reach_hz : float
        Width of blocks, and of what is factorised next to one.
    n_components, n_iter, n_fill : int
        Components of the factorisation, its iterations, and those of the filling in.
    refine : bool
        Whether the moves of the kernel solver follow.

    References
    ----------
    L. Li, H. Kameoka and S. Makino, paper on Hungarian block permutation and spectrogram inpainting, Proc. ICASSP,
    2022 (IEEE 9746073; title and authors from secondary sources, text not seen).

    D. D. Lee and H. S. Seung, "Algorithms for non-negative matrix factorization", NIPS, 2000: the factorisation.
    """
    check_range("block_hz", block_hz, 0, above=True)
    check_range("reach_hz", reach_hz, 0, above=True)
    for name, value in (("n_components", n_components), ("n_iter", n_iter), ("n_fill", n_fill)):
        check_count(name, value)
    usual = float(np.median(np.diff(data.hz)))
    size, reach = (max(1, round(hz / usual)) for hz in (block_hz, reach_hz))
    order, blocks = _ordered_blocks(data.activities, size)
    # (freq, sources, frames)
    xp, P = namespace(data.Y), powers(data.Y)
    P = P / xp.maximum(P.sum(axis=1, keepdims=True), _EPS) + _EPS
    V = xp.take_along_axis(P, order[:, :, None], axis=1)
    for first, stop, near in _growth(data.activities, order, blocks, reach):
        S = -_divergences(V[first:stop], V[near], n_components, n_iter, n_fill)
        turn = best_orders(S)
        V[first:stop], order[first:stop] = V[first:stop][:, turn], order[first:stop][:, turn]
    return improved(data, order) if refine else order


def _ordered_blocks(Z: Array, size: int) -> tuple[Array, list[tuple[int, int]]]:
    """Return the order within blocks of ``size`` frequencies, and where blocks begin and end."""
    xp = namespace(Z)
    blocks = [(a, min(a + size, len(Z))) for a in range(0, len(Z), size)]
    return xp.concatenate([merged_in_pairs(Z[a:b]) for a, b in blocks]), blocks


def _growth(
    Z: Array, order: Array, blocks: list[tuple[int, int]], reach: int
) -> list[tuple[int, int, slice]]:
    """Return the blocks but the clearest as they join: begin, end, and the joined frequencies next to each."""
    xp = namespace(Z)
    rows = xp.take_along_axis(Z, order[:, :, None], axis=1)
    clear = [float((rows[a:b].mean(axis=0) ** 2).sum()) for a, b in blocks]
    low = high = int(np.argmax(clear))
    steps = []
    while high - low + 1 < len(blocks):
        up = low == 0 or (high + 1 < len(blocks) and clear[high + 1] >= clear[low - 1])
        begin, end = blocks[low][0], blocks[high][1]
        if up:
            high += 1
            steps.append((*blocks[high], slice(max(begin, end - reach), end)))
        else:
            low -= 1
            steps.append((*blocks[low], slice(begin, min(end, begin + reach))))
    return steps


def _divergences(block: Array, near: Array, n_components: int, n_iter: int, n_fill: int) -> Array:
    """Return the divergence of output m of a block from what source n's activations can explain: (n, m)."""
    xp, n_sources = namespace(block), block.shape[1]
    V, target = near.swapaxes(0, 1), block.swapaxes(0, 1)
    rng = np.random.default_rng(_SEED)
    W = xp.asarray(rng.uniform(0.5, 1, (n_sources, V.shape[1], n_components)), dtype=V.dtype)
    H = xp.asarray(rng.uniform(0.5, 1, (1, n_components, V.shape[2])), dtype=V.dtype)
    H = xp.broadcast_to(H, (n_sources, *H.shape[1:])).copy()  # all sources begin alike
    for _ in range(n_iter):
        H *= W.swapaxes(1, 2) @ (V / (W @ H + _EPS)) / (W.sum(axis=1)[:, :, None] + _EPS)
        W *= (V / (W @ H + _EPS)) @ H.swapaxes(1, 2) / (H.sum(axis=2)[:, None] + _EPS)
    H = H[:, None]
    fill = xp.ones((n_sources, n_sources, block.shape[0], n_components), dtype=V.dtype)
    fill *= target.mean(axis=2)[None, :, :, None] / n_components
    for _ in range(n_fill):
        fill *= (target / (fill @ H + _EPS)) @ H.swapaxes(2, 3) / (H.sum(axis=3)[:, :, None] + _EPS)
    model = fill @ H + _EPS
    return (target * xp.log(target / model) - target + model).sum(axis=(2, 3))
