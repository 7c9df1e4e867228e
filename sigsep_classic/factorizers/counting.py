"""Sums of weights by place, and running sums, that are the same bits in every run, on a GPU too.

There sums are done in any order. Of weights that are whole multiples of a power of two, so coarse that the sum of all
has a place in double precision, they are exact in any order.
"""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array


def weighted_counts(places: Array, weights: Array, n: int) -> Array:
    """Return the sums of the weights at places ``0 … n - 1``, float64, where the arguments lie.

    Parameters
    ----------
    places : integer array (points,)
        0 … n - 1.
    weights : array (points,)
        At least 0. On a GPU they are rounded, see `exact`.
    n : int
        Number of places.
    """
    xp = namespace(places)
    return xp.bincount(places, weights if xp is np else exact(weights), minlength=n)


def running_sums(weights: Array) -> Array:
    """Return the sums of the first, first two … weights (points,), float64; rounded on a GPU, see `exact`."""
    xp = namespace(weights)
    return xp.cumsum(weights if xp is np else exact(weights), dtype=np.float64)


def exact(weights: Array) -> Array:
    """Return weights, at least 0, rounded to multiples of a power of two so coarse that float64 sums of them are exact.

    Of n weights the largest keeps 52 - log2(n) bits, others as many less as they are smaller.
    """
    xp, weights = namespace(weights), weights.astype(np.float64)
    largest = float(weights.max()) if weights.size else 0.0
    if not 0 < largest < math.inf:
        return weights
    unit = 2.0 ** (math.frexp(largest)[1] + math.ceil(math.log2(weights.size)) - 52)
    return xp.rint(weights / unit) * unit
