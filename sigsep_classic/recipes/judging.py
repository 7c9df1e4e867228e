"""What separated signals tell of how well they are separated: how sparse, how many, how much like another result."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import linear_sum_assignment

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.base import nearest_power_of_two
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array

COMMON_WINDOW = 0.064
"""Seconds of the window of `spread`."""

_LEAST_HZ = 60.0
_LEVEL_SECONDS, _BANDS, _BANDS_HZ = 0.1, 16, (100.0, 7000.0)
_PART, _PART_FRAMES, _NOISE = 0.3, 50, 0.03


def transform(seconds: float, sample_rate: float) -> STFT:
    """Return the STFT of about so many seconds, an eighth of them as hop, a quarter below 300 ms."""
    n_fft = nearest_power_of_two(seconds * sample_rate)
    return STFT(n_fft=n_fft, hop=n_fft // (4 if seconds < 0.3 else 8))


def spread(signals: Array, sample_rate: float) -> float:
    """Return how far signals are from sparse, 0 … 1: the lower, the better they are likely to be separated.

    Parameters
    ----------
    signals : array (sources, samples)
        Real.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        ``E|y| / sqrt(E|y|²)`` over the frames of a bin, of an STFT of 64 ms, the mean over bins above 60 Hz and
        sources, weighted by energy. Levels do not matter, nor the transform the signals were separated in.
    """
    xp = namespace(signals)
    frontend = transform(COMMON_WINDOW, sample_rate)
    lowest = min(int(_LEAST_HZ * frontend.n_fft / sample_rate) + 1, frontend.n_fft // 2)
    size = abs(frontend.analyze(signals)[:, lowest:])
    energy = (size.astype(float) ** 2).mean(axis=2)
    total = float(energy.sum())
    return float((size.mean(axis=2) * xp.sqrt(energy)).sum() / total) if total > 0 else 0.0


def agreement(first: Array, second: Array) -> float:
    """Return how much two results (sources, samples) are alike, 0 … 1, in whatever order their sources are.

    Returns
    -------
    float
        The correlation of the two signals of the source that agrees least.
    """
    xp = namespace(first)
    unit = [x / xp.maximum(xp.sqrt((x**2).sum(axis=1, keepdims=True)), 1e-30) for x in (first, second)]
    likeness = abs(to_host(unit[0] @ unit[1].T))
    return float(likeness[linear_sum_assignment(-likeness)].min())


def own_sources(signals: Array, sample_rate: float) -> np.ndarray:
    """Return which of separated signals are sources of their own, (sources,) bool on the host.

    Parameters
    ----------
    signals : array (sources, samples)
        Real.
    sample_rate : float
        In Hz.

    Returns
    -------
    bool array (sources,)
        At least one is. A signal 15 dB weaker than the strongest is taken for noise; one whose levels in bands rise
        and fall with those of a stronger one (`likeness` above 0.3, more in less than 5 s) for a part of it, or for
        its reverberation. Two utterances of speakers had at most 0.2 in 5 s, parts of one in rooms 0.45 to 0.95.
    """
    energy = to_host((signals.astype(float) ** 2).sum(axis=1))
    alike, frames = likeness(signals, sample_rate)
    least = _PART * max(1.0, math.sqrt(_PART_FRAMES / frames))
    order = np.argsort(-energy, kind="stable")
    own = energy > _NOISE * energy.max()
    for k, n in enumerate(order):
        own[n] &= not (alike[n, order[:k]] > least).any()
    own[order[0]] = True
    return own


def likeness(signals: Array, sample_rate: float) -> tuple[np.ndarray, int]:
    """Return how much the levels of signals (sources, samples) go together, and the number of levels in time.

    Returns
    -------
    alike : array (sources, sources)
        Correlation over time of levels of 100 ms in 16 bands from 100 to 7000 Hz, the mean over bands, weighted by
        how much both signals vary there; -1 … 1, on the host. Levels of single bands tell speakers apart in less
        time than the level of the whole.
    frames : int
        Levels in time, at least 1.
    """
    xp = namespace(signals)
    frontend = transform(COMMON_WINDOW, sample_rate)
    power = abs(frontend.analyze(signals)).astype(float) ** 2
    together = max(1, round(_LEVEL_SECONDS * sample_rate / frontend.step))
    frames = max(1, power.shape[2] // together)
    together = min(together, power.shape[2])
    power = power[:, :, : frames * together].reshape(*power.shape[:2], frames, together).mean(axis=3)
    hertz = np.geomspace(*_BANDS_HZ, _BANDS + 1) * frontend.n_fft / sample_rate
    edges = np.unique(np.minimum(hertz.astype(int), power.shape[1] - 1))
    level = xp.stack([xp.sqrt(power[:, a:b].mean(axis=1)) for a, b in itertools.pairwise(edges)], axis=1)
    level = to_host(level - level.mean(axis=2, keepdims=True))
    sizes = np.sqrt((level**2).sum(axis=2))
    level /= np.where(sizes > 0, sizes, 1)[:, :, None]
    share = np.sqrt(sizes / np.maximum(sizes.sum(axis=1, keepdims=True), 1e-30))
    weights = np.einsum("ib,jb->ijb", share, share)
    alike = np.einsum("ibt,jbt,ijb->ij", level, level, weights)
    return alike / np.maximum(weights.sum(axis=2), 1e-30), frames
