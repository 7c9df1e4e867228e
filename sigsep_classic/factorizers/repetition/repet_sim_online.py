"""Online REPET-SIM: the background of a frame is the median of the past frames most like it (Rafii & Pardo 2013)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import Callback, coefficients, spectrogram
from sigsep_classic.factorizers.models import MaskModel
from sigsep_classic.factorizers.repetition.background import (
    NAMES,
    background_gain,
    check_compat,
    frames_apart,
    needed_grid,
    repet_frontend,
    warn_too_short,
)
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.median_of_frames import median_of_frames
from sigsep_classic.kernels.similar_frames import similar_frames
from sigsep_classic.typing import Array, Grid


@dataclass(frozen=True, kw_only=True)
class BufferState:
    """The last frames of a stream; nothing in it grows beyond the buffer, and nothing writes to it.

    Parameters
    ----------
    n_channels, n_freq : int
        What blocks must have.
    past : array (channels, freq, frames) or None
        Magnitudes, the newest last; None before the first frame.
    """

    n_channels: int
    n_freq: int
    past: Array = None

    def restarted(self) -> BufferState:
        """Return the state before the first frame of another stream of the same scene: frames heard still count."""
        return self


@dataclass(frozen=True, kw_only=True)
class OnlineREPETSIM:
    """Background that recurs within the last seconds, and the foreground over it, frame by frame.

    For each frame the most similar ones (cosine similarity of the magnitude spectra, at least ``distance`` apart) of
    the last ``buffer`` seconds are found, itself among them; the repeating model is their median, bin by bin, and the
    background gain is ``min(V, model) / V``. Nothing looks ahead.

    Parameters
    ----------
    buffer : float
        Seconds that are remembered, greater than 0; one frame at least.
    n_similar : int
        Most frames a median is taken over, at least 1.
    distance : float
        Least distance of two similar frames in seconds, at least 0 (one frame at least is kept). The public code has
        1; 0.3 measured better on two songs made here, a real one and a talk over music.
    threshold : float
        Least cosine similarity, 0 … 1.
    cutoff : float
        Everything at or below this frequency in Hz is background; bin 0 always is.
    compat : {None, "repet-python"}
        What that public code does to the letter, for comparison, in `fit` only: as for `REPETSIM`; all is foreground
        until the buffer is full; neighbours are those in a ring buffer, where the oldest frame follows the newest.
    grid : Grid or None
        Frames per second and bin distance of X; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``grid`` is missing in `start` or `fit`.

    References
    ----------
    Z. Rafii and B. Pardo, "Online REPET-SIM for real-time speech enhancement", Proc. ICASSP, 2013: the buffer
    (equation numbers not checked).

    Notes
    -----
    When to use: A stream, or hours: memory for the buffer alone, no look ahead.
    Complexity: O(freq · buffer) a frame.
    Differences from the paper: The least distance of similar frames is 0.3 s, where the public code has 1 s: measured
    better.

    `start` and `process` work through a stream with memory for the buffer alone; `fit` gives the same gains at once.
    `OnlineSeparator` cuts samples into frames and puts the stems together again. Until something has come twice
    everything is background.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((1, 5, 60)) + 0j
    >>> online = OnlineREPETSIM(grid=Grid(frame_rate=10.0, bin_hz=100.0), buffer=3)
    >>> state, blocks = online.start(n_channels=1, n_freq=5), []
    >>> for t in range(0, 60, 20):
    ...     stems, state = online.process(X[:, :, t : t + 20], state)
    ...     blocks.append(stems)
    >>> background = online.fit(X).gains()[0] * X
    >>> bool((np.concatenate(blocks, axis=-1)[0] == background).all())
    True
    """

    buffer: float = 10.0
    n_similar: int = 100
    distance: float = 0.3
    threshold: float = 0.0
    cutoff: float = 100.0
    compat: str | None = None
    grid: Grid | None = None

    name: ClassVar[str] = "repet_sim_online"
    n_sources: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_range("buffer", self.buffer, 0, above=True)
        check_count("n_similar", self.n_similar)
        check_range("distance", self.distance, 0)
        check_range("threshold", self.threshold, 0, 1)
        check_range("cutoff", self.cutoff, 0)
        check_compat(self.compat)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a Hamming window of 40 ms or a little more, a quarter of it as hop."""
        return repet_frontend(sample_rate, self.compat, window="hamming")

    @property
    def can_stream(self) -> bool:
        """Whether `process` gives what `fit` does."""
        return self.compat is None

    def stream_names(self, n_channels: int) -> tuple[tuple[str, ...], bool]:
        """Return the names of what `process` returns, and whether it leaves a residual: it does not."""
        return NAMES, False

    def start(self, n_channels: int, n_freq: int) -> BufferState:
        """Return the state before the first frame of a stream.

        Raises
        ------
        ParameterError
            There is no grid, or ``compat`` is set.
        """
        needed_grid(self.grid, "OnlineREPETSIM")
        if self.compat is not None:
            raise ParameterError(
                f"compat is {self.compat!r}; a stream has no such rules, use fit or compat=None"
            )
        check_count("n_channels", n_channels)
        check_count("n_freq", n_freq)
        return BufferState(n_channels=n_channels, n_freq=n_freq)

    def process(self, X: Array, state: BufferState) -> tuple[Array, BufferState]:
        """Return background and foreground of the next frames, and the state after them.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Complex coefficients, NumPy or CuPy, one frame or more.
        state : BufferState
            Of `start` or `process`; not written to.

        Returns
        -------
        stems : array (2, channels, freq, frames)
            In the dtype of X.
        state : BufferState

        Raises
        ------
        ShapeError
            X has not the channels and bins of the state.
        """
        X = coefficients(X)
        if X.shape[:2] != (state.n_channels, state.n_freq):
            wanted = (state.n_channels, state.n_freq, "1 …")
            raise ShapeError(f"X has shape {X.shape}; this stream has (channels, freq, frames) = {wanted}")
        V, xp = spectrogram(X), namespace(X)
        if state.past is not None:
            past = state.past if namespace(state.past) is xp else xp.asarray(to_host(state.past))
            V = xp.concatenate([past.astype(V.dtype, copy=False), V], axis=-1)
        gain, _ = self._gain(V, V.shape[-1] - X.shape[-1])
        kept = V[:, :, max(0, V.shape[-1] - self._memory + 1) :].copy()
        background = gain * X
        return xp.stack([background, X - background]), replace(state, past=kept)

    def fit(self, X: Array, *, callback: Callback | None = None) -> MaskModel:
        """Return the gains of background and foreground in X (channels, freq, frames)."""
        grid = needed_grid(self.grid, "OnlineREPETSIM")
        V = spectrogram(X)
        gain, most = self._gain(V, 0)
        if most == 1:
            warn_too_short("OnlineREPETSIM", V.shape[-1], grid)
        return MaskModel(masks=gain[None], magnitude=V, names=NAMES)

    @property
    def _memory(self) -> int:
        """Frames of the buffer, the present one among them."""
        return max(1, round(self.buffer * needed_grid(self.grid, "OnlineREPETSIM").frame_rate))

    def _gain(self, V: Array, first: int) -> tuple[Array, int]:
        """Return the gains of V (channels, freq, frames) from a frame on, and of how many frames they are at most."""
        grid, memory = needed_grid(self.grid, "OnlineREPETSIM"), self._memory
        distance = frames_apart(self.distance, grid, memory, self.compat)
        frames, counts = similar_frames(
            V.mean(axis=0),
            number=min(self.n_similar, -(-memory // (distance + 1))),
            distance=distance,
            threshold=self.threshold,
            memory=memory,
            first=first,
            ring=self.compat is not None,
            silence_hides=self.compat is not None,
        )
        repeating = median_of_frames(V, frames, counts)
        gain = background_gain(V[:, :, first:], repeating, grid, self.cutoff, self.compat)
        if self.compat is not None:
            gain[:, :, : memory - 1] = 0
        return gain, int(counts.max())
