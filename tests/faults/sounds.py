"""Files that are wrong, or unusual and right: each generated, with what reading it must give."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE, N = 8000, 2000


@dataclass(frozen=True)
class Sound:
    """A file under test.

    Parameters
    ----------
    make : callable
        Puts it at a path.
    said : str
        Part of the one line that refuses it; empty where it is read.
    shape : tuple of int
        (channels, samples) it gives where it is read; -1 for any number.
    warned : str
        Part of the warning that comes with it.
    suffix : str
        What its name ends in.
    """

    make: Callable[[Path], object]
    said: str = ""
    shape: tuple[int, int] = (1, N)
    warned: str = ""
    suffix: str = ".wav"


def noise(channels: int = 1, n_samples: int = N) -> np.ndarray:
    """Return (channels, samples), never silent, within full scale."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (channels, n_samples))


def encoded(x: np.ndarray | None = None, rate: int = RATE, **options: Any) -> bytes:
    """Return samples (channels, samples) as the bytes of a file."""
    options = {"format": "WAV", "subtype": "PCM_16" if options.get("format") != "OGG" else "VORBIS"} | options
    buffer = io.BytesIO()
    soundfile.write(buffer, (noise() if x is None else x).T, rate, **options)
    return buffer.getvalue()


def written(data: Callable[[], bytes]) -> Callable[[Path], object]:
    """Return what puts the bytes that ``data`` gives at a path."""
    return lambda path: path.write_bytes(data())


def header(
    *,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    tag: int = 1,
    size: int | None = None,
    data: bytes = b"",
) -> bytes:
    """Return a WAV file whose header says what it is told to."""
    align = channels * bits // 8
    about = struct.pack(
        "<HHIIHH", tag, channels & 0xFFFF, rate, (rate * align) & 0xFFFFFFFF, align & 0xFFFF, bits
    )
    claimed = len(data) if size is None else size
    head = b"WAVEfmt " + struct.pack("<I", 16) + about + b"data" + struct.pack("<I", claimed)
    return b"RIFF" + struct.pack("<I", min(0xFFFFFFFF, 36 + claimed)) + head + data


def pcm(x: np.ndarray | None = None) -> bytes:
    """Return 16-bit samples without a header."""
    return (np.ravel((noise() if x is None else x).T) * 32767).astype("<i2").tobytes()


def floats(*values: float) -> Callable[[Path], object]:
    """Return what writes a float file in which the first samples have these values."""

    def make(path: Path) -> object:
        x = noise()
        x[0, : len(values)] = values
        return path.write_bytes(encoded(x, subtype="FLOAT"))

    return make


def _cut(share: float, **options: str) -> Callable[[Path], object]:
    def data() -> bytes:
        whole = encoded(noise(1, 20_000), **options)
        return whole[: int(len(whole) * share)]

    return written(data)


def _broken_link(path: Path) -> None:
    path.symlink_to("nowhere.wav")


def _endless_link(path: Path) -> None:
    path.symlink_to(path.name)


def _flac_that_claims(n_samples: int) -> bytes:
    data = bytearray(encoded(format="FLAC"))
    last = data[21] & 0xF0 | n_samples >> 32 & 0x0F
    data[21:26] = bytes([last]) + struct.pack(">I", n_samples & 0xFFFFFFFF)
    return bytes(data)


def _sample_rate_in_wav(rate: int) -> Callable[[Path], object]:
    return written(lambda: header(rate=rate, data=pcm()))


