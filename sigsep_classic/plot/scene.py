"""What a picture is drawn of: a separation, and how its reader wants to see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sigsep_classic.backend import from_foreign, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import usual_stft
from sigsep_classic.frontends import STFT, Waveform
from sigsep_classic.geometry import check_positions
from sigsep_classic.pipeline import told
from sigsep_classic.plot import levels
from sigsep_classic.separation import Separation
from sigsep_classic.synthesis import level
from sigsep_classic.typing import Array, Grid

SCALES = ("log", "linear")
_MANY_FRAMES = 10_000


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A separation, and how it is to be seen.

    Parameters
    ----------
    sep : Separation
        Not changed; its model is fitted now if that was still to be done.
    channel : int or None
        The channel that is shown; None: the root mean square of all.
    scale : {"log", "linear"}
        Frequency axes. On a logarithmic one there is no room for 0 Hz.
    range_db : float
        What is so far below the loudest point is drawn as silence, in dB.
    positions : array (channels, 2 or 3) or None
        Microphones in metres, for directions.

    Raises
    ------
    ParameterError, ShapeError
        An option is out of range, or does not fit the channels.
    """

    sep: Separation
    channel: int | None = None
    scale: str = "log"
    range_db: float = 80.0
    positions: Any = None

    def __post_init__(self) -> None:
        check_choice("scale", self.scale, SCALES)
        check_range("range_db", self.range_db, 0, above=True)
        if self.channel is not None:
            check_count("channel", self.channel, 0)
            if self.channel >= len(self.mixture):
                raise ParameterError(f"channel is {self.channel}; there are 0 … {len(self.mixture) - 1}")
        if self.positions is not None:
            check_positions(self.positions, len(self.mixture))

    @property
    def model(self) -> Any:
        """What the method found."""
        return self.sep.model

    @cached_property
    def mixture(self) -> np.ndarray:
        """Samples (channels, samples) on the host."""
        return on_host(self.sep.mixture)

    @property
    def stems(self) -> dict[str, np.ndarray]:
        """Samples of each stem, (channels, samples), on the host."""
        return {name: on_host(stem) for name, stem in self.sep.items()}

    @property
    def duration(self) -> float:
        """In seconds."""
        return self.mixture.shape[1] / self.sep.sample_rate

    @property
    def grid(self) -> Grid:
        """Of the model's front-end."""
        found: Grid = self.sep.frontend.grid(self.sep.sample_rate)
        return found

    @property
    def display(self) -> Any:
        """The transform that signals are shown in: the model's, or where that has one frequency an STFT.

        Long recordings are looked at half as often or less: no picture has so many columns.
        """
        frontend = self.sep.frontend
        if frontend is None or isinstance(frontend, Waveform):
            frontend = usual_stft(self.sep.sample_rate)
        if isinstance(frontend, STFT) and frontend.n_frames(self.mixture.shape[1]) > _MANY_FRAMES:
            frontend = STFT(n_fft=frontend.n_fft, hop=max(1, frontend.n_fft // 2))
        return frontend

    @property
    def method(self) -> Any:
        """The factorizer, its grid, front-end and level filled in."""
        facts = {"grid": self.grid, "frontend": self.sep.frontend, "level": level(self.mixture)}
        return told(self.sep.method, **facts)

    @cached_property
    def X(self) -> np.ndarray:
        """Coefficients of the mixture at the level that methods see, (channels, freq, frames)."""
        x = self.mixture
        found: np.ndarray = self.sep.frontend.analyze(x / x.dtype.type(level(x)))
        return found

    @property
    def heard(self) -> str:
        """Which channel is shown, in words; nothing where there is but one."""
        if len(self.mixture) == 1:
            return ""
        return f", channel {self.channel + 1}" if self.channel is not None else ", all channels"

    def times(self, edges: np.ndarray, frame_rate: float | None = None) -> np.ndarray:
        """Return edges in frames as seconds; frame t lies around t / frame rate."""
        return (edges - 0.5) / (frame_rate or self.grid.frame_rate)

    def hertz(self, n_freq: int) -> np.ndarray | None:
        """Return the centres of the model's bins in Hz, None where there is one frequency."""
        return levels.hertz(self.grid, n_freq)


def on_host(x: Array) -> np.ndarray:
    """Return samples of any kind of array as (channels, samples) on the host."""
    array = to_host(from_foreign(x))
    return array[None] if array.ndim == 1 else array
