"""Posteriors averaged around each point: who speaks here, by those who do in the neighbourhood."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array, Grid

WIDTH_HZ = 15.6
"""Standard deviation of the average in frequency."""

REACH = 3
"""Frames on either side that count."""

LEAST = 1e-3
"""Smallest prior: no source is ruled out."""


def local_priors(posterior: Array, grid: Grid | None) -> Array:
    """Return the Gaussian average of posteriors (sources, freq, frames), at least `LEAST`.

    Its standard deviations are one frame and `WIDTH_HZ`; where nothing is known of bins, two of them.
    """
    known = grid is not None and grid.bin_hz > 0
    sigma = WIDTH_HZ / grid.bin_hz if known and grid is not None else 2.0
    blurred = _blurred(posterior, sigma, axis=1)
    return namespace(posterior).maximum(_blurred(blurred, 1.0, axis=2), posterior.dtype.type(LEAST))


def _blurred(P: Array, sigma: float, *, axis: int) -> Array:
    """Return the Gaussian average along an axis; at the edges of what there is."""
    xp, n = namespace(P), P.shape[axis]
    reach = min(int(3 * sigma + 0.5), n - 1)
    P = xp.moveaxis(P, axis, -1)
    total, norm = P.copy(), np.ones(n)
    for k in range(1, reach + 1):
        weight = float(np.exp(-0.5 * (k / sigma) ** 2))
        total[..., k:] += P.dtype.type(weight) * P[..., :-k]
        total[..., :-k] += P.dtype.type(weight) * P[..., k:]
        norm[k:] += weight
        norm[:-k] += weight
    return xp.moveaxis(total / xp.asarray(norm, dtype=P.dtype), -1, axis)
