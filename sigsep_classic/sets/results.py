"""Results on disk: a folder for each unit, which is complete or absent, with a record of what made it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sigsep_classic._version import __version__
from sigsep_classic.errors import OutputError
from sigsep_classic.sets.manifest import Manifest, Unit

RECORD = "record.json"
FAILURES = "failures.jsonl"
_PARTS = ".parts"
_LOCK = ".lock"

_CANONICAL = json.JSONEncoder(sort_keys=True)

Record = dict[str, Any]


def identity(manifest: Manifest, unit: Unit, coding: dict[str, Any], *, content: bool) -> str:
    """Return a hash of all that decides a unit's result: the file, what is done to it, and by which version.

    Parameters
    ----------
    manifest, unit
        Where relative paths begin, and the unit.
    coding : dict
        How stems are written.
    content : bool
        Tell files by what is in them, not by name, size and time of change.

    Raises
    ------
    OSError
        A file is not there.
    """
    told = {
        "version": __version__,
        "file": _fingerprint(manifest, unit.file, content),
        "model": _fingerprint(manifest, unit.model, content) if unit.model else None,
        "method": None if unit.model else unit.method,
        "parameters": dict(unit.parameters),
        "options": dict(unit.options),
        "coding": coding,
    }
    return hashlib.sha256(_CANONICAL.encode(told).encode()).hexdigest()[:32]


def _fingerprint(manifest: Manifest, name: str, content: bool) -> list[Any]:
    path = manifest.path(name)
    if content:
        with open(path, "rb") as file:
            return ["content", hashlib.file_digest(file, "sha256").hexdigest()]
    facts = os.stat(path)
    return [name, facts.st_size, facts.st_mtime_ns]


def finished(target: str, key: str) -> Record | None:
    """Return the record of a result that is there, of this identity and with all its stems; else None."""
    try:
        with open(f"{target}/{RECORD}", "rb") as file:
            record = json.loads(file.read())
        if record["unit"] != key or not {*record["outputs"].values()} <= {*os.listdir(target)}:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(record)


@contextmanager
def unpublished(root: str) -> Iterator[str]:
    """Give a folder that nobody sees, to fill and `publish`; what is left of it is removed."""
    folder = os.path.join(root, _PARTS, secrets.token_hex(8))
    with _told(folder):
        os.makedirs(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: str, target: str, record: Record) -> None:
    """Write the record beside the stems and give the folder its final name, in place of an older result.

    Raises
    ------
    OutputError
        Something else has that name, or the system refuses.
    """
    path = os.path.join(folder, RECORD)
    with _told(target):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=True, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.lexists(target) and not os.path.isfile(os.path.join(target, RECORD)):
            if not os.path.isdir(target) or os.path.islink(target) or os.listdir(target):
                raise OutputError(f"{target}: is there and no result of ours; choose another folder with -o")
        elif os.path.lexists(target):
            os.rename(target, f"{folder}.old")
        os.rename(folder, target)
        with contextlib.suppress(OSError):  # not every system can
            handle = os.open(os.path.dirname(target), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    shutil.rmtree(f"{folder}.old", ignore_errors=True)


@contextmanager
def claimed(root: str) -> Iterator[None]:
    """Keep other runs out of a folder of results, and clear away what a killed one left unfinished.

    Raises
    ------
    OutputError
        Another run works there, or nothing can be written.
    """
    from filelock import FileLock, Timeout

    with _told(root):
        os.makedirs(root, exist_ok=True)
        lock = FileLock(os.path.join(root, _LOCK))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise OutputError(
                f"{root}: another run writes there; wait for it, or choose another -o"
            ) from None
        except NotImplementedError:  # a file system without locks
            pass
    try:
        shutil.rmtree(os.path.join(root, _PARTS), ignore_errors=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(root, _PARTS))
        lock.release()


def write_failures(root: str, failed: list[Record]) -> None:
    """Write the records of what failed into ``failures.jsonl``, or remove that of an earlier run.

    Raises
    ------
    OutputError
        The system refuses.
    """
    path = os.path.join(root, FAILURES)
    with _told(path):
        if not failed:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        temporary = os.path.join(root, f".{FAILURES}.{secrets.token_hex(6)}.part")
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(record, ensure_ascii=True) + "\n" for record in failed)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Say in one line what the system refuses."""
    try:
        yield
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{place}: can't be written ({reason}); check the folder, its permissions and free space"
        ) from None
