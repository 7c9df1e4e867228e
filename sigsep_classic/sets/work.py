"""One unit of a set from reading to its folder of results: what is sent to processes and to other machines."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic._version import __version__
from sigsep_classic.api import apply, make_method, separate
from sigsep_classic.api.applying import check_rate
from sigsep_classic.api.separating import Request
from sigsep_classic.backend import resolve_device
from sigsep_classic.errors import SigsepError
from sigsep_classic.memory import give_back_at_once
from sigsep_classic.messages import warnings_kept
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.planning import memory_estimate
from sigsep_classic.separation import Separation
from sigsep_classic.sets.manifest import Unit
from sigsep_classic.sets.results import Record, finished, publish, unpublished
from sigsep_classic.storage import load_model
from sigsep_classic.storage.models import check_applies
from sigsep_classic.streaming import running
from sigsep_classic.streaming.applying import asked
from sigsep_classic.streaming.files import long_source, separate_source, shape_of
from sigsep_classic.streaming.sources import FileSource
from sigsep_classic.streaming.writing import Target, namer
from sigsep_classic.typing import FrontEnd

logger = logging.getLogger("sigsep_classic")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A unit with all that another process needs to do it; `process` takes one.

    Parameters
    ----------
    unit : Unit
        What is to be done.
    path, model_path : str
        The sound file, and the saved model or nothing; the same names on all machines.
    root, target : str
        Absolute paths: the folder of all results, and that of this one.
    key : str
        Identity of the result, see `results.identity`.
    coding : dict
        ``ext``, ``subtype``, ``clip_mode`` and ``residual``, as for `Separation.save`.
    device : str or None
        As for `separate`.
    memory_limit : int or None
        Bytes the work may take; None: half of what is free.
    threads : int or None
        Threads to use; None leaves it to the process.
    """

    unit: Unit
    path: str
    model_path: str
    root: str
    target: str
    key: str
    coding: dict[str, Any] = field(default_factory=dict)
    device: str | None = None
    memory_limit: int | None = None
    threads: int | None = None

    @property
    def where(self) -> dict[str, Any]:
        """Where it is done, and in how much memory: for `separate` and `apply`."""
        return {"device": self.device, "memory_limit": self.memory_limit}


def process(task: Task) -> Record:
    """Do one unit, unless its result is there, and return its record; a failure is a record too.

    Doing it twice does no harm, and stopping it at any moment leaves no part of a result: any engine that calls a
    function on every item of a list can drive it, such as ``joblib.Parallel`` with any of its backends.

    Parameters
    ----------
    task : Task
        One of `tasks`.

    Returns
    -------
    dict
        Plain values, as in ``record.json``: ``status`` is ``"ok"``, or ``"error"`` with ``error`` and ``exit_code``.
    """
    record = finished(task.target, task.key)
    if record is not None:
        return record
    begun = time.perf_counter()
    with warnings_kept() as kept, threads_limited(task.threads):
        try:
            record = _separated(task)
        except Exception as error:
            record = failure(task, error)
    if record["status"] == "error":
        record["warnings"] = list(kept)
    record["seconds"] = round(time.perf_counter() - begun, 4)
    return record


def failure(task: Task, error: BaseException) -> Record:
    """Return the record of a unit that could not be done: one line, with the file's name."""
    kind, code = type(error).__name__, 1
    if isinstance(error, SigsepError):
        message, code = str(error), error.exit_code
    elif isinstance(error, MemoryError):
        message = "out of memory; use a shorter file, fewer components, or fewer jobs (-j)"
    else:
        message = f"internal error: {kind}: {error}"
    name = task.unit.file
    if not message.startswith((name, task.path)):
        message = f"{name}: {message}"
    return {
        **_told(task),
        "status": "error",
        "error": " ".join(message.split("\n")),
        "kind": kind,
        "exit_code": code,
        "warnings": [],
    }


@dataclass(frozen=True, kw_only=True)
class _Written:
    """What was written of a unit, and of what sound."""

    saved: audio.SaveRecord
    outputs: dict[str, str]
    sample_rate: int
    n_samples: int
    channels: int
    device: str


