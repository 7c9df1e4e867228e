"""Any failure as one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from dataclasses import dataclass

from sigsep_classic.cli.output import complain
from sigsep_classic.errors import Interrupted, OutputError, SigsepError

BROKEN_PIPE = 141

_NO_ROOM = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EFBIG") if hasattr(errno, name)
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What went wrong, in one line.

    Parameters
    ----------
    kind : str
        Name of the error class.
    message : str
        One line, with the way out.
    exit_code : int
        What the process ends with if this is all that happened.
    """

    kind: str
    message: str
    exit_code: int


def describe(error: BaseException) -> Failure:
    """Return the failure an exception stands for."""
    kind = type(error).__name__
    if isinstance(error, SigsepError):
        return Failure(kind=kind, message=str(error), exit_code=error.exit_code)
    if isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        way = "use a shorter file, fewer components, or fewer jobs (-j)"
        return Failure(kind="MemoryError", message=f"out of memory{detail}; {way}", exit_code=1)
    if isinstance(error, OSError) and error.strerror:
        return _refused_by_the_system(error)
    detail = f"{kind}: {error}" if str(error) else kind
    return Failure(kind=kind, message=f"internal error: {detail}; run with --debug to see where", exit_code=1)


def _refused_by_the_system(error: OSError) -> Failure:
    """Return the failure of a call to the system that nobody nearer to it knew how to tell."""
    kind = type(error).__name__
    try:
        os.getcwd()
    except OSError:
        way = "the current folder is no longer there; go to another one with cd"
        return Failure(kind=kind, message=way, exit_code=OutputError.exit_code)
    where = f"{error.filename}: " if error.filename is not None else ""
    code = OutputError.exit_code if error.errno in _NO_ROOM else 1
    message = f"{where}{error.strerror}; check free space and permissions, --debug shows where it was"
    return Failure(kind=kind, message=message, exit_code=code)


def report(error: BaseException, *, debug: bool) -> int:
    """Print one line about what ended the run, if it needs one, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        drop_stdout()
        return BROKEN_PIPE
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, Interrupted | KeyboardInterrupt):
        complain("interrupted; what was finished is kept", label="")
        return error.exit_code if isinstance(error, Interrupted) else 130
    failure = describe(error)
    complain(failure.message)
    with contextlib.suppress(OSError, ValueError):
        if sys.stdout is not None:
            sys.stdout.flush()
        return failure.exit_code
    drop_stdout()
    return failure.exit_code


def drop_stdout() -> None:
    """Point standard output at nothing, so that what is left in its buffer raises no second error at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
