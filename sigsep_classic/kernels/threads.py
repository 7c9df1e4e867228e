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

from sigsep_classic.backend import n_threads


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
