"""Mains hum off a recording: sinusoids at multiples of 50 or 60 Hz that change slowly, subtracted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

from sigsep_classic.backend import fft_namespace, fft_options, namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, coefficients
from sigsep_classic.factorizers.denoising import hum
from sigsep_classic.factorizers.models import Groups, check_groups
from sigsep_classic.frontends import Waveform
from sigsep_classic.typing import Array, Grid

UNKNOWN = Grid(frame_rate=8000.0, bin_hz=0.0)
"""What X is taken for where no grid tells: samples at 8 kHz."""

_REACH = 3.0
"""Bins on each side of a sinusoid in which an STFT sees it."""

_BLOCK = 3
"""Lengths of the filter that go through it at a time."""


@dataclass(frozen=True, kw_only=True)
class HumModel:
    """A recording and the hum in it.

    Parameters
    ----------
    mixture, hum : array (channels, freq, frames)
        The coefficients X, kept, and the part of them that is hum.
    frequency : float or None
        The mains frequency in Hz; None where none was heard.
    """

    mixture: Array
    hum: Array
    frequency: float | None
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()
    extra: dict[str, Array] = field(default_factory=dict)

    names: ClassVar[tuple[str, ...]] = ("clean", "hum")
    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Two: what is clean, and the hum."""
        return 2

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the coefficients of each group, (groups, channels, freq, frames)."""
        parts = (self.mixture - self.hum, self.hum)
        wanted = check_groups(groups, self.names)
        return namespace(self.hum).stack([sum(parts[k] for k in members) for members in wanted.values()])


@dataclass(frozen=True, kw_only=True)
class Dehum:
    """Take mains hum off a recording: the stems ``clean`` and ``hum``.

    The frequency whose multiples stand out is looked for around 50 and 60 Hz. At each multiple the recording is turned
    down to 0 Hz, averaged over ``seconds`` with a Hann window, and turned back: what stays the same for so long is hum,
    and is subtracted; voices do not. The longer, the less of a voice is in it, and the less it may change. Where no
    such frequency is heard, nothing is taken off.

    Parameters
    ----------
    frequency : float or None
        The mains frequency in Hz, to 0.1 Hz or better; None: found.
    n_harmonics : int
        Multiples that are looked at, at most those below half the sample rate.
    seconds : float
        Length of the averages, greater than 0; a notch of about ``4 / seconds`` Hz between its zeros.
    grid : Grid or None
        Of X; `separate` fills it in. Without it X is taken for samples at 8 kHz.

    Raises
    ------
    ParameterError
        A parameter is out of range, or in `fit` the frequency is not below half the sample rate.

    References
    ----------
    Synchronous detection with a long window, as described for power-line interference by B. Widrow et al., "Adaptive
    noise cancelling: principles and applications", Proceedings of the IEEE 63(12), 1975, whose adaptive notch it is in
    the limit of a fixed frequency (equation numbers not checked).

    Notes
    -----
    When to use: Mains hum of 50 or 60 Hz and its harmonics, steady or drifting slowly, under anything.
    Complexity: Linear in samples · harmonics.
    Differences from the paper: The frequency is found first and then held within each piece; the paper's notch adapts
    to a reference input.

    Made for samples (`Waveform`), where it is exact up to the change of the hum within ``seconds``. Through an STFT it
    works within three bins of each multiple. It looks at ``seconds / 2`` to both sides, and at the whole recording for
    the frequency.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(16000) / 8000
    >>> x = np.sin(2 * np.pi * 50.2 * t) + 0.3 * np.sin(2 * np.pi * 100.4 * t)
    >>> x += 0.01 * np.random.default_rng(0).standard_normal(len(t))
    >>> model = Dehum().fit(x[None, None])
    >>> round(model.frequency, 1), bool(abs(model.reconstruct()[0]).max() < 0.1)
    (50.2, True)
    """

    frequency: float | None = None
    n_harmonics: int = 20
    seconds: float = 4.0
    grid: Grid | None = None

    name: ClassVar[str] = "dehum"

    def __post_init__(self) -> None:
        if self.frequency is not None:
            check_range("frequency", self.frequency, 0, above=True)
        check_count("n_harmonics", self.n_harmonics)
        check_range("seconds", self.seconds, 0, above=True)

    @property
    def context(self) -> int | None:
        """Frames of neighbourhood that make block-wise work exact, where the frequency is given."""
        if self.frequency is None:
            return None
        return max(1, round(self.seconds * (self.grid or UNKNOWN).frame_rate / 2))

    def settled(self, model: HumModel) -> Dehum:
        """Return this method with the frequency that was found, or one that takes nothing off."""
        return self.settled_at(model.frequency)

    def settled_at(self, frequency: float | None) -> Dehum:
        """Return this method with a frequency in Hz; with None one that takes nothing off."""
        if frequency is None:
            return _NoHum(**{f.name: getattr(self, f.name) for f in fields(self)})
        return replace(self, frequency=frequency)

    def heard_in(self, pieces: Iterable[Array], n_samples: int) -> float | None:
        """Return the mains frequency in Hz that `fit` would find in samples (channels, samples), given in pieces.

        Parameters
        ----------
        pieces : iterable of array (channels, samples)
            A recording; half a minute of it is kept at a time.
        n_samples : int
            How many there are of each channel.
        """
        found = hum.find_in_samples(pieces, n_samples, self.grid or UNKNOWN)
        return None if found is None else found.frequency

    def default_frontend(self, sample_rate: float) -> Waveform:
        """Return samples as they are."""
        return Waveform()

    def fit(self, X: Array, *, callback: Callback | None = None) -> HumModel:
        """Return the hum in X (channels, freq, frames)."""
        X = coefficients(X)
        grid = self.grid or UNKNOWN
        frequency = self.frequency
        if frequency is None:
            found = hum.find(X, grid)
            frequency = None if found is None else found.frequency
        multiples = self._multiples(frequency, grid, X.shape[1])
        half = min(max(1, round(self.seconds * grid.frame_rate / 2)), X.shape[-1])
        if X.dtype.kind != "c":
            part = _averaged(X, multiples, half, grid)
            return HumModel(mixture=X, hum=part, frequency=frequency)
        part = namespace(X).zeros_like(X)
        for hz in multiples:
            for turned in (hz, -hz):  # near 0 Hz an STFT sees both halves of a sinusoid
                near = hum.bins_near(turned, grid, X.shape[1], _REACH)
                if len(near):
                    rows = slice(near[0], near[-1] + 1)
                    part[:, rows] += _averaged(X[:, rows], [turned], half, grid)
        return HumModel(mixture=X, hum=part, frequency=frequency)

    def _multiples(self, frequency: float | None, grid: Grid, n_bins: int) -> list[float]:
        found = [] if frequency is None else hum.harmonics(frequency, grid, self.n_harmonics, n_bins)
        if self.frequency is not None and not found:
            raise ParameterError(
                f"frequency is {self.frequency:g} Hz; at this sample rate hum lies below {hum.top_of(grid, n_bins):g}"
            )
        return found


class _NoHum(Dehum):
    """`Dehum` of a recording in which no hum was heard."""

    context: ClassVar[int] = 0  # type: ignore[assignment, misc]

    def fit(self, X: Array, *, callback: Callback | None = None) -> HumModel:
        """Return that there is none."""
        X = coefficients(X)
        return HumModel(mixture=X, hum=namespace(X).zeros_like(X), frequency=None)


def _averaged(X: Array, frequencies: list[float], half: int, grid: Grid) -> Array:
    """Return what of X (..., frames) is sinusoids of these frequencies, and of their negatives where X is real.

    To turn X down to 0 Hz, to average it under a Hann window and to turn it back is one filter: the window times
    the sinusoid. Those of all frequencies are one too.
    """
    xp, frames = namespace(X), X.shape[-1]
    offsets = xp.arange(-half, half + 1)
    window = 0.5 + 0.5 * xp.cos(math.pi * offsets / (half + 1))
    kernel = xp.zeros(len(offsets), dtype=complex)
    for hz in frequencies:
        kernel += xp.exp(2j * math.pi * ((hz / grid.frame_rate) % 1.0 * offsets % 1.0))
    kernel *= window
    if X.dtype.kind != "c":
        kernel = 2 * kernel.real
    beyond = xp.cumsum(window[:half])[::-1].astype(X.real.dtype)  # what the window has past an end
    whole = xp.full(frames, float(window.sum()), dtype=X.real.dtype)
    whole[:half] -= beyond
    whole[frames - half :] -= beyond[::-1]
    found = _filtered(X, kernel.astype(X.dtype))
    found /= whole
    return found


def _filtered(X: Array, kernel: Array) -> Array:
    """Return X (..., frames) through a filter of odd length without delay, a block of frames at a time."""
    xp, frames, taps = namespace(X), X.shape[-1], len(kernel)
    fft, options = fft_namespace(X), fft_options(X)
    there, back = (fft.fft, fft.ifft) if X.dtype.kind == "c" else (fft.rfft, fft.irfft)
    length = 2 ** math.ceil(math.log2(taps + min(frames, _BLOCK * taps)))
    fresh = length - taps + 1
    K = there(kernel, n=length, **options)
    y = xp.zeros((*X.shape[:-1], frames + taps - 1), dtype=X.dtype)
    for start in range(0, frames, fresh):
        block = there(X[..., start : start + fresh], n=length, axis=-1, **options)
        part = back(block * K, n=length, axis=-1, **options)
        total = y[..., start : start + length]
        total += part[..., : total.shape[-1]]
    return y[..., taps // 2 : taps // 2 + frames]
