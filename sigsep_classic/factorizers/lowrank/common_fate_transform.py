"""The common fate transform: 2-D Fourier transforms of overlapping patches of a spectrogram (Stöter et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Patches:
    """How a spectrogram of a size is cut into patches that overlap by half, under Hamming windows.

    Parameters
    ----------
    n_bins, n_frames : int
        Of the spectrogram, at least 1.
    bins, frames : int
        Of a patch, even; 1 along an axis of length 1.
    """

    n_bins: int
    n_frames: int
    bins: int
    frames: int

    @classmethod
    def of(cls, shape: tuple[int, ...], *, bins: int, frames: int) -> Patches:
        """Return the patches of a spectrogram (..., freq, frames), none much larger than it."""
        n_bins, n_frames = shape[-2:]
        return cls(
            n_bins=n_bins, n_frames=n_frames, bins=_fitting(bins, n_bins), frames=_fitting(frames, n_frames)
        )

    @property
    def counts(self) -> tuple[int, int]:
        """Patches along frequency and along time."""
        return _count(self.n_bins, self.bins), _count(self.n_frames, self.frames)

    def forward(self, X: Array) -> Array:
        """Return the transform Y (channels, patch freq, patch bins, patch frames, patch times) of X, complex.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Complex or real.
        """
        xp, fft = namespace(X), fft_namespace(X)
        (n_f, n_t), (step_f, step_t) = self.counts, self._steps
        size = ((n_f - 1) * step_f + self.bins, (n_t - 1) * step_t + self.frames)
        padded = xp.zeros((len(X), *size), dtype=xp.result_type(X.dtype, xp.complex64))
        padded[:, : self.n_bins, : self.n_frames] = X
        c, f, t = padded.strides
        shape = (len(X), n_t, n_f, self.bins, self.frames)
        patches = xp.lib.stride_tricks.as_strided(padded, shape, (c, step_t * t, step_f * f, f, t))
        Y = fft.fft2(patches * self._window(padded), **fft_options(X))
        return Y.transpose(0, 2, 3, 4, 1)

    def inverse(self, Y: Array) -> Array:
        """Return the least-squares spectrogram (channels, freq, frames), complex, of what `forward` gives."""
        xp, fft = namespace(Y), fft_namespace(Y)
        window = self._window(Y)
        patches = fft.ifft2(Y.transpose(0, 4, 1, 2, 3), **fft_options(Y)) * window
        X = self._overlapped(patches)
        weights = self._overlapped(xp.broadcast_to(window**2, (1, *patches.shape[1:])))
        return (X / weights)[:, : self.n_bins, : self.n_frames]

    @property
    def _steps(self) -> tuple[int, int]:
        return max(1, self.bins // 2), max(1, self.frames // 2)

    def _window(self, like: Array) -> Array:
        xp = namespace(like)
        return xp.asarray(np.outer(_hamming(self.bins), _hamming(self.frames)), dtype=like.real.dtype)

    def _overlapped(self, patches: Array) -> Array:
        """Return the sum of patches (channels, times, freqs, bins, frames) where they lie."""
        xp = namespace(patches)
        channels, n_t, n_f = patches.shape[:3]
        step_f, step_t = self._steps
        halves_f, halves_t = self.bins // step_f, self.frames // step_t
        shape = (channels, (n_f + halves_f - 1), step_f, (n_t + halves_t - 1), step_t)
        total = xp.zeros(shape, dtype=patches.dtype)
        for i in range(halves_f):
            for j in range(halves_t):
                rows, columns = (slice(k * step, (k + 1) * step) for k, step in ((i, step_f), (j, step_t)))
                part = patches[:, :, :, rows, columns].transpose(0, 2, 3, 1, 4)
                total[:, i : i + n_f, :, j : j + n_t] += part
        return total.reshape(channels, shape[1] * step_f, shape[3] * step_t)

    def spread(self, levels: Array) -> Array:
        """Return levels (patch freq, …) of bands as levels of bins (freq, …): the mean of the patches a bin is in."""
        xp, step = namespace(levels), self._steps[0]
        bins = xp.arange(self.n_bins)
        last = xp.minimum(bins // step, len(levels) - 1)
        first = xp.maximum(last - (self.bins // step - 1), 0)
        return (levels[first] + levels[last]) / 2


def _fitting(size: int, n: int) -> int:
    """Return the length of a patch along an axis of n: even, and 1 only where n is."""
    return 1 if n == 1 else max(2, min(size, n + n % 2))


def _count(n: int, size: int) -> int:
    return max(0, -(-(n - size) // max(1, size // 2))) + 1


def _hamming(n: int) -> np.ndarray:
    return 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n) / n) if n > 1 else np.ones(1)
