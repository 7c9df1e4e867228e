"""Gains that need no recursion: power spectral subtraction and the spectral gate; speech presence for OM-LSA."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.kernels.spectral_gain import LARGEST
from sigsep_classic.typing import Array, Grid

GATE_HZ, GATE_SECONDS = 40.0, 0.01
"""Half widths over which the open and closed points of a gate are smoothed."""

_LOCAL, _GLOBAL = 1, 15
_KEPT, _RANGE_DB, _PEAK_DB, _LEAST = 0.7, (-10.0, -5.0), (0.0, 10.0), 0.005


def posterior(P: Array, N: Array) -> Array:
    """Return P / N, at most `LARGEST`; that where only N is 0, and 0 where both are."""
    xp = namespace(P)
    found = P / xp.where(N > 0, N, 1)
    return xp.minimum(xp.where(N > 0, found, xp.where(P > 0, LARGEST, 0)), LARGEST).astype(P.dtype)


def subtraction(P: Array, N: Array, *, over: float, floor: float) -> Array:
    """Return the gain of power spectral subtraction with over-subtraction and a spectral floor.

    ``G² = max(1 - a N / P, floor² N / P)``. The factor a is ``over`` in frames of 0 dB and falls by the same
    number for each decibel to 1 at 20 dB; below 0 dB it rises on, to -5 dB.

    References
    ----------
    M. Berouti, R. Schwartz and J. Makhoul, "Enhancement of speech corrupted by acoustic noise", Proc. ICASSP, 1979;
    S. F. Boll, "Suppression of acoustic noise in speech using spectral subtraction", IEEE Trans. Acoustics, Speech,
    and Signal Processing 27(2), 1979 (equation numbers not checked).
    """
    xp = namespace(P)
    tiny = xp.finfo(P.dtype).tiny
    whole = P.sum(axis=1, keepdims=True) / xp.maximum((N + 0 * P).sum(axis=1, keepdims=True), tiny)
    snr = xp.clip(10 * xp.log10(xp.clip(whole, 1e-10, LARGEST)), -5, 20)
    factor = (over - (over - 1) / 20 * snr).astype(P.dtype)
    share = 1 / xp.maximum(posterior(P, N), 1 / LARGEST)
    squared = xp.maximum(1 - factor * share, floor**2 * share)
    return xp.sqrt(xp.clip(squared, 0, 1)).astype(P.dtype)


def gate(P: Array, N: Array, *, threshold_db: float, grid: Grid | None, causal: bool = False) -> Array:
    """Return 1 where P is more than a threshold above N, 0 elsewhere, smoothed over 10 ms and 40 Hz each way.

    Where ``causal``, only over frequencies.

    Gates smoothed over more, as public ones are (50 ms, 500 Hz), let so much noise in around speech and take so much
    speech beside it that from 10 dB on what comes out is worse than what went in."""
    xp = namespace(P)
    open_ = (posterior(P, N) > 10 ** (threshold_db / 10)).astype(P.dtype)
    frames, bins = 1, 1
    if grid is not None:
        frames, bins = round(GATE_SECONDS * grid.frame_rate), round(grid.span(GATE_HZ))
    if causal:
        frames = 0
    smooth = triangular(triangular(open_, bins, axis=1), frames, axis=2)
    return xp.clip(smooth, 0, 1)


def triangular(A: Array, half: int, *, axis: int) -> Array:
    """Return means of A with weights that fall to nothing at ``half + 1`` elements away; edges repeated."""
    xp = namespace(A)
    if half < 1 or A.shape[axis] == 1:
        return A
    n = A.shape[axis]
    sums = A * 0
    for part in (half, half + 1):  # two boxes, their lengths one apart, are a triangle
        before = part // 2
        at = xp.clip(xp.arange(n + part - 1) - before, 0, n - 1)
        wide = xp.cumsum(xp.take(A, at, axis=axis), axis=axis, dtype=xp.float64)
        sums = _windows(wide, part, axis) / part
        A = sums.astype(A.dtype)
    return A


def _windows(wide: Array, length: int, axis: int) -> Array:
    """Return sums of ``length`` neighbours from running sums."""
    xp = namespace(wide)
    moved = xp.moveaxis(wide, axis, -1)
    found = moved[..., length - 1 :].copy()
    found[..., 1:] -= moved[..., :-length]
    return xp.moveaxis(found, -1, axis)


def presence(prior: Array, seen: Array) -> Array:
    """Return the probability of speech at each point, from how far a-priori SNRs around it are above the noise.

    The absence of speech is likely where ξ, averaged over time, is low at the point, in its neighbourhood, and in the
    whole frame: q = 1 - P_local P_global P_frame; p = 1 / (1 + q / (1 - q) (1 + ξ) e^-v).

    Parameters
    ----------
    prior, seen : array (channels, freq, frames)
        A-priori and a-posteriori SNR.

    References
    ----------
    I. Cohen and B. Berdugo, "Speech enhancement for non-stationary noise environments", Signal Processing 81(11),
    2001, pp. 2403-2418 (equation numbers not checked).
    """
    xp = namespace(prior)
    held, averaged = xp.ones_like(prior[..., 0]), xp.empty_like(prior)
    for t in range(prior.shape[-1]):
        held = _KEPT * held + (1 - _KEPT) * prior[..., t]
        averaged[..., t] = held
    found = _likely(triangular(averaged, _LOCAL, axis=1)) * _likely(triangular(averaged, _GLOBAL, axis=1))
    whole = np.stack([_frames(channel) for channel in to_host(averaged.mean(axis=1))])
    q = 1 - found * xp.asarray(whole, dtype=prior.dtype)[:, None, :]
    q = xp.clip(q, 0, 0.998)
    v = seen * prior / (1 + prior)
    return (1 / (1 + q / (1 - q) * (1 + prior) * xp.exp(-xp.minimum(v, 80)))).astype(prior.dtype)


def _likely(averaged: Array) -> Array:
    """Return a probability that rises from next to 0 to 1 with the averaged SNR in decibels."""
    xp = namespace(averaged)
    low, high = _RANGE_DB
    level = 10 * xp.log10(xp.maximum(averaged, 1e-10))
    return xp.clip((level - low) / (high - low), _LEAST, 1)


def _frames(means: np.ndarray) -> np.ndarray:
    """Return the probability of speech in each frame from its mean SNR: 1 while that rises, then as far as it fell."""
    low, high = _RANGE_DB
    found, peak, before = np.empty_like(means), _PEAK_DB[0], 0.0
    for t, mean in enumerate(means):
        level = 10 * math.log10(max(float(mean), 1e-10))
        if level <= low:
            found[t] = _LEAST
        elif level >= before:
            peak = min(max(level, _PEAK_DB[0]), _PEAK_DB[1])
            found[t] = 1.0
        else:
            found[t] = min(max((level - peak - low) / (high - low), _LEAST), 1.0)
        before = level
    return found
