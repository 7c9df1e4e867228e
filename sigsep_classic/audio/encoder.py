"""One sound file being written in blocks, and read back before anybody may rely on it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any

import numpy as np

from sigsep_classic.audio.codecs import Encoding
from sigsep_classic.errors import OutputError, SigsepError

_CHUNK = 65_536


class Encoder:
    """One sound file being written; leaving the context checks that all of it is there."""

    def __init__(self, target: Any, name: str, encoding: Encoding, rate: int, channels: int) -> None:
        import soundfile

        self._target, self._name, self._encoding = target, name, encoding
        self._written = self.clipped = 0
        where = os.fsencode(target) if isinstance(target, str) and os.name != "nt" else target
        try:
            self._file = soundfile.SoundFile(
                where, "w", rate, channels, format=encoding.container, subtype=encoding.subtype
            )
        except soundfile.LibsndfileError as error:
            raise self._failure(error) from None

    def __enter__(self) -> Encoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import soundfile

        try:
            self._file.close()
            if error is None:
                _edit(self._target, _zero_peak_time)
                self._verify()
        except (soundfile.LibsndfileError, SigsepError, OSError) as failure:
            if error is None:
                raise self._failure(failure) from None

    def write(self, x: np.ndarray, *, gain: float) -> None:
        """Append x (channels, samples) times ``gain``."""
        import soundfile

        for at in range(0, x.shape[1], _CHUNK):
            block = x[:, at : at + _CHUNK]
            if gain != 1:
                block = block * block.dtype.type(gain)
            if not self._encoding.holds_any_level and peak_of(block) > 1:
                # What a common gain leaves beyond 1 is its rounding, and is not counted.
                self.clipped += int((np.abs(block) > 1).sum()) if gain == 1 else 0
                block = np.clip(block, -1, 1)
            try:
                self._file.write(np.ascontiguousarray(block.T))
            except (soundfile.LibsndfileError, AssertionError) as error:
                raise self._failure(error) from None
            self._written += block.shape[1]

    def _failure(self, error: Exception) -> OutputError:
        if isinstance(error, OutputError):
            return error
        reason = getattr(error, "error_string", None) or str(error) or "cut short"
        return OutputError(f"{self._name}: can't be written ({reason.rstrip('.')}); check the free space")

    def _verify(self) -> None:
        """Read back how much is there: on a full disk libsndfile can leave a file that opens and is short."""
        from sigsep_classic.audio.sndfile import count_samples

        there = count_samples(self._target, decode=self._encoding.is_lossy)
        if there != self._written:
            raise OutputError(
                f"{self._name}: {there} of {self._written} samples arrived on the disk; check the free space"
            )


def peak_of(x: np.ndarray) -> float:
    """Return the largest absolute sample."""
    return max(float(x.max()), -float(x.min()))


def _edit(target: Any, change: Callable[[IO[bytes]], None]) -> None:
    if isinstance(target, io.BytesIO):
        change(target)
        return
    with open(target, "r+b") as file:
        change(file)


def _zero_peak_time(file: IO[bytes]) -> None:
    """Float WAV and AIFF hold the time of writing: without it equal sounds are equal bytes."""
    file.seek(0)
    header = re.split(b"data|SSND", file.read(4096))[0]
    at = header.find(b"PEAK")
    if at >= 0:
        file.seek(at + 12)  # name, size, version, then the time
        file.write(bytes(4))
    file.seek(0)