def _separated(task: Task) -> Record:
    begun = time.perf_counter()
    with unpublished(task.root) as folder:
        with warnings_kept() as kept:
            done = _applied(task, folder) if task.model_path else _by_method(task, folder)
        record: Record = {
            **_told(task),
            "status": "ok",
            "unit": task.key,
            "outputs": {stem: os.path.basename(path) for stem, path in done.outputs.items()},
            "sample_rate": done.sample_rate,
            "duration": done.n_samples / done.sample_rate,
            "channels": done.channels,
            "subtype": done.saved.subtypes[0],
            "peak": float(done.saved.peak),
            "gain": float(done.saved.gain),
            "clipped": int(done.saved.clipped),
            "warnings": list(dict.fromkeys(line.removeprefix(f"{task.path}: ") for line in kept)),
            "device": done.device,
            "machine": platform.node(),
            "versions": {
                "sigsep_classic": __version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "seconds": round(time.perf_counter() - begun, 4),
        }
        publish(folder, task.target, record)
    return record


def _applied(task: Task, folder: str) -> _Written:
    saved, options = load_model(task.model_path), task.unit.options
    source = _long(task, saved.method, saved.frontend)
    if source is None or saved.frontend is None:
        return _whole(task, folder, apply(saved, task.path, **options, **task.where))
    check_applies(saved.model, saved.method_name)
    check_rate(saved, source.sample_rate, task.path)
    request, learnt = asked(saved, saved.frontend, **options)
    return _in_pieces(task, request, source, folder, learnt=learnt)


def _by_method(task: Task, folder: str) -> _Written:
    unit = task.unit
    method = make_method(unit.method, **unit.parameters)
    source = _long(task, method)
    if source is not None:
        return _in_pieces(task, Request(method=method, **unit.options).checked(), source, folder)
    return _whole(task, folder, separate(task.path, method=method, **unit.options, **task.where))


def _long(task: Task, method: Any, frontend: FrontEnd | None = None) -> FileSource | None:
    """Return the file as a source if the work on it would not fit as a whole."""

    def estimate(source: FileSource) -> int:
        known = frontend or default_frontend(method, source.sample_rate)
        return memory_estimate(method, frontend=known, **shape_of(source))

    return long_source(task.path, estimate, limit=running.limit_of(task.memory_limit, "cpu"))


def _in_pieces(task: Task, request: running.Request, source: FileSource, folder: str, **how: Any) -> _Written:
    give_back_at_once()
    coding = task.coding
    target = Target(
        paths_of=namer(folder, "", TEMPLATE, request.method.name, coding["ext"]),
        subtype=coding["subtype"],
        clip_mode=coding["clip_mode"],
        residual=coding["residual"],
        inputs=[task.path],
    )
    saved, outputs, facts = separate_source(
        replace(source, on_warning=logger.warning),
        request,
        target,
        device=resolve_device(task.device),
        memory_limit=task.memory_limit,
        **how,
    )
    return _Written(
        saved=saved,
        outputs=outputs,
        sample_rate=source.sample_rate,
        n_samples=facts["n_samples"],
        channels=source.channels,
        device=facts["device"],
    )


def _whole(task: Task, folder: str, sep: Separation) -> _Written:
    saved = sep.save(folder, template=TEMPLATE, **task.coding)
    return _Written(
        saved=saved,
        outputs=dict(zip(_stems(sep, task.coding), saved.paths, strict=True)),
        sample_rate=int(sep.sample_rate),
        n_samples=sep.mixture.shape[-1],
        channels=1 if sep.mixture.ndim == 1 else len(sep.mixture),
        device=sep.info.get("device", "cpu"),
    )


TEMPLATE = "{stem}.{ext}"
"""Of the names of files in a unit's folder."""


def _told(task: Task) -> Record:
    unit = task.unit
    return {
        "file": unit.file,
        "place": unit.place,
        **({"line": unit.line} if unit.line else {}),
        **_asked(unit),
    }


def _asked(unit: Unit) -> Record:
    if unit.model:
        return {"model": unit.model, **unit.options}
    return {"method": unit.method, "parameters": dict(unit.parameters), **unit.options}


def _stems(sep: Any, coding: dict[str, Any]) -> list[str]:
    extra = ["residual"] if coding.get("residual") and "residual" not in sep else []
    return [*sep, *extra]


@contextmanager
def threads_limited(threads: int | None) -> Iterator[None]:
    """Use so many threads inside: our kernels by their variable, BLAS and OpenMP by threadpoolctl."""
    if threads is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    os.environ["SIGSEP_NUM_THREADS"] = str(threads)  # stays: the next task of this process sets it again
    with threadpool_limits(limits=threads):
        yield
