"""The short-time Fourier transform and its least-squares inverse (Griffin & Lim 1984)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sigsep_classic.backend import fft_namespace, namespace
from sigsep_classic.checks import check_count
from sigsep_classic.errors import ParameterError
from sigsep_classic.frontends.edge import check_coefficients, check_signal
from sigsep_classic.frontends.framing import added, blocks, cut, steps, weights
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class STFT:
    """Centred short-time Fourier transform with least-squares inverse.

    Frame t is centred on sample ``t * hop``; the signal is extended by zeros on both sides, and there are
    ``ceil(samples / hop) + 1`` frames, so that every sample lies between two frame centres. The inverse is
    the least-squares one of Griffin and Lim: windowed overlap-add over the sum of squared windows.

    Parameters
    ----------
    n_fft : int
        Window length in samples, at least 1; bins are ``n_fft // 2 + 1``.
    hop : int or None
        Distance of frames in samples, 1 … n_fft. Default: a quarter of ``n_fft``.
    window : str or tuple
        ``"hann"`` (periodic) or any window ``scipy.signal.get_window`` knows, taken periodic.

    Raises
    ------
    ParameterError
        ``n_fft`` or ``hop`` is out of range, or window and hop leave samples that no frame sees
        (the nonzero overlap-add condition).

    References
    ----------
    D. W. Griffin and J. S. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans.
    Acoustics, Speech, and Signal Processing 32(2), 1984 (equation number not checked).

    Examples
    --------
    >>> import numpy as np
    >>> stft = STFT(n_fft=512, hop=128)
    >>> x = np.sin(np.arange(1000.0))[None]
    >>> X = stft.analyze(x)
    >>> X.shape
    (1, 257, 9)
    >>> bool(np.abs(stft.synthesize(X, 1000) - x).max() < 1e-12)
    True
    """

    n_fft: int = 2048
    hop: int | None = None
    window: str | tuple[Any, ...] = "hann"

    def __post_init__(self) -> None:
        check_count("n_fft", self.n_fft)
        if self.hop is not None:
            check_count("hop", self.hop)
        if self.step > self.n_fft:
            raise ParameterError(f"hop is {self.hop}; it must be at most n_fft = {self.n_fft} samples")
        sums = _folded(_window(self.window, self.n_fft) ** 2, self.step)
        if sums.min() <= 1e-9 * sums.max():
            raise ParameterError(
                f"window {self.window!r} of {self.n_fft} with hop {self.step} leaves samples that no frame "
                "sees; use a smaller hop"
            )

    @property
    def step(self) -> int:
        """The hop in samples, as a plain int: ``hop``, or its default."""
        return max(1, self.n_fft // 4) if self.hop is None else self.hop

    @property
    def n_bins(self) -> int:
        """Number of frequency bins."""
        return self.n_fft // 2 + 1

    @property
    def taper(self) -> np.ndarray:
        """The window as numbers, (n_fft,)."""
        return _window(self.window, self.n_fft)

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a signal of ``n_samples``."""
        return -(-n_samples // self.step) + 1

    def grid(self, sample_rate: float) -> Grid:
        """Return frame rate and bin distance at ``sample_rate`` Hz."""
        return Grid(frame_rate=sample_rate / self.step, bin_hz=sample_rate / self.n_fft)

    def analyze(self, x: Array) -> Array:
        """Return the transform of a real signal.

        Parameters
        ----------
        x : array (..., samples)
            float32 or float64, NumPy or CuPy, at least one sample.

        Returns
        -------
        X : array (..., freq, frames)
            complex64 or complex128. Frames lie one after the other in memory (freq is the fast axis).

        Raises
        ------
        ShapeError
            ``x`` has no samples.
        ArrayTypeError
            ``x`` is not float32 or float64.
        """
        xp = namespace(x)
        check_signal(x, "the STFT")
        n_frames = self.n_frames(x.shape[-1])
        window = xp.asarray(_window(self.window, self.n_fft), dtype=x.dtype)
        X = xp.empty((*x.shape[:-1], n_frames, self.n_bins), dtype=xp.result_type(x.dtype, xp.complex64))
        parts = blocks(x.shape[:-1], n_frames, n_fft=self.n_fft, least=1, whole=xp is not np)

        def transform(first: int, last: int) -> None:
            for at, start, stop in parts[first:last]:
                frames = cut(x[at], start, stop - start, n_fft=self.n_fft, step=self.step)
                X[at][..., start:stop, :] = _rfft(frames * window)

        run_blocks(transform, len(parts))
        return X.swapaxes(-1, -2)

    def synthesize(self, X: Array, n_samples: int) -> Array:
        """Return the least-squares signal of a transform.

        Parameters
        ----------
        X : array (..., freq, frames)
            complex64 or complex128.
        n_samples : int
            Length of the result, as given to `analyze`.

        Returns
        -------
        x : array (..., samples)
            float32 or float64.

        Raises
        ------
        ShapeError
            ``X`` has not the bins or frames of a signal of ``n_samples``.
        """
        xp = namespace(X)
        check_coefficients(X, self, n_samples)
        spectra, n_frames = X.swapaxes(-1, -2), X.shape[-1]
        x = xp.empty((*X.shape[:-2], n_samples), dtype=xp.empty(0, dtype=X.dtype).real.dtype)
        window = xp.asarray(_window(self.window, self.n_fft), dtype=x.dtype)
        left, overlap = self.n_fft // 2, -(-self.n_fft // self.step)
        n_steps = -(-(left + n_samples) // self.step)
        # Blocks of samples each read the frames before them anew, so that no two write to the same place.
        parts = blocks(x.shape[:-1], n_steps, n_fft=self.n_fft, least=4 * overlap, whole=xp is not np)

        def add(first: int, last: int) -> None:
            for at, start, stop in parts[first:last]:
                begin = max(0, start - overlap + 1)
                frames = _irfft(spectra[at][..., begin : min(stop, n_frames), :], self.n_fft)
                frames *= window
                total = added(frames, start - begin, stop - start, step=self.step)
                total *= self._scale(n_frames, start, stop, like=x)
                low, high = max(start * self.step, left), min(stop * self.step, left + n_samples)
                inside = slice(low - start * self.step, high - start * self.step)
                x[at][..., low - left : high - left] = total.reshape(*total.shape[:-2], -1)[..., inside]

        run_blocks(add, len(parts))
        return x

    def _scale(self, n_frames: int, start: int, stop: int, *, like: Array) -> Array:
        """Return one over the sum of squared windows in steps ``start … stop - 1``; 0 where no window reaches."""
        sums = weights(_window(self.window, self.n_fft), n_frames, step=self.step)
        inverse = np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0)
        xp = namespace(like)
        rows = steps(xp.arange(start, stop), self.n_fft, n_frames, step=self.step)
        return xp.asarray(inverse, dtype=like.dtype)[rows]


def _window(window: str | tuple[Any, ...], n_fft: int) -> np.ndarray:
    if not isinstance(window, (str, tuple)):
        raise ParameterError(f"window is {window!r}; give a name, or a tuple of name and parameters")
    return _window_values(window, n_fft)


@lru_cache(maxsize=32)
def _window_values(window: str | tuple[Any, ...], n_fft: int) -> np.ndarray:
    if window == "hann":  # spelt out: scipy.signal costs a second to import
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft) if n_fft > 1 else np.ones(1)
    from scipy.signal import get_window

    try:
        return get_window(window, n_fft, fftbins=True)
    except (ValueError, TypeError) as error:
        raise ParameterError(f"window {window!r} is unknown to scipy.signal.get_window") from error


def _folded(values: np.ndarray, step: int) -> np.ndarray:
    """Return the steady state of overlap-adding ``values`` every ``step`` samples."""
    padded = np.zeros(-(-len(values) // step) * step)
    padded[: len(values)] = values
    return padded.reshape(-1, step).sum(axis=0)


def _rfft(frames: Array) -> Array:
    return fft_namespace(frames).rfft(frames, axis=-1, overwrite_x=True)


def _irfft(spectra: Array, n: int) -> Array:
    return fft_namespace(spectra).irfft(spectra, n=n, axis=-1)
