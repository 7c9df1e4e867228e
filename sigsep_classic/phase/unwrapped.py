"""Phases of sinusoids: from frame to frame they go on by their frequency, and begin with the mixture's."""

from __future__ import annotations

import math

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_count, check_range
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.projection import projection
from sigsep_classic.phase.rounds import check_stft, spread
from sigsep_classic.typing import Array


def unwrapped(
    V: Array,
    X: Array,
    frontend: STFT,
    *,
    onset: float = 2.0,
    n_iter: int = 10,
) -> Array:
    """Return sources of the magnitudes V whose phases go on as those of sinusoids do.

    In each frame the peaks of V_n have frequencies (a parabola through three log magnitudes) that rule the bins around
    them; the phase of a bin is that of the frame before plus 2 pi hop times its frequency. Where V_n begins, it is the
    mixture's. In every frame ``n_iter`` rounds then give each source its share v_n / sum v of what the sources miss of
    the mixture, and put the magnitudes in again.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Magnitudes.
    X : array (channels, freq, frames)
        Complex mixture; not written to.
    frontend : STFT
        That made X.
    onset : float
        A bin begins where its magnitude is more than this factor, at least 1, above that of the frame before.
    n_iter : int
        Rounds in a frame, at least 0: 0 for the sinusoids' phases alone.

    Returns
    -------
    Y : complex array (sources, channels, freq, frames)
        Of the magnitudes V; the sum is near X where the rounds have ended. A start for `misi` and `griffin_lim`.

    Raises
    ------
    ParameterError
        A number is out of range, or the front-end is no STFT.
    ShapeError
        V and X do not fit together.

    References
    ----------
    P. Magron, R. Badeau and B. David, "Model-based STFT phase recovery for audio source separation", IEEE/ACM Trans.
    Audio, Speech, and Language Processing 26(6), 2018 (equation numbers not checked). There onsets are frames, found
    for each source; here they are bins.
    """
    check_array("V", V, 4)
    check_array("X", X, 3)
    check_range("onset", onset, 1)
    check_count("n_iter", n_iter, 0)
    check_stft(frontend, "unwrapped")
    V = spread(V, X)
    xp, hop = namespace(X), frontend.step
    turn = xp.exp(2j * math.pi * hop / frontend.n_fft * frequencies(V)).astype(X.dtype)
    total = (V**2).sum(axis=0)
    gains = V**2 / xp.where(total > 0, total, 1)
    frames_last = xp.empty((*V.shape[:-2], V.shape[-1], V.shape[-2]), dtype=X.dtype)
    Y = frames_last.swapaxes(-1, -2)
    for t in range(V.shape[-1]):
        v, x = xp.ascontiguousarray(V[..., t]), X[..., t]
        y = xp.ascontiguousarray(xp.broadcast_to(x, v.shape))
        if t > 0:
            begins = (v > onset * V[..., t - 1]) | (V[..., t - 1] == 0)
            y = xp.where(begins, y, Y[..., t - 1] * turn[..., t])
        y = projection(v, y)
        for _ in range(n_iter):
            y = projection(v, y + gains[..., t] * (x - y.sum(axis=0)))
        Y[..., t] = y
    return Y


def frequencies(V: Array) -> Array:
    """Return the frequency in bins that rules each point of V (..., freq, frames): that of the peak whose bin it is in.

    Between two peaks the louder one rules the more bins; without any peak a bin has its own frequency.

    Parameters
    ----------
    V : array (..., freq, frames)
        Magnitudes, float32 or float64.

    Returns
    -------
    array (..., freq, frames)
        In bins, in the dtype of V.
    """
    check_array("V", V)
    xp, (n_bins, n_frames) = namespace(V), V.shape[-2:]
    flat = V.reshape(-1, n_bins, n_frames).swapaxes(0, 1).reshape(n_bins, -1)  # (freq, columns)
    columns = xp.arange(flat.shape[1])
    bins = xp.arange(n_bins, dtype=V.dtype)[:, None]
    middle, below, above = flat[1:-1], flat[:-2], flat[2:]
    peak = xp.zeros(flat.shape, dtype=bool)
    peak[1:-1] = (middle > below) & (middle >= above)
    rank = xp.cumsum(peak, axis=0)  # number of the peak at or below, from 1
    where, column = xp.nonzero(peak)
    shape = (n_bins // 2 + 3, flat.shape[1])
    place, height, exact = (xp.zeros(shape, dtype=V.dtype) for _ in range(3))
    place[rank[where, column], column] = where
    height[rank[where, column], column] = flat[where, column]
    exact[rank[where, column], column] = where + _offset(flat, where, column)
    low, high = rank, rank + 1
    there = height[high, columns] > 0
    here = height[low, columns] > 0
    a, b = height[low, columns], height[high, columns]
    edge = (b * place[low, columns] + a * place[high, columns]) / xp.where(a + b > 0, a + b, 1)
    lower = here & (~there | (bins <= edge))
    ruling = xp.where(lower, exact[low, columns], xp.where(there, exact[high, columns], bins))
    return ruling.reshape(n_bins, -1, n_frames).swapaxes(0, 1).reshape(V.shape)


def _offset(flat: Array, where: Array, column: Array) -> Array:
    """Return how far from their bins the tops of parabolas through log magnitudes lie, -1/2 … 1/2."""
    xp = namespace(flat)
    tiny = xp.finfo(flat.dtype).tiny
    a, b, c = (xp.log(xp.maximum(flat[where + k, column], tiny)) for k in (-1, 0, 1))
    bend = a - 2 * b + c
    offset = xp.where(bend < 0, (a - c) / xp.where(bend < 0, 2 * bend, 1), 0)
    return xp.clip(offset, -0.5, 0.5)
