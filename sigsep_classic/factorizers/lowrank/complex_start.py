"""Where complex NMF begins: the mixture as the kernels read it, its profiles, and seeded phases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.base import brought_to
from sigsep_classic.typing import Array

TILE = 1 << 18
"""Coefficients that are looked at, or phases drawn, at once."""

STEPS = 1 << 16
"""Angles that phases are drawn from."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Coefficients frame after frame, with what makes a method independent of their level.

    Parameters
    ----------
    Y : array (channels, frames, freq)
        Complex, C-contiguous.
    level : float
        Power of two nearest to one over the root mean square of Y.
    energy : float
        Σ |level Y|².
    mean_sum : float
        Mean over the frames of Σ |level Y| of a frame.
    samples : bool
        Y is real.
    """

    Y: Array
    level: float
    energy: float
    mean_sum: float
    samples: bool

    @classmethod
    def of(cls, X: Array) -> Mixture:
        """Return the mixture X (channels, freq, frames); a view where X lies frame after frame, as the STFT's does."""
        xp = namespace(X)
        complex_ = np.result_type(X.dtype, np.complex64)
        Y = xp.ascontiguousarray(X.swapaxes(-1, -2), dtype=complex_)
        energy = total = 0.0
        for part in _tiles(Y):
            size = xp.abs(Y[part])
            total += float(size.sum(dtype=float))
            energy += float((size.astype(float) ** 2).sum())
        if not math.isfinite(energy):
            raise NumericalError(f"ComplexNMF: the energy of X is {energy}; give finite coefficients")
        level = 2.0 ** -round(math.log2(energy / Y.size) / 2) if energy > 0 else 1.0
        return cls(
            Y=Y,
            level=level,
            energy=energy * level**2,
            mean_sum=total * level / Y.shape[1],
            samples=X.dtype.kind != "c",
        )


def _tiles(Y: Array) -> list[tuple[int, slice]]:
    """Return indices of runs of frames, channel by channel."""
    size = max(1, TILE // Y.shape[2])
    return [(c, slice(t, t + size)) for c in range(len(Y)) for t in range(0, Y.shape[1], size)]


def profiles(X: Mixture) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the root mean square of each frequency, frame and channel, float64 on the host, for the level one.

    Each but the frames' is divided by its own root mean square.
    """
    C, T, F = X.Y.shape
    xp = namespace(X.Y)
    by_freq, by_frame, by_channel = xp.zeros(F), xp.zeros(T), xp.zeros(C)
    for c, run in _tiles(X.Y):
        power = (xp.abs(X.Y[c, run]).astype(float) * X.level) ** 2
        by_freq += power.sum(axis=0)
        by_frame[run] += power.sum(axis=1)
        by_channel[c] += power.sum()
    roots = [np.sqrt(to_host(A)) for A in (by_freq / (C * T), by_frame / (C * F), by_channel / (T * F))]
    whole = math.sqrt(X.energy / X.Y.size)
    return roots[0] / (whole or 1), roots[1], roots[2] / (whole or 1)


def drawn_factors(
    X: Mixture, n_components: int, *, given: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W (freq, components), H (frames, components) and gains (channels, components), float64 on the host.

    Profiles of the mixture times noise; the templates ``given`` (freq, known), if any, come first, as they are.
    """
    spectrum, levels, channels = profiles(X)
    known = np.zeros((len(spectrum), 0)) if given is None else given
    K = known.shape[1] + n_components
    W = (np.abs(rng.standard_normal((len(spectrum), K))) + 0.1) * spectrum[:, None]
    W[:, : known.shape[1]] = known
    sums = W.sum(axis=0)
    W /= np.where(sums > 0, sums, 1)
    H = (np.abs(rng.standard_normal((len(levels), K))) + 0.1) * levels[:, None]
    H *= len(spectrum) / K
    return W, H, np.repeat(channels[:, None], K, axis=1)


def adopted(name: str, given: Any, *, like: Array, signed: bool = False) -> Array:
    """Return an array of a user's start on the device and in the dtype of ``like``; refuse impossible entries."""
    xp = namespace(like)
    array = brought_to(like, given)
    if not bool(xp.isfinite(array).all()) or (not signed and bool((array < 0).any())):
        wanted = "finite" if signed else "finite and not negative"
        raise ParameterError(f"start: {name} has entries that it can't have; they must be {wanted}")
    return array


def drawn_phases(X: Mixture, n_sources: int, *, spread: float, rng: np.random.Generator) -> Array:
    """Return cosine and sine (frames, sources, 2, channels * freq) of the mixture's phases, turned by drawn angles.

    The angles, ± ``spread`` times 180°, are drawn for each frame, source and frequency, not for each channel, so
    that they care neither for the order of channels nor for their signs. Phases of a real signal are signs.
    """
    xp = namespace(X.Y)
    C, T, F = X.Y.shape
    real = X.Y.real.dtype
    angles = spread * np.pi * (2 * (np.arange(STEPS) + 0.5) / STEPS - 1)
    turns = np.where(np.cos(angles) < 0, -1, 1) + 0j if X.samples else np.exp(1j * angles)
    table = xp.asarray(turns, dtype=X.Y.dtype)
    planes = xp.empty((T, n_sources, 2, C, F), real)
    size = max(1, TILE // (n_sources * F))
    for t in range(0, T, size):
        run = slice(t, min(t + size, T))
        drawn = rng.integers(0, STEPS, (run.stop - t, n_sources, F), dtype=np.uint16)
        turned = table[xp.asarray(drawn)]
        for c in range(C):
            magnitude = xp.abs(X.Y[c, run])
            u = (
                xp.where(magnitude > 0, X.Y[c, run] / xp.where(magnitude > 0, magnitude, 1), 1)[:, None]
                * turned
            )
            planes[run, :, 0, c], planes[run, :, 1, c] = u.real, u.imag
    return planes.reshape(T, n_sources, 2, C * F)
