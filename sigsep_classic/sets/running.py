"""All units of a manifest, those that are done already passed over; failures collected."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sigsep_classic.checks import check_choice, check_count
from sigsep_classic.errors import AudioError, ParameterError, SigsepError
from sigsep_classic.sets.manifest import Manifest, Unit, read_manifest
from sigsep_classic.sets.results import Record, claimed, finished, identity, write_failures

CODING = {"ext": "wav", "subtype": None, "clip_mode": "common", "residual": False}


@dataclass
class Summary:
    """How far a run is, and what it came to.

    Parameters
    ----------
    total : int
        Units of the manifest.
    skipped : int
        Those whose results were there.
    done : int
        Those done by this run.
    failed : list of dict
        Records of those that could not be done: ``file``, ``place``, ``error``, ``exit_code`` …
    seconds : float
        Since the first of them was begun.
    """

    total: int = 0
    skipped: int = 0
    done: int = 0
    failed: list[Record] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def left(self) -> int:
        """Units that are still to be done."""
        return self.total - self.skipped - self.done - len(self.failed)

    @property
    def rate(self) -> float:
        """Units a second, failures among them."""
        return (self.done + len(self.failed)) / max(self.seconds, 1e-9)


Watch = Callable[[Record, Summary], None]


def run(
    manifest: Manifest | str | os.PathLike[str],
    results: str | os.PathLike[str],
    *,
    jobs: int = 1,
    cluster: str | None = None,
    device: str | None = None,
    memory_limit: int | None = None,
    identity_by: str = "time",
    watch: Watch | None = None,
    **coding: Any,
) -> Summary:
    """Do what a manifest says and return how it went; what is done already is passed over.

    A unit's stems and its ``record.json`` appear together in ``results/track/name/``, or not at all, so that a run
    that was stopped, in whatever way, goes on where it was. A unit is done if the record tells the same file (by
    name, size and time of change), method, parameters, coding and version of this package.

    Parameters
    ----------
    manifest : Manifest or path
        Units, or a file of them.
    results : path
        Folder of the results, made if it is not there. One run at a time works in it.
    jobs : int
        Processes of this machine, at least 1; each has its share of the threads.
    cluster : str, optional
        ``"tcp://HOST:PORT"`` of a ``dask.distributed`` scheduler whose workers see the same files, or ``"local:4"``;
        in place of ``jobs``.
    device : str, optional
        As for `separate`. It is in the records, and no part of a unit's identity: results of a GPU and of a CPU differ
        by rounding only.
    memory_limit : int, optional
        Bytes that each job may take: files that would take more are read, separated and written in pieces. Default:
        half of what is free where the job runs.
    identity_by : {"time", "content"}
        What tells whether a file has changed: its time of change and size, or all its bytes, which are the same
        wherever it was copied to.
    watch : callable, optional
        Called as ``watch(record, summary)`` after each unit.
    **coding
        ``ext``, ``subtype``, ``clip_mode`` and ``residual``, as for `Separation.save`.

    Returns
    -------
    Summary
        With the records of what failed, which are also in ``results/failures.jsonl``.

    Raises
    ------
    ParameterError
        A unit names an unknown method or parameter; nothing has been done then.
    AudioError
        The manifest can't be read.
    OutputError
        Nothing can be written there, or another run does.
    """
    if not isinstance(manifest, Manifest):
        manifest = read_manifest(manifest)
    check_count("jobs", jobs)
    check_choice("identity_by", identity_by, ("time", "content"))
    for name in coding:
        check_choice("coding", name, list(CODING))
    root = os.path.abspath(os.fspath(results))
    summary = Summary(total=len(manifest.units))
    with claimed(root):
        pending = []
        for item in _pending(manifest, root, {**CODING, **coding}, content=identity_by == "content"):
            if item is None:
                summary.skipped += 1
            elif isinstance(item, dict):
                _count(summary, item, watch)
            else:
                pending.append(item)
        if pending:
            _check_methods(manifest, pending)
            where = {"device": device, "memory_limit": memory_limit}
            _work_off(pending, summary, where, jobs=jobs, address=cluster, watch=watch)
        write_failures(root, summary.failed)
    return summary


def tasks(
    manifest: Manifest | str | os.PathLike[str],
    results: str | os.PathLike[str],
    *,
    device: str | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
    identity_by: str = "time",
    **coding: Any,
) -> list[Any]:
    """Return what is still to be done, for an engine of your own that calls `process` on each.

    Parameters
    ----------
    manifest, results, device, memory_limit, identity_by, **coding
        As for `run`.
    threads : int, optional
        That each may use; default: what the process has.

    Raises
    ------
    AudioError
        A file is not there.

    Examples
    --------
    On a cluster, through joblib::

        with joblib.parallel_config("dask"):
            joblib.Parallel()(joblib.delayed(sets.process)(task) for task in sets.tasks("set.jsonl", "results"))
    """
    from sigsep_classic.sets.work import Task

    if not isinstance(manifest, Manifest):
        manifest = read_manifest(manifest)
    found = []
    root = os.path.abspath(os.fspath(results))
    for item in _pending(manifest, root, {**CODING, **coding}, content=identity_by == "content"):
        if isinstance(item, dict):
            raise AudioError(item["error"])
        if item is not None:
            where: dict[str, Any] = {"device": device, "memory_limit": memory_limit}
            found.append(Task(unit=item[0], threads=threads, **where, **item[1]))
    return found


def _pending(
    manifest: Manifest, root: str, coding: dict[str, Any], *, content: bool
) -> Iterator[dict[str, Any] | tuple[Unit, dict[str, Any]] | None]:
    """Yield None for a unit that is done, a record for one whose file is not there, else what its task is made of."""
    for unit in manifest.units:
        target = f"{root}/{unit.place}"
        try:
            key = identity(manifest, unit, coding, content=content)
        except (OSError, ValueError) as error:
            yield _unreadable(unit, error)
            continue
        if finished(target, key) is not None:
            yield None
        else:
            yield (
                unit,
                {
                    "path": manifest.path(unit.file),
                    "model_path": manifest.path(unit.model) if unit.model else "",
                    "root": root,
                    "target": target,
                    "key": key,
                    "coding": coding,
                },
            )


def _unreadable(unit: Unit, error: Exception) -> Record:
    reason = getattr(error, "strerror", None) or error
    name = getattr(error, "filename", None) or unit.file
    return {
        "file": unit.file,
        "place": unit.place,
        "status": "error",
        "error": f"{name}: can't be read ({reason}); check the name",
        "kind": "AudioError",
        "exit_code": 3,
        "warnings": [],
        "seconds": 0.0,
    }


def _check_methods(manifest: Manifest, pending: Sequence[tuple[Unit, dict[str, Any]]]) -> None:
    """Find out before the work, not after hours of it, that a line asks for what there is not."""
    from sigsep_classic.api import make_method

    checked: set[str] = set()
    for unit, _ in pending:
        key = unit.model or f"{unit.method} {sorted(unit.parameters.items(), key=str)}"
        if key in checked:
            continue
        checked.add(key)
        try:
            if not unit.model:
                make_method(unit.method, **unit.parameters)
        except SigsepError as error:
            raise ParameterError(f"{manifest.where(unit)}: {error}") from None


def _work_off(
    pending: Sequence[tuple[Unit, dict[str, Any]]],
    summary: Summary,
    where: dict[str, Any],
    *,
    jobs: int,
    address: str | None,
    watch: Watch | None,
) -> None:
    from sigsep_classic.sets import engines
    from sigsep_classic.sets.work import Task, failure, process

    with ExitStack() as stack:
        pool, threads = None, None
        if address is not None:
            pool, threads = stack.enter_context(engines.cluster(address))
        elif jobs > 1 and len(pending) > 1:
            pool = engines.processes(min(jobs, len(pending)))
        todo = [Task(unit=unit, threads=threads, **where, **rest) for unit, rest in pending]
        begun = time.monotonic()
        found: Iterable[tuple[Any, Record | None]]
        if pool is None:
            found = engines.in_this_process(todo, process)
        else:
            found = engines.in_pool(todo, process, pool)
        for task, record in found:
            summary.seconds = time.monotonic() - begun
            if record is None:
                record = failure(task, SigsepError(f"{task.unit.file}: {engines.KILLED}"))
            _count(summary, record, watch)


def _count(summary: Summary, record: Record, watch: Watch | None) -> None:
    if record["status"] == "ok":
        summary.done += 1
    else:
        summary.failed.append(record)
    if watch is not None:
        watch(record, summary)
