"""Loops over the bins of one block of work: what `demixing` runs on the CPU."""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.demixing_frames import PAD, TILE, bin_covariances, bin_powers, load_weights
from sigsep_classic.kernels.demixing_ipa import ipa
from sigsep_classic.kernels.demixing_rules import N_MATRICES, ip1, ip2, iss1, iss2
from sigsep_classic.kernels.jit import jit


@jit(error_model="numpy")
def covariance_blocks(first, stop, Z, weights, load, n_blocks, V):  # type: ignore[no-untyped-def]
    """Write V (freq, sources, dims, dims) of the bins of some blocks, given weights (sources, 1 or freq, frames)."""
    n_freq, dims, n_frames = Z.shape[0], Z.shape[1], Z.shape[3]
    tile = np.empty((dims, 2, TILE), Z.dtype)
    sums = np.empty(8, Z.dtype)
    held = np.zeros((max(V.shape[1], 2), TILE), Z.dtype)
    load_weights(weights, 0, 0, min(n_frames, TILE), held)
    for f in range(n_freq * first // n_blocks, n_freq * stop // n_blocks):
        bin_covariances(Z, f, weights, load[f], V[f], tile, held, sums)


@jit(error_model="numpy")
def power_blocks(first, stop, Z, R, load, totals, power):  # type: ignore[no-untyped-def]
    """Write |R z|² of the bins of some blocks to ``totals`` (blocks, sources, frames) summed over the bins of a block.

    Where ``power`` (sources, freq, frames) is not empty, they go there.
    """
    n_freq, dims, n_frames, n_sources, n_blocks = (
        Z.shape[0],
        Z.shape[1],
        Z.shape[3],
        R.shape[1],
        totals.shape[0],
    )
    tile = np.empty((dims, 2, TILE), Z.dtype)
    y = np.empty((2, TILE), Z.dtype)
    q = np.empty((n_sources, dims, 2), Z.dtype)
    out = np.zeros((n_sources, (n_frames + PAD - 1) // PAD * PAD), Z.dtype)
    for block in range(first, stop):
        for f in range(n_freq * block // n_blocks, n_freq * (block + 1) // n_blocks):
            bin_powers(Z, f, R[f], load[f], tile, q, y, out)
            if power.size:
                for n in range(n_sources):
                    _move(out[n], power[n, f])
        if totals.size:
            for n in range(n_sources):
                _move(out[n], totals[block, n])


@jit(error_model="numpy")
def _move(source, target):  # type: ignore[no-untyped-def]
    """Move what ``target`` has room for, leaving zeros."""
    for t in range(target.shape[0]):
        target[t] = source[t]
        source[t] = 0


@jit(error_model="numpy")
def _ip1_bins(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    for f in range(R.shape[0]):
        ip1(R[f], V[f], pairs, work, vectors, numbers)


@jit(error_model="numpy")
def _ip2_bins(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    for f in range(R.shape[0]):
        ip2(R[f], V[f], pairs, work, vectors, numbers)


@jit(error_model="numpy")
def _iss1_bins(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    for f in range(R.shape[0]):
        iss1(R[f], V[f], pairs, work, vectors, numbers)


@jit(error_model="numpy")
def _iss2_bins(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    for f in range(R.shape[0]):
        iss2(R[f], V[f], pairs, work, vectors, numbers)


@jit(error_model="numpy")
def _ipa_bins(R, V, pairs, work, vectors, numbers):  # type: ignore[no-untyped-def]
    for f in range(R.shape[0]):
        ipa(R[f], V[f], pairs, work, vectors, numbers)


# One function each: users wait for the compilation of the rule they use alone.
_RULES = {"ip1": _ip1_bins, "ip2": _ip2_bins, "iss1": _iss1_bins, "iss2": _iss2_bins, "ipa": _ipa_bins}
RULES = tuple(_RULES)


def rule_for(rule: str, dims: int) -> str:
    """Return the rule, or with one row, which has no pair, that for one."""
    return {"ip2": "ip1", "iss2": "iss1"}.get(rule, rule) if dims == 1 else rule


def update(rule: str, R: np.ndarray, V: np.ndarray, pairs: np.ndarray) -> None:
    """Improve R (freq, dims, dims) in place, given V (freq, dims, dims, dims)."""
    dims = R.shape[1]
    rule = rule_for(rule, dims)
    work = np.empty((N_MATRICES, dims, dims), complex)
    with np.errstate(all="ignore"):  # without numba: as its error_model="numpy"
        _RULES[rule](R, V, pairs, work, np.empty((4, dims), complex), np.empty((4, dims)))
