"""Loops over the bins of one block of work: what `demixing` runs on the CPU.

All that is done to a bin is done while its data are in first-level cache.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.demixing_factors import follow, unit_rows
from sigsep_classic.kernels.demixing_frames import PAD, TILE, bin_covariances, bin_powers, load_weights
from sigsep_classic.kernels.demixing_ipa import ipa
from sigsep_classic.kernels.demixing_rules import N_MATRICES, ip1, ip2, iss1, iss2
from sigsep_classic.kernels.jit import jit


@jit
def _scratch(Z, n_sources):  # type: ignore[no-untyped-def]
    """Return a tile of the data, of the weights and of one output, R in parts, powers, and sums."""
    dims, n_frames = Z.shape[1], Z.shape[3]
    tile = np.empty((dims, 2, TILE), Z.dtype)
    held = np.zeros((max(n_sources, 2), TILE), Z.dtype)
    y = np.empty((3, TILE), Z.dtype)
    q = np.empty((n_sources, dims, 2), Z.dtype)
    out = np.zeros((n_sources, (n_frames + PAD - 1) // PAD * PAD), Z.dtype)
    return tile, held, y, q, out, np.empty(8, Z.dtype)


@jit
def _small(dims):  # type: ignore[no-untyped-def]
    """Return V of one bin and scratch for a rule."""
    V = np.empty((dims, dims, dims), np.complex128)
    work = np.empty((N_MATRICES, dims, dims), np.complex128)
    return V, work, np.empty((4, dims), np.complex128), np.empty((4, dims))


@jit
def covariance_blocks(first, stop, Z, weights, load, n_blocks, V):  # type: ignore[no-untyped-def]
    """Write V (freq, sources, dims, dims) of the bins of some blocks; see `bin_covariances`."""
    scratch = _scratch(Z, V.shape[1])
    load_weights(weights, 0, 0, min(Z.shape[3], TILE), scratch[1])
    for f in range(Z.shape[0] * first // n_blocks, Z.shape[0] * stop // n_blocks):
        bin_covariances(Z, f, weights, None, load[f], V[f], scratch)


@jit
def power_blocks(first, stop, Z, R, load, totals, power):  # type: ignore[no-untyped-def]
    """Write |R z|² of the bins of some blocks to ``totals`` (blocks, sources, frames) summed over the bins of a block.

    Where ``power`` (sources, freq, frames) is not empty, they go there.
    """
    scratch = _scratch(Z, R.shape[1])
    for block in range(first, stop):
        for f in _bins_of(block, Z, totals):
            bin_powers(Z, f, R[f], load[f], False, scratch)
            _store(scratch[4], power, f)
        _end(scratch[4], totals, block)


@jit
def _bins_of(block, Z, totals):  # type: ignore[no-untyped-def]
    n_freq, n_blocks = Z.shape[0], totals.shape[0]
    return range(n_freq * block // n_blocks, n_freq * (block + 1) // n_blocks)


@jit
def _store(out, power, f):  # type: ignore[no-untyped-def]
    """Move the powers of bin f, where there is room for them."""
    for n in range(power.shape[0] if power.size else 0):
        source, target = out[n], power[n, f]
        for t in range(target.shape[0]):
            target[t] = source[t]
            source[t] = 0


@jit
def _end(out, totals, block):  # type: ignore[no-untyped-def]
    """Move what was summed over the bins of a block, where there is room for it."""
    for n in range(totals.shape[1]):
        source, target = out[n], totals[block, n]
        for t in range(target.shape[0]):
            target[t] = source[t]
            source[t] = 0


@jit
def _finish(Z, f, R, model, load, scratch, power, block):  # type: ignore[no-untyped-def]
    """Take the powers of a bin whose R is new, and let its model follow."""
    if model is not None:
        unit_rows(R, model[0], f)
    bin_powers(Z, f, R, load, True, scratch)
    if model is not None:
        follow(model, f, block, scratch[4], scratch[2])
    if power is not None:
        _store(scratch[4], power, f)


@jit
def _begin(Z, weights):  # type: ignore[no-untyped-def]
    scratch = _scratch(Z, Z.shape[1])
    if weights is not None:
        load_weights(weights, 0, 0, min(Z.shape[3], TILE), scratch[1])
    return scratch


@jit
def _ip1_blocks(first, stop, Z, R, weights, model, load, pairs, totals, power):  # type: ignore[no-untyped-def]
    scratch, (V, work, vectors, numbers) = _begin(Z, weights), _small(R.shape[1])
    for block in range(first, stop):
        for f in _bins_of(block, Z, totals):
            bin_covariances(Z, f, weights, model, load[f], V, scratch)
            ip1(R[f], V, pairs, work, vectors, numbers)
            _finish(Z, f, R[f], model, load[f], scratch, power, block)
        _end(scratch[4], totals, block)


@jit
def _ip2_blocks(first, stop, Z, R, weights, model, load, pairs, totals, power):  # type: ignore[no-untyped-def]
    scratch, (V, work, vectors, numbers) = _begin(Z, weights), _small(R.shape[1])
    for block in range(first, stop):
        for f in _bins_of(block, Z, totals):
            bin_covariances(Z, f, weights, model, load[f], V, scratch)
            ip2(R[f], V, pairs, work, vectors, numbers)
            _finish(Z, f, R[f], model, load[f], scratch, power, block)
        _end(scratch[4], totals, block)


@jit
def _iss1_blocks(first, stop, Z, R, weights, model, load, pairs, totals, power):  # type: ignore[no-untyped-def]
    scratch, (V, work, vectors, numbers) = _begin(Z, weights), _small(R.shape[1])
    for block in range(first, stop):
        for f in _bins_of(block, Z, totals):
            bin_covariances(Z, f, weights, model, load[f], V, scratch)
            iss1(R[f], V, pairs, work, vectors, numbers)
            _finish(Z, f, R[f], model, load[f], scratch, power, block)
        _end(scratch[4], totals, block)


@jit
def _iss2_blocks(first, stop, Z, R, weights, model, load, pairs, totals, power):  # type: ignore[no-untyped-def]
    scratch, (V, work, vectors, numbers) = _begin(Z, weights), _small(R.shape[1])
    for block in range(first, stop):
        for f in _bins_of(block, Z, totals):
            bin_covariances(Z, f, weights, model, load[f], V, scratch)
            iss2(R[f], V, pairs, work, vectors, numbers)
            _finish(Z, f, R[f], model, load[f], scratch, power, block)
        _end(scratch[4], totals, block)


@jit
def _ipa_blocks(first, stop, Z, R, weights, model, load, pairs, totals, power):  # type: ignore[no-untyped-def]
    scratch, (V, work, vectors, numbers) = _begin(Z, weights), _small(R.shape[1])
    for block in range(first, stop):
        for f in _bins_of(block, Z, totals):
            bin_covariances(Z, f, weights, model, load[f], V, scratch)
            ipa(R[f], V, pairs, work, vectors, numbers)
            _finish(Z, f, R[f], model, load[f], scratch, power, block)
        _end(scratch[4], totals, block)


# One function each: users wait for the compilation of the rule they use alone.
SWEEPS = {
    "ip1": _ip1_blocks,
    "ip2": _ip2_blocks,
    "iss1": _iss1_blocks,
    "iss2": _iss2_blocks,
    "ipa": _ipa_blocks,
}
_RULES = {"ip1": ip1, "ip2": ip2, "iss1": iss1, "iss2": iss2, "ipa": ipa}
RULES = tuple(_RULES)


def rule_for(rule: str, dims: int) -> str:
    """Return the rule, or with one row, which has no pair, that for one."""
    return {"ip2": "ip1", "iss2": "iss1"}.get(rule, rule) if dims == 1 else rule


def update(rule: str, R: np.ndarray, V: np.ndarray, pairs: np.ndarray) -> None:
    """Improve R (freq, dims, dims) in place, given V (freq, dims, dims, dims); without numba."""
    dims = R.shape[1]
    work = np.empty((N_MATRICES, dims, dims), complex)
    vectors, numbers = np.empty((4, dims), complex), np.empty((4, dims))
    with np.errstate(all="ignore"):  # as numba's error_model="numpy"
        for r, v in zip(R, V, strict=True):
            _RULES[rule_for(rule, dims)](r, v, pairs, work, vectors, numbers)
