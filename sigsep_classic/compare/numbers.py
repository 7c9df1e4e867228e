"""Decibels in strict JSON: NaN as null, infinities as text, all else rounded."""

from __future__ import annotations

import math


def plain(score: float, digits: int = 4) -> float | str | None:
    """Return a number for strict JSON: NaN becomes None, infinities ``"inf"`` and ``"-inf"``.

    Examples
    --------
    >>> plain(6.123456), plain(float("nan")), plain(float("-inf"))
    (6.1235, None, '-inf')
    """
    if math.isnan(score):
        return None
    return round(float(score), digits) if math.isfinite(score) else str(float(score))


def parsed(score: float | str | None) -> float:
    """Return the number that `plain` was given, to its digits."""
    number = math.nan if score is None else float(score)
    return math.nan if math.isnan(number) else number  # the one object, so that tuples with it compare equal
