"""Share of one number in two, pair by pair, in Python floats."""

from __future__ import annotations

import math

import numpy as np


def share(a: float, b: float, power: float, margin: float) -> float:
    """Return a^p / (a^p + (margin b)^p)."""
    b = margin * b
    if a == 0 and b == 0:
        return 0.5 if margin == 1 else 0.0
    if math.isinf(power):
        return 1.0 if a > b else 0.0
    if a == 0 or b == 0:
        return 0.0 if a == 0 else 1.0
    # 1 / (1 + (b / a)^p) through logarithms, which neither over- nor underflow
    exponent = power * (math.log(b) - math.log(a))
    return 0.0 if exponent > 700 else 1 / (1 + math.exp(exponent))


def soft_mask(A: np.ndarray, B: np.ndarray, *, power: float = 2.0, margin: float = 1.0) -> np.ndarray:
    """Return the shares of A in A and B, float64."""
    out = np.empty(A.shape)
    for index in np.ndindex(A.shape):
        out[index] = share(float(A[index]), float(B[index]), power, margin)
    return out
