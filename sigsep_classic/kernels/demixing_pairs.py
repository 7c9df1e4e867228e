"""Which rows of a demixing matrix are updated together by the rules that take two at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from numbers import Integral
from typing import Any

from sigsep_classic.errors import ParameterError

Pairs = str | Sequence[tuple[int, int]] | Callable[[int], Sequence[tuple[int, int]]]


def check_pairs(pairs: Pairs) -> None:
    """Refuse what cannot be pairs of any number of rows; functions are not called.

    Raises
    ------
    ParameterError
        It is none of the words, no function, and no sequence of pairs of two different numbers from 0 on.
    """
    if callable(pairs) or (isinstance(pairs, str) and pairs in ("sequential", "all")):
        return
    if isinstance(pairs, str) or not _are_pairs(pairs):
        raise ParameterError(f"pairs is {pairs!r}; give sequential, all, a list of pairs, or a function")
    pairs_of(pairs, 2 + max((max(pair) for pair in pairs), default=0))


def _are_pairs(pairs: Any) -> bool:
    try:
        rows = [row for m, k in pairs for row in (m, k)]
    except (TypeError, ValueError):
        return False
    return all(isinstance(row, Integral) and not isinstance(row, bool) for row in rows)


def pairs_of(pairs: Pairs, n: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of n rows that are meant.

    ``"sequential"``: neighbours (0, 1), (1, 2) … and at last (n - 1, 0). ``"all"``: each row with each other one.
    A function is called with n. One row has no pairs.

    Raises
    ------
    ParameterError
        There are none, or not of two different rows.
    """
    if n < 2:
        return ()
    if isinstance(pairs, str):
        if pairs == "all":
            return tuple(combinations(range(n), 2))
        if pairs != "sequential":
            raise ParameterError(f"pairs is {pairs!r}; give sequential, all, a list of pairs, or a function")
        return tuple((m, (m + 1) % n) for m in range(n if n > 2 else 1))
    chosen = tuple((int(m), int(k)) for m, k in (pairs(n) if callable(pairs) else pairs))
    for m, k in chosen:
        if m == k or not (0 <= m < n and 0 <= k < n):
            raise ParameterError(
                f"pairs has ({m}, {k}); with {n} sources give two different ones of 0 … {n - 1}"
            )
    if not chosen:
        raise ParameterError("pairs is empty; give at least one")
    return chosen
