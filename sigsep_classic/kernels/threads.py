"""Spread independent blocks of work over threads without ever changing the result.

Numba functions release the GIL, so plain Python threads do; there is no threading layer to hang on a fork
and nothing for the compiler to parallelise. What a block computes never depends on how many threads run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sigsep_classic.backend import n_threads, one_thread


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="sigsep")


if hasattr(os, "register_at_fork"):  # a forked child has the pool, but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run_blocks(function: Callable[..., None], n_blocks: int, *args: Any) -> None:
    """Call ``function(first, stop, *args)`` on contiguous parts of ``range(n_blocks)``, one part a thread."""
    threads = min(n_threads(), n_blocks)
    if threads <= 1:
        function(0, n_blocks, *args)
        return
    edges = [n_blocks * i // threads for i in range(threads + 1)]
    pool = _pool(n_threads())
    jobs = [pool.submit(function, edges[i], edges[i + 1], *args) for i in range(1, threads)]
    function(edges[0], edges[1], *args)
    for job in jobs:
        job.result()


def run_tasks(function: Callable[[int], None], n_tasks: int) -> None:
    """Call ``function(n)`` for every n below ``n_tasks``, each on one thread, as threads become free.

    Inside, kernels and FFTs use that thread alone. Of several exceptions the one of the least n is raised; what has
    not begun by then is left out.
    """
    threads = min(n_threads(), n_tasks)
    if threads <= 1:
        for n in range(n_tasks):
            function(n)
        return
    waiting, failed = iter(range(n_tasks)), dict[int, BaseException]()
    taking = threading.Lock()

    def work() -> None:
        with one_thread():
            while not failed:
                with taking:
                    n = next(waiting, None)
                if n is None:
                    return
                try:
                    function(n)
                except BaseException as error:
                    failed[n] = error

    with single_threaded_blas():
        jobs = [_pool(n_threads()).submit(work) for _ in range(threads - 1)]
        work()
        for job in jobs:
            job.result()
    if failed:
        raise failed[min(failed)]


@lru_cache(maxsize=1)
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded before the pools are listed)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_limit_lock = threading.Lock()
_limits: list[Any] = []
_inside = 0


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep BLAS to one thread inside: our own threads are the parallel ones.

    The limit is the process's. Where several threads are inside at once the first sets it and the last lifts it.
    """
    global _inside
    with _limit_lock:
        if _inside == 0:
            _limits.append(_controller().limit(limits=1, user_api="blas"))
        _inside += 1
    try:
        yield
    finally:
        with _limit_lock:
            _inside -= 1
            if _inside == 0:
                _limits.pop().restore_original_limits()
