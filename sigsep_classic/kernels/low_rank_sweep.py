"""A sweep of demixing for Gaussian sources with variances of low rank, and what the variances then need.

All that is done to a bin is done at once: weights from its variances, weighted covariances, rows, powers, the update
of its templates by the powers, and its share in the sums that update the activations. Powers are never stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda, demixing_cuda
from sigsep_classic.kernels.demixing import sweep
from sigsep_classic.kernels.demixing_factors import LARGEST
from sigsep_classic.kernels.demixing_frames import PAD
from sigsep_classic.kernels.demixing_loops import RULES, SWEEPS, rule_for
from sigsep_classic.kernels.demixing_pairs import Pairs, pairs_of
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.kernels.variance_sums import variance_sums
from sigsep_classic.kernels.variance_weights import in_dtype, variance_weights
from sigsep_classic.typing import Array

_BLOCKS, _THREADS = 16, 128


def low_rank_sweep(
    Z: Array,
    R: Array,
    T: Array,
    V: Array,
    share: Array,
    *,
    exponent: float,
    rule: str = "ip1",
    load: Array | None = None,
    pairs: Pairs = "sequential",
) -> tuple[Array, Array, Array, Array]:
    """Return R after a `sweep` with weights share / r, T on its scale, T after an update, and the sums for one of V.

    With r = 1e-12 + sum over k of T V, rows of R get length one and T is divided as the powers are. Then T is updated
    by the new powers (see `raised`), and sums over bins are taken with the updated T, as `variance_sums` does.

    Parameters
    ----------
    Z, R, rule, load, pairs
        As `sweep` takes them.
    T : array (sources, freq, components)
        Templates, in the dtype of Z, as V and share.
    V : array (sources, components, frames)
        Activations.
    share : array (freq,)
        A factor for each bin.
    exponent : float
        Of the multiplicative update, above 0.

    Returns
    -------
    R : complex128 array (freq, sources, dims)
    T : array (sources, freq, components)
        On the scale of R.
    raised : array (sources, freq, components)
        T after the update.
    sums : array (2, sources, components, frames)

    Raises
    ------
    ParameterError
        The rule is unknown, or the pairs are none.
    ShapeError
        The arrays do not fit together.

    Notes
    -----
    Bins are cut into at most 16 blocks, whose sums are added in order: the same bits on any number of threads. On the
    GPU the steps are launched one after the other.
    """
    _check(Z, R, T, V, share, rule)
    run = _gpu if is_cuda(Z) else _cpu if enabled() else _numpy
    return run(Z, R, T, V, share, _Task(exponent=exponent, rule=rule, load=load, pairs=pairs))


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is asked of a twin."""

    exponent: float
    rule: str
    load: Array | None
    pairs: Pairs


def _check(Z: Array, R: Array, T: Array, V: Array, share: Array, rule: str) -> None:
    if rule not in RULES:
        raise ParameterError(f"rule is {rule!r}; use one of {', '.join(RULES)}")
    n_freq, dims, parts, n_frames = Z.shape
    fits = parts == 2 and R.shape == (n_freq, dims, dims) and share.shape == (n_freq,)
    if not fits or T.shape[:2] != (dims, n_freq) or V.shape != (dims, T.shape[2], n_frames):
        raise ShapeError(
            f"Z {Z.shape}, R {R.shape}, T {T.shape}, V {V.shape} and share {share.shape} do not fit; expected (freq, "
            "dims, 2, frames), (freq, dims, dims), (dims, freq, components), (dims, components, frames) and (freq,)"
        )


def raised(factor: Array, sums: Array, exponent: float) -> Array:
    """Return a factor times (sums[0] / sums[1]) to the exponent; unchanged where the second sum is 0."""
    if is_cuda(factor) and factor.shape == sums.shape[1:] and sums.dtype == factor.dtype:
        return _gpu_raised(factor, sums, exponent)
    xp = namespace(factor)
    known = sums[1] > 0
    ratio = xp.where(known, sums[0] / xp.where(known, sums[1], 1), 1)
    # Any step between none and the whole one lowers the auxiliary function.
    ratio = xp.clip(ratio, factor.dtype.type(1 / LARGEST), factor.dtype.type(LARGEST))
    if exponent == 0.5:
        ratio = xp.sqrt(ratio)
    elif exponent != 1:
        ratio = ratio ** factor.dtype.type(exponent)
    return factor * ratio


