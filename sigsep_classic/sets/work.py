"""One unit of a set from reading to its folder of results: what is sent to processes and to other machines."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sigsep_classic._version import __version__
from sigsep_classic.api import apply, separate
from sigsep_classic.errors import SigsepError
from sigsep_classic.messages import warnings_kept
from sigsep_classic.sets.manifest import Unit
from sigsep_classic.sets.results import Record, finished, publish, unpublished


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
    threads: int | None = None


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


def _separated(task: Task) -> Record:
    unit, begun = task.unit, time.perf_counter()
    options = {**unit.options, "device": task.device}
    with warnings_kept() as kept:
        if task.model_path:
            sep = apply(task.model_path, task.path, **options)
        else:
            sep = separate(task.path, method=unit.method, **options, **unit.parameters)
    with unpublished(task.root) as folder:
        saved = sep.save(folder, template="{stem}.{ext}", **task.coding)
        names = [os.path.basename(path) for path in saved.paths]
        record: Record = {
            **_told(task),
            "status": "ok",
            "unit": task.key,
            "outputs": dict(zip(_stems(sep, task.coding), names, strict=True)),
            "sample_rate": int(sep.sample_rate),
            "duration": sep.mixture.shape[-1] / sep.sample_rate,
            "channels": 1 if sep.mixture.ndim == 1 else len(sep.mixture),
            "subtype": saved.subtypes[0],
            "peak": float(saved.peak),
            "gain": float(saved.gain),
            "clipped": int(saved.clipped),
            "warnings": list(dict.fromkeys(line.removeprefix(f"{task.path}: ") for line in kept)),
            "device": sep.info.get("device", "cpu"),
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
