"""What carries out tasks: this process, processes of this machine, or a cluster through ``dask.distributed``.

The last two are executors of `concurrent.futures`, and one loop drives both. A worker that dies costs nothing but the
tasks it had: their results are looked for on disk, and what is not there is done again, one at a time, so that a file
that kills its process is found and the others go on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sigsep_classic.backend import n_threads
from sigsep_classic.errors import DeviceError, ParameterError
from sigsep_classic.processes import in_worker, sharing_threads, worker_pool
from sigsep_classic.sets.results import Record

Work = Callable[[Any], Record]
Pool = Callable[[], AbstractContextManager[tuple[Executor, int]]]
"""Opens an executor and says how many tasks it does at a time."""

SECONDS_AT_ONCE = 0.05
"""Tasks that take less are sent several at a time: sending one costs a fifth of a millisecond."""

MOST_AT_ONCE = 64
CONNECT_SECONDS = 30
KILLED = "the process working on it was killed; it may need more memory than there is"


class Lost(Exception):
    """A worker died with what it was doing."""


def in_this_process(tasks: Iterable[Any], work: Work) -> Iterator[tuple[Any, Record]]:
    """Yield each task with its record, one after the other."""
    for task in tasks:
        yield task, work(task)


def in_pool(tasks: Sequence[Any], work: Work, pool: Pool) -> Iterator[tuple[Any, Record | None]]:
    """Yield each task with its record as they come, or with None where it has killed its worker twice.

    Parameters
    ----------
    tasks : sequence
        Each can be sent to other processes, and doing one twice does no harm.
    work : callable
        Takes one and returns its record; found by its name in other processes.
    pool : callable
        Opens an executor.
    """
    waiting = deque(tasks)
    suspects: list[Any] = []
    while waiting:
        with pool() as (executor, width):
            yield from _until_broken(waiting, suspects, work, executor, width)
        yield from _one_by_one(suspects, work, pool)
        suspects.clear()


def _until_broken(
    waiting: deque[Any], suspects: list[Any], work: Work, executor: Executor, width: int
) -> Iterator[tuple[Any, Record]]:
    """Do what is waiting; when a worker dies, move what was under way to ``suspects`` and stop."""
    running: dict[Future[list[Record]], list[Any]] = {}
    size, broken = 1, False
    while (waiting and not broken) or running:
        while waiting and not broken and len(running) < 2 * width:
            chunk = [waiting.popleft() for _ in range(min(size, -(-len(waiting) // width)))]
            try:
                running[executor.submit(in_worker, _each, work, chunk)] = chunk
            except (BrokenProcessPool, RuntimeError):
                waiting.extendleft(reversed(chunk))
                broken = True
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            chunk = running.pop(future)
            try:
                seconds, records = _result(future)
            except Lost:
                suspects += chunk
                broken = True
                continue
            yield from zip(chunk, records, strict=True)
            quick = seconds / len(chunk) < SECONDS_AT_ONCE / MOST_AT_ONCE * size
            size = min(MOST_AT_ONCE, 2 * size) if quick else max(1, size // 2)


def _one_by_one(suspects: Sequence[Any], work: Work, pool: Pool) -> Iterator[tuple[Any, Record | None]]:
    left = deque(suspects)
    while left:
        with pool() as (executor, _):
            alive = True
            while left and alive:
                task = left.popleft()
                try:
                    (record,) = _result(executor.submit(in_worker, _each, work, [task]))[1]
                    yield task, record
                except (Lost, BrokenProcessPool):
                    yield task, None
                    alive = False


def _each(work: Work, tasks: list[Any]) -> tuple[float, list[Record]]:
    """Return how long the tasks took, and their records; runs in the worker."""
    begun = time.perf_counter()
    records = [work(task) for task in tasks]
    return time.perf_counter() - begun, records


def _result(future: Future[Any]) -> tuple[float, list[Record]]:
    """Return what the worker has sent.

    Raises
    ------
    Lost
        It died before.
    """
    try:
        found: tuple[float, list[Record]] = future.result()
    except (BrokenProcessPool, CancelledError) as error:
        raise Lost from error
    except Exception as error:
        if type(error).__name__ in ("KilledWorker", "FutureCancelledError"):
            raise Lost from error
        raise
    return found


def processes(jobs: int) -> Pool:
    """Return what opens a pool of so many processes of this machine, each with its share of the threads."""

    @contextmanager
    def opened() -> Iterator[tuple[Executor, int]]:
        with worker_pool(jobs) as pool:
            yield pool, jobs

    return opened


@contextmanager
def cluster(address: str) -> Iterator[tuple[Pool, int | None]]:
    """Connect to a cluster of ``dask.distributed``, or start one here; give what opens it, and threads for each task.

    Parameters
    ----------
    address : str
        ``"local:4"`` for four processes here, or that of a scheduler: ``"tcp://head:8786"``.

    Raises
    ------
    ParameterError
        The address is neither, or dask.distributed is not installed.
    DeviceError
        No scheduler answers there, or it has no workers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ParameterError(
            'a cluster needs dask.distributed; pip install "sigsep-classic[cluster]", or use -j N here'
        ) from None
    kind, _, rest = address.partition(":")
    if kind == "local":
        if not rest.isdigit() or int(rest) < 1:
            raise ParameterError(f"cluster {address!r} has no number of processes; write local:4")
        share = max(1, n_threads() // int(rest))
        with (
            sharing_threads(int(rest)),
            LocalCluster(
                n_workers=int(rest), threads_per_worker=1, dashboard_address=":0", silence_logs=50
            ) as local,
            Client(local) as client,
        ):
            yield _executor(client), share
        return
    if kind not in ("tcp", "tls", "ws", "wss", "ucx"):
        raise ParameterError(
            f"cluster {address!r} is unknown; write tcp://HOST:PORT of a scheduler, or local:4"
        )
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise DeviceError(
            f"cluster {address}: no scheduler answers ({error}); start one: dask scheduler"
        ) from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise DeviceError(f"cluster {address}: has no workers; start some: dask worker {address}")
        yield _executor(client), 1


def _executor(client: Any) -> Pool:
    @contextmanager
    def opened() -> Iterator[tuple[Executor, int]]:
        executor = client.get_executor(pure=False)
        try:
            yield executor, max(1, sum(client.nthreads().values()))
        finally:
            executor.shutdown(wait=False)

    return opened
