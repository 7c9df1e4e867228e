"""Sound files as arrays: whole (`load`), in blocks of constant memory (`blocks`), or described (`info`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sigsep_classic.audio.samples import FiniteScan, as_dtype
from sigsep_classic.audio.sources import AudioSource, open_source
from sigsep_classic.checks import check_number
from sigsep_classic.errors import AudioError, ParameterError

logger = logging.getLogger("sigsep_classic")

_CHUNK = 65_536
# Memory is set aside for what a header claims, up to this many samples; more is taken as it comes.
_MAX_CLAIM = 2**27


@dataclass(frozen=True, kw_only=True, eq=False)
class Audio:
    """A sound that was read.

    Parameters
    ----------
    samples : ndarray
        (channels, samples), float32 or float64, contiguous, full scale at ±1.
    sample_rate : int
        In Hz.
    name : str
        The path, or what the file object is called.
    format, subtype : str
        Container and sample coding of the file, in libsndfile's names.
    warnings : tuple of str
        What was wrong with the file and did not keep it from being read, one line each.
    """

    samples: np.ndarray
    sample_rate: int
    name: str
    format: str
    subtype: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.samples.shape[1] / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What a file's header says, before anything is decoded.

    Parameters
    ----------
    name : str
        The path, or what the file object is called.
    sample_rate : int
        In Hz.
    channels : int
        Number of channels.
    frames : int or None
        Samples per channel; None where the header doesn't say or only estimates.
    format, subtype : str
        Container and sample coding, in libsndfile's names.
    warnings : tuple of str
        What is wrong with the file as far as the header shows.
    """

    name: str
    sample_rate: int
    channels: int
    frames: int | None
    format: str
    subtype: str
    warnings: tuple[str, ...] = ()

    @property
    def duration(self) -> float | None:
        """Length in seconds, or None where it isn't known."""
        return None if self.frames is None else self.frames / self.sample_rate


class _Reader(Protocol):
    sample_rate: int
    channels: int
    format: str
    subtype: str
    frames: int | None
    warnings: list[str]

    def chunks(self, n_samples: int, *, start: int = 0, dtype: str = "float32") -> Iterator[np.ndarray]: ...


def load(
    source: AudioSource,
    *,
    sample_rate: int | None = None,
    mono: bool = False,
    dtype: Any = "float32",
    allow_any_codec: bool = False,
    start: float = 0.0,
    duration: float | None = None,
    stream: int = 0,
) -> Audio:
    """Return a sound file's samples, rate, and what was wrong with it.

    Parameters
    ----------
    source : str, path or binary file object
        wav, rf64, w64, aiff, au, caf, flac, ogg, opus, mp3; with PyAV or ffmpeg also m4a and aac. A pipe is
        read to its end first; a file object is read from where it stands.
    sample_rate : int, optional
        Resample to this rate in Hz (soxr, HQ).
    mono : bool
        Average the channels.
    dtype : dtype
        float32 or float64.
    allow_any_codec : bool
        Take codecs that are not on the list of safe ones, such as ADPCM.
    start : float
        Where to begin, in seconds.
    duration : float, optional
        How much to read, in seconds; everything by default. Less is there at the end of the file.
    stream : int
        Which audio stream of a container that holds several, counted from 0, such as the stems of a
        ``.stem.mp4``.

    Returns
    -------
    Audio
        With ``warnings`` (also logged) for a file that is cut off or damaged.

    Raises
    ------
    AudioError
        It can't be read, has no such stream, no samples, or NaN or infinite samples.
    """
    dtype = as_dtype(dtype)
    with _open_reader(source, allow_any_codec, stream) as (name, reader):
        first, last = _span(reader.sample_rate, start, duration)
        scan = FiniteScan(name, sample_rate=reader.sample_rate, start=first)
        pieces = _scanned(_pieces(reader, first, last, dtype), scan, mono=mono, at_once=False)
        rate = _check_rate(sample_rate, reader.sample_rate)
        buffer = _Growing(_expected(reader, first, last, rate))
        for piece in _resampled(pieces, reader.sample_rate, rate):
            buffer.put(piece)
        scan.raise_if_bad()
        if not buffer.size:
            raise _nothing(name, reader, start)
        _log(name, reader.warnings)
        return Audio(
            samples=buffer.take(),
            sample_rate=rate,
            name=name,
            format=reader.format,
            subtype=reader.subtype,
            warnings=tuple(reader.warnings),
        )


