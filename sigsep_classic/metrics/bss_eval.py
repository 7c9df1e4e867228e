"""BSS Eval for sources: what of an estimate is the source through a short filter, other sources, or neither."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count
from sigsep_classic.errors import ArrayTypeError, ShapeError
from sigsep_classic.metrics._signals import decibel, require_finite
from sigsep_classic.typing import Array

LOADS = (0.0, 1e-15, 1e-14, 1e-13, 1e-12, 1e-10, 1e-8)
"""Shares of the references' power added to the diagonal where delayed references depend on each other."""


class BSSEval(NamedTuple):
    """Scores in dB, each (sources,) float64, and (sources,) int ``permutation``: the estimate each source was given."""

    sdr: Array
    sir: Array
    sar: Array
    permutation: Array


def bss_eval_sources(
    references: Array, estimates: Array, *, filter_length: int = 512, permute: bool = True
) -> BSSEval:
    """Return SDR, SIR and SAR of BSS Eval v3 for sources, and which estimate belongs to which source.

    With ``P_j`` the projection on source j at delays 0 … filter_length − 1, and ``P`` that on all sources,
    ``SDR = 10 log10(‖P_j ŝ‖² / ‖ŝ − P_j ŝ‖²)``, ``SIR = 10 log10(‖P_j ŝ‖² / ‖P ŝ − P_j ŝ‖²)`` and
    ``SAR = 10 log10(‖P ŝ‖² / ‖ŝ − P ŝ‖²)``. Norms come from correlations, not from projected signals.

    Parameters
    ----------
    references : array (sources, samples), real
        True sources, or their images at one microphone. NumPy or CuPy.
    estimates : array (estimates, samples), real
        At least as many as references; those left over are given to no source.
    filter_length : int, >= 1
        Taps of the filter that a source may pass without harm.
    permute : bool
        Give estimates to sources so that the mean SIR is largest; False: in the order given.

    Returns
    -------
    BSSEval
        On the inputs' device. A silent reference has NaN, a silent estimate -inf or NaN. Above about 100 dB rounding
        is what is measured.

    Raises
    ------
    ParameterError
        ``filter_length`` is not a whole number from 1.
    ShapeError, ArrayTypeError
        References and estimates do not fit together, or are not real.
    NumericalError
        A sample is NaN or infinite.

    References
    ----------
    E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source separation", IEEE
    Transactions on Audio, Speech, and Language Processing, vol. 14, no. 4, 2006.
    R. Scheibler, "SDR — Medium rare with fast computations", ICASSP 2022 (norms of projections by correlations).
    """
    check_count("filter_length", filter_length)
    references, estimates = _paired(references, estimates)
    xp = namespace(references)
    energy = (estimates**2).sum(axis=1)
    require_finite(energy.sum() + (references**2).sum())
    auto, cross = _correlations(references, estimates, filter_length)
    own, joint = _projected(auto, cross, float(energy.sum()))  # (sources, estimates), (estimates,)
    own, joint = xp.minimum(own, energy), xp.minimum(joint, energy)
    silent = auto[xp.arange(len(auto)), xp.arange(len(auto)), filter_length - 1] == 0
    sdr = decibel(own, energy - own)
    sir = decibel(own, xp.maximum(joint - own, 0))
    sar = xp.broadcast_to(decibel(joint, energy - joint), sdr.shape)
    rows, columns = np.arange(len(auto)), np.arange(len(auto))
    if permute:
        columns = _assignment(to_host(sir))
    undefined = silent[:, None] | (energy == 0)
    table = xp.where(undefined, float("nan"), xp.stack([sdr, sir, sar]))[:, rows, columns]
    return BSSEval(table[0], table[1], table[2], xp.asarray(columns))


def _paired(references: Array, estimates: Array) -> tuple[Array, Array]:
    for role, x in (("references", references), ("estimates", estimates)):
        if not hasattr(x, "dtype") or not hasattr(x, "ndim"):
            raise ArrayTypeError(f"{role} are a {type(x).__name__}; give an array (sources, samples)")
    xp = namespace(references)
    if namespace(estimates).__name__ != xp.__name__:
        raise ArrayTypeError("references and estimates are on different devices; move them to one")
    for role, x in (("references", references), ("estimates", estimates)):
        if x.ndim != 2 or 0 in x.shape:
            raise ShapeError(f"{role} have shape {x.shape}; give (sources, samples), none of them 0")
        if x.dtype.kind not in "fiu":
            raise ArrayTypeError(f"{role} have dtype {x.dtype}; metrics need real numbers")
    if references.shape[1] != estimates.shape[1] or len(estimates) < len(references):
        raise ShapeError(
            f"references have shape {references.shape} but estimates {estimates.shape}; "
            "give an estimate a source, all of one length"
        )
    return references.astype("float64"), estimates.astype("float64")


