"""Jobs of the lab: each is done by a process of its own, so that the page stays alive and any of them can be ended."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from sigsep_classic.lab.work import Failed, Heard, News, Page, Picture, Stage, Stems, Step
from sigsep_classic.processes import sharing_threads

WAITING = 16
"""Jobs that may wait for a worker."""

_END_S = 5.0
_PICTURE_S = 1.0
"""How long a picture that nobody wants any more may take before its worker is ended."""


class Job:
    """What became of a task so far; written by one thread, read by any.

    Parameters
    ----------
    task : mapping
        As `work.work` takes it.

    Attributes
    ----------
    state : {"waiting", "running", "done", "failed", "cancelled"}
    stage : str
        What is done at the moment.
    step : Step or None
        The last iteration told of.
    heard, stems, page : Heard, Stems, Page or None
    pictures : dict of str to bytes
        PNG by view.
    error : str
        One line.
    version : int
        Another number after each piece of news.
    """

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.task: Mapping[str, Any] = task
        self.state, self.stage, self.error = "waiting", "", ""
        self.step: Step | None = None
        self.heard: Heard | None = None
        self.stems: Stems | None = None
        self.page: Page | None = None
        self.pictures: dict[str, bytes] = {}
        self.version, self.begun, self.ended = 0, 0.0, 0.0
        self.unwanted = threading.Event()

    @property
    def over(self) -> bool:
        """Whether there will be no more news."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def working(self) -> bool:
        """Whether what was asked for is not there yet: pictures come after it."""
        return not self.over and self.page is None and self.heard is None

    @property
    def seconds(self) -> float:
        """How long it has been worked on."""
        return 0.0 if not self.begun else (self.ended or time.monotonic()) - self.begun

    def take(self, news: News) -> None:
        """Write down what the worker tells."""
        match news:
            case Stage():
                self.stage = news.text
            case Step():
                self.step = news
            case Heard():
                self.heard = news
            case Stems():
                self.stems = news
            case Page():
                self.page = news
            case Picture():
                self.pictures[news.view] = news.png
            case Failed():
                self.error = news.line
        self.version += 1

    def begin(self) -> None:
        """Say that a worker has it."""
        self.state, self.begun = "running", time.monotonic()
        self.version += 1

    def end(self, state: str) -> None:
        """Say how it ended, and let go of the recording."""
        self.state, self.ended, self.task = state, time.monotonic(), {}
        self.version += 1


class Jobs:
    """Does jobs, at most so many at once, in processes that are ended with it.

    Parameters
    ----------
    at_once : int
        Processes; they share out the processors.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._queue: queue.Queue[Job | None] = queue.Queue(WAITING)
        self._at_once, self._closed = at_once, False
        self._lines = [_Line(self._queue, at_once) for _ in range(at_once)]

    def submit(self, **task: Any) -> Job:
        """Return the job of a task, which begins when a worker is free; one too many has failed already."""
        job = Job(task)
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            job.take(Failed(line=f"{WAITING} jobs are waiting already; close other tabs, or wait"))
            job.end("failed")
        return job

    def cancel(self, job: Job) -> None:
        """End a job, at once if it is being worked on."""
        job.unwanted.set()
        for line in self._lines:
            line.drop(job)

    def close(self) -> None:
        """End all workers."""
        for line in self._lines:
            line.close()


class _Line:
    """A thread with one worker process, which does one job after the other."""

    def __init__(self, jobs: queue.Queue[Job | None], at_once: int) -> None:
        self._jobs, self._at_once, self._closed = jobs, at_once, False
        self._lock = threading.Lock()
        self._now: Job | None = None
        self._process: Any = None
        self._pipe: Connection | None = None
        threading.Thread(target=self._run, daemon=True, name="lab jobs").start()

    def drop(self, job: Job) -> None:
        """End the worker if it is at this job, more gently if only pictures are left to be made."""
        with self._lock:
            if self._now is not job or self._process is None:
                return
            if job.working:
                self._process.kill()
            elif self._pipe is not None:
                with suppress(OSError):
                    self._pipe.send(None)
                threading.Timer(_PICTURE_S, self._end, [job]).start()

    def _end(self, job: Job) -> None:
        """End the worker if it is still at this job."""
        with self._lock:
            if self._now is job and self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the worker for good."""
        self._closed = True
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.join(_END_S)

    def _run(self) -> None:
        self._ready()
        while not self._closed:
            try:
                job = self._jobs.get(timeout=1.0)
            except queue.Empty:
                continue
            if job is None or job.unwanted.is_set():
                if job is not None:
                    job.end("cancelled")
                continue
            self._do(job)

    def _do(self, job: Job) -> None:
        job.begin()
        try:
            pipe = self._ready()
            with self._lock:
                self._now = job
            pipe.send(dict(job.task))
            while (news := pipe.recv()) is not None:
                job.take(news)
        except (EOFError, OSError) as error:
            if not job.unwanted.is_set():
                job.take(Failed(line=f"the worker ended ({type(error).__name__}); out of memory, perhaps"))
        finally:
            with self._lock:
                self._now = None
        state = "failed" if job.error else "cancelled" if job.unwanted.is_set() and job.working else "done"
        job.end(state)
        if not self._closed:
            self._ready()  # for the next one, while nobody waits

    def _ready(self) -> Connection:
        """Return the pipe to a living worker."""
        with self._lock:
            if self._closed:
                raise EOFError
            if self._process is None or not self._process.is_alive():
                context = multiprocessing.get_context("spawn")
                self._pipe, theirs = context.Pipe()
                self._process = context.Process(target=serve, args=(theirs,), daemon=True, name="lab worker")
                with sharing_threads(self._at_once):
                    self._process.start()
                theirs.close()
            assert self._pipe is not None
            return self._pipe


def serve(pipe: Connection) -> None:
    """Do what comes through the pipe, one task after the other, and send news of it; None ends each."""
    from sigsep_classic.lab.work import work
    from sigsep_classic.processes import start_worker

    start_worker()
    _warm_up()
    with suppress(EOFError, OSError):
        while True:
            task = pipe.recv()
            if task is None:  # a stop that came after the end
                continue
            work(task, pipe.send, stopped=lambda: pipe.poll() and pipe.recv() is None)
            pipe.send(None)


def _warm_up() -> None:
    """Import what the first job would wait for."""
    from importlib import import_module

    for name in ("compare.separation_page", "plot.common", "plot.components"):
        with suppress(ImportError):
            import_module(f"sigsep_classic.{name}")
