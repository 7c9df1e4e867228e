"""Which branch of the formulas a β takes, and the least values of data and model."""

from __future__ import annotations

NEAR = 1e-6
"""β this near to 0 or 1 is 0 or 1: its divergence differs by less than the rounding of its own formula."""
MODEL_FLOOR = 1e-12
"""Least value of W H, in units of the mean of V."""
DATA_FLOOR = 1e-10
"""Least value of V for β <= 0, where a zero costs infinitely much; in units of the mean of V."""


def snapped(beta: float) -> float:
    """Return β, or 0 or 1 where it is within a millionth of them."""
    for limit in (0.0, 1.0):
        if abs(beta - limit) < NEAR:
            return limit
    return float(beta)


def kind_of(beta: float) -> int:
    """Return which branch of the ratios computes this β."""
    return {1.0: 1, 0.0: 0, 0.5: 3, 1.5: 4, 2.0: 5}.get(snapped(beta), 2)


def joint_exponents(beta: float) -> tuple[float, float]:
    """Return the powers of H'/H in the two sums for W of the joint majorisation."""
    return min(beta - 1, 1.0), max(beta, 1.0)
