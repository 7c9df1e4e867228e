"""What the command prints: results on standard output, everything else on standard error."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator
from typing import IO, Any

from sigsep_classic.cli.main import PROG
from sigsep_classic.errors import OutputError


def say(text: str) -> None:
    """Print a result on standard output; whatever can't be printed there is spelt with backslashes.

    Raises
    ------
    OutputError
        Standard output can't be written, for instance because its disk is full.
    BrokenPipeError
        Nobody reads it any more.
    """
    stream = sys.stdout
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(error) from None


def unwritable(error: OSError) -> OutputError:
    """Return the error for a standard output that takes no more."""
    return OutputError(f"standard output can't be written ({error.strerror or error}); check where it goes")


def complain(message: str, *, label: str = "error") -> None:
    """Print one line on standard error: ``sigsep-classic: error: …``."""
    if sys.stderr is None:
        return
    mark = f"{label}: " if label else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{PROG}: {mark}{one_line(message)}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def log_to_stderr(wanted: bool) -> Iterator[None]:
    """Print what the package logs below a warning, if wanted; warnings are in the records of the files."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns of caches that can't be written
    if not wanted:
        yield
        return

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno < logging.WARNING:
                complain(record.getMessage(), label="")

    logger, handler = logging.getLogger("sigsep_classic"), Handler()
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None where it is none."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def _dumb() -> bool:
    """Whether the terminal can't take back what it shows, as that of an editor or of a log."""
    import os

    return os.environ.get("TERM") == "dumb"


def one_line(text: str) -> str:
    """Return text without line ends or control characters, which a file name may hold."""
    joined = " ".join(text.split("\n")) if "\n" in text else text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return strict JSON in ASCII; numbers that are not finite become strings, unknown objects their repr."""
    import json

    return json.dumps(_plain(value), allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):  # a file name that is not UTF-8 holds halves of characters
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return _plain(value.tolist())
    return repr(value)


class Progress:
    """One line on a terminal that is written over and over; nothing anywhere else.

    Parameters
    ----------
    enabled : bool
        Whether to show anything at all.
    stream : file, optional
        Default: standard error.

    Attributes
    ----------
    enabled : bool
        Whether anything is shown.
    """

    def __init__(self, *, enabled: bool, stream: IO[str] | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.enabled = enabled and self._stream is not None and self._stream.isatty() and not _dumb()
        self._shown, self._next = "", 0.0

    def show(self, text: str, *, every: float = 0.0) -> None:
        """Replace the line, at most once in ``every`` seconds."""
        if not self.enabled or text == self._shown:
            return
        import shutil
        import time

        now = time.monotonic()
        if every and now < self._next:
            return
        self._next, self._shown = now + every, text
        columns = shutil.get_terminal_size().columns - 1
        self._write("\r" + _cut(one_line(text), columns) + "\x1b[K")

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._shown:
            self._shown = ""
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def _cut(text: str, columns: int) -> str:
    """Return as much of the text as fits; Chinese and Japanese characters take two columns."""
    from unicodedata import east_asian_width

    used = 0
    for i, character in enumerate(text):
        used += 2 if east_asian_width(character) in "WF" else 1
        if used > columns:
            return text[: max(0, i - 1)] + "…"
    return text
