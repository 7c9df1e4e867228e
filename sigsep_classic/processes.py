"""Worker processes that share out the processors, end with the process that started them, and clean up on the way."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_end
from types import FrameType
from typing import Any

from sigsep_classic.backend import n_threads
from sigsep_classic.errors import Interrupted

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

THREAD_VARIABLES = ("SIGSEP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What tells our kernels, OpenMP and the BLAS how many threads they may use."""

_PATIENCE_SECONDS = 10.0

_working = False


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes have their share of the threads, and are stopped if this one is.

    Parameters
    ----------
    workers : int
        Number of processes, at least 1.
    """
    with sharing_threads(workers):
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)
        try:
            yield pool
        except BaseException:
            _stop(pool)
            raise
        pool.shutdown()


def in_worker(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``work(*arguments)``; when told to end, clean up what it was doing and leave."""
    global _working
    _working = True
    try:
        return work(*arguments)
    except Interrupted as stop:
        os._exit(stop.exit_code)  # the pool would take the exception for a result and go on
    finally:
        _working = False


@contextmanager
def sharing_threads(workers: int) -> Iterator[None]:
    """Let processes started inside have their share of the threads of this one."""
    share = str(max(1, n_threads() // workers))
    with environment(dict.fromkeys(THREAD_VARIABLES, share)):
        yield


@contextmanager
def environment(changes: dict[str, str]) -> Iterator[None]:
    """Set environment variables inside, and put them back after."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the workers; each takes back what it has half-written."""
    children = multiprocessing.active_children()
    pool.shutdown(wait=False, cancel_futures=True)
    for child in children:
        child.terminate()
    for child in children:
        child.join(_PATIENCE_SECONDS)
        if child.is_alive():
            child.kill()


def start_worker() -> None:
    """Leave Ctrl-C to the parent, which ends the workers by SIGTERM; end also when the parent is gone."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_worker)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait_for_end([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def _end_worker(number: int, frame: FrameType | None) -> None:
    if not _working:
        os._exit(128 + number)
    signal.signal(number, signal.SIG_IGN)
    raise Interrupted(number)