def info(source: AudioSource, *, allow_any_codec: bool = False, stream: int = 0) -> AudioInfo:
    """Return what a sound file's header says.

    Parameters
    ----------
    source, allow_any_codec, stream
        As for `load`.

    Raises
    ------
    AudioError
        It can't be read as sound, or has no such stream.
    """
    with _open_reader(source, allow_any_codec, stream) as (name, reader):
        return AudioInfo(
            name=name,
            sample_rate=reader.sample_rate,
            channels=reader.channels,
            frames=reader.frames,
            format=reader.format,
            subtype=reader.subtype,
            warnings=tuple(reader.warnings),
        )


def blocks(
    source: AudioSource,
    *,
    block_seconds: float = 10.0,
    block_samples: int | None = None,
    sample_rate: int | None = None,
    mono: bool = False,
    dtype: Any = "float32",
    allow_any_codec: bool = False,
    start: float = 0.0,
    duration: float | None = None,
    stream: int = 0,
    on_warning: Callable[[str], None] | None = None,
) -> Iterator[np.ndarray]:
    """Yield a sound file as arrays (channels, samples) in constant memory; joined they are what `load` gives.

    Parameters
    ----------
    source, sample_rate, mono, dtype, allow_any_codec, start, duration, stream
        As for `load`.
    block_seconds : float
        Length of a block in seconds; the last one may be shorter.
    block_samples : int, optional
        The same in samples at the output rate; wins over ``block_seconds``.
    on_warning : callable, optional
        Gets each line that `load` would put in ``Audio.warnings``, when the end is reached.

    Raises
    ------
    AudioError
        As for `load`; NaN or infinity is found when its block is reached.
    ParameterError
        The block length is not positive.
    """
    dtype = as_dtype(dtype)
    with _open_reader(source, allow_any_codec, stream) as (name, reader):
        first, last = _span(reader.sample_rate, start, duration)
        rate = _check_rate(sample_rate, reader.sample_rate)
        length = round(block_seconds * rate) if block_samples is None else block_samples
        if length < 1:
            raise ParameterError(f"a block of {length} samples is too short; use at least 1")
        scan = FiniteScan(name, sample_rate=reader.sample_rate, start=first)
        pieces = _scanned(_pieces(reader, first, last, dtype), scan, mono=mono, at_once=True)
        empty = True
        for block in _rechunked(_resampled(pieces, reader.sample_rate, rate), length):
            empty = False
            yield block
        if empty:
            raise _nothing(name, reader, start)
        _log(name, reader.warnings)
        for line in reader.warnings if on_warning else ():
            on_warning(line)  # type: ignore[misc]


@contextmanager
def _open_reader(source: AudioSource, allow_any_codec: bool, stream: int) -> Iterator[tuple[str, _Reader]]:
    check_number("stream", stream)
    if stream < 0 or int(stream) != stream:
        raise ParameterError(f"stream={stream} is no number of an audio stream; use 0, 1, 2 …")
    with open_source(source) as opened:
        if opened.wants_external:
            from sigsep_classic.audio.external import open_external

            reader = open_external(opened, allow_any_codec=allow_any_codec, stream=stream)
        elif stream:
            raise AudioError(
                f"{opened.name}: holds one stream of sound, so stream={stream} is not there; use 0"
            )
        else:
            from sigsep_classic.audio.sndfile import SndfileReader

            reader = SndfileReader(opened, allow_any_codec=allow_any_codec)
        try:
            yield opened.name, reader
        finally:
            reader.close()


def _span(rate: int, start: float, duration: float | None) -> tuple[int, int | None]:
    check_number("start", start)
    if duration is not None:
        check_number("duration", duration)
    if not 0 <= start < float("inf"):
        raise ParameterError(f"start={start} s is not in the file; use 0 or more")
    if duration is not None and not 0 < duration < float("inf"):
        raise ParameterError(f"duration={duration} s is no length; use more than 0, or None for everything")
    first = round(start * rate)
    return first, None if duration is None else first + max(1, round(duration * rate))


