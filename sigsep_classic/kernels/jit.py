"""When and where numba compiles: on first call, into a cache that can't go stale or get torn.

numba's own on-disk cache misses an edited callee in another file, fails on read-only homes, and two
processes that save different signatures at once can number their files alike. Here

* the cache folder is named by a hash of every source in ``kernels/`` and the versions that matter;
* it is probed by writing, and without a writable folder functions are compiled in memory;
* a file lock makes each save (index and data) one step; an unreadable entry counts as absent;
* what may change the order of sums (``fastmath``, itself or in what it calls) is inlined into its callers: compiled by
  itself and compiled again as part of a caller it would round differently, and which of the two a process runs
  depends on what it compiled itself and what it read from the cache;
* what only compiled code calls has no wrapper to be called from Python, a seventh of the time to compile;
* read-only arrays are handed over as if they were not: numba would compile everything anew for them, for seconds.
  That kernels leave their inputs alone is for tests to say, which compare them before and after.

``NUMBA_DISABLE_JIT=1`` is honoured: kernels then take their NumPy line, see `enabled`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_lock = threading.RLock()


@functools.cache
def enabled() -> bool:
    """Say whether numba compiles in this process (``NUMBA_DISABLE_JIT`` is not set)."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


class _Memory:
    """The memory of an array, and the array, so that it stays."""

    def __init__(self, array: np.ndarray) -> None:
        address = array.__array_interface__["data"][0]
        self.array = array
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


def _as_writable(array: np.ndarray) -> np.ndarray:
    """Return the same memory as an array numba takes for one that can be written to."""
    return array if array.flags.writeable else np.asarray(_Memory(array))


class Jitted:
    """A function that becomes a ``numba.njit`` dispatcher when it is first called.

    Without the interpreter's lock; dividing by zero gives what it gives in NumPy, and costs no branch.
    Globals of the function that are themselves `Jitted` are compiled with it.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self._dispatcher: Callable[..., Any] | None = None
        self._inner: Callable[..., Any] | None = None

    def __call__(self, *args: Any) -> Any:
        if any(type(a) is np.ndarray and not a.flags.writeable for a in args):
            args = tuple([_as_writable(a) if type(a) is np.ndarray else a for a in args])
        return (self._dispatcher or self.dispatcher)(*args)

    @property
    def dispatcher(self) -> Callable[..., Any]:
        """The numba dispatcher, made on first use (the plain function where numba is disabled)."""
        with _lock:
            if self._dispatcher is None:
                self._dispatcher = self._build() if enabled() else self.function
            return self._dispatcher

    @property
    def inner(self) -> Callable[..., Any]:
        """The dispatcher for compiled callers, which Python can't call; made on first use."""
        with _lock:
            if self._inner is None:
                bare = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
                self._inner = self._build("_inner", forceinline=self.reorders, **bare)
            return self._inner

    @functools.cached_property
    def callees(self) -> dict[str, Jitted]:
        """What this calls, by name."""
        scope = self.function.__globals__
        return {n: scope[n] for n in self.function.__code__.co_names if isinstance(scope.get(n), Jitted)}

    @functools.cached_property
    def reorders(self) -> bool:
        """Whether sums in it may be taken in any order."""
        return bool(self.options.get("fastmath")) or any(f.reorders for f in self.callees.values())

    def _build(self, suffix: str = "", **more: Any) -> Callable[..., Any]:
        import numba

        function = self.function
        scope = {**function.__globals__, **{name: f.inner for name, f in self.callees.items()}}
        linked = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
        linked.__module__, linked.__qualname__ = function.__module__, function.__qualname__ + suffix
        dispatcher = numba.njit(nogil=True, error_model="numpy", **self.options, **more)(linked)
        folder = cache_folder()
        if folder is not None:
            _attach_cache(dispatcher, linked, folder)
        return dispatcher


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Mark a function for numba; used as ``@jit`` or ``@jit(fastmath=...)``."""
    if function is None:
        return functools.partial(Jitted, **options)
    return Jitted(function, **options)


def fingerprint() -> str:
    """Return a hash of every kernel source and of the versions compiled code depends on."""
    import llvmlite
    import numba
    import numpy

    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(repr((sys.version, numba.__version__, llvmlite.__version__, numpy.__version__)).encode())
    return digest.hexdigest()[:16]


@functools.cache
def cache_folder() -> Path | None:
    """Return the folder compiled kernels are kept in, or None where none can be written.

    ``NUMBA_CACHE_DIR`` is used if set, else the user's cache folder.
    """
    base = os.environ.get("NUMBA_CACHE_DIR")
    if not base:
        import platformdirs

        base = platformdirs.user_cache_dir("sigsep_classic")
    folder = Path(base) / f"kernels-{fingerprint()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError:
        return None
    return folder


def _attach_cache(dispatcher: Any, function: Callable[..., Any], folder: Path) -> None:
    """Give ``dispatcher`` an on-disk cache in ``folder``; leave it without one if numba can't."""
    import filelock
    import numba
    from numba.core.caching import FunctionCache

    class LockedCache(FunctionCache):  # type: ignore[misc]
        def save_overload(self, sig: Any, data: Any) -> None:
            try:
                with filelock.FileLock(folder / "lock", timeout=30):
                    try:
                        super().save_overload(sig, data)
                    except OSError:
                        raise
                    except Exception:  # a damaged index is begun anew
                        self._cache_file.flush()
                        super().save_overload(sig, data)
            except (OSError, filelock.Timeout):
                pass  # a full or vanished cache costs time, never the result

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super().load_overload(sig, target_context)
            except Exception:
                return None  # a damaged entry is compiled anew

    before = numba.config.CACHE_DIR
    try:
        numba.config.CACHE_DIR = str(folder)
        dispatcher._cache = LockedCache(function)
    except (RuntimeError, OSError):
        pass
    finally:
        numba.config.CACHE_DIR = before
