"""WAV of a length that is known beforehand, written to what can't go back: a pipe."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any

import numpy as np

from sigsep_classic.audio.codecs import Encoding, resolve_encoding
from sigsep_classic.audio.encoder import peak_of
from sigsep_classic.audio.samples import check_samples
from sigsep_classic.audio.writing import SaveRecord
from sigsep_classic.errors import OutputError
from sigsep_classic.typing import Array

_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_MOST = 2**32 - 2**16


@contextmanager
def refusals_told() -> Iterator[None]:
    """Say in one line that standard output does not take what is written; a broken pipe stays `BrokenPipeError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"<stdout>: can't be written ({error.strerror or error}); check the receiver"
        ) from None


class ForwardWriter:
    """A context that writes one stem, of exactly ``n_samples``, block by block; what `StemWriter` is for files.

    What was written before an error stays: there is no taking it back. The header has said then how much there should
    be. Several writers for one file object go on one after the other: each skips what those before it have written.

    Parameters
    ----------
    file : binary file object
        Needs ``write`` alone.
    encoding : Encoding
        As `forward_encoding` gave it.
    sent : list of int
        ``[n]``, the samples that were written; kept up to date.
    sample_rate, channels, n_samples : int
        Rate in Hz, channels, and samples of each.

    Raises
    ------
    OutputError
        Writing fails, or less than ``n_samples`` came. A broken pipe stays `BrokenPipeError`.
    """

    def __init__(
        self,
        file: IO[bytes],
        encoding: Encoding,
        sent: list[int],
        *,
        sample_rate: int,
        channels: int,
        n_samples: int,
    ) -> None:
        self._file, self._encoding, self._sent = file, encoding, sent
        self._rate, self._n_samples, self._at = sample_rate, n_samples, 0
        self._peak, self._clipped = 0.0, 0
        self._odd = n_samples * channels * _BYTES[encoding.subtype] % 2
        self._header = _header(encoding.subtype, sample_rate, channels, n_samples)

    def __enter__(self) -> ForwardWriter:
        if not self._sent:
            self._put(self._header)
            self._sent.append(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._sent[0] < self._n_samples:
            raise OutputError(f"<stdout>: {self._sent[0]} of {self._n_samples} samples came; use -o FOLDER")
        if error is None and self._odd:
            self._put(b"\0")  # chunks have an even length

    def write(self, blocks: Mapping[Any, Array]) -> None:
        """Append a block (channels, samples) of the one stem."""
        (block,) = blocks.values()
        samples = check_samples(block, name="<stdout>")
        first = max(0, self._sent[0] - self._at)
        self._at += samples.shape[1]
        samples = samples[:, first:]
        if not samples.shape[1]:
            return
        self._peak = max(self._peak, peak_of(samples))
        if not self._encoding.holds_any_level and self._peak > 1:
            self._clipped += int((np.abs(samples) > 1).sum())
            samples = np.clip(samples, -1, 1)
        self._put(_coded(samples, self._encoding.subtype, self._rate))
        self._sent[0] += samples.shape[1]

    def _put(self, data: bytes) -> None:
        with refusals_told():
            self._file.write(data)
            self._file.flush()

    @property
    def limited_peak(self) -> float:
        """0: nothing is to be done about levels."""
        return 0.0

    @property
    def record(self) -> SaveRecord:
        """What has been written up to now."""
        return SaveRecord(
            paths=("-",),
            sample_rate=self._rate,
            subtypes=(self._encoding.subtype,),
            peak=self._peak,
            clipped=self._clipped,
        )


def forward_encoding(
    *,
    format: str,
    subtype: str | None,
    clip_mode: str,
    channels: int,
    sample_rate: int,
    n_samples: int,
) -> Encoding | None:
    """Return the encoding, if it needs nothing that is known at the end only: the level, or a table of contents.

    Parameters
    ----------
    format : str
        Suffix of a sound format, such as ``"wav"``.
    subtype : str or None
        Sample coding; None is the format's usual one.
    clip_mode : str
        As for `audio.save_all`: what is done beyond full scale.
    channels, sample_rate, n_samples : int
        Channels, rate in Hz, and samples of each channel.

    Returns
    -------
    Encoding or None
        None: it can't be written forward.

    Raises
    ------
    OutputError
        The format, or the coding in it, is not known, or holds no such sound.
    """
    encoding = resolve_encoding(
        f"<{format} stream>",
        format=format,
        subtype=subtype,
        channels=channels,
        sample_rate=sample_rate,
        n_samples=n_samples,
    )
    simple = format in ("wav", "rf64") and encoding.subtype in _BYTES
    return encoding if simple and (encoding.holds_any_level or clip_mode == "clamp") else None


def _coded(x: np.ndarray, subtype: str, rate: int) -> bytes:
    """Return samples (channels, samples) as bytes; by libsndfile, so that they are those of a file."""
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, len(x), format="RAW", subtype=subtype, endian="LITTLE"
    ) as file:
        file.write(np.ascontiguousarray(x.T))
    return buffer.getvalue()


def _header(subtype: str, rate: int, channels: int, n_samples: int) -> bytes:
    """Return what comes before the samples; beyond 4 GiB the sizes are those of an RF64."""
    width = _BYTES[subtype]
    block, n_bytes = channels * width, channels * width * n_samples
    tag = 3 if subtype in ("FLOAT", "DOUBLE") else 1
    large = n_bytes > _MOST
    chunks: list[tuple[bytes, bytes]] = [
        (b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, 8 * width)),
        *([(b"fact", struct.pack("<I", min(n_samples, 2**32 - 1)))] if tag == 3 else []),
    ]
    body = b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
    if not large:
        size = 4 + len(body) + 8 + n_bytes + n_bytes % 2
        return b"RIFF" + struct.pack("<I", size) + b"WAVE" + body + b"data" + struct.pack("<I", n_bytes)
    sizes = struct.pack("<QQQI", 4 + 36 + len(body) + 8 + n_bytes + n_bytes % 2, n_bytes, n_samples, 0)
    top = b"RF64" + struct.pack("<I", 2**32 - 1) + b"WAVE" + b"ds64" + struct.pack("<I", len(sizes)) + sizes
    return top + body + b"data" + struct.pack("<I", 2**32 - 1)
