"""Special functions for numba loops, as polynomials good to 1e-6 (Abramowitz & Stegun 1964): E1, Bessel I0 and I1.

The CUDA twins have the same numbers in ``special.cuh``.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit


@jit
def exponential_integral(x):
    """Return E1(x) = ∫ from x to infinity of e^-t / t dt for x > 0 (5.1.53 and 5.1.56)."""
    if x <= 1.0:
        p = 0.00107857
        for c in (-0.00976004, 0.05519968, -0.24991055, 0.99999193, -0.57721566):
            p = p * x + c
        return p - np.log(x)
    p = (((x + 8.5733287401) * x + 18.0590169730) * x + 8.6347608925) * x + 0.2677737343
    q = (((x + 9.5733223454) * x + 25.6329561486) * x + 21.0996530827) * x + 3.9584969228
    return np.exp(-x) * p / (q * x)


@jit
def bessel_i0e(x):
    """Return e^-x I0(x) for x >= 0 (9.8.1 and 9.8.2)."""
    if x <= 3.75:
        u, p = (x / 3.75) ** 2, 0.0045813
        for c in (0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0):
            p = p * u + c
        return p * np.exp(-x)
    u, p = 3.75 / x, 0.00392377
    for c in (
        -0.01647633,
        0.02635537,
        -0.02057706,
        0.00916281,
        -0.00157565,
        0.00225319,
        0.01328592,
        0.39894228,
    ):
        p = p * u + c
    return p / np.sqrt(x)


@jit
def bessel_i1e(x):
    """Return e^-x I1(x) for x >= 0 (9.8.3 and 9.8.4)."""
    if x <= 3.75:
        u, p = (x / 3.75) ** 2, 0.00032411
        for c in (0.00301532, 0.02658733, 0.15084934, 0.51498869, 0.87890594, 0.5):
            p = p * u + c
        return x * p * np.exp(-x)
    u, p = 3.75 / x, -0.00420059
    for c in (
        0.01787654,
        -0.02895312,
        0.02282967,
        -0.01031555,
        0.00163801,
        -0.00362018,
        -0.03988024,
        0.39894228,
    ):
        p = p * u + c
    return p / np.sqrt(x)
