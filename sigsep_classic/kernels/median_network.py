"""Comparisons that give the medians of neighbouring windows, as many of them as possible shared.

Windows of n neighbouring outputs have all but n - 1 of their values in common. Those are sorted once, and what is too
low or too high to be the median of any of the windows is dropped. Then each half of the outputs gets, merged in, the
values that its windows share beyond that, and so on down to one output. All is done by exchanges of two values
(Batcher's odd-even merge), the same ones whatever the values: each works on a whole row of lanes at a time. A window
of 31 takes 21 exchanges an output, one of 101 takes 43. What no output needs is left out.

A. Adams, "Fast median filters using separable sorting networks", ACM Trans. Graphics 40(4), 2021, has the idea for
images; K. E. Batcher, "Sorting networks and their applications", Proc. AFIPS, 1968, the merge.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

OUTPUT, LOW, HIGH, BOTH = 0, 1, 2, 3
"""Kinds of instruction: hand out a row, keep the smaller of two, the larger, or both."""

_MOST_OUTPUTS = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """Instructions for `n_outputs` neighbouring outputs.

    Parameters
    ----------
    code : int64 array (instructions, 5)
        Kind, two operands, two results. Rows of registers are 0, 1 …; operand -1 - i is input row i. `OUTPUT` has the
        row and the number of the output.
    n_registers, n_outputs : int
        Rows to work in, and outputs at a time.
    """

    code: np.ndarray
    n_registers: int
    n_outputs: int


@lru_cache(maxsize=32)
def program(size: int) -> Program:
    """Return the instructions for windows of ``size`` values, at least 2; output i sees inputs i … i + size - 1."""
    n_outputs = 2
    while 4 * n_outputs <= size + 1 and n_outputs < _MOST_OUTPUTS:
        n_outputs *= 2
    network = _Network(size, n_outputs)
    return _assembled(network.exchanges, network.outputs, size + n_outputs - 1)


class _Network:
    """Exchanges (low, high, a, b) of numbered values; the first numbers are the inputs."""

    def __init__(self, size: int, n_outputs: int) -> None:
        self.size, self.n_values = size, size + n_outputs - 1
        self.exchanges: list[tuple[int, int, int, int]] = []
        self.outputs: list[int] = []
        self._runs: dict[tuple[int, int], list[int]] = {}
        self._outputs(self._sorted(n_outputs - 1, size), size // 2, 0, n_outputs)

    def _outputs(self, shared: list[int], rank: int, first: int, count: int) -> None:
        """Add outputs ``first`` … whose windows share sorted values: theirs is of that rank with count - 1 more."""
        low, high = max(0, rank - count + 1), min(len(shared) - 1, rank)
        shared, rank = shared[low : high + 1], rank - low
        if count == 1:
            self.outputs.append(shared[rank])
            return
        half = count // 2
        for start, begin in ((first, first + half - 1), (first + half, first + self.size)):
            self._outputs(self._merged(shared, self._sorted(begin, begin + half)), rank, start, half)

    def _sorted(self, first: int, stop: int) -> list[int]:
        if stop - first == 1:
            return [first]
        if (first, stop) not in self._runs:
            middle = (first + stop) // 2
            halves = self._sorted(first, middle), self._sorted(middle, stop)
            self._runs[first, stop] = self._merged(*halves)
        return self._runs[first, stop]

    def _merged(self, x: list[int], y: list[int]) -> list[int]:
        """Return two sorted lists as one, by Batcher's odd-even merge."""
        if not x or not y:
            return x + y
        if len(x) == len(y) == 1:
            return self._exchanged(x[0], y[0])
        odd, even = self._merged(x[::2], y[::2]), self._merged(x[1::2], y[1::2])
        result = odd[:1]
        for a, b in zip(odd[1:], even, strict=False):
            result += self._exchanged(a, b)
        return result + odd[len(even) + 1 :] + even[len(odd) - 1 :]

    def _exchanged(self, a: int, b: int) -> list[int]:
        low, high = self.n_values, self.n_values + 1
        self.n_values += 2
        self.exchanges.append((low, high, a, b))
        return [low, high]


def _assembled(exchanges: list[tuple[int, int, int, int]], outputs: list[int], n_inputs: int) -> Program:
    """Return the exchanges that outputs depend on, their values in as few registers as that takes."""
    uses = Counter(outputs)
    needed = []
    for low, high, a, b in reversed(exchanges):
        if low in uses or high in uses:
            uses.update((a, b))
            needed.append((low, high, a, b))
    places: dict[int, list[int]] = {}
    for place, value in enumerate(outputs):
        places.setdefault(value, []).append(place)
    free: list[int] = []
    register: dict[int, int] = {}
    code: list[tuple[int, int, int, int, int]] = []
    n_registers = 0

    def used(value: int) -> None:
        uses[value] -= 1
        if uses[value] == 0 and value >= n_inputs:
            free.append(register[value])

    for low, high, a, b in reversed(needed):
        wanted = [value for value in (low, high) if uses[value]]
        for value in wanted:  # other registers than those of a and b: the compiler then knows rows apart
            if not free:
                free.append(n_registers)
                n_registers += 1
            register[value] = free.pop()
        row_a, row_b = (register[value] if value >= n_inputs else -1 - value for value in (a, b))
        kind = LOW * (low in wanted) + HIGH * (high in wanted)
        code.append((kind, row_a, row_b, register.get(low, 0), register.get(high, 0)))
        used(a)
        used(b)
        for value in wanted:
            for place in places.get(value, ()):
                code.append((OUTPUT, register[value], place, 0, 0))
                used(value)
    return Program(code=np.array(code, np.int64), n_registers=n_registers, n_outputs=len(outputs))
