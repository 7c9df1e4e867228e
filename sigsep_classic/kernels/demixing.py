"""One sweep of frequency-wise demixing: weighted covariances of each bin, its rows updated, powers of its outputs.

With y = R z, sources n, weights phi and V_n = mean over frames of phi_n(t) z zᴴ, all rules lower

    sum over n of r_n V_n r_nᴴ  -  log |det R|²

where r_n is row n of R. They need V_n alone, not z, so that a sweep reads the data once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import demixing_cuda
from sigsep_classic.kernels.demixing_loops import (
    RULES,
    SWEEPS,
    covariance_blocks,
    power_blocks,
    rule_for,
    update,
)
from sigsep_classic.kernels.demixing_pairs import Pairs, pairs_of
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

CUDA_CONSTANTS = demixing_cuda.PASSES
_LEAST_BLOCKS, _MOST_BLOCKS, _BLOCK_BYTES = 16, 64, 1 << 19


def sweep(
    Z: Array,
    R: Array,
    weights: Array,
    *,
    rule: str = "ip1",
    load: Array | None = None,
    pairs: Pairs = "sequential",
) -> tuple[Array, Array]:
    """Return R after one update of each of its rows, and the powers of the outputs it gives.

    Parameters
    ----------
    Z : real array (freq, dims, 2, frames)
        Data, real and imaginary parts apart; C-contiguous, float32 or float64, NumPy or CuPy.
    R : complex128 array (freq, dims, dims)
        Demixing matrices, sources by dims; not written to.
    weights : array (sources, frames) or (sources, freq, frames)
        phi, non-negative, in the dtype of Z: the same in all bins, or each bin its own.
    rule : {"ip1", "ip2", "iss1", "iss2", "ipa"}
        Iterative projection of a row or of two, source steering along a row or along two, projection with
        adjustment.
    load : float64 array (freq,), optional
        A multiple of the identity, relative to the mean eigenvalue, added to each V_n: as if z had noise of this
        share of its energy, frame by frame. The powers contain it too, so that a sweep still lowers one objective.
    pairs : {"sequential", "all"}, sequence of (int, int), or function
        Which rows ``"ip2"`` and ``"iss2"`` update together, one pair after the other; see `pairs_of`.

    Returns
    -------
    R : complex128 array (freq, sources, dims)
    power : array
        |y|² in the dtype of Z, in the shape of the weights: summed over freq, or (sources, freq, frames).

    Raises
    ------
    ParameterError
        The rule is unknown, or the pairs are none.
    ShapeError
        Z, R and weights do not fit together.

    Notes
    -----
    Small matrices are in double precision whatever Z is. Bins are cut into at most 64 blocks whose powers are added
    in order, so that the result has the same bits on any number of threads. A bin whose data are 0 keeps its R.

    References
    ----------
    N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    Proc. WASPAA, 2011 (ip1); "Fast stereo independent vector analysis and its implementation on mobile phone",
    Proc. IWAENC, 2012 (ip2).

    R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates", Proc. ICASSP, 2020 (iss1).

    R. Ikeshita and T. Nakatani, "ISS2: an extension of iterative source steering algorithm for
    majorization-minimization-based independent vector analysis", 2022 (iss2).

    R. Scheibler, "Independent vector analysis via log-quadratically penalized quadratic minimization", IEEE Trans.
    Signal Processing, 2021 (ipa). (Equation numbers not checked.)
    """
    if rule not in RULES:
        raise ParameterError(f"rule is {rule!r}; use one of {', '.join(RULES)}")
    _check(Z, R, weights)
    if R.shape[1] != R.shape[2]:
        raise ShapeError(f"R has shape {R.shape}; expected (freq, dims, dims)")
    task = _Task(
        kind="sweep", summed=weights.ndim == 2, rule=rule, pairs=pairs_of(pairs, R.shape[1]), load=load
    )
    return _run(Z, R, weights, task)


def weighted_covariances(Z: Array, weights: Array, *, load: Array | None = None) -> Array:
    """Return V_n, the mean over frames of phi_n z zᴴ: complex128 (freq, sources, dims, dims); see `sweep`."""
    _check(Z, None, weights)
    return _run(Z, None, weights, _Task(kind="covariances", load=load))


def powers(Z: Array, R: Array, *, summed: bool, load: Array | None = None) -> Array:
    """Return |R z|² (sources, freq, frames), or its sum over freq (sources, frames), in the dtype of Z.

    R is complex128 (freq, sources, dims), with any number of sources; for ``load`` see `sweep`.
    """
    _check(Z, R, None)
    return _run(Z, R, None, _Task(kind="powers", summed=summed, load=load))


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What is asked of a twin."""

    kind: str
    summed: bool = False
    rule: str = "ip1"
    pairs: tuple[tuple[int, int], ...] = ()
    load: Array | None = None

    def pair_array(self) -> np.ndarray:
        return np.array(self.pairs, dtype=np.int64).reshape(-1, 2)


def _run(Z: Array, R: Any, weights: Any, task: _Task) -> Any:
    run = _gpu if is_cuda(Z) else _cpu if enabled() else _numpy
    if weights is not None and weights.ndim == 2:
        weights = weights[:, None]
    return run(Z, R, weights, task)


