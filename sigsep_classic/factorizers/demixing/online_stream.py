"""Samples in, stems out: a stream cut into frames, separated as they fill up, and put together again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.online_iva import OnlineIVA
from sigsep_classic.frontends import STFT


class OnlineSeparator:
    """`OnlineIVA` on samples that come a few at a time, from a sound card, say.

    What all calls of `push` and a last one of `flush` return, put together, are the images that the method finds in the
    whole recording: `latency` samples late, and never sooner than all frames that see a sample are there.

    Parameters
    ----------
    method : OnlineIVA
        With its parameters; its grid is filled in.
    n_channels : int
        Of the stream.
    sample_rate : float
        In Hz.
    frontend : STFT, optional
        Default: that of the method.

    Raises
    ------
    ParameterError
        The front-end is no STFT.
    ShapeError
        There are fewer channels than sources.

    Examples
    --------
    >>> import numpy as np
    >>> separator = OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=8000)
    >>> separator.latency, separator.latency / 8000 <= 0.064 + 0.016
    (639, True)
    >>> x = np.random.default_rng(0).standard_normal((2, 4000))
    >>> parts = [separator.push(x[:, t : t + 100]) for t in range(0, 4000, 100)] + [separator.flush()]
    >>> stems = np.concatenate(parts, axis=-1)
    >>> stems.shape, bool(abs(stems.sum(axis=0) - x).max() < 1e-12)
    ((2, 2, 4000), True)
    """

    def __init__(
        self, method: OnlineIVA, *, n_channels: int, sample_rate: float, frontend: STFT | None = None
    ) -> None:
        frontend = method.default_frontend(sample_rate) if frontend is None else frontend
        if not isinstance(frontend, STFT):
            raise ParameterError(
                f"frontend is a {type(frontend).__name__}; frames of a stream are those of an STFT"
            )
        self.frontend = frontend
        self.method = replace(method, grid=frontend.grid(sample_rate))
        self.state = self.method.start(n_channels, frontend.n_bins)
        self._begin()

    @property
    def latency(self) -> int:
        """Largest number of samples that must follow one before it comes out: a window and a hop, less one."""
        return self.frontend.n_fft + self.frontend.step - 1

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Return the samples of the images that are complete now, (sources, channels, 0 or more), float64.

        Parameters
        ----------
        samples : array (channels, samples)
            The next ones, real, any number.

        Raises
        ------
        ArrayTypeError
            It is no NumPy array of real numbers.
        ShapeError
            It has not the channels of the stream.
        NumericalError
            They are not finite; the stream goes on as if they had not come.
        """
        if not isinstance(samples, np.ndarray) or samples.dtype.kind not in "fiu":
            got = getattr(samples, "dtype", type(samples).__name__)
            raise ArrayTypeError(f"samples are {got}; give a NumPy array of real numbers (channels, samples)")
        if samples.ndim != 2 or len(samples) != self.state.n_channels:
            raise ShapeError(
                f"samples have shape {samples.shape}; this stream has {self.state.n_channels} channels"
            )
        if not np.isfinite(samples).all():
            raise NumericalError("samples are not finite; give finite data")
        waiting = np.concatenate([self._waiting, samples], axis=1)
        done = self._run(waiting)
        self._n_in += samples.shape[1]
        return self._kept(done)

    def flush(self) -> np.ndarray:
        """Return the rest of the images, and begin another stream of the same scene with what was learnt."""
        n_frames = self.frontend.n_frames(self._n_in) if self._n_in else self._n_frames
        missing = (
            (n_frames - 1) * self.frontend.step + self.frontend.n_fft - self._n_frames * self.frontend.step
        )
        room = max(0, missing - self._waiting.shape[1])
        done = self._run(np.pad(self._waiting, ((0, 0), (0, room))))
        rest = self._kept(np.concatenate([done, self._normalized()], axis=-1))
        self.state = self.state.restarted()
        self._begin()
        return rest

    def _begin(self) -> None:
        """Forget the samples: half a window of silence comes before the first frame, as in the front-end."""
        n_fft, channels = self.frontend.n_fft, self.state.n_channels
        self._waiting = np.zeros((channels, n_fft // 2))
        self._sums = np.zeros((self.method.n_sources or channels, channels, n_fft))
        self._weights = np.zeros(n_fft)
        self._n_frames = self._n_in = 0
        self._n_out = -(n_fft // 2)

    def _run(self, waiting: np.ndarray) -> np.ndarray:
        """Return the samples that all full frames of those waiting complete; the others go on waiting."""
        n_fft, step = self.frontend.n_fft, self.frontend.step
        count = max(0, (waiting.shape[1] - n_fft) // step + 1)
        if not count:
            self._waiting = waiting
            return self._sums[:, :, :0]
        taper = self.frontend.taper
        frames = np.stack([waiting[:, i * step : i * step + n_fft] for i in range(count)], axis=1)
        X = np.fft.rfft(frames * taper).swapaxes(1, 2)
        images, self.state = self.method.process(X, self.state)
        found = np.fft.irfft(images.swapaxes(2, 3), n_fft) * taper
        done = []
        for i in range(count):
            self._sums += found[:, :, i]
            self._weights += taper**2
            done.append(self._normalized()[:, :, :step])
            self._sums = np.pad(self._sums[:, :, step:], ((0, 0), (0, 0), (0, step)))
            self._weights = np.pad(self._weights[step:], (0, step))
        self._waiting = waiting[:, count * step :]
        self._n_frames += count
        return np.concatenate(done, axis=-1)

    def _normalized(self) -> np.ndarray:
        return self._sums / np.where(self._weights > 0, self._weights, 1)

    def _kept(self, done: np.ndarray) -> np.ndarray:
        """Return those of the samples done that lie in the stream, not in the silence before or after it."""
        first = max(0, -self._n_out)
        kept = done[:, :, first : max(first, self._n_in - self._n_out)]
        self._n_out += done.shape[2]
        return kept
