"""The best one-to-one assignment, for many small matrices at once."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.typing import Array

_ENUMERATED = 4
_ROUNDING = 1e-5


def best_orders(S: Array) -> Array:
    """Return for each matrix the columns, one for each row, whose entries have the largest sum.

    Parameters
    ----------
    S : array (..., sources, sources)
        Entry (n, m) is what it is worth that place n is given to item m.

    Returns
    -------
    int64 array (..., sources)
        On the device of S; the identity where nothing is better than it by more than rounding. Up to four sources
        all orders are compared, beyond that the Hungarian algorithm decides, on the host.
    """
    xp, n = namespace(S), S.shape[-1]
    if n <= _ENUMERATED:
        orders = xp.asarray(list(permutations(range(n))))
        values = S[..., xp.arange(n), orders].sum(axis=-1)
        best = orders[values.argmax(axis=-1)]
    else:
        from scipy.optimize import linear_sum_assignment

        flat = to_host(S).reshape(-1, n, n)
        found = [linear_sum_assignment(-matrix)[1] for matrix in flat]
        best = xp.asarray(np.array(found).reshape(S.shape[:-1]))
    gain = xp.take_along_axis(S, best[..., None], axis=-1)[..., 0] - xp.einsum("...nn->...n", S)
    better = gain.sum(axis=-1) > _ROUNDING * abs(S).max(axis=(-1, -2))
    return xp.where(better[..., None], best, xp.arange(n))


def fewest_changes(order: Array) -> Array:
    """Return an order (freq, sources) with its sources named so that as few entries as possible are not in place."""
    xp, n = namespace(order), order.shape[1]
    places = xp.arange(n)
    same = (order[:, :, None] == places).sum(axis=0)
    return order[:, best_orders(same.T.astype(float))]
