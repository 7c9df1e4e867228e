"""Which rows of a demixing matrix are updated together by the rules that take two at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from sigsep_classic.errors import ParameterError

Pairs = str | Sequence[tuple[int, int]] | Callable[[int], Sequence[tuple[int, int]]]


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