def _correlations(references: Array, estimates: Array, taps: int) -> tuple[Array, Array]:
    """Return Σ s_i(t − k) s_j(t) for -taps < k < taps and Σ s_i(t − k) ŝ_j(t) for 0 <= k < taps.

    Shapes (sources, sources, 2 taps − 1), lag 0 in the middle, and (sources, taps, estimates).
    """
    from scipy.fft import next_fast_len

    xp = namespace(references)
    n_fft = next_fast_len(references.shape[1] + taps - 1, real=True)
    S, Y = xp.fft.rfft(references, n_fft), xp.fft.rfft(estimates, n_fft)
    n, m = len(S), len(Y)
    auto = xp.empty((n, n, 2 * taps - 1))
    cross = xp.empty((n, taps, m))
    for i in range(n):
        for j in range(i, n):
            lags = xp.fft.irfft(S[i].conj() * S[j], n_fft)
            auto[i, j, taps - 1 :] = lags[:taps]
            auto[i, j, : taps - 1] = lags[n_fft - taps + 1 :]
            auto[j, i] = auto[i, j, ::-1]
        for j in range(m):
            cross[i, :, j] = xp.fft.irfft(S[i].conj() * Y[j], n_fft)[:taps]
    return auto, cross


def _projected(auto: Array, cross: Array, bound: float) -> tuple[Array, Array]:
    """Return the energy of each estimate on each source alone (sources, estimates), and on all (estimates,)."""
    xp = namespace(auto)
    n, taps, m = cross.shape
    delays = xp.arange(taps)
    lag = delays[:, None] - delays[None, :] + taps - 1
    # Entry (k, l) of block (i, j) is Σ s_i(t − k) s_j(t − l): their correlation at lag k − l.
    blocks = auto[:, :, lag]
    silent = auto[xp.arange(n), xp.arange(n), taps - 1] == 0
    blocks[silent, silent] = xp.eye(taps)  # projects on nothing: its correlations are 0
    own = xp.stack([_energy(blocks[i, i], cross[i], bound) for i in range(n)])
    if n == 1:
        return own, own[0]
    joint = blocks.transpose(0, 2, 1, 3).reshape(n * taps, n * taps)
    return own, _energy(joint, cross.reshape(n * taps, m), bound)


def _energy(gram: Array, cross: Array, bound: float) -> Array:
    """Return the diagonal of Q = crossᵀ gram⁻¹ cross, below ``bound``; gram is loaded only as much as it must be.

    The Cholesky factor L of gram, with crossᵀ below it and a large corner, holds (L⁻¹ cross)ᵀ in its last rows, for all
    array libraries alike.
    """
    xp = namespace(gram)
    n, m = cross.shape
    scale = 1 / xp.sqrt(xp.diagonal(gram))
    bordered = xp.zeros((n + m, n + m))  # cholesky reads the lower triangle alone
    bordered[:n, :n] = gram * scale[:, None] * scale
    bordered[n:, :n] = (cross * scale[:, None]).T
    corner = xp.arange(n, n + m)
    bordered[corner, corner] = 2 * bound or 1.0
    diagonal = xp.arange(n)
    for load in LOADS:
        bordered[diagonal, diagonal] = 1 + load
        with contextlib.suppress(np.linalg.LinAlgError):
            # CuPy's factor of a singular matrix is NaN instead of an error.
            factor = xp.linalg.cholesky(bordered)
            if bool(xp.isfinite(factor[-1, -1])):
                return (factor[n:, :n] ** 2).sum(axis=1)
    raise AssertionError("a matrix of correlations loaded by its noise is positive definite")


def _assignment(sir: np.ndarray) -> np.ndarray:
    """Return the estimate of each source with the largest mean SIR."""
    from scipy.optimize import linear_sum_assignment

    finite = np.nan_to_num(sir, nan=-1e3, posinf=1e3, neginf=-1e3)
    return linear_sum_assignment(-finite)[1]