SOUNDS: dict[str, Sound] = {
    # ---- nothing there, or not enough
    "no bytes": Sound(written(bytes), "is empty"),
    "one byte": Sound(written(lambda: b"R"), "can't be read as sound"),
    "header cut off": Sound(written(lambda: encoded()[:30]), "can't be read as sound"),
    "header alone": Sound(written(lambda: header()), "has no samples"),
    "one sample": Sound(written(lambda: header(data=pcm()[:2])), shape=(1, 1)),
    "half a sample": Sound(written(lambda: header(data=b"\1")), "has no samples"),
    "an odd byte at the end": Sound(written(lambda: header(data=pcm() + b"\1")), shape=(1, N)),
    "wav cut off": Sound(_cut(0.5), shape=(1, -1), warned="ends early"),
    "flac cut off": Sound(_cut(0.5, format="FLAC"), shape=(1, -1), warned="ends early", suffix=".flac"),
    "ogg cut off": Sound(_cut(0.95, format="OGG"), "", (1, -1), "ends early", ".ogg"),
    "aiff cut off": Sound(_cut(0.5, format="AIFF"), "", (1, -1), "ends early", ".aiff"),
    # ---- headers that lie
    "claims 2^32 frames": Sound(
        written(lambda: header(bits=8, size=0xFFFFFFF0, data=bytes(range(256)))), shape=(1, 256)
    ),
    "flac claims 2^36 frames": Sound(
        written(lambda: _flac_that_claims(2**36 - 1)), "", (1, N), "ends early", ".flac"
    ),
    "65,535 channels": Sound(written(lambda: header(channels=65535, data=pcm())), "can't be read as sound"),
    "1,024 channels": Sound(
        written(lambda: header(channels=1024, data=pcm(noise(1024, 3)))), shape=(1024, 3)
    ),
    "0 channels": Sound(written(lambda: header(channels=0, data=pcm())), "can't be read as sound"),
    "0 Hz": Sound(_sample_rate_in_wav(0), "can't be read as sound"),
    "64-bit whole numbers": Sound(written(lambda: header(bits=64, data=pcm())), "can't be read as sound"),
    "size 0xFFFFFFFF": Sound(
        written(lambda: header(size=0xFFFFFFFF, data=pcm())), warned="doesn't say how long"
    ),
    "size 0 and sound": Sound(written(lambda: header(size=0, data=pcm())), warned="cut off?"),
    "size beyond the end": Sound(written(lambda: header(size=2**20, data=pcm())), warned="ends early"),
    "RF64": Sound(written(lambda: encoded(format="RF64"))),
    "W64": Sound(written(lambda: encoded(format="W64")), suffix=".w64"),
    # ---- another thing than its name says
    "text as flac": Sound(written(lambda: b"Dear listener\n" * 99), "first bytes are text", suffix=".flac"),
    "text as m4a": Sound(written(lambda: b"Dear listener\n" * 99), "can't be read as sound", suffix=".m4a"),
    "mp3 as wav": Sound(written(lambda: encoded(format="MP3", subtype="MPEG_LAYER_III")), shape=(1, -1)),
    "flac as wav": Sound(written(lambda: encoded(format="FLAC"))),
    "wav as flac": Sound(written(encoded), suffix=".flac"),
    "wav as m4a": Sound(written(encoded), suffix=".m4a"),
    "wav without a suffix": Sound(written(encoded), suffix=""),
    "a picture": Sound(
        written(lambda: b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(999)), "can't be read as sound"
    ),
    "zeros": Sound(written(lambda: bytes(9999)), "can't be read as sound"),
    # ---- codings
    "8 bit": Sound(written(lambda: encoded(subtype="PCM_U8"))),
    "24 bit": Sound(written(lambda: encoded(subtype="PCM_24"))),
    "32 bit": Sound(written(lambda: encoded(subtype="PCM_32"))),
    "double": Sound(written(lambda: encoded(subtype="DOUBLE"))),
    "mu-law": Sound(written(lambda: encoded(subtype="ULAW"))),
    "A-law": Sound(written(lambda: encoded(subtype="ALAW"))),
    "big-endian": Sound(written(lambda: encoded(endian="BIG"))),
    "ADPCM": Sound(written(lambda: encoded(subtype="IMA_ADPCM")), "is not on the list of safe ones"),
    "MS ADPCM": Sound(written(lambda: encoded(subtype="MS_ADPCM")), "is not on the list of safe ones"),
    "GSM": Sound(written(lambda: encoded(subtype="GSM610")), "is not on the list of safe ones"),
    # ---- rates
    "1 Hz": Sound(_sample_rate_in_wav(1)),
    "3 MHz": Sound(_sample_rate_in_wav(3_000_000)),
    # ---- samples
    "NaN": Sound(floats(0.1, np.nan, np.nan), "2 samples are NaN or infinite"),
    "infinity": Sound(floats(-np.inf), "1 samples are NaN or infinite"),
    "1e30": Sound(floats(1e30)),
    "1e-40": Sound(written(lambda: encoded(noise() * 1e-40, subtype="FLOAT"))),
    "silence": Sound(written(lambda: encoded(np.zeros((2, N)))), shape=(2, N)),
}
if os.name == "posix":
    SOUNDS |= {
        "a folder": Sound(lambda path: path.mkdir(), "is a folder"),
        "a broken link": Sound(_broken_link, "no such file"),
        "a link to itself": Sound(_endless_link, "can't be opened"),
        "a link to /dev/zero": Sound(lambda path: path.symlink_to("/dev/zero"), "neither a file nor a pipe"),
        "a link to /dev/full": Sound(lambda path: path.symlink_to("/dev/full"), "neither a file nor a pipe"),
        "a link to /proc": Sound(lambda path: path.symlink_to("/proc/self/mem"), "can't be opened"),
    }


def make(name: str, folder: Path, stem: str = "sound") -> Path:
    """Put a file of `SOUNDS` in a folder and return its path."""
    path = folder / f"{stem}{SOUNDS[name].suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    SOUNDS[name].make(path)
    return path
