"""Neural networks as models that are scored: a mixture in, stems by name out.

The contract: the network takes float32 (batch, channels, samples) at its own sample rate and returns (batch, stems,
channels, samples). Long recordings go through in chunks that overlap and are faded into one another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sigsep_classic.checks import check_range
from sigsep_classic.compare.alignment import with_length
from sigsep_classic.errors import ShapeError

Run: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""float32 (batch, channels, samples) to (batch, stems, channels, samples)."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that was opened; call it with samples (channels, samples) and their rate in Hz.

    Parameters
    ----------
    run : callable
        float32 (batch, channels, samples) to (batch, stems, channels, samples).
    sample_rate : int
        In Hz; recordings of others are resampled to it, and stems back.
    stems : tuple of str
        What the network's stems are called, in its order.
    channels : int or None
        How many the network takes: mono is repeated, and of more each channel goes in as a recording of its own where
        it is 1. None: any number.
    seconds : float
        Length of a chunk, greater than 0; infinity takes recordings as a whole.
    overlap : float
        Share of a chunk that the next one covers too, 0 … 0.5.
    n_samples : int or None
        Length of a chunk where the network takes no other.
    """

    run: Run
    sample_rate: int
    stems: tuple[str, ...]
    channels: int | None = None
    seconds: float = 10.0
    overlap: float = 0.25
    n_samples: int | None = None

    def __post_init__(self) -> None:
        check_range("sample_rate", self.sample_rate, 0, above=True)
        check_range("seconds", self.seconds, 0, above=True, infinite=True)
        check_range("overlap", self.overlap, 0, 0.5)

    def __call__(self, mixture: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
        """Return the stems of a mixture (channels, samples), each of its shape.

        Raises
        ------
        ShapeError
            The network takes other channels, or returned something else than the contract says.
        """
        x = _resampled(np.asarray(mixture, dtype=np.float32), sample_rate, self.sample_rate)
        apart = self.channels == 1 and len(x) > 1
        if self.channels is not None and not apart and len(x) not in (1, self.channels):
            raise ShapeError(
                f"the mixture has {len(x)} channels and the network takes {self.channels}; mix it down"
            )
        given = x[:, None] if apart else x[None]
        if self.channels is not None and given.shape[1] < self.channels:
            given = np.repeat(given, self.channels, axis=1)
        size = self.n_samples
        if size is None:
            size = (
                x.shape[1] if self.seconds == float("inf") else max(2, round(self.seconds * self.sample_rate))
            )
        found = in_chunks(self.run, given, size=size, overlap=self.overlap)
        if found.shape[1] != len(self.stems):
            raise ShapeError(
                f"the network returned {found.shape[1]} stems, and {len(self.stems)} names are known"
            )
        made = found[:, :, 0].swapaxes(0, 1) if apart else found[0]
        back = (_resampled(y, self.sample_rate, sample_rate) for y in made)
        stems = (with_length(y, mixture.shape[1]) for y in back)
        # What was mono comes back mono.
        return {
            name: y.mean(axis=0, keepdims=True) if len(mixture) == 1 else y
            for name, y in zip(self.stems, stems, strict=True)
        }


def in_chunks(run: Run, x: np.ndarray, *, size: int, overlap: float = 0.25) -> np.ndarray:
    """Return what a network makes of a long recording, chunk by chunk, chunks faded linearly into one another.

    Every chunk has the same length, the last one filled up with zeros. A network whose output at a sample depends on
    what is near alone gives the same as on the whole, away from the edges of chunks.

    Parameters
    ----------
    run : callable
        float32 (batch, channels, samples) to (batch, stems, channels, samples).
    x : ndarray (batch, channels, samples)
        The recording.
    size : int
        Samples in a chunk.
    overlap : float
        Share of a chunk that the next one covers too, 0 … 0.5.

    Returns
    -------
    ndarray (batch, stems, channels, samples), float32

    Raises
    ------
    ShapeError
        What came out is not of that shape.

    Examples
    --------
    >>> x = np.ones((1, 2, 100), np.float32)
    >>> halves = in_chunks(lambda part: np.stack([part / 2, part / 2], axis=1), x, size=32)
    >>> halves.shape, bool(np.allclose(halves, 0.5))
    ((1, 2, 2, 100), True)
    """
    n_samples = x.shape[-1]
    shared = min(round(overlap * size), size // 2)
    fade = np.ones(size, np.float32)
    if shared:
        ramp = (np.arange(shared, dtype=np.float32) + 0.5) / shared
        fade[:shared], fade[size - shared :] = ramp, ramp[::-1]
    y: np.ndarray | None = None
    total = np.zeros(n_samples, np.float32)
    for start in range(0, max(1, n_samples - shared), size - shared):
        part = x[..., start : start + size]
        length = part.shape[-1]
        part = np.pad(part, ((0, 0), (0, 0), (0, size - length)))
        made = _checked(run(np.ascontiguousarray(part)), part.shape)
        if y is None:
            y = np.zeros((*made.shape[:-1], n_samples), np.float32)
        y[..., start : start + length] += (fade * made)[..., :length]
        total[start : start + length] += fade[:length]
    assert y is not None
    return y / total


def _checked(made: Any, given: tuple[int, ...]) -> np.ndarray:
    y = np.asarray(made)
    batch, channels, size = given
    fits = y.ndim == 4 and (y.shape[0], *y.shape[2:]) == given and y.dtype.kind == "f"
    if not fits:
        raise ShapeError(
            f"the network returned {y.dtype} of shape {y.shape} for {given}; it must be real, ({batch}, stems, "
            f"{channels}, {size})"
        )
    return y


def _resampled(x: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    if rate == wanted:
        return x
    import librosa

    y: np.ndarray = librosa.resample(x, orig_sr=rate, target_sr=wanted)
    return y