def _numpy(
    Z: Array, R: Array, T: Array, V: Array, share: Array, task: _Task
) -> tuple[Array, Array, Array, Array]:
    xp = namespace(Z)
    like = xp.ascontiguousarray(xp.broadcast_to(Z[:1, :1, 0], (*T.shape[:2], Z.shape[3])))
    ones = xp.ones(T.shape[:2], Z.dtype)
    weights = variance_weights(like, ones, T, V, share)
    R, P = sweep(Z, R, weights, rule=task.rule, load=task.load, pairs=task.pairs)
    unit = xp.ascontiguousarray((R.real**2 + R.imag**2).sum(axis=2).T)
    R = R / xp.sqrt(unit.T)[:, :, None]
    T = T / unit[:, :, None].astype(T.dtype)
    scales = (1 / unit).astype(T.dtype)
    updated = raised(T, variance_sums(P, scales, T, V, over="frames"), task.exponent)
    return R, T, updated, variance_sums(P, scales, updated, V, over="freq")


def _gpu(
    Z: Array, R: Array, T: Array, V: Array, share: Array, task: _Task
) -> tuple[Array, Array, Array, Array]:
    dims = Z.shape[1]
    if not demixing_cuda.constants(dims, Z.dtype):
        return _numpy(Z, R, T, V, share, task)  # of kernels of other operations
    Z, T, V, share = (namespace(Z).ascontiguousarray(a) for a in (Z, T, V, share))
    covariances = demixing_cuda.covariances(Z, None, (T, V, share), load=task.load)
    pairs = np.array(pairs_of(task.pairs, dims), dtype=np.int64).reshape(-1, 2)
    R = demixing_cuda.updated(R, covariances, rule_for(task.rule, dims), pairs)
    P = demixing_cuda.powers(Z, R, task.load, summed=False)
    xp, (sources, freq, components) = namespace(Z), T.shape
    scaled, scales = xp.empty_like(T), xp.empty(T.shape[:2], dtype=T.dtype)
    cuda.launch(
        "low_rank_sweep",
        "normalize",
        grid=(cuda.blocks_for(sources * freq, _THREADS),),
        block=(_THREADS,),
        args=(R.view(xp.float64), T, scaled, scales, freq, sources, dims, components),
        real=T.dtype,
    )
    updated = raised(scaled, variance_sums(P, scales, scaled, V, over="frames"), task.exponent)
    return R, scaled, updated, variance_sums(P, scales, updated, V, over="freq")


def _gpu_raised(factor: Array, sums: Array, exponent: float) -> Array:
    xp = namespace(factor)
    factor, sums = xp.ascontiguousarray(factor), xp.ascontiguousarray(sums)
    out = xp.empty_like(factor)
    cuda.launch(
        "low_rank_sweep",
        "raised",
        grid=(cuda.blocks_for(factor.size, _THREADS),),
        block=(_THREADS,),
        args=(factor, sums, out, cuda.long(factor.size), float(exponent), float(LARGEST)),
        real=factor.dtype,
    )
    return out


def _cpu(
    Z: Array, R: Array, T: Array, V: Array, share: Array, task: _Task
) -> tuple[Array, Array, Array, Array]:
    n_freq, dims, _, n_frames = Z.shape
    blocks = min(n_freq, _BLOCKS)
    Z, share = (np.require(a, Z.dtype, ("C", "W")) for a in (Z, share))
    V = np.pad(V, ((0, 0), (0, 0), (0, -n_frames % PAD)))
    R, T = np.array(R, complex, order="C"), np.array(T, Z.dtype, order="C")
    load = np.zeros(n_freq) if task.load is None else np.require(task.load, float, ("C", "W"))
    updated, parts = np.empty_like(T), np.zeros((blocks, 2, *V.shape), Z.dtype)
    model = (T, V, share, float(task.exponent), in_dtype(Z, (2.0, 0.0)), updated, parts)
    none = np.empty((blocks, dims, 0), Z.dtype)
    pairs = np.array(pairs_of(task.pairs, dims), dtype=np.int64).reshape(-1, 2)
    run_blocks(SWEEPS[rule_for(task.rule, dims)], blocks, Z, R, None, model, load, pairs, none, none)
    return R, T, updated, parts[..., :n_frames].sum(axis=0)
