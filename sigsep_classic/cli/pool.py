"""Many files: one after the other here, or in worker processes that share out the processors."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_end
from types import FrameType
from typing import Any

from sigsep_classic.backend import n_threads
from sigsep_classic.cli.inputs import Job
from sigsep_classic.cli.output import Progress
from sigsep_classic.cli.signals import SIGNALS, Interrupted
from sigsep_classic.cli.work import Record, process

_THREAD_VARIABLES = ("SIGSEP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PATIENCE_SECONDS = 10.0

_working = False

Work = Callable[..., Record]


def run_jobs(
    jobs: Sequence[Job], settings: Any, *, workers: int, progress: Progress, work: Work = process
) -> Generator[Record, None, None]:
    """Yield the record of each job, in the order of the jobs.

    Parameters
    ----------
    jobs : list of Job
        What to do.
    settings : Settings
        How to do it, or what else ``work`` takes for that.
    workers : int
        Processes; 1 works in this one.
    progress : Progress
        Says how far it is.
    work : callable
        Does one: takes a job, the settings and, in this process, a function to tell what is being done. Found by
        its name in other processes.
    """
    workers = min(workers, len(jobs))
    if workers > 1:
        yield from _in_workers(jobs, settings, workers, progress, work)
        return
    for i, job in enumerate(jobs):
        place = f"[{i + 1}/{len(jobs)}] " if len(jobs) > 1 else ""
        head = f"{place}{job.track}: "
        yield work(job, settings, lambda text, head=head: progress.show(head + text, every=_pace(text)))  # type: ignore[misc]


def _pace(text: str) -> float:
    """Steps of an iteration are shown ten times a second, all else at once."""
    return 0.1 if "/" in text else 0.0


def _in_workers(
    jobs: Sequence[Job], settings: Any, workers: int, progress: Progress, work: Work
) -> Generator[Record, None, None]:
    with _pool(workers) as pool:
        futures = [pool.submit(_in_worker, work, job, settings) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            _watch(future, futures, progress)
            yield _result(future) or _alone(work, job, settings)


def _watch(future: Future[Record], futures: list[Future[Record]], progress: Progress) -> None:
    """Wait for one result while counting all of them."""
    while not future.done():
        done = sum(each.done() for each in futures)
        progress.show(f"{done} of {len(futures)} done")
        wait([future], timeout=0.2)


def _result(future: Future[Record]) -> Record | None:
    """Return the record, or None if a worker died before it was made."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        return None
    return future.result()


def _alone(work: Work, job: Job, settings: Any) -> Record:
    """Do again, in a process of its own, what was lost with a worker: it may have been another file's fault."""
    with _pool(1) as pool:
        record = _result(pool.submit(_in_worker, work, job, settings))
    if record is not None:
        return record
    message = f"{job.source}: the process working on it was killed; it may need more memory than there is"
    failed: Record = {"status": "error", "input": job.source, "track": job.track, "error": message}
    return failed | {"kind": "BrokenProcessPool", "exit_code": 1, "warnings": [], "seconds": 0.0}


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes have their share of the threads, and are stopped if this one is."""
    share = str(max(1, n_threads() // workers))
    with _environment(dict.fromkeys(_THREAD_VARIABLES, share)):
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
        try:
            yield pool
        except BaseException:
            _stop(pool)
            raise
        pool.shutdown()


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


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
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


def _start_worker() -> None:
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


def _in_worker(work: Work, job: Job, settings: Any) -> Record:
    global _working
    _working = True
    try:
        return work(job, settings)
    except Interrupted as stop:
        os._exit(stop.exit_code)  # the pool would take the exception for a result and go on
    finally:
        _working = False
