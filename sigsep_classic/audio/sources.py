"""Where sound comes from: paths, pipes and file objects, checked and made seekable for the decoders."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeAlias

from sigsep_classic.audio.codecs import EXTERNAL_SUFFIXES
from sigsep_classic.errors import AudioError

AudioSource: TypeAlias = str | os.PathLike[str] | IO[bytes]


class View(io.BufferedIOBase):
    """A read-only look at a file from ``base`` on, with some bytes replaced and, if asked, a longer length.

    It exists because libsndfile believes headers: a few bytes are corrected here, not on the disk.
    """

    def __init__(self, file: IO[bytes], *, base: int = 0) -> None:
        self.file, self.base = file, base
        self.patches: dict[int, bytes] = {}
        self.size = file.seek(0, os.SEEK_END) - base
        self.length = self.size
        self._position = 0

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes from ``base``."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position in bytes and return it."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence, self.length)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` bytes from here on."""
        at = self._position
        if size is None or size < 0:
            size = max(0, self.length - at)
        if self.length > self.size and at >= self.length - 256:
            # A decoder looks for a tag at the promised end; what lies before that reads as the end.
            data = bytes(min(size, self.length - at))
        else:
            self.file.seek(self.base + at)
            data = self._patched(at, self.file.read(size))
        self._position += len(data)
        return data

    def read1(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes from here on."""
        return self.read(size)

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from here on and return the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _patched(self, at: int, data: bytes) -> bytes:
        for offset, new in self.patches.items():
            if offset < at + len(data) and offset + len(new) > at:
                whole = bytearray(data)
                for i, value in enumerate(new):
                    if 0 <= offset + i - at < len(whole):
                        whole[offset + i - at] = value
                data = bytes(whole)
        return data


@dataclass(kw_only=True)
class Source:
    """An opened source: its name for messages, its bytes, its path if it can be opened again by name."""

    name: str
    view: View
    path: str | None = None
    head: bytes = b""
    must_patch: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def suffix(self) -> str:
        """The suffix in lower case, with the dot."""
        return os.path.splitext(self.name)[1].lower()

    @property
    def wants_external(self) -> bool:
        """Whether the first bytes, or else the suffix, say it is a file libsndfile doesn't know."""
        head = self.head
        if head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3":
            return True
        if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # AAC's ADTS frame
            return True
        known = head[:4] in (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"fLaC", b"OggS", b"caff")
        return not known and self.suffix in EXTERNAL_SUFFIXES


@contextmanager
def open_source(source: AudioSource) -> Iterator[Source]:
    """Yield a checked, seekable `Source`; close it afterwards if it was opened here.

    Raises
    ------
    AudioError
        It doesn't exist, is a folder or a device, may not be read, is empty, or is opened as text.
    """
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        with _open_path(path) as file:
            spooled = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            handle = _spool(file, path) if spooled else file
            yield _checked(Source(name=_printable(path), view=View(handle), path=None if spooled else path))
        return
    name = _printable(str(getattr(source, "name", "") or f"<{type(source).__name__}>"))
    if not hasattr(source, "read"):
        raise AudioError(
            f"{name}: {type(source).__name__} is no sound file; pass a path or a binary file object"
        )
    if _is_seekable(source):
        yield _checked(Source(name=name, view=View(source, base=source.tell())))
    else:
        yield _checked(Source(name=name, view=View(_spool(source, name))))


def _printable(path: str) -> str:
    """Spell a file name that is not UTF-8 so that messages about it can be printed."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def _open_path(path: str) -> IO[bytes]:
    name = _printable(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
            return open(path, "rb")
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the spelling and the current folder") from None
    except PermissionError:
        raise AudioError(f"{name}: may not be read; check its permissions") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: can't be opened ({reason}); check the path") from None
    if stat.S_ISDIR(mode):
        raise AudioError(f"{name}: is a folder; name the files in it")
    # A device such as /dev/zero never ends.
    raise AudioError(f"{name}: is neither a file nor a pipe; name a sound file")


def _is_seekable(file: IO[bytes]) -> bool:
    try:
        return bool(file.seekable())
    except AttributeError:
        return False


def _spool(file: IO[bytes], name: str) -> io.BytesIO:
    data = file.read()
    if isinstance(data, str):
        raise AudioError(f"{name}: is opened as text; open it in binary mode ('rb')")
    return io.BytesIO(data)


def _checked(source: Source) -> Source:
    view = source.view
    if isinstance(view.file, io.TextIOBase):
        raise AudioError(f"{source.name}: is opened as text; open it in binary mode ('rb')")
    if view.size == 0:
        raise AudioError(f"{source.name}: is empty (0 bytes); check that it was written or copied to its end")
    view.seek(0)
    source.head = view.read(64)
    view.seek(0)
    return source


def looks_like_text(head: bytes) -> bool:
    """Say whether the first bytes are printable text."""
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
