"""Background and foreground by the 2-D Fourier transform: what repeats makes peaks in it (Seetharaman et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, spectrogram, usual_stft
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.repetition.background import NAMES, background_gain
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid

PEAKS = ("contrast", "threshold")
MASKS = ("soft", "binary")
_TIE = 1e-6
_ROUNDING = 1e-12
_LEAST = 1e-9
"""Deviation around a point, relative to the largest magnitude, below which nothing stands out."""


@dataclass(frozen=True, kw_only=True)
class FT2D:
    """Background whose pattern repeats at one rate throughout, and the foreground over it.

    In the 2-D Fourier transform D of the magnitudes V (periods in time on one axis, in frequency on the other) a
    pattern that repeats is a few peaks, one that does not is spread out. The background B is the inverse transform of
    the peaks, |D| w with weights w:

    * ``"contrast"``: by how many standard deviations a local maximum stands out of the mean around it, over the
      largest such number; 0 elsewhere;
    * ``"threshold"``: 1 for a local maximum that exceeds the minimum around it by more than the standard deviation of
      |D|, 0 elsewhere (the paper's).

    What is a peak at a rate is one at its negative too (patterns do not rise or fall), with the larger weight of both.
    The background's gain is ``min(V, |B|) / V`` (``"soft"``), or 1 where |B| is larger than |F|, F being the inverse
    transform of what is left of D (``"binary"``, the paper's). Channels are transformed one by one.

    Parameters
    ----------
    neighborhood_rates : int
        Width of "around" along the axis of rates (cycles over the whole length), odd, at least 1.
    neighborhood_scales : int
        Along the axis of scales (cycles over the whole band), odd, at least 1.
    peak_kind : {"contrast", "threshold"}
        What w is.
    mask_kind : {"soft", "binary"}
        What the gain is.
    cutoff : float
        Everything at or below this frequency in Hz is background; bin 0 always is. Without a grid nothing is known of
        frequencies, and there is no cutoff.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    P. Seetharaman, F. Pishdadian and B. Pardo, "Music/voice separation using the 2D Fourier transform", Proc. IEEE
    WASPAA, 2017: peaks by a threshold, binary masks (equation numbers not checked).

    P. Seetharaman, "Bootstrapping the learning process for computer audition", PhD thesis, Northwestern University,
    2019, chapter 2: peaks by contrast (as told in nussl's documentation; not checked).

    Notes
    -----
    When to use: A voice over strictly periodic music; quick. Published scores of `repet_sim` on songs are well above
    its own.
    Complexity: Two 2-D FFTs and two running extrema: O(channels · freq · frames · log(freq · frames)).
    Differences from the paper: Peaks are weighted by contrast and gains are soft; the paper's are
    ``peak_kind="threshold"`` and ``mask_kind="binary"``. Neighbourhoods go on over the edges of the transform, and
    symmetry is that of real data.

    The transform is periodic, so "around" goes on over its edges; public code mirrors it there, and makes peaks
    symmetric by flipping an axis of even length, which moves them by one. Here symmetry is that of the transform of
    real numbers. The transform is in double precision whatever V is. Memory is that of some eight spectrograms of one
    channel in it; the whole piece is needed. By contrast, a piece that repeats a whole number of times, more often than
    half of ``neighborhood_rates``, is all background, to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.tile(np.random.default_rng(0).random((1, 20, 5)), 40)
    >>> bool(abs(FT2D().fit(V).gains()[0] - 1).max() < 1e-6)
    True
    """

    neighborhood_rates: int = 25
    neighborhood_scales: int = 1
    peak_kind: str = "contrast"
    mask_kind: str = "soft"
    cutoff: float = 100.0
    grid: Grid | None = None

    name: ClassVar[str] = "ft2d"

    def __post_init__(self) -> None:
        for name in ("neighborhood_rates", "neighborhood_scales"):
            check_count(name, getattr(self, name))
            if getattr(self, name) % 2 == 0:
                raise ParameterError(f"{name} is {getattr(self, name)}; it must be odd, as far to both sides")
        check_choice("peak_kind", self.peak_kind, PEAKS)
        check_choice("mask_kind", self.mask_kind, MASKS)
        check_range("cutoff", self.cutoff, 0)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return usual_stft(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames)."""
        V = spectrogram(X)
        xp = namespace(V)
        grid = Grid(frame_rate=1.0, bin_hz=0.0) if self.grid is None else self.grid
        gain = xp.stack([self._channel(S, grid) for S in V])
        return MaskModel(masks=gain[None], magnitude=V, names=NAMES)

    def _channel(self, S: Array, grid: Grid) -> Array:
        """Return the background gain of one channel (freq, frames)."""
        xp, fft, options = namespace(S), fft_namespace(S), fft_options(S)
        V, D, weights = self.transformed(S)
        background = abs(fft.ifft2(D * weights, **options))
        if self.mask_kind == "binary":
            foreground = abs(fft.ifft2(D * (1 - weights), **options))
            # Where both are 0 but for rounding, in silence, rounding must not decide.
            background = xp.where(background >= foreground - _ROUNDING, V, 0)
        return background_gain(V[None], background[None], grid, self.cutoff)[0].astype(S.dtype)

    def transformed(self, S: Array) -> tuple[Array, Array, Array]:
        """Return S (freq, frames) with a peak of 1, its 2-D transform D, and w of each point of D."""
        xp = namespace(S)
        top = float(S.max())
        V = S.astype(xp.float64) / (top if top > 0 else 1)
        D = fft_namespace(S).fft2(V, **fft_options(S))
        weights = self.weights(abs(D))
        return V, D, xp.maximum(weights, xp.roll(weights[:, ::-1], 1, axis=1))

    def weights(self, A: Array) -> Array:
        """Return w, 0 … 1, of the magnitudes A (scales, rates) of a 2-D transform."""
        xp = namespace(A)
        top = float(A.max())
        A = A / (top if top > 0 else 1)
        highest = self._around(A, xp.maximum)
        peaks = highest <= A * (1 + _TIE)
        if self.peak_kind == "threshold":
            lowest = self._around(A, xp.minimum)
            return (peaks & (highest - lowest > A.std())).astype(A.dtype)
        size = 1
        for n, width in zip(A.shape, self._widths(A.shape), strict=True):
            size *= min(n, width)
        mean = self._around(A, xp.add) / size
        variance = self._around(A * A, xp.add) / size - mean * mean
        contrast = peaks * (highest - mean) / (xp.sqrt(xp.maximum(variance, 0)) + _LEAST)
        best = float(contrast.max())
        return contrast / best if best > 0 else xp.ones_like(A)

    def _widths(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return how many scales and rates are around one, at most all."""
        return min(self.neighborhood_scales, shape[0]), min(self.neighborhood_rates, shape[1])

    def _around(self, A: Array, operation: Callable[[Array, Array], Array]) -> Array:
        for axis, width in enumerate(self._widths(A.shape)):
            A = _sliding(A, width, axis, operation)
        return A


def _sliding(A: Array, width: int, axis: int, operation: Callable[[Array, Array], Array]) -> Array:
    """Return an associative operation over windows around each element, the axis being a circle; log(width) passes."""
    if width == 1:
        return A
    xp, n = namespace(A), A.shape[axis]
    A = xp.moveaxis(A, axis, -1)
    before = width // 2
    padded = xp.concatenate([A[..., n - before :], A, A[..., : width - 1 - before]], axis=-1)
    found, length, done = None, 1, 0
    while done < width:  # padded[i] is over i … i + length - 1
        if width & length:
            part = padded[..., done : done + n]
            found = part if found is None else operation(found, part)
            done += length
        stop = padded.shape[-1] - length
        padded = operation(padded[..., :stop], padded[..., length:])
        length *= 2
    assert found is not None
    return xp.moveaxis(found, -1, axis)
