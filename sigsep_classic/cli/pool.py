"""Many files: one after the other here, on a GPU overlapped, or in processes that share out the processors."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from sigsep_classic.cli import on_gpu
from sigsep_classic.cli.inputs import Job
from sigsep_classic.cli.output import Progress
from sigsep_classic.cli.work import Record, process
from sigsep_classic.processes import in_worker, worker_pool

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
        Processes; 1 works in this one. What `on_gpu` takes is done in this one, whatever their number.
    progress : Progress
        Says how far it is.
    work : callable
        Does one: takes a job, the settings and, in this process, a function to tell what is being done. Found by
        its name in other processes.
    """
    if len(jobs) > 1 and work is process and on_gpu.takes(settings):
        yield from on_gpu.run_jobs(jobs, settings, progress)
        return
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
    with worker_pool(workers) as pool:
        futures = [pool.submit(in_worker, work, job, settings) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            _watch(future, futures, progress)
            yield _result(future) or _alone(work, job, settings)


def _watch(future: Future[Record], futures: list[Future[Record]], progress: Progress) -> None:
    """Wait for one result while counting all of them."""
    while not future.done():
        if wait([future], timeout=0.2).done:
            return  # counting all of them each time would be felt among ten thousand
        progress.show(f"{sum(each.done() for each in futures)} of {len(futures)} done")


def _result(future: Future[Record]) -> Record | None:
    """Return the record, or None if a worker died before it was made."""
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        return None
    return future.result()


def _alone(work: Work, job: Job, settings: Any) -> Record:
    """Do again, in a process of its own, what was lost with a worker: it may have been another file's fault."""
    with worker_pool(1) as pool:
        record = _result(pool.submit(in_worker, work, job, settings))
    if record is not None:
        return record
    message = f"{job.source}: the process working on it was killed; it may need more memory than there is"
    failed: Record = {"status": "error", "input": job.source, "track": job.track, "error": message}
    return failed | {"kind": "BrokenProcessPool", "exit_code": 1, "warnings": [], "seconds": 0.0}
