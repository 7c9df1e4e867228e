"""The search of `sigsep_classic.permutation`: block moves that align the sources of all frequencies.

Kernels that fall exponentially with the distance of two frequencies make a sweep cost the number of frequencies and
not its square: what lies behind, and what lies ahead, is one sum a scale that decays from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import is_cuda, namespace, to_host
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels import permutation_loops as loops
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

SWEEPS = 3
"""Sweeps over one level before the next."""
MAX_SOURCES = 32
_THREADS = 128
_VECTOR = 32
CUDA_CONSTANTS = ({"MAX_SOURCES": MAX_SOURCES, "THREADS": _THREADS},)


def permutation_sweep(
    Z: Array, orders: Array, decays: Array, amplitudes: Array, *, cycles: int = 6
) -> tuple[Array, Array]:
    """Return orders that moves of blocks of frequencies no longer improve, one from each start, and their values.

    The value of an order o is the sum over pairs of frequencies f < g and scales c of

        amplitude_c · decay_c(f) ⋯ decay_c(g - 1) · Σ_n ⟨Z[f, o(f, n)], Z[g, o(g, n)]⟩.

    A move gives a block of neighbouring frequencies the permutation that is best with all else fixed (Hungarian
    algorithm); it is made only where the value rises. Blocks are single frequencies, then 1/2, 1/4, 1/8 … of the
    band, at even and at odd places.

    Parameters
    ----------
    Z : array (freq, sources, dims)
        Features, float32 or float64, NumPy or CuPy.
    orders : int64 array (starts, freq, sources)
        Orders to begin from.
    decays : array (scales, freq - 1)
        0 … 1, from each frequency to the next; 1 for a scale that joins all frequencies alike.
    amplitudes : array (scales,)
        Weights of the scales.
    cycles : int
        Rounds through all sizes of blocks, at most.

    Returns
    -------
    orders : int64 array (starts, freq, sources)
        New arrays, on the device of Z.
    values : float64 array (starts,)
        On the host.

    Raises
    ------
    ShapeError
        The arrays do not fit together, or there are more than 32 sources.

    Notes
    -----
    On the device, each start is one block of threads and the units of a sweep follow one another; the host asks
    after each sweep whether anything moved.
    """
    n_freq, n_sources, _ = Z.shape
    fits = decays.shape == (len(amplitudes), n_freq - 1) and orders.shape[1:] == (n_freq, n_sources)
    if not fits or n_freq < 2 or n_sources > MAX_SOURCES:
        raise ShapeError(
            f"Z {Z.shape}, orders {orders.shape}, decays {decays.shape} and amplitudes {amplitudes.shape} do not fit; "
            f"expected (freq > 1, sources <= {MAX_SOURCES}, dims), (starts, freq, sources), (scales, freq - 1) "
            "and (scales,)"
        )
    xp = namespace(Z)
    twin = _gpu if is_cuda(Z) else _cpu if enabled() else _numpy
    gap = xp.zeros((n_freq, len(decays)), dtype=Z.dtype)
    gap[:-1] = xp.asarray(decays).T
    # Zeros up to whole vectors: what is left over at the end of a row costs as much as the rest.
    Z = xp.pad(Z, ((0, 0), (0, 0), (0, -Z.shape[2] % _VECTOR)))[None, :, None]
    finest = _Level(Z, Z, xp.ones_like(gap), gap)
    orders = xp.array(orders, dtype=xp.int64)
    search = _Search(twin(), xp.array(amplitudes, dtype=Z.dtype))
    active = np.ones(len(orders), dtype=bool)
    for _ in range(cycles):
        moved = search.settle(finest, orders, active)
        active &= search.descend(finest, orders, active) | moved
        if not active.any():
            break
    return orders, search.values(finest, orders)


class _Level(NamedTuple):
    """Units of neighbouring frequencies.

    ``left`` and ``right`` (starts or 1, units, scales or 1, sources, dims): a unit's rows, summed with the weights
    they have at its first and at its last frequency. ``span`` and ``gap`` (units, scales): decay through a unit,
    and from its last frequency to the next unit. At the finest level left and right are Z, the same for all.
    """

    left: Array
    right: Array
    span: Array
    gap: Array


class _Twin(NamedTuple):
    """The two hot operations: ``merge(level, perm, offset, n_merged)``, ``sweep(level, perm, amplitudes, active)``."""

    merge: Callable[..., tuple[Array, Array]]
    sweep: Callable[..., np.ndarray]


class _Search:
    """The moves of all starts side by side, by the functions of one twin."""

    def __init__(self, twin: _Twin, amplitudes: Array) -> None:
        self.twin, self.amplitudes, self.xp = twin, amplitudes, namespace(amplitudes)

    def settle(self, level: _Level, perm: Array, active: np.ndarray) -> np.ndarray:
        """Sweep units, then pairs of them from the second one on, until nothing moves; say which starts moved."""
        ever, active = np.zeros_like(active), active.copy()
        for _ in range(SWEEPS):
            again = self.twin.sweep(level, perm, self.amplitudes, active)
            if perm.shape[1] > 2:
                pairs = self.merged(level, perm, 1)
                turn = self.identities(perm, len(pairs.gap))
                shifted = self.twin.sweep(pairs, turn, self.amplitudes, active)
                if shifted.any():
                    self.follow(perm, turn, 1)
                again |= shifted
            ever |= again
            active &= again
            if not active.any():
                break
        return ever

    def descend(self, level: _Level, orders: Array, active: np.ndarray) -> np.ndarray:
        """Settle halves of the band, quarters, eighths … and single frequencies; say which starts moved."""
        levels = [self.merged(level, orders, 0)]
        while len(levels[-1].gap) > 2:
            levels.append(self.merged(levels[-1], self.identities(orders, len(levels[-1].gap)), 0))
        moved = np.zeros_like(active)
        perm = self.identities(orders, len(levels[-1].gap))
        while levels:
            here = levels.pop()
            if len(here.gap) > perm.shape[1]:
                perm = self.xp.ascontiguousarray(perm[:, self.owners(len(here.gap), 0)])
            moved |= self.settle(here, perm, active)
        self.follow(orders, perm, 0)
        return moved | self.settle(level, orders, active)

    def merged(self, level: _Level, perm: Array, offset: int) -> _Level:
        """Join units in pairs, from unit ``offset`` on, rows in the order of ``perm``."""
        xp, n_units = self.xp, len(level.gap)
        made = xp.arange(offset + (n_units - offset + 1) // 2)
        first = xp.where(made < offset, made, 2 * made - offset)
        last = xp.where(made < offset, made, xp.minimum(first + 1, n_units - 1))
        span = level.span[first] * level.gap[first] * level.span[last]
        span = xp.where((last > first)[:, None], span, level.span[first])
        left, right = self.twin.merge(level, perm, offset, len(first))
        return _Level(left, right, span, level.gap[last])

    def identities(self, like: Array, n_units: int) -> Array:
        """Return orders of units that change nothing."""
        starts, _, n_sources = like.shape
        return self.xp.broadcast_to(self.xp.arange(n_sources), (starts, n_units, n_sources)).copy()

    def follow(self, perm: Array, turn: Array, offset: int) -> None:
        """Let units take the turns of what they were joined to; writes to ``perm``."""
        perm[:] = self.xp.take_along_axis(perm, turn[:, self.owners(perm.shape[1], offset)], axis=2)

    def owners(self, n_units: int, offset: int) -> Array:
        """Return the number of the pair each unit is in, pairs counted from unit ``offset`` on."""
        units = self.xp.arange(n_units)
        return self.xp.where(units < offset, units, offset + (units - offset) // 2)

    def values(self, level: _Level, orders: Array) -> np.ndarray:
        """Return what each order is worth, pair of units by pair of units."""
        xp, total, perm = self.xp, np.zeros(len(orders)), orders
        while len(level.gap) > 1:
            if len(level.left) < len(orders) or perm is orders:
                rows = xp.take_along_axis(level.left, perm[:, :, None, :, None], axis=3)
                level = _Level(rows, rows, level.span, level.gap)
            n_pairs = len(level.gap) // 2
            ahead, behind = level.right[:, : 2 * n_pairs : 2], level.left[:, 1 : 2 * n_pairs : 2]
            inner = (ahead * behind).sum(axis=(3, 4), dtype=float)
            total += to_host((inner * level.gap[: 2 * n_pairs : 2] * self.amplitudes).sum(axis=(1, 2)))
            perm = self.identities(orders, len(level.gap))
            level = self.merged(level, perm, 0)
        return total


def _outputs(level: _Level, perm: Array, n_merged: int) -> tuple[Array, Array]:
    shape = (len(perm), n_merged, level.gap.shape[1], *level.left.shape[3:])
    xp = namespace(perm)
    return xp.empty(shape, dtype=level.left.dtype), xp.empty(shape, dtype=level.left.dtype)


def _numpy() -> _Twin:
    return _Twin(_merge_numpy, _sweep_numpy)


def _merge_numpy(level: _Level, perm: Array, offset: int, n_merged: int) -> tuple[Array, Array]:
    shape = (len(perm), perm.shape[1], level.gap.shape[1], *level.left.shape[3:])
    index = perm[:, :, None, :, None]
    rows = [np.take_along_axis(np.broadcast_to(x, shape), index, axis=3) for x in (level.left, level.right)]
    left, right = np.empty((2, len(perm), n_merged, *shape[2:]), level.left.dtype)
    span, gap = level.span[:, :, None, None], level.gap[:, :, None, None]
    i = 0
    for made in range(n_merged):
        left[:, made], right[:, made] = rows[0][:, i], rows[1][:, i]
        if i >= offset and i + 1 < perm.shape[1]:
            left[:, made] += span[i] * gap[i] * rows[0][:, i + 1]
            right[:, made] = rows[1][:, i + 1] + span[i + 1] * gap[i] * rows[1][:, i]
            i += 1
        i += 1
    return left, right


def _sweep_numpy(level: _Level, perm: Array, amplitudes: Array, active: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(active)
    for s in np.flatnonzero(active):
        left, right = (x[min(s, len(x) - 1)] for x in (level.left, level.right))
        moved[s] = _sweep_one(left, right, level.span, level.gap, perm[s], amplitudes)
    return moved


def _sweep_one(left: Array, right: Array, span: Array, gap: Array, perm: Array, amplitudes: Array) -> bool:
    from scipy.optimize import linear_sum_assignment

    n_units, shape = len(gap), (gap.shape[1], *left.shape[2:])
    span, gap, weights = span[:, :, None, None], gap[:, :, None, None], amplitudes[:, None, None]
    after = np.zeros((n_units, *shape), left.dtype)
    for i in range(n_units - 1, 0, -1):
        after[i - 1] = gap[i - 1] * (left[i][:, perm[i]] + span[i] * after[i])
    before, moved = np.zeros(shape, left.dtype), False
    for i in range(n_units):
        ahead, behind = (np.broadcast_to(x[i][:, perm[i]], shape) for x in (left, right))
        S = ((weights * before) @ ahead.swapaxes(1, 2) + (weights * after[i]) @ behind.swapaxes(1, 2)).sum(
            axis=0
        )
        best = linear_sum_assignment(-S)[1]
        if S[np.arange(len(S)), best].sum() - np.trace(S) > loops.LEAST * abs(S).max():
            perm[i], moved = perm[i][best], True
        before = gap[i] * (right[i][:, perm[i]] + span[i] * before)
    return moved


def _cpu() -> _Twin:
    return _Twin(_merge_cpu, _sweep_cpu)


def _merge_cpu(level: _Level, perm: Array, offset: int, n_merged: int) -> tuple[Array, Array]:
    left, right = _outputs(level, perm, n_merged)
    run_blocks(loops.merge, len(perm), *level, perm, offset, left, right)
    return left, right


def _sweep_cpu(level: _Level, perm: Array, amplitudes: Array, active: np.ndarray) -> np.ndarray:
    left, gap = level.left, level.gap
    moved, starts, n_units = np.zeros_like(active), len(active), len(gap)
    if left.shape[2] == 1 and len(left) == 1:
        after = np.empty((starts, n_units, *left.shape[3:]), left.dtype)
        run_blocks(loops.sweep_rows, starts, left[0, :, 0], gap, perm, amplitudes, active, moved, after)
    else:
        after = np.empty((starts, *left.shape[1:]), left.dtype)
        run_blocks(loops.sweep_units, starts, *level, perm, amplitudes, active, moved, after)
    return moved


def _gpu() -> _Twin:
    return _Twin(_merge_gpu, _sweep_gpu)


def _merge_gpu(level: _Level, perm: Array, offset: int, n_merged: int) -> tuple[Array, Array]:
    left, right = _outputs(level, perm, n_merged)
    starts, _, scales, n_sources, dims = left.shape
    cuda.launch(
        "permutation_sweep",
        "merge",
        grid=(n_merged, starts),
        block=(_THREADS,),
        args=(
            *(level.left, level.right, level.span, level.gap, perm, left, right, offset),
            *(len(level.left), len(level.gap), level.left.shape[2], scales, n_sources, dims),
        ),
        real=left.dtype,
        **CUDA_CONSTANTS[0],
    )
    return left, right


def _sweep_gpu(level: _Level, perm: Array, amplitudes: Array, active: np.ndarray) -> np.ndarray:
    xp, (starts, n_units, n_sources) = namespace(perm), perm.shape
    scales, dims = level.gap.shape[1], level.left.shape[4]
    moved = xp.zeros(starts, dtype=xp.int32)
    memory = xp.empty((starts, n_units + 1, scales, n_sources, dims), dtype=level.left.dtype)
    cuda.launch(
        "permutation_sweep",
        "sweep",
        grid=(starts,),
        block=(_THREADS,),
        args=(
            *(level.left, level.right, level.span, level.gap, perm, amplitudes),
            *(xp.asarray(active.astype(np.int32)), moved, memory),
            *(len(level.left), n_units, level.left.shape[2], scales, n_sources, dims, loops.LEAST),
        ),
        real=level.left.dtype,
        **CUDA_CONSTANTS[0],
    )
    return to_host(moved) > 0
