"""Correlations of channels over a few hundred lags, block by block: memory does not grow with the signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.metrics._signals import require_finite
from sigsep_classic.typing import Array

BLOCKS = 16
"""Blocks transformed at a time: their spectra stay in the second-level cache while the axes are turned."""

STRETCH = 8192
"""Samples compared at a time in looking for copies."""

AUDIBLE = 1e-280
"""Energy up to which a channel is silent: its correlations would have no digits."""


def correlations(references: Sequence[Array], estimates: Sequence[Array], taps: int) -> tuple[Array, Array]:
    """Return Σ r_i(t) r_j(t + k) for -taps < k < taps, and Σ r_i(t) e_j(t + k) for 0 <= k < taps.

    Parameters
    ----------
    references, estimates : sequence of array (samples,), real
        Channels, all of one length. NumPy or CuPy.
    taps : int, >= 1
        Lags.

    Returns
    -------
    auto : array (references, references, 2 taps − 1), float64
        Lag 0 in the middle.
    cross : array (references, taps, estimates), float64

    Raises
    ------
    NumericalError
        A sample is NaN or infinite.
    """
    channels = [*references, *estimates]
    xp, n = namespace(channels[0]), len(references)
    fft, options = fft_namespace(channels[0]), fft_options(channels[0])
    # Not a power of two: those make the blocks of a bin fall on one another in the cache.
    block = fft.next_fast_len(max(taps + taps // 4, 640), real=True)
    product = Sum(xp.zeros((block + 1, n, len(channels)), "complex128"))
    before = xp.zeros((block + 1, n, 1), "complex128")
    samples = xp.zeros((len(channels), BLOCKS, 2 * block))
    for start in range(0, channels[0].shape[0], BLOCKS * block):
        _fill(samples[..., :block], channels, start)
        spectra = fft.rfft(samples, **options)
        spectra = xp.ascontiguousarray(spectra.transpose(2, 0, 1))
        # Lags reach into the next block. A block after another has the spectrum X_{b-1} + (−1)^f X_b: no second
        # transform is needed, and the sum may as well be on the other side.
        earlier = xp.concatenate([before, spectra[:, :n, :-1]], axis=-1)
        before = spectra[:, :n, -1:].copy()
        with np.errstate(invalid="ignore", over="ignore"):  # told of below
            earlier[1::2] *= -1
            earlier += spectra[:, :n]
            xp.conj(earlier, out=earlier)
            product.add(xp.matmul(earlier, spectra.transpose(0, 2, 1)))
    lags = fft.irfft(product.total.transpose(1, 2, 0), 2 * block, **options)[..., :taps]
    require_finite(lags)
    forward = lags[:, :n]
    auto = xp.concatenate([forward.transpose(1, 0, 2)[..., :0:-1], forward], axis=-1)
    return auto, xp.ascontiguousarray(lags[:, n:].transpose(0, 2, 1))


class Sum:
    """A sum whose rounding errors do not add up (Kahan): filters of nearly dependent channels magnify them."""

    def __init__(self, zero: Array) -> None:
        self.total, self._lost = zero, zero.copy()

    def add(self, term: Array) -> None:
        """Add a term, which is overwritten."""
        term -= self._lost
        total = self.total + term
        self._lost = total - self.total
        self._lost -= term
        self.total = total


def _fill(samples: Array, channels: Sequence[Array], start: int) -> None:
    """Write the samples from start on into (channels, blocks, block), zeros past the end."""
    _, blocks, block = samples.shape
    for rows, channel in zip(samples, channels, strict=True):
        part = channel[start : start + blocks * block]
        whole = part.shape[0] // block
        rows[:whole] = part[: whole * block].reshape(whole, block)
        if whole < blocks:
            rows[whole:] = 0
            rows[whole, : part.shape[0] - whole * block] = part[whole * block :]


def copies(channels: Sequence[Array]) -> list[tuple[int, int]]:
    """Return for each channel the first that equals it or its negative at every sample, and the sign.

    Exact copies, such as the two channels of dual mono, would make the matrix of correlations singular. A
    silent channel, or one of denormal numbers, is a copy of none: its own number, sign 0.
    """
    found: list[tuple[int, int]] = []
    for n, channel in enumerate(channels):
        if not _sounds(channel):
            found.append((n, 0))
            continue
        earlier = (
            (m, sign)
            for m, (first, own) in enumerate(found)
            if first == m and own
            for sign in (1, -1)
            if _is_multiple(channel, channels[m], sign)
        )
        found.append(next(earlier, (n, 1)))
    return found


def _sounds(x: Array) -> bool:
    """Say whether x has energy; the first samples mostly tell."""
    energy = 0.0
    with np.errstate(over="ignore"):
        for start in range(0, x.shape[0], STRETCH):
            span = x[start : start + STRETCH].astype("float64")
            energy += float(span @ span)
            if not energy <= AUDIBLE:  # NaN sounds, and is refused elsewhere
                return True
    return False


def _is_multiple(x: Array, y: Array, factor: int) -> bool:
    """Say whether x = factor y; the first samples that sound tell nearly all channels apart."""
    for start in range(0, x.shape[0], STRETCH):
        span = slice(start, start + STRETCH)
        if bool((x[span].astype("float64") != factor * y[span].astype("float64")).any()):
            return False
    return True
