"""Pipes and streams kept until they are done with: in memory while short, else in a temporary file."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from sigsep_classic.audio.sources import (
    TRIAL_BYTES,
    AudioSource,
    View,
    may_be_sound,
    open_path,
    printable,
    unreadable,
)
from sigsep_classic.errors import AudioError, OutputError

IN_MEMORY = 2**25
"""Bytes of a stream that are kept in memory; more go to a temporary file."""

_AT_A_TIME = 2**20


def is_pipe(path: str | os.PathLike[str]) -> bool:
    """Say whether a path is that of a named pipe, which can be read once only.

    Parameters
    ----------
    path : str or path
        Nothing need be there.
    """
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def spooled(source: AudioSource, *, in_memory: int = IN_MEMORY) -> Iterator[IO[bytes]]:
    """Yield what a pipe or a stream holds as a file object that can be read as often as need be.

    Parameters
    ----------
    source : path of a named pipe, or binary file object
        Is read to its end.
    in_memory : int
        Bytes that are kept in memory; what is longer goes to a temporary file (in ``TMPDIR``), which is gone after.

    Raises
    ------
    AudioError
        It can't be read, or does not begin like a sound file and goes on.
    OutputError
        The temporary file can't be written.
    """
    if isinstance(source, (str, os.PathLike)):
        name = printable(os.fspath(source))
        with open_path(os.fspath(source)) as file, _kept(file, name, in_memory) as kept:
            yield kept
        return
    with _kept(source, str(getattr(source, "name", "") or "<stream>"), in_memory) as kept:
        yield kept


@contextmanager
def _kept(file: IO[bytes], name: str, in_memory: int) -> Iterator[Any]:
    with tempfile.SpooledTemporaryFile(max_size=in_memory) as spool:
        for data in _read(file, name):
            try:
                spool.write(data)
            except OSError as error:
                raise OutputError(
                    f"{name}: is too long for memory and can't be kept in a temporary file "
                    f"({error.strerror or error}); set TMPDIR to a folder with room, or name a file"
                ) from None
        view = View(spool)  # type: ignore[arg-type]
        view.name = name
        view.seek(0)
        yield view


def _read(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield a stream piece by piece, unless it does not look like sound after a while."""
    head, size, trusted = b"", 0, False
    while True:
        try:
            data = file.read(_AT_A_TIME)
        except OSError as error:
            raise unreadable(name, error) from None
        if not data:
            return
        if isinstance(data, str):
            raise AudioError(f"{name}: is opened as text; open it in binary mode ('rb')")
        head, size = (head + data[:64])[:64], size + len(data)
        if not trusted and size >= TRIAL_BYTES:
            if not may_be_sound(head):
                raise AudioError(f"{name}: can't be read as sound; its first bytes are no sound file's")
            trusted = True
        yield data