def _check(Z: Array, R: Array | None, weights: Array | None) -> None:
    n_freq, dims, parts, n_frames = Z.shape
    fits = parts == 2 and 0 not in Z.shape
    if R is not None:
        fits &= R.ndim == 3 and (R.shape[0], R.shape[2]) == (n_freq, dims)
    if weights is not None:
        fits &= weights.shape[1:] in ((n_frames,), (n_freq, n_frames))
        fits &= R is None or len(weights) == R.shape[1] == dims
    if not fits:
        shapes = ", ".join(
            f"{name} {a.shape}" for name, a in (("R", R), ("weights", weights)) if a is not None
        )
        raise ShapeError(
            f"Z {Z.shape} and {shapes} do not fit; expected (freq, dims, 2, frames), (freq, sources, dims) and "
            "(sources, frames) or (sources, freq, frames), as many sources as dims in a sweep"
        )


def _numpy(Z: np.ndarray, R: Any, weights: Any, task: _Task) -> Any:
    z = joined(Z)
    dims = Z.shape[1]
    if weights is not None:
        V = _covariances(z, weights) + 0j
        if task.load is not None:
            V = demixing_cuda.loaded(V, task.load)
        if task.kind == "covariances":
            return V
        R = R.astype(complex)
        update(task.rule, R, V, task.pair_array())
    y = R.astype(np.result_type(z, np.complex64)) @ z
    power = y.real**2 + y.imag**2
    if task.load is not None:
        lengths = (abs(R) ** 2).sum(axis=2) * (task.load / dims)[:, None]
        power += (lengths[:, :, None] * (abs(z) ** 2).sum(axis=1)[:, None]).astype(power.dtype)
    power = power.swapaxes(0, 1)
    power = power.sum(axis=1) if task.summed else np.ascontiguousarray(power)
    return power if task.kind == "powers" else (R, power)


def _covariances(z: Array, weights: Array) -> Array:
    """Return the mean over frames of w_n z zᴴ, (freq, sources, dims, dims)."""
    xp = namespace(z)
    V = [(z * w[:, None]) @ z.conj().swapaxes(1, 2) for w in weights]
    return xp.stack(V, axis=1).astype(xp.complex128) / z.shape[2]


def _cpu(Z: np.ndarray, R: Any, weights: Any, task: _Task) -> Any:
    n_freq, dims, _, n_frames = Z.shape
    blocks = min(n_freq, max(_LEAST_BLOCKS, min(Z.nbytes // _BLOCK_BYTES, _MOST_BLOCKS)))
    Z = np.require(Z, requirements=("C", "W"))
    load = np.zeros(n_freq) if task.load is None else np.require(task.load, float, ("C", "W"))
    if weights is not None:
        weights = np.require(weights, Z.dtype, ("C", "W"))
    if task.kind == "covariances":
        V = np.empty((n_freq, len(weights), dims, dims), np.complex128)
        run_blocks(covariance_blocks, blocks, Z, weights, load, blocks, V)
        return V
    n_sources = R.shape[1]
    totals = np.empty((blocks, n_sources, n_frames if task.summed else 0), Z.dtype)
    power = np.empty((n_sources, n_freq, 0 if task.summed else n_frames), Z.dtype)
    if task.kind == "powers":
        R = np.require(R, complex, ("C", "W"))
        run_blocks(power_blocks, blocks, Z, R, load, totals, power)
    else:
        R = np.array(R, complex, order="C")
        swept = SWEEPS[rule_for(task.rule, dims)]
        run_blocks(swept, blocks, Z, R, weights, None, load, task.pair_array(), totals, power)
    if task.summed:
        power = totals.sum(axis=0, dtype=float).astype(Z.dtype)
    return power if task.kind == "powers" else (R, power)


def joined(Z: Array) -> Array:
    """Return Z (freq, dims, 2, frames) as complex numbers (freq, dims, frames)."""
    return Z[:, :, 0] + 1j * Z[:, :, 1]


def split(X: Array, T: Array, block: int = 64) -> Array:
    """Return T x, real and imaginary parts apart: (freq, dims, 2, frames) in the precision of X.

    Parameters
    ----------
    X : array (channels, freq, frames)
        Real or complex.
    T : complex128 array (freq, dims, channels)
        The product is made in double precision, some bins at a time.
    """
    xp = namespace(X)
    Z = xp.empty((T.shape[0], T.shape[1], 2, X.shape[2]), dtype=X.real.dtype)
    for start in range(0, len(T), block):
        y = T[start : start + block] @ X[:, start : start + block].swapaxes(0, 1).astype(xp.complex128)
        Z[start : start + block, :, 0] = y.real
        Z[start : start + block, :, 1] = y.imag
    return Z


def _gpu(Z: Array, R: Any, weights: Any, task: _Task) -> Any:
    xp = namespace(Z)
    if weights is not None:
        V = demixing_cuda.covariances(Z, xp.ascontiguousarray(weights, dtype=Z.dtype), load=task.load)
        if task.kind == "covariances":
            return V
        R = demixing_cuda.updated(R, V, rule_for(task.rule, Z.shape[1]), task.pair_array())
    power = demixing_cuda.powers(Z, R, task.load, task.summed)
    return power if task.kind == "powers" else (R, power)
