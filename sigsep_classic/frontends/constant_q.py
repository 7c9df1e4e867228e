"""Constant-Q transform with an exact inverse, by a non-stationary Gabor frame (Velasco et al. 2011)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.frontends.bands import Bands, Row
from sigsep_classic.frontends.edge import check_coefficients, check_signal
from sigsep_classic.typing import Array, Grid

_BLOCK_VALUES = 1 << 20
"""Coefficients that are transformed back at a time."""


@dataclass(frozen=True, kw_only=True)
class ConstantQ:
    """Frequencies evenly spaced in octaves, all rows on one time grid, with an exact inverse.

    The spectrum of the whole signal is cut into bands that fade into one another; row k is the inverse
    transform of band k, sampled at every ``hop`` samples. From ``f_min`` up to ``f_max`` centres are
    ``bins_per_octave`` to the octave and a band reaches to the centres of its neighbours. One row holds what is
    below, and rows as far apart as the highest two constant-Q ones what is above, so that nothing is lost. The
    squares of the fades add up to one (a tight frame), so that the inverse uses the same bands.

    Parameters
    ----------
    sample_rate : float
        Rate in Hz of the signals, greater than 0.
    f_min : float
        Centre of the lowest constant-Q row in Hz, greater than 0. Default: the note C1.
    f_max : float or None
        Constant-Q rows end at or below this many Hz. Default: as near half the sample rate as they fit. The
        widest row decides the frame rate, so that halving ``f_max`` nearly halves the number of frames.
    bins_per_octave : int
        At least 1.
    gamma : float
        Hz added to the width of each constant-Q band, at least 0: better resolution in time at low frequencies
        (variable Q). The bands then overlap more than their neighbours, and are divided by the root of the sum
        of squares.
    hop : int or None
        Distance of frames in samples. Default: the largest with no prime factor above 5 for which every band
        is narrower than the frame rate; more is refused.

    Raises
    ------
    ParameterError
        A parameter is out of range, or no constant-Q row fits below half the sample rate.

    References
    ----------
    G. A. Velasco, N. Holighaus, M. Dörfler and T. Grill, "Constructing an invertible constant-Q transform with
    nonstationary Gabor frames", Proc. DAFx, 2011: the frame and its dual in the painless case.

    N. Holighaus, M. Dörfler, G. A. Velasco and T. Grill, "A framework for invertible, real-time constant-Q
    transforms", IEEE Trans. Audio, Speech, and Language Processing 21(4), 2013.

    C. Schörkhuber, A. Klapuri, N. Holighaus and M. Dörfler, "A Matlab toolbox for efficient perfect
    reconstruction time-frequency transforms with log-frequency resolution", Proc. AES Conf. Semantic Audio,
    2014: one grid for all rows, and gamma (equation numbers not checked).

    Notes
    -----
    X is `redundancy` times as many complex numbers as there are samples; by default about 6 (an `STFT` with
    quarter overlap: 2), with ``f_max`` at 5 kHz 2. As with an STFT, a tone of amplitude A at a centre is A / 2 in
    magnitude; the lowest and the highest row are real, as bin 0 is. The sum of |X|² times ``hop``, those two rows
    once and all others twice, is the energy of the signal (for ``gamma`` 0 and any other).

    The bands are periodic in the padded signal. Its last frames, after those of the signal, hold silence in which
    the lowest band has time to ring; the frames of the signal are centred on multiples of ``hop``.

    Examples
    --------
    >>> import numpy as np
    >>> cq = ConstantQ(sample_rate=8000, f_min=110, bins_per_octave=12)
    >>> x = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)[None]
    >>> X = cq.analyze(x)
    >>> float(cq.frequencies(8000)[abs(X[0]).sum(axis=1).argmax()].round())
    440.0
    >>> bool(np.abs(cq.synthesize(X, 4000) - x).max() < 1e-12)
    True
    """

    sample_rate: float
    f_min: float = 32.7032
    f_max: float | None = None
    bins_per_octave: int = 24
    gamma: float = 0.0
    hop: int | None = None

    def __post_init__(self) -> None:
        check_range("sample_rate", self.sample_rate, 0, above=True)
        check_range("f_min", self.f_min, 0, above=True)
        check_range("gamma", self.gamma, 0)
        check_count("bins_per_octave", self.bins_per_octave)
        if self.f_max is not None:
            check_range("f_max", self.f_max, self.f_min)
        if self.n_constant_q < 1:
            raise ParameterError(
                f"f_min is {self.f_min} Hz; no band of 1/{self.bins_per_octave} octave fits between it and half "
                f"the sample rate, {self.sample_rate / 2:g} Hz"
            )
        if self.hop is not None:
            check_count("hop", self.hop)
            if self.hop > self._largest_hop:
                raise ParameterError(
                    f"hop is {self.hop}; the widest band allows at most {self._largest_hop} samples"
                )

    @cached_property
    def step(self) -> int:
        """The hop in samples, as a plain int: ``hop``, or its default."""
        return _smooth_at_most(self._largest_hop) if self.hop is None else self.hop

    @property
    def _largest_hop(self) -> int:
        return max(1, math.floor(self.sample_rate / self._bands.widths.max() * (1 + 1e-12)))

    @property
    def n_constant_q(self) -> int:
        """Number of rows with centres at ``f_min * 2 ** (k / bins_per_octave)``."""
        ratio, nyquist = 2 ** (1 / self.bins_per_octave), self.sample_rate / 2
        # Room for the fall of the highest and at least half as much for the fall of the next.
        top = min(self.f_max or nyquist, nyquist / (1 + 1.5 * (ratio - 1)))
        return max(0, math.floor(self.bins_per_octave * math.log2(top / self.f_min) + 1e-9) + 1)

    @property
    def n_bins(self) -> int:
        """Number of rows."""
        return len(self._bands.centres)

    @property
    def redundancy(self) -> float:
        """Complex coefficients of a long signal for each sample."""
        return self.n_bins / self.step

    @property
    def constant_q_rows(self) -> slice:
        """The rows spaced evenly in octaves: below is what is lower than they are, above what is higher."""
        first = int(np.searchsorted(self._bands.centres, self.f_min * (1 - 1e-9)))
        return slice(first, first + self.n_constant_q)

    def frequencies(self, sample_rate: float) -> np.ndarray:
        """Return the centre of each row in Hz, rising: 0 for the lowest, half the sample rate for the highest.

        Parameters
        ----------
        sample_rate : float
            Of the signal, to be the one the transform was made for.

        Raises
        ------
        ParameterError
            It is another one.
        """
        if sample_rate != self.sample_rate:
            raise ParameterError(
                f"the signal has {sample_rate} Hz; this transform is ConstantQ(sample_rate={self.sample_rate})"
            )
        centres = self._bands.centres.copy()
        centres[0] = 0
        return centres

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a signal of ``n_samples``: even, with no prime factor above 5."""
        from scipy.fft import next_fast_len

        ringing = 2 * self.sample_rate / self._bands.widths.min()
        frames = -(-(n_samples + math.ceil(ringing)) // self.step)
        return 2 * next_fast_len(-(-frames // 2), real=True)

    def grid(self, sample_rate: float) -> Grid:
        """Return frame rate and the frequencies of the rows at ``sample_rate`` Hz.

        Raises
        ------
        ParameterError
            The transform was made for another rate.
        """
        rows = tuple(self.frequencies(sample_rate).tolist())
        return Grid(frame_rate=sample_rate / self.step, bin_hz=0.0, frequencies=rows)

    def analyze(self, x: Array) -> Array:
        """Return the transform of a real signal.

        Parameters
        ----------
        x : array (..., samples)
            float32 or float64, NumPy or CuPy, at least one sample.

        Returns
        -------
        X : array (..., freq, frames)
            complex64 or complex128, freq as in `frequencies`.

        Raises
        ------
        ShapeError
            ``x`` has no samples.
        ArrayTypeError
            ``x`` is not float32 or float64.
        """
        xp = namespace(x)
        check_signal(x, "the transform")
        n_frames = self.n_frames(x.shape[-1])
        # As rows, also where there is but one: SciPy 1.18 rounds the transform of a vector in another way.
        spectrum = fft_namespace(x).rfft(x[None], n=n_frames * self.step, axis=-1)[0]
        spectrum *= x.dtype.type(1 / self.step)
        X = xp.zeros((*x.shape[:-1], self.n_bins, n_frames), dtype=spectrum.dtype)
        for k, (first, gains) in enumerate(self._gains(n_frames, x)):
            if k in (0, self.n_bins - 1):  # real rows: both halves of the spectrum, their common bin once
                gains = gains * 2
                gains[0 if k == 0 else -1] /= 2
            gain = gains.astype(x.dtype)
            for band, row, piece in _pieces(first, len(gains), n_frames):
                xp.multiply(spectrum[..., band], gain[piece], out=X[..., k, row])
        for part in self._blocks(X):
            X[part] = _fft("ifft", X[part])
        for k in (0, -1):
            X[..., k, :] = X[..., k, :].real
        return X

    def synthesize(self, X: Array, n_samples: int) -> Array:
        """Return the signal of a transform; the one nearest to it, where X is that of no signal.

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
        n_frames = X.shape[-1]
        real = xp.empty(0, dtype=X.dtype).real.dtype
        length = n_frames * self.step
        spectrum = xp.zeros((*X.shape[:-2], length // 2 + 1), dtype=X.dtype)
        gains = self._gains(n_frames, X)
        for part in self._blocks(X):
            rows = range(self.n_bins)[part[-2]]
            F = _fft("fft", _real_ends(X[part], rows, self.n_bins))
            target = spectrum[part[:-2]]
            for f, k in zip(F, rows, strict=True):
                first, values = gains[k]
                gain = (values * self.step).astype(real)
                for band, row, piece in _pieces(first, len(values), n_frames):
                    target[band] += f[row] * gain[piece]
        return fft_namespace(X).irfft(spectrum[None], n=length, axis=-1)[0, ..., :n_samples]

    def _blocks(self, X: Array) -> Iterator[tuple[Any, ...]]:
        """Yield index tuples that cut (..., freq, frames) into runs of rows."""
        size = max(8, _BLOCK_VALUES // X.shape[-1]) if namespace(X) is np else self.n_bins
        for lead in np.ndindex(X.shape[:-2]):
            for start in range(0, self.n_bins, size):
                yield (*lead, slice(start, start + size), slice(None))

    @property
    def _bands(self) -> Bands:
        return _cached(self.sample_rate, self.f_min, self.n_constant_q, self.bins_per_octave, self.gamma)

    def _gains(self, n_frames: int, like: Array) -> list[Row]:
        xp, length = namespace(like), n_frames * self.step // 2 + 1
        return _kept(self._bands, length) if xp is np else _sent(self._bands, length, xp, like.device.id)


_cached = lru_cache(maxsize=32)(Bands.constant_q)
_kept = lru_cache(maxsize=1)(
    Bands.gains
)  # one real number a sample: from the analysis to the last stem's synthesis


@lru_cache(maxsize=1)
def _sent(bands: Bands, length: int, xp: Any, device: int) -> list[Row]:
    """Return the gains on a GPU, where they go in one piece and stay."""
    rows = _kept(bands, length)
    ends = np.cumsum([len(gains) for _, gains in rows])
    flat = xp.asarray(np.concatenate([gains for _, gains in rows]))
    return [
        (first, flat[end - len(gains) : end]) for (first, gains), end in zip(rows, ends.tolist(), strict=True)
    ]


def _pieces(first: int, n: int, n_frames: int) -> Iterator[tuple[slice, slice, slice]]:
    """Yield where bins ``first …`` lie in a spectrum, in a row (bin modulo ``n_frames``), and in their gains."""
    done = 0
    while done < n:
        at = (first + done) % n_frames
        size = min(n - done, n_frames - at)
        yield slice(first + done, first + done + size), slice(at, at + size), slice(done, done + size)
        done += size


def _real_ends(block: Array, rows: range, n_bins: int) -> Array:
    """Return rows of X with the lowest and the highest of all made real."""
    for i, k in enumerate(rows):
        if k in (0, n_bins - 1):
            block = block.copy()
            block[..., i, :] = block[..., i, :].real
    return block


def _smooth_at_most(n: int) -> int:
    """Return the largest whole number up to n with no prime factor above 5."""
    for candidate in range(n, 1, -1):
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate
    return 1


def _fft(kind: str, block: Array) -> Array:
    """Transform rows; in SciPy's single precision by sixteens, as 1.18 rounds those that fill no vector otherwise."""
    transform, options = getattr(fft_namespace(block), kind), fft_options(block)
    if block.dtype != np.complex64 or not options:  # none: CuPy
        return transform(block, axis=-1, **options)
    rows = block.reshape(-1, block.shape[-1])
    if missing := -len(rows) % 16:
        rows = np.concatenate([rows, np.zeros((missing, rows.shape[1]), rows.dtype)])
    return transform(rows, axis=-1, **options)[: len(rows) - missing].reshape(block.shape)
