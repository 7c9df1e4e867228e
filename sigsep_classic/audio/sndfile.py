"""Reading through libsndfile, block by block to the end of the file whatever its header says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import soundfile

from sigsep_classic.audio.codecs import SAFE_SUBTYPES
from sigsep_classic.audio.headers import (
    inspect_mp3,
    inspect_wav,
    is_mp3,
    ogg_ends_early,
    unsafe_codec,
    warnings_in_log,
)
from sigsep_classic.audio.sources import Source, looks_like_text
from sigsep_classic.errors import AudioError

# FLAC written to a pipe says 0 samples; libsndfile makes 2^63 - 1 of it.
_NO_LENGTH = 2**50


class _Forward(soundfile.SoundFile):
    """A sound file that is only read on: soundfile otherwise seeks after every block, which FLAC of unknown
    length refuses and which costs lossy codecs their exactness."""

    def seekable(self) -> bool:
        return False


class SndfileReader:
    """One opened sound file, read by libsndfile.

    Parameters
    ----------
    source : Source
        From `open_source`.
    allow_any_codec : bool
        Take codecs that are not on the list of safe ones.

    Raises
    ------
    AudioError
        The file is no sound file, is malformed, or has an unsafe codec.
    """

    def __init__(self, source: Source, *, allow_any_codec: bool = False) -> None:
        self._source = source
        inspect_wav(source, allow_any_codec=allow_any_codec)
        exact = inspect_mp3(source) if is_mp3(source) else True
        cut_off = source.head.startswith(b"OggS") and ogg_ends_early(source)
        self._file = _open(source)
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.format: str = self._file.format
        self.subtype: str = self._file.subtype
        if self.subtype not in SAFE_SUBTYPES and not allow_any_codec:
            self._file.close()
            raise unsafe_codec(source.name, self.subtype)
        known = exact and self._file.frames < _NO_LENGTH
        self.frames: int | None = self._file.frames if known else None
        self.warnings: list[str] = source.warnings + warnings_in_log(self._file.extra_info)
        if cut_off and not self.warnings:
            self.warnings = ["ends early: the last Ogg page is cut off; read what it has"]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self, n_samples: int, *, start: int = 0, dtype: str = "float32") -> Iterator[np.ndarray]:
        """Yield arrays (samples, channels) of up to ``n_samples`` from sample ``start`` to the end."""
        done = self._skip_to(start)
        while True:
            # Where decoding fails inside a block, what came before is there and the rest is still NaN.
            block = np.full((n_samples, self.channels), np.nan, dtype)
            try:
                got, error = len(self._file.read(out=block)), None
            except soundfile.LibsndfileError as failure:
                got, error = _leading(block), failure
            if got:
                yield block[:got] if done >= start else block[start - done : got]
            done += got
            self._source.view.raise_if_failed(self._source.name)
            if error is not None:
                self._stopped(done, error)
            if got < n_samples:
                break
        if error is None and self.frames is not None and done < self.frames:
            self.warnings.append(
                f"ends early: the header says {self.frames} samples and {done} are there; read what it has"
            )

    def _skip_to(self, start: int) -> int:
        """Seek where that is exact, and return the sample reached; lossy codecs are decoded and dropped."""
        if start == 0 or self.frames is None or self.format in ("MP3", "OGG"):
            return 0
        return self._file.seek(min(start, self.frames))

    def _stopped(self, done: int, error: Exception) -> None:
        if done == 0:
            reason = str(error) or "nothing could be decoded"
            raise AudioError(f"{self._source.name}: is damaged ({reason}); get another copy") from None
        self.warnings.append(
            f"ends early or is damaged: decoding stopped at sample {done} "
            f"({done / self.sample_rate:.3f} s); read what came before"
        )


def _leading(block: np.ndarray) -> int:
    """Return how many rows from the start are filled."""
    empty = np.isnan(block[:, 0])
    return int(np.argmax(empty)) if empty.any() else len(block)


def _open(source: Source) -> _Forward:
    # By name where nothing is patched: no Python call per buffer. soundfile takes .raw for headerless.
    by_name = source.path is not None and not source.must_patch and source.suffix != ".raw"
    # Names that are not UTF-8 reach libsndfile as the bytes they are.
    path = source.path if os.name == "nt" or source.path is None else os.fsencode(source.path)
    try:
        return _Forward(path if by_name else source.view)
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
    source.view.raise_if_failed(source.name)
    way = "convert it to WAV or FLAC"
    if looks_like_text(source.head):
        way = "its first bytes are text; check what it really is"
    raise AudioError(f"{source.name}: can't be read as sound ({reason}); {way}")


def count_samples(target: Any, *, decode: bool) -> int:
    """Return how many samples a file just written holds; lossy headers may lie, so those are decoded."""
    with _Forward(os.fsencode(target) if isinstance(target, str) and os.name != "nt" else target) as file:
        if not decode:
            return int(file.frames)
        block, total = np.empty((65_536, file.channels), np.float32), 0
        while got := len(file.read(out=block)):
            total += got
        return total