def _check_rate(wanted: int | None, rate: int) -> int:
    if wanted is None:
        return rate
    check_number("sample_rate", wanted)
    if wanted < 1 or int(wanted) != wanted:
        raise ParameterError(f"sample_rate={wanted} is no rate in Hz; use a whole number such as 44100")
    return int(wanted)


def _expected(reader: _Reader, first: int, last: int | None, rate: int) -> int:
    """Return how many samples at the output rate the header promises; 0 where it doesn't."""
    if reader.frames is None:
        return 0
    n = min(reader.frames, reader.frames if last is None else last) - first
    return min(max(0, -(-n * rate // reader.sample_rate)), _MAX_CLAIM // reader.channels)


def _nothing(name: str, reader: _Reader, start: float) -> AudioError:
    if start > 0:
        return AudioError(f"{name}: has no samples from start={start} s on; use an earlier start")
    return AudioError(f"{name}: has no samples; check that it was recorded or copied to its end")


def _log(name: str, warnings: list[str]) -> None:
    for line in warnings:
        logger.warning("%s: %s", name, line)


def _pieces(reader: _Reader, first: int, last: int | None, dtype: str) -> Iterator[np.ndarray]:
    """Yield arrays (channels, samples) from sample ``first`` up to ``last``."""
    left = None if last is None else last - first
    # A header may claim 1024 channels: what one read takes stays the same.
    length = max(1024, 2 * _CHUNK // reader.channels)
    for chunk in reader.chunks(length, start=first, dtype=dtype):
        piece = chunk.T if left is None else chunk[:left].T
        if left is not None:
            left -= piece.shape[1]
        if piece.shape[1]:
            yield piece
        if left == 0:
            return


def _scanned(
    pieces: Iterator[np.ndarray], scan: FiniteScan, *, mono: bool, at_once: bool
) -> Iterator[np.ndarray]:
    for piece in pieces:
        scan.see(piece)
        if at_once:
            scan.raise_if_bad()
        yield piece.mean(axis=0, keepdims=True) if mono else piece


def _resampled(pieces: Iterator[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    if rate == wanted:
        yield from pieces
        return
    import soxr

    stream = None
    for piece in pieces:
        if stream is None:
            stream = soxr.ResampleStream(rate, wanted, len(piece), dtype=piece.dtype, quality="HQ")
        yield stream.resample_chunk(np.ascontiguousarray(piece.T)).T
    if stream is not None:
        yield stream.resample_chunk(np.empty((0, len(piece)), piece.dtype), last=True).T


def _rechunked(pieces: Iterator[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Cut pieces of any length into new arrays of ``length`` samples."""
    block, filled = None, 0
    for piece in pieces:
        at = 0
        while at < piece.shape[1]:
            if block is None:
                block, filled = np.empty((len(piece), length), piece.dtype), 0
            n = min(length - filled, piece.shape[1] - at)
            block[:, filled : filled + n] = piece[:, at : at + n]
            filled, at = filled + n, at + n
            if filled == length:
                yield block
                block = None
    if block is not None:
        yield np.ascontiguousarray(block[:, :filled])


class _Growing:
    """Collects pieces (channels, samples) with one copy where the length was known beforehand."""

    def __init__(self, expected: int) -> None:
        self._expected, self.size = expected, 0
        self._array: np.ndarray | None = None

    def put(self, piece: np.ndarray) -> None:
        """Append a piece."""
        end = self.size + piece.shape[1]
        if self._array is None:
            self._array = np.empty((len(piece), max(self._expected, end)), piece.dtype)
        if end > self._array.shape[1]:
            larger = np.empty((len(piece), max(end, self._array.shape[1] * 3 // 2)), piece.dtype)
            larger[:, : self.size] = self._array[:, : self.size]
            self._array = larger
        self._array[:, self.size : end] = piece
        self.size = end

    def take(self) -> np.ndarray:
        """Return everything as one contiguous array."""
        assert self._array is not None
        return np.ascontiguousarray(self._array[:, : self.size])
