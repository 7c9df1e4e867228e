"""Dyadic merging: neighbours are joined two by two, then pairs, then fours, up to the whole band."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.permutation.assignment import best_orders
from sigsep_classic.permutation.features import Outputs
from sigsep_classic.typing import Array


def dyadic(data: Outputs, *, offset: int = 0) -> Array:
    """Return the order of dyadic merging of activities; it never looks back. ``offset`` moves the borders."""
    return merged_in_pairs(data.activities, offset)


def merged_in_pairs(Z: Array, offset: int = 0) -> Array:
    """Return the order (freq, sources) that joins blocks of 2, 4, 8 … frequencies, each as its sums fit best.

    Parameters
    ----------
    Z : array (freq, sources, dims)
        Features; two sources fit as well as the inner product of their sums says.
    offset : int
        Blocks begin this many frequencies earlier, which moves where the borders lie.

    Notes
    -----
    The borders of large blocks are fixed before anything is known of what lies there, and what is joined wrongly
    stays wrong: a start for a search. All blocks of one size are joined at once.
    """
    xp, (n_freq, n_sources, dims) = namespace(Z), Z.shape
    size = 1 << max(0, n_freq + offset - 1).bit_length()
    sums = xp.zeros((size, n_sources, dims), dtype=Z.dtype)
    sums[offset : offset + n_freq] = Z
    order = xp.broadcast_to(xp.arange(n_sources), (size, 1, n_sources)).copy()
    while len(sums) > 1:
        turn = best_orders(sums[0::2] @ sums[1::2].swapaxes(1, 2))
        sums = sums[0::2] + xp.take_along_axis(sums[1::2], turn[:, :, None], axis=1)
        moved = xp.take_along_axis(order[1::2], turn[:, None, :], axis=2)
        order = xp.concatenate([order[0::2], moved], axis=1)
    return order[0, offset : offset + n_freq]
