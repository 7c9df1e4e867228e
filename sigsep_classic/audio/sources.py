"""Where sound comes from: paths, pipes and file objects, checked and made seekable for the decoders."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeAlias

from sigsep_classic.audio.codecs import EXTERNAL_SUFFIXES
from sigsep_classic.errors import AudioError

AudioSource: TypeAlias = str | os.PathLike[str] | IO[bytes]

PATIENCE_SECONDS = 10.0
"""How long a named pipe may have nobody who writes to it."""

_KNOWN = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"fLaC", b"OggS", b"caff")
_KNOWN_TO_FEW = (
    b"dns.",
    b"NIST",
    b"Crea",
    b"2BIT",
    b" paf",
    b"fap ",
    b"PVF1",
    b"MATL",
    b"\x64\xa3",
    b"\0\1\xa3\x64",
)

# A stream that has gone on for so long without looking like sound may have no end, as that of /dev/zero.
TRIAL_BYTES = 2**20


class View(io.BufferedIOBase):
    """A read-only look at a file from ``base`` on, with some bytes replaced and, if asked, a longer length.

    It exists because libsndfile believes headers: a few bytes are corrected here, not on the disk.
    """

    def __init__(self, file: IO[bytes], *, base: int = 0) -> None:
        self.file, self.base = file, base
        self.patches: dict[int, bytes] = {}
        self.size = file.seek(0, os.SEEK_END) - base
        self.length = self.size
        self.failure: BaseException | None = None
        self.name = ""  # what messages call it; the type if empty
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
            data = self._patched(at, self._read(self.base + at, size))
        self._position += len(data)
        return data

    def _read(self, at: int, size: int) -> bytes:
        """Read from the file; libsndfile calls this from C, where an exception, Ctrl-C too, would get lost."""
        try:
            self.file.seek(at)
            return self.file.read(size)
        except BaseException as error:
            self.failure = error
            return b""

    def raise_if_failed(self, name: str) -> None:
        """Raise what went wrong while reading."""
        failure, self.failure = self.failure, None
        if isinstance(failure, Exception):
            reason = getattr(failure, "strerror", None) or failure
            raise AudioError(f"{name}: can't be read to its end ({reason}); get another copy") from failure
        if failure is not None:
            raise failure

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
        if _is_container(head) or (
            len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
        ):  # AAC's ADTS frame
            return True
        return head[:4] not in _KNOWN and self.suffix in EXTERNAL_SUFFIXES


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
        with open_path(path) as file:
            spooled = not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            view = _view(lambda: View(_spool(file, path) if spooled else file), path)
            yield _checked(Source(name=printable(path), view=view, path=None if spooled else path))
        return
    name = printable(str(getattr(source, "name", "") or f"<{type(source).__name__}>"))
    if not hasattr(source, "read"):
        raise AudioError(
            f"{name}: {type(source).__name__} is no sound file; pass a path or a binary file object"
        )
    seekable = _is_seekable(source)
    view = _view(lambda: View(source, base=source.tell()) if seekable else View(_spool(source, name)), name)
    yield _checked(Source(name=name, view=view))


def _view(make: Callable[[], View], name: str) -> View:
    """Return the view; some of what calls itself a file, as in /proc, can't be read."""
    try:
        return make()
    except OSError as error:
        raise unreadable(printable(name), error) from None


def unreadable(name: str, error: OSError | ValueError) -> AudioError:
    """Return the error for what the system does not open or read."""
    reason = getattr(error, "strerror", None) or error
    return AudioError(f"{name}: can't be opened ({reason}); check the path")


def printable(path: str) -> str:
    """Spell a file name that is not UTF-8 so that messages about it can be printed."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def open_path(path: str) -> IO[bytes]:
    """Return a regular file, or a named pipe as soon as somebody writes to it, open for reading."""
    name = printable(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
        if stat.S_ISFIFO(mode):
            return _open_pipe(path, name)
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file; check the spelling and the current folder") from None
    except PermissionError:
        raise AudioError(f"{name}: may not be read; check its permissions") from None
    except AudioError:
        raise
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None
    if stat.S_ISDIR(mode):
        raise AudioError(f"{name}: is a folder; name the files in it")
    # A device such as /dev/zero never ends.
    raise AudioError(f"{name}: is neither a file nor a pipe; name a sound file")


def _open_pipe(path: str, name: str) -> IO[bytes]:
    """Open a named pipe as soon as somebody writes to it: opening it plainly would wait for that for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        end, first = time.monotonic() + PATIENCE_SECONDS, b""
        while not first and time.monotonic() < end:
            try:
                first = os.read(handle, 1)  # nothing where nobody writes
            except BlockingIOError:  # somebody does, and has nothing yet
                break
            if not first:
                time.sleep(0.02)
        else:
            if not first:
                raise AudioError(f"{name}: is a pipe that nobody writes to; start what writes first")
        os.set_blocking(handle, True)
        return _Pipe(handle, first)
    except BaseException:
        os.close(handle)
        raise


class _Pipe(io.FileIO):
    """An open pipe of which the first byte was read."""

    def __init__(self, handle: int, first: bytes) -> None:
        super().__init__(handle, "rb")
        self._first = first

    def read(self, size: int | None = -1) -> bytes:
        """Return up to ``size`` bytes, all by default."""
        first, self._first = self._first, b""
        return first or super().read(-1 if size is None else size)


def _is_seekable(file: IO[bytes]) -> bool:
    try:
        return bool(file.seekable())
    except AttributeError:
        return False


def _spool(file: IO[bytes], name: str) -> io.BytesIO:
    """Read a stream to its end, unless it does not look like sound after a while."""
    parts, size = [], 0
    while size < TRIAL_BYTES and (data := file.read(TRIAL_BYTES - size)):
        if isinstance(data, str):
            raise AudioError(f"{name}: is opened as text; open it in binary mode ('rb')")
        parts.append(data)
        size += len(data)
    start = b"".join(parts)
    if size < TRIAL_BYTES:
        return io.BytesIO(start)
    if not may_be_sound(start):
        raise AudioError(f"{printable(name)}: can't be read as sound; its first bytes are no sound file's")
    return io.BytesIO(start + file.read())


def _is_container(head: bytes) -> bool:
    """Say whether the first bytes are those of MPEG-4 or Matroska."""
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3"


def may_be_sound(head: bytes) -> bool:
    """Say whether these may be the first bytes of a sound file."""
    frame = head[0] == 0xFF and head[1] & 0xE0 == 0xE0  # MPEG, AAC
    return frame or head[:3] == b"ID3" or _is_container(head) or head.startswith((*_KNOWN, *_KNOWN_TO_FEW))


def _checked(source: Source) -> Source:
    view = source.view
    if isinstance(view.file, io.TextIOBase):
        raise AudioError(f"{source.name}: is opened as text; open it in binary mode ('rb')")
    if view.size == 0:
        raise AudioError(f"{source.name}: is empty (0 bytes); check that it was written or copied to its end")
    view.seek(0)
    source.head = view.read(64)
    view.seek(0)
    view.raise_if_failed(source.name)
    return source


def looks_like_text(head: bytes) -> bool:
    """Say whether the first bytes are printable text."""
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head)
