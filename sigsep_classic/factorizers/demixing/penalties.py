"""Source models of primal-dual separation: penalties by their proximal operators, and time-frequency masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.typing import Array

Mask = Callable[[Array], Array]
"""From outputs (sources, freq, frames), complex, to gains of that shape, which pull them towards the model."""


@dataclass(frozen=True)
class Penalty:
    """A function of outputs Y (sources, freq, frames) that grows in proportion to them.

    Parameters
    ----------
    value : callable
        ``value(Y)``, a float.
    shrunk : callable
        ``shrunk(Y, by)``, the proximal operator of ``by`` times the penalty.
    """

    value: Callable[[Array], float]
    shrunk: Callable[[Array, float], Array]


def _gain(size: Array, by: float) -> Array:
    """Return 1 - by / size, at least 0."""
    xp = namespace(size)
    return xp.maximum(size - size.dtype.type(by), 0) / xp.maximum(size, xp.finfo(size.dtype).tiny)


def _entries(Y: Array) -> float:
    return float(abs(Y).sum(dtype=float))


def _frames(Y: Array) -> float:
    return float(_norms(Y).sum(dtype=float))


def _norms(Y: Array) -> Array:
    """Return the norm of each frame, (sources, 1, frames)."""
    return namespace(Y).sqrt((Y.real**2 + Y.imag**2).sum(axis=1, keepdims=True))


def _singular_values(Y: Array) -> float:
    return float(namespace(Y).linalg.svd(Y, compute_uv=False).sum(dtype=float))


def _lower_rank(Y: Array, by: float) -> Array:
    xp = namespace(Y)
    U, s, Vh = xp.linalg.svd(Y, full_matrices=False)
    return (U * xp.maximum(s - s.dtype.type(by), 0)[:, None]) @ Vh


PENALTIES = {
    "iva": Penalty(_frames, lambda Y, by: _gain(_norms(Y), by) * Y),
    "ica": Penalty(_entries, lambda Y, by: _gain(abs(Y), by) * Y),
    "lowrank": Penalty(_singular_values, _lower_rank),
}
"""Penalties by name: norms of frames, of entries, and of the spectrogram's singular values, summed."""


def harmonic_mask(Y: Array, *, sharpness: int = 1) -> Array:
    """Return gains that favour, at each point, the source whose spectrum has harmonics there.

    The cepstrum of each frame's log magnitudes is shrunk: what is small, noise between harmonics, goes; what is
    large, the fundamental period and the envelope, stays. Of the spectra v_n that remain the gains are
    (v_n / sum over m of v_m)^(1 / sources).

    Parameters
    ----------
    Y : complex array (sources, freq, frames)
        Outputs; frequencies from 0 to half the sample rate.
    sharpness : int
        How often the cosine shrinkage is applied, at least 1.

    References
    ----------
    K. Yatabe and D. Kitamura, "Determined BSS based on time-frequency masking and its application to harmonic
    vector analysis", IEEE/ACM Trans. Audio, Speech, and Language Processing 29, 2021 (equation numbers not checked).
    """
    xp, fft = namespace(Y), fft_namespace(Y)
    n_sources, n_freq, _ = Y.shape
    size = abs(Y)
    peak = float(size.max())
    level = xp.log(xp.maximum(size, size.dtype.type((peak or 1.0) * 1e-10)))
    mean = level.mean(axis=1, keepdims=True)
    if n_freq > 1:
        length = 2 * (n_freq - 1)
        cepstrum = fft.irfft(level - mean, n=length, axis=1, **fft_options(Y))[:, :n_freq]
        gain = xp.minimum(abs(cepstrum), 1)
        for _ in range(sharpness):
            gain = (1 - xp.cos(xp.pi * gain)) / 2
        shrunk = fft.irfft(gain * cepstrum, n=length, axis=1, **fft_options(Y))[:, :n_freq]
        level = (shrunk * length + mean).astype(size.dtype)
    power = xp.exp(2 * (level - level.max(axis=0)))
    return (power / power.sum(axis=0)) ** size.dtype.type(1 / n_sources)
