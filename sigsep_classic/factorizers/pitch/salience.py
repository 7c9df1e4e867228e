"""How much of a frame's spectrum lies on the harmonics of each pitch, by one matrix product."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.pitch.axis import spacing_of
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

N_HARMONICS = 20
DECAY = 0.83
"""Each harmonic counts this share of the one below it."""
HIGHEST_HZ = 5000.0
COMPRESSION = 0.5
TILT_HZ = 1000.0
"""Below this frequency magnitudes count in proportion to it: basses and low chords would be the leading voice else."""


def harmonic_kernel(
    pitches: np.ndarray, hertz: np.ndarray, *, n_harmonics: int = N_HARMONICS, decay: float = DECAY
) -> np.ndarray:
    """Return how each bin counts for each pitch, (candidates, freq) float64.

    A bin at φ = f / f0 of a pitch f0 counts cos(2π φ) around harmonic n (|φ - n| < 1/4, where that is wide enough to
    be seen by the bins, else a triangle two bins wide), half as much between harmonics, where it is negative: so an
    octave below the pitch gains nothing from its even harmonics that the gaps do not take away.
    Harmonic n is weighted decay^(n - 1). Rows have a norm of one.

    Parameters
    ----------
    pitches : ndarray (candidates,)
        In Hz.
    hertz : ndarray (freq,)
        Bins in Hz, rising.
    n_harmonics : int
        How many harmonics count.
    decay : float
        0 … 1.
    """
    ratio = hertz / pitches[:, None]
    order = np.clip(np.rint(ratio), 1, n_harmonics)
    weight = decay ** (order - 1) * np.cos(2 * np.pi * ratio)
    outside = (ratio < 0.75) | (ratio > n_harmonics + 0.25) | (hertz > HIGHEST_HZ)
    weight[outside] = 0
    below = (ratio > 0.25) & (ratio < 0.75)
    weight = np.where(below, 0.5 * np.cos(2 * np.pi * ratio), weight)
    weight = np.where(weight < 0, 0.5 * weight, weight)
    weight *= spacing_of(hertz) / spacing_of(hertz).max()
    norm = np.sqrt((weight**2).sum(axis=1, keepdims=True))
    return weight / np.where(norm > 0, norm, 1)


def harmonic_salience(V: Array, pitches: np.ndarray, hertz: np.ndarray) -> Array:
    """Return how salient each pitch is in each frame, (candidates, frames), in the dtype and on the device of V.

    The square roots of magnitudes, tilted up to 1 kHz, times `harmonic_kernel`; negative sums are 0. All are divided
    by what the most salient pitch has in loud frames (the 95th percentile of those that are not silent), so that
    they do not depend on the level.

    Parameters
    ----------
    V : array (freq, frames)
        Magnitudes, float32 or float64.
    pitches : ndarray (candidates,)
        In Hz.
    hertz : ndarray (freq,)
        Bins in Hz.
    """
    xp = namespace(V)
    if len(pitches) == 0:
        return xp.zeros((0, V.shape[1]), dtype=V.dtype)
    top = float(V.max())
    if top == 0:
        return xp.zeros((len(pitches), V.shape[1]), dtype=V.dtype)
    tilt = xp.asarray(np.minimum(hertz / TILT_HZ, 1), dtype=V.dtype)
    kernel = xp.asarray(harmonic_kernel(pitches, hertz), dtype=V.dtype)
    with single_threaded_blas():  # the same bits whatever the number of threads
        S = (((V.T / top) * tilt) ** V.dtype.type(COMPRESSION)) @ kernel.T
    S = xp.maximum(S, 0).T
    best = S.max(axis=0)
    heard = best[best > 1e-3 * best.max()]
    level = float(xp.percentile(heard, 95)) if len(heard) else 0.0
    return S / S.dtype.type(level) if level > 0 else S
