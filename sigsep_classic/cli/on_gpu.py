"""Many files on one GPU, in this process: the next are read while one is computed and the last ones are written."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any

from sigsep_classic.api.overlap import batch_size, run
from sigsep_classic.api.separating import Request
from sigsep_classic.cli.inputs import Job
from sigsep_classic.cli.output import Progress
from sigsep_classic.cli.work import Record, Settings, attempted, ending, loaded, written
from sigsep_classic.messages import WarningsByFile
from sigsep_classic.separation import Separation


def takes(settings: Settings) -> bool:
    """Say whether files are worked off here: on a GPU, by `separate`, without examples or a model."""
    other = settings.denoising or settings.changes or settings.examples or settings.model
    return settings.device != "cpu" and not other


def run_jobs(jobs: Sequence[Job], settings: Settings, progress: Progress) -> Generator[Record]:
    """Yield the record of each job, in the order of the jobs; its seconds are those since the last one.

    Parameters
    ----------
    jobs : list of Job
        What to do.
    settings : Settings
        Such as this `takes`.
    progress : Progress
        Says how far it is.
    """
    kept = WarningsByFile()

    def load(job: Job) -> tuple[Any, int, str, dict[str, Any]]:
        with kept.at([job.source], computing=False):
            sound = loaded(job, settings)
        return sound.samples, sound.sample_rate, job.track, {}

    def ask(rate: int) -> Request:
        return _request(settings, rate)

    batch = batch_size(settings.method, settings.device)
    results = run(
        jobs,
        load,
        ask,
        device=settings.device,
        batch=batch,
        around=lambda some: kept.at([job.source for job in some]),
    )
    with kept.listening(), closing(results):
        begun = time.perf_counter()
        progress.show(f"0 of {len(jobs)} done")
        for n, (job, found) in enumerate(results, start=1):
            with kept.at([job.source], computing=False):
                record = attempted(job, settings, lambda job=job, found=found: _made(found, job, settings))  # type: ignore[misc]
            now = time.perf_counter()
            yield {**record, **ending(job, kept.lines.pop(job.source, []), now - begun)}
            begun = now
            progress.show(f"{n} of {len(jobs)} done")


def _made(found: Separation | Exception, job: Job, settings: Settings) -> Record:
    if isinstance(found, Exception):
        raise found
    return written(found, job, settings)


def _request(settings: Settings, rate: int) -> Request:
    """Return what is asked of the files of a rate."""
    return Request(
        method=settings.method,
        frontend=settings.frontend(rate),
        **settings.asked,
    ).checked()
