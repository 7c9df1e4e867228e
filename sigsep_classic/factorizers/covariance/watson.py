"""The concentration of a Watson distribution: how narrowly directions lie around their axis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

HIGHEST = 500.0
"""Largest concentration: beyond it e^κ leaves single precision behind."""

_NODES = 2048


def log_normalizer(concentration: np.ndarray, dims: int, *, real: bool = False) -> np.ndarray:
    """Return log M(a, b, κ), M Kummer's function: what exp(κ |wᴴ z|²) averages to over the unit sphere, as log.

    Parameters
    ----------
    concentration : array
        κ in 0 … `HIGHEST`.
    dims : int
        Of the sphere's space; a = 1 and b = dims, half of these on the real sphere.
    real : bool
        It is the real sphere.

    References
    ----------
    K. V. Mardia and I. L. Dryden, "The complex Watson distribution and shape analysis", Journal of the Royal
    Statistical Society B 61(4), 1999 (equation numbers not checked).
    """
    return _splines(dims, real)[0](concentration)


def mean_projection(concentration: np.ndarray, dims: int, *, real: bool = False) -> np.ndarray:
    """Return the mean of |wᴴ z|² at concentration κ, M'(a, b, κ) / M(a, b, κ): from 1 / dims at 0 towards 1."""
    from scipy.special import hyp1f1

    a, b = _order(dims, real)
    return a / b * hyp1f1(a + 1, b + 1, concentration) / hyp1f1(a, b, concentration)


def concentration_of(projection: np.ndarray, dims: int, *, real: bool = False) -> np.ndarray:
    """Return the κ in 0 … `HIGHEST` whose mean projection is nearest to the given one.

    Parameters
    ----------
    projection : float64 array
        Mean of |wᴴ z|² in [0, 1].
    dims : int
        Of the sphere's space.
    real : bool
        It is the real sphere.

    Returns
    -------
    float64 array
        To 1e-7 of itself; 0 up to a projection of 1 / dims, `HIGHEST` where more would be needed. On the sphere
        of one dimension, which is a point, any will do: 0.

    References
    ----------
    D. H. Tran Vu and R. Haeb-Umbach, "Blind speech separation employing directional statistics in an expectation
    maximization framework", Proc. ICASSP, 2010: the equation that is solved (number not checked).
    """
    if dims == 1:
        return np.zeros(projection.shape)
    inverse = _splines(dims, real)[1]
    return np.clip(inverse(np.clip(projection, inverse.x[0], inverse.x[-1])), 0, HIGHEST)


def _order(dims: int, real: bool) -> tuple[float, float]:
    """Return a and b of Kummer's function."""
    return (0.5, 0.5 * dims) if real else (1.0, float(dims))


@lru_cache(maxsize=32)
def _splines(dims: int, real: bool) -> tuple[Any, Any]:
    """Return log M of κ and κ of the mean projection g, as cubics that share values and slopes with them.

    The slope of g = M'/M comes from Kummer's equation κ M'' + (b - κ) M' - a M = 0.
    """
    from scipy.interpolate import CubicHermiteSpline
    from scipy.special import hyp1f1

    a, b = _order(dims, real)
    u = np.linspace(0, np.arcsinh(HIGHEST), _NODES)
    kappa = np.sinh(u)
    kappa[-1] = HIGHEST
    g = mean_projection(kappa, dims, real=real)
    slope = np.full(_NODES, a / b * ((a + 1) / (b + 1) - a / b))
    slope[1:] = (a - (b - kappa[1:]) * g[1:]) / kappa[1:] - g[1:] ** 2
    forwards = CubicHermiteSpline(kappa, np.log(hyp1f1(a, b, kappa)), g)
    return forwards, CubicHermiteSpline(g, kappa, 1 / slope) if dims > 1 else None
