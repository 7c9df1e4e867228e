"""Sums of weights by place: what the histograms of azimuths, attenuations and delays are made of."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array


def weighted_counts(places: Array, weights: Array, n: int) -> Array:
    """Return the sums of the weights at places ``0 … n - 1``, float64, where the arguments lie.

    On a GPU, where sums are done in any order, the weights are first rounded to whole multiples of a power of two, so
    coarse that all sums are exact: the same bits in every run. Weights smaller than 2^-52 of the sum of as many of
    the largest are lost.

    Parameters
    ----------
    places : integer array (points,)
        0 … n - 1.
    weights : array (points,)
        At least 0.
    n : int
        Number of places.
    """
    xp = namespace(places)
    if xp is np:
        return np.bincount(places, weights, minlength=n)
    largest = float(weights.max()) if places.size else 0.0
    if not 0 < largest < math.inf:
        return xp.zeros(n)
    unit = 2.0 ** (math.frexp(largest)[1] + math.ceil(math.log2(places.size)) - 52)
    return xp.bincount(places, xp.rint(weights.astype(np.float64) / unit), minlength=n) * unit
