"""Files that appear all or nothing: written under other names beside their targets, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable
from types import TracebackType

from sigsep_classic.errors import OutputError

ATTEMPTS = 5


class FileSet:
    """A context in which files are written under temporary names; leaving it well renames them all.

    Leaving it by any exception, Ctrl-C included, removes what was written, puts back the files that were
    replaced, and removes the folders that were made.

    Parameters
    ----------
    targets : iterable of str
        Where the files are to be.
    inputs : iterable of str
        Files that must not be replaced.

    Raises
    ------
    OutputError
        A target is an input, a folder, a device, or named twice; or the system refuses.
    """

    def __init__(self, targets: Iterable[str], *, inputs: Iterable[str] = ()) -> None:
        self.targets = [os.fspath(target) for target in targets]
        _check_targets(self.targets, [os.fspath(name) for name in inputs])
        self._temporary: dict[str, str] = {}
        self._backups: dict[str, str | None] = {}
        self._folders: list[str] = []

    def __enter__(self) -> FileSet:
        try:
            for target in self.targets:
                self._temporary[target] = self._create(target)
        except BaseException as error:
            self._undo()
            raise _as_output_error(target, error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._commit()
        else:
            self._undo()

    def temporary(self, target: str) -> str:
        """Return the name under which the file for ``target`` is written."""
        return self._temporary[target]

    def _create(self, target: str) -> str:
        for _ in range(ATTEMPTS - 1):
            # Another process may take back a folder it had made, between our look and our file.
            with contextlib.suppress(FileNotFoundError):
                self._make_folder(os.path.dirname(os.path.abspath(target)))
                return _create_beside(target)
        self._make_folder(os.path.dirname(os.path.abspath(target)))
        return _create_beside(target)

    def _make_folder(self, folder: str) -> None:
        missing = []
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for name in reversed(missing):
            try:
                os.mkdir(name)
            except FileExistsError:
                if not os.path.isdir(name):
                    raise
                # Another process made it between the look and now: it is theirs to take back.
            else:
                self._folders.append(name)

    def _commit(self) -> None:
        target = self.targets[0] if self.targets else ""
        try:
            for name in self._temporary.values():
                _sync(name, os.O_RDWR)
            for target, name in self._temporary.items():
                self._backups[target] = _keep(target)
                os.replace(name, target)
        except BaseException as error:
            self._undo()
            raise _as_output_error(target, error) from None
        for backup in self._backups.values():
            _remove(backup)
        for folder in {os.path.dirname(os.path.abspath(name)) for name in self.targets}:
            # The new names are on the disk only when their folder is. Not every system can.
            with contextlib.suppress(OSError):
                _sync(folder, os.O_RDONLY)

    def _undo(self) -> None:
        for target, backup in self._backups.items():
            if backup is not None:
                with contextlib.suppress(OSError):
                    os.replace(backup, target)
                # A rename between two names of one file does nothing, and leaves both.
                _remove(backup)
            elif not os.path.lexists(self._temporary[target]):
                _remove(target)
        for name in self._temporary.values():
            _remove(name)
        for folder in reversed(self._folders):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _check_targets(targets: list[str], inputs: list[str]) -> None:
    real = [os.path.normcase(os.path.realpath(target)) for target in targets]
    sources = {os.path.normcase(os.path.realpath(name)) for name in inputs}
    for target, place in zip(targets, real, strict=True):
        if real.count(place) > 1:
            raise OutputError(f"{target}: is named for two results; give each its own name")
        if place in sources or any(_same_file(target, name) for name in inputs):
            raise OutputError(f"{target}: is an input and won't be replaced; choose another output folder")
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            raise OutputError(f"{target}: is a folder or a device; name a file")


def _same_file(a: str, b: str) -> bool:
    """Say whether two names are one file, hard links included."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False


def _create_beside(target: str) -> str:
    """Create an empty file in the target's folder and return its name; its mode follows the umask."""
    folder, name = os.path.split(os.path.abspath(target))
    # Long names must stay within the 255 bytes a file system takes.
    path = os.path.join(folder, f".{name[:32]}.{secrets.token_hex(6)}.part")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return path


def _keep(target: str) -> str | None:
    """Give the file that is about to be replaced a second name, and return it."""
    if not os.path.lexists(target):
        return None
    backup = _create_beside(target)
    os.unlink(backup)
    try:
        os.link(target, backup, follow_symlinks=False)
    except (OSError, NotImplementedError):
        os.rename(target, backup)  # no hard links here: the old file is out of sight for a moment
    return backup


def _sync(path: str, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: str | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _as_output_error(target: str, error: BaseException) -> BaseException:
    if isinstance(error, OutputError) or not isinstance(error, OSError | ValueError):
        return error
    reason = getattr(error, "strerror", None) or error
    return OutputError(
        f"{target}: can't be written ({reason}); check the folder, its permissions and free space"
    )
