"""The CUDA twin of `demixing`: covariances, updates of rows and powers, a launch each.

Up to 8 channels the kernels know their number, keep what belongs to a frame or a bin in registers, and read the data
once for all sources.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.typing import Array

LOW_RANK_FLOOR = 1e-12
MOST_CHANNELS, UNROLLED = 8, (2, 4)
"""Up to so many channels passes keep a frame in registers; numbers of channels that rules are compiled for."""
RULES = (*({"DIMS": dims} for dims in UNROLLED), {"MOST": MOST_CHANNELS}, {})

PAIRWISE = ("ip2", "iss2")

_SUMS, _SOURCES = 64, 4  # most sums a thread keeps, most sources at once
_THREADS, _BINS, _GROUPS = 64, 32, 64


def constants(dims: int, real: Any) -> dict[str, int]:
    """Return what the passes over the frames of ``dims`` channels are compiled for."""
    if not 2 <= dims <= MOST_CHANNELS:
        return {}
    wide = 128 if np.dtype(real) == np.float32 else 64  # shared memory holds this many numbers for each sum
    return {"DIMS": dims, "PER": max(1, min(_SOURCES, _SUMS // dims**2)), "WIDE": wide}


PASSES = ({}, *(constants(dims, np.float64) for dims in (2, 4, 5, 8)))


def covariances(
    Z: Array,
    weights: Any,
    low_rank: tuple[Array, Array, Array] | None = None,
    *,
    load: Array | None = None,
) -> Array:
    """Return weighted covariances, complex128 (freq, sources, dims, dims).

    Parameters
    ----------
    Z : array (freq, dims, 2, frames)
    weights : array (sources, 1 or freq, frames) or None
        In the dtype of Z.
    low_rank : tuple of arrays, optional
        T, V and share of weights share / (1e-12 + sum over k of T V), as `low_rank_sweep` takes them: no array as
        large as the data is made.
    load : array (freq,), optional
        Added to the diagonal, relative to its mean.
    """
    xp = namespace(Z)
    n_freq, dims, _, n_frames = Z.shape
    n_sources = len(weights if low_rank is None else low_rank[0])
    V = xp.empty((n_freq, n_sources, dims, dims), xp.complex128)
    known = constants(dims, Z.dtype)
    if low_rank is None:
        factors, components = (weights, weights, weights), 0
    else:
        factors, components = low_rank, low_rank[0].shape[2]
        weights = low_rank[0]
    shared = int(weights.shape[1] == 1)
    grid: tuple[int, ...]
    args: tuple[Any, ...]
    if known:
        grid, threads = (n_freq,), known["WIDE"]
        sizes = (n_freq, n_sources, n_frames, shared, components, int(load is not None), LOW_RANK_FLOOR)
        heavier = xp.empty(1, xp.float64) if load is None else xp.ascontiguousarray(load, dtype=xp.float64)
        args = (Z, weights, *factors, heavier, V.view(xp.float64), *sizes)
    else:
        assert low_rank is None
        grid, threads = (n_freq, dims * (dims + 1) // 2), _THREADS
        args = (Z, weights, V.view(xp.float64), n_freq, n_sources, dims, n_frames, shared)
    cuda.launch("demixing", "covariances", grid=grid, block=(threads,), args=args, real=Z.dtype, **known)
    return V if known or load is None else loaded(V, load)


def loaded(V: Array, load: Array) -> Array:
    """Return V (freq, sources, dims, dims) with its mean eigenvalue times ``load`` added to the diagonal."""
    xp, dims = namespace(V), V.shape[-1]
    trace = xp.einsum("fnii->fn", V).real * (load / dims)[:, None]
    return V + trace[:, :, None, None] * xp.eye(dims)


def updated(R: Array, V: Array, rule: str, pairs: np.ndarray) -> Array:
    """Return R (freq, dims, dims) after one update of each of its rows."""
    xp = namespace(R)
    R = R.astype(xp.complex128, order="C", copy=True)
    n_freq, dims = R.shape[:2]
    if rule not in PAIRWISE:  # nothing goes up to the device
        pairs = pairs[:0]
    pair_list = xp.asarray(pairs, dtype=xp.int32) if len(pairs) else xp.empty((1, 2), xp.int32)
    known = {"DIMS": dims} if dims in UNROLLED else {"MOST": MOST_CHANNELS} if dims <= MOST_CHANNELS else {}
    scratch = xp.empty(1 if known else n_freq * (3 * dims + 6) * dims * 2, xp.float64)
    cuda.launch(
        "demixing_ipa" if rule == "ipa" else "demixing_rules",
        rule,
        grid=(cuda.blocks_for(n_freq, _BINS),),
        block=(_BINS,),
        args=(R.view(xp.float64), V.view(xp.float64), pair_list, scratch, n_freq, dims, len(pairs)),
        real=np.dtype("float64"),
        **known,
    )
    return R


def powers(Z: Array, R: Array, load: Array | None, summed: bool) -> Array:
    """Return |R z|² (sources, freq, frames), or its sum over freq."""
    xp = namespace(Z)
    n_freq, dims, _, n_frames = Z.shape
    n_sources, known = R.shape[1], constants(dims, Z.dtype)
    groups = min(n_freq, _GROUPS) if summed else n_freq
    rows = xp.ascontiguousarray(R, dtype=xp.complex128).view(xp.float64).astype(Z.dtype)
    load = xp.zeros(n_freq, Z.dtype) if load is None else xp.asarray(load, dtype=Z.dtype)
    power = xp.empty((n_sources, groups, n_frames), Z.dtype)
    high = min(groups, cuda.MAX_GRID_Y) if known else groups
    cuda.launch(
        "demixing",
        "powers",
        grid=(cuda.blocks_for(n_frames, 128), high, *(() if known else (n_sources,))),
        block=(128,),
        args=(Z, rows, load, power, n_freq, n_sources, dims, n_frames, groups),
        real=Z.dtype,
        **known,
    )
    return power.sum(axis=1, dtype=xp.float64).astype(Z.dtype) if summed else power
