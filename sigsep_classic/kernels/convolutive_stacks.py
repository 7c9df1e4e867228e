"""The tiles of `convolutive_nmf` on the GPU: stack, multiply, ratios, contract, add back.

Both factors are copied once into an order in which what is stacked is a few long runs of memory. A tile then takes
five launches: its rows stacked, the model by cuBLAS, ratios in place, the contraction by cuBLAS, rows added back, each
sum in a fixed order. Tiles are small enough for the second-level cache, and are all the memory that is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.betas import DATA_FLOOR, MODEL_FLOOR, kind_of
from sigsep_classic.kernels.convolutive_tiles import even_size
from sigsep_classic.typing import Array

TILE = 1 << 21
"""Most entries of a tile of V, and of what is stacked for it."""

_THREADS, _STRETCH = 256, 16


@dataclass(frozen=True)
class Stack:
    """Rows of a factor, those that overlap one after the other.

    Parameters
    ----------
    source : array
        Contiguous.
    groups, run : int
        A stacked row is ``groups`` stretches of ``run`` entries.
    step, apart : int
        Entries of the source from a row to the next, and from a stretch to the next.
    """

    source: Array
    groups: int
    run: int
    step: int
    apart: int

    def __getitem__(self, rows: slice) -> Array:
        """Return the stacked rows (rows, groups · run); a view where they do not overlap."""
        width, n = self.groups * self.run, rows.stop - rows.start
        if self.groups == 1 and width == self.step:
            return self.source.reshape(-1)[rows.start * width : rows.stop * width].reshape(n, width)
        out = namespace(self.source).empty((n, width), dtype=self.source.dtype)
        places = (cuda.long(number) for number in (rows.start, self.step, self.apart))
        _launch("stack", n, width, out.dtype, self.source, out, n, self.groups, self.run, *places)
        return out


@dataclass(frozen=True)
class Stacks:
    """V̂[a, b] = Σ A[a−j, k, i] B[b−i, k, j] as one product of stacked rows, both ordered (j, i, k).

    Parameters
    ----------
    left, right : Stack
        Of A and of B.
    n_a, n_b : int
        Extents of V.
    of_H : bool
        Whether a are frames and b bins, or the other way round.
    sizes : tuple of int
        K, I and J.
    """

    left: Stack
    right: Stack
    n_a: int
    n_b: int
    of_H: bool
    sizes: tuple[int, int, int]

    @classmethod
    def of(cls, A: Array, B: Array, n_a: int, n_b: int, of_H: bool) -> Stacks:
        """Return the stacks of padded factors A (rows, k, i) and B (rows, k, j)."""
        xp = namespace(A)
        (_, K, I), J = A.shape, B.shape[2]
        last = xp.ascontiguousarray(A[:, :, ::-1].transpose(0, 2, 1))
        left = Stack(last, 1, J * I * K, I * K, 0)
        order = (2, 0, 1) if I > 1 else (0, 2, 1)
        other = xp.ascontiguousarray(B[:, :, ::-1].transpose(order))
        right = Stack(other, J, I * K, K, len(B) * K) if I > 1 else Stack(other, 1, J * K, J * K, 0)
        return cls(left, right, n_a, n_b, of_H, (K, I, J))

    def tiles(self) -> Iterator[tuple[slice, slice, Array, Array]]:
        """Yield rows a and rows b of each tile with their stacks, for each a all b."""
        K, I, J = self.sizes
        n_freq, n_frames = (self.n_b, self.n_a) if self.of_H else (self.n_a, self.n_b)
        freq = even_size(n_freq, max(1, TILE // (I * J * K)))
        frames = even_size(n_frames, max(1, TILE // max(freq, I * J * K)))
        rows, inner = (frames, freq) if self.of_H else (freq, frames)
        whole = self.right[slice(0, self.n_b)] if inner == self.n_b else None
        for a in _slices(self.n_a, rows):
            left = self.left[a]
            for b in _slices(self.n_b, inner):
                yield a, b, left, self.right[b] if whole is None else whole


def sums(
    V: Array, A: Array, B: Array, n_a: int, n_b: int, of_H: bool, beta: float, gain: float
) -> tuple[Array, ...]:
    """Return N and P (β = 1: N alone) of padded factors as `convolutive_nmf` has them, (rows of A, k, i)."""
    xp, Vt = namespace(V), namespace(V).ascontiguousarray(V.T)
    stacks = Stacks.of(A, B, n_a, n_b, of_H)
    K, I, J = stacks.sizes
    found = tuple(xp.zeros((len(A), I, K), dtype=V.dtype) for _ in range(1 if beta == 1 else 2))
    totals: list[Array] = []
    for a, b, left, right in stacks.tiles():
        model = left @ right.T if of_H else right @ left.T
        corner = (a.start, b.start) if of_H else (b.start, a.start)
        ratios = _ratios(Vt, model, corner, beta, gain)
        parts = [R @ right if of_H else R.T @ right for R in ratios]
        if b.start == 0:
            totals = parts
        else:
            for total, part in zip(totals, parts, strict=True):
                total += part
        if b.stop == n_b:
            for total, part in zip(found, totals, strict=True):
                n, first = a.stop - a.start, cuda.long(a.start)
                _launch("overlap_add", n + J - 1, I * K, V.dtype, part, total, n, J, I * K, first)
    return tuple(xp.ascontiguousarray(total.transpose(0, 2, 1)[:, :, ::-1]) for total in found)


def divergence(
    V: Array, A: Array, B: Array, n_a: int, n_b: int, of_H: bool, beta: float, gain: float
) -> float:
    """Return the β-divergence of ``gain`` V from the model of padded factors; the host waits once."""
    Vt = namespace(V).ascontiguousarray(V.T)
    parts = []
    for a, b, left, right in Stacks.of(A, B, n_a, n_b, of_H).tiles():
        model, corner = (left @ right.T, (a.start, b.start)) if of_H else (right @ left.T, (b.start, a.start))
        parts.append(_partial_sums(Vt, model, corner, beta, gain))
    return float(to_host(namespace(V).concatenate(parts)).sum())


def _partial_sums(V: Array, model: Array, corner: tuple[int, int], beta: float, gain: float) -> Array:
    """Return sums of the divergence over parts of the tile of V (frames, freq) from ``corner`` on, float64."""
    rows, columns = model.shape
    stretch = max(_STRETCH, cuda.blocks_for(rows, cuda.MAX_GRID_Y))
    grid = (cuda.blocks_for(columns, _THREADS), cuda.blocks_for(rows, stretch))
    sums = namespace(V).empty(grid[0] * grid[1], dtype=np.float64)
    places = (*(cuda.long(first) for first in corner), cuda.long(V.shape[1]))
    bits = np.float64(beta).view(np.int64)  # in double whatever V is: the formula divides by β − 1
    floors = (0.0 if beta == 2 else MODEL_FLOOR, DATA_FLOOR)
    args = (V, model, sums, rows, columns, *places, stretch, kind_of(beta), bits, float(gain), *floors)
    cuda.launch("convolutive_stacks", "partial_sums", grid=grid, block=(_THREADS,), args=args, real=V.dtype)
    return sums


def model_into(out: Array, A: Array, B: Array, n_a: int, n_b: int) -> None:
    """Write the model (a, b) of padded factors to ``out``, tile by tile."""
    for a, b, left, right in Stacks.of(A, B, n_a, n_b, True).tiles():
        out[a, b] = left @ right.T


def multiply(A: Array, numerator: Array, denominator: Array, exponent: float, tiny: float) -> None:
    """A ← A (numerator / denominator)^exponent in place; entries without denominator stay, those below tiny become 0.

    A is C-contiguous.
    """
    xp = namespace(A)
    sums = (xp.ascontiguousarray(array) for array in (numerator, denominator))
    cuda.launch(
        "convolutive_stacks",
        "multiply",
        grid=(cuda.blocks_for(A.size, _THREADS),),
        block=(_THREADS,),
        args=(A, *sums, cuda.long(A.size), float(exponent), float(tiny)),
        real=A.dtype,
    )


def _ratios(Vt: Array, P: Array, corner: tuple[int, int], beta: float, gain: float) -> tuple[Array, ...]:
    """Return the ratio, and V̂^(β−1) unless β is 1, of the tile of V (frames, freq) from ``corner`` on, model in P."""
    kind = kind_of(beta)
    N = P if kind == 1 else namespace(P).empty_like(P)
    places = (*(cuda.long(first) for first in corner), cuda.long(Vt.shape[1]))
    numbers = (float(beta), float(gain), MODEL_FLOOR, DATA_FLOOR)
    _launch("ratios", *P.shape, P.dtype, Vt, N, P, *P.shape, *places, kind, *numbers)
    return (P,) if kind == 1 else (N, P)


def _launch(name: str, rows: int, columns: int, real: object, *args: object) -> None:
    """Launch a kernel over columns by rows, few columns with more rows a block."""
    wide = min(_THREADS, 1 << max(0, columns - 1).bit_length())
    high = _THREADS // wide
    cuda.launch(
        "convolutive_stacks",
        name,
        grid=(cuda.blocks_for(columns, wide), min(cuda.blocks_for(rows, high), cuda.MAX_GRID_Y)),
        block=(wide, high),
        args=args,
        real=real,  # type: ignore[arg-type]
    )


def _slices(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
