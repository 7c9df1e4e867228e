"""Sets of tracks: what a manifest of ten thousand costs beside the work, and what a second process brings.

python -m benchmarks.tracks [overhead] [workers]
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.timing import header
from sigsep_classic import save, sets, synthesize
from sigsep_classic.processes import THREAD_VARIABLES, environment
from sigsep_classic.sets import Manifest, Unit, engines, results, running
from sigsep_classic.sets.work import Task

N_UNITS, N_TRACKS, LENGTHS = 10_000, 100, (10.0, 30.0)


def timed(what: str, call: Callable[[], Any]) -> float:
    """Print the wall seconds of a call, and those of processors; return the former."""
    begun, before = time.perf_counter(), os.times()
    call()
    seconds, after = time.perf_counter() - begun, os.times()
    print(f"  {what:<66} {seconds:8.2f} s   {sum(after[:4]) - sum(before[:4]):8.2f} s")
    return seconds


def nothing(task: Task) -> dict[str, Any]:
    """A method that costs nothing."""
    return {"status": "ok", "unit": task.key}


def overhead(folder: Path) -> None:
    """What is spent on 10,000 units that are done already, and on 10,000 for which nothing is to be done."""
    header(f"{N_UNITS} units, overhead (seconds by the clock, and of processors)")
    print(f"  load {os.getloadavg()[0]:.2f}, {os.cpu_count()} processors")
    units = [Unit(file=f"in/{i}.wav", parameters={"mask_power": 2.0}) for i in range(N_UNITS)]
    path = folder / "set.jsonl"
    (folder / "in").mkdir()
    for unit in units:
        (folder / unit.file).touch()
    timed("write the manifest", lambda: sets.write_manifest(path, units))
    timed("read it", lambda: sets.read_manifest(path))
    manifest, out = sets.read_manifest(path), folder / "out"
    tasks = sets.tasks(manifest, out)
    timed("tell what is to be done, of nothing done", lambda: sets.tasks(manifest, out))
    timed("a method that costs nothing, here", lambda: list(engines.in_this_process(tasks, nothing)))
    with engines.processes(2)() as opened:
        pool = opened[0]
        timed(
            "start two processes (importing NumPy and this package)",
            lambda: pool.submit(nothing, tasks[0]).result(),
        )
        timed(
            "a method that costs nothing, in those two processes",
            lambda: list(engines._until_broken(engines.deque(tasks), [], nothing, pool, 2)),
        )
    for task in tasks:
        Path(task.target).mkdir(parents=True)
        (Path(task.target) / "harmonic.wav").touch()
        record = {
            "unit": task.key,
            "outputs": {"harmonic": "harmonic.wav"},
            "status": "ok",
            "versions": {"numpy": "2"},
        }
        (Path(task.target) / results.RECORD).write_text(json.dumps(record))
    timed("sets.run, all done already", lambda: running.run(path, out, jobs=2))
    words = f"{sys.executable} -m sigsep_classic run {path} -o {out} -q"
    timed("sigsep-classic run, all done already, start of Python included", lambda: os.system(words))


def workers(folder: Path) -> None:
    """100 short tracks by one process and by two, threads shared out: a second of each new process is its start."""
    for seconds in LENGTHS:
        (folder / str(seconds)).mkdir()
        _workers(folder / str(seconds), seconds)


def _workers(folder: Path, seconds: float) -> None:
    header(
        f"{N_TRACKS} tracks of {seconds} s, stereo 44.1 kHz, hpss (seconds by the clock, and of processors)"
    )
    print(f"  load {os.getloadavg()[0]:.2f} before, {os.cpu_count()} processors")
    mix = synthesize("song", seconds=seconds, sample_rate=44100)
    for i in range(N_TRACKS):
        save(str(folder / f"{i}.wav"), mix.mixture, mix.sample_rate)
    manifest = Manifest(units=[Unit(file=f"{i}.wav") for i in range(N_TRACKS)], folder=str(folder))
    sets.run(manifest, folder / "warm", jobs=2)
    with environment(dict.fromkeys(THREAD_VARIABLES, "1")):
        one = timed("one process of one thread", lambda: sets.run(manifest, folder / "one"))
        two = timed("two processes of one thread", lambda: sets.run(manifest, folder / "two", jobs=2))
        alone, together = (at_once(manifest, folder / f"{n} at once", n) for n in (1, 2))
    both = timed("one process of two threads", lambda: sets.run(manifest, folder / "both"))
    print(f"  two processes are {one / two:.2f} x one of one thread, {both / two:.2f} x one of two threads")
    print(
        f"  without their start, and without a pool, two are {2 * alone / together:.2f} x one on this machine"
    )
    print(f"  load {os.getloadavg()[0]:.2f} after")


def at_once(manifest: Manifest, out: Path, n: int) -> float:
    """Return the seconds that each of so many processes takes for all the tracks, when they do so at the same time."""
    context = multiprocessing.get_context("spawn")
    ready, took = context.Barrier(n), context.Queue()
    works = [context.Process(target=_by_itself, args=(manifest, out / str(i), ready, took)) for i in range(n)]
    for work in works:
        work.start()
    seconds = max(took.get() for _ in works)
    for work in works:
        work.join()
    return seconds


def _by_itself(manifest: Manifest, out: Path, ready: Any, took: Any) -> None:
    sets.run(dataclasses.replace(manifest, units=manifest.units[:2]), out / "warm")
    ready.wait()
    begun = time.perf_counter()
    sets.run(manifest, out / "all")
    took.put(time.perf_counter() - begun)


def main() -> None:
    """Run what is named, or all."""
    for part in (overhead, workers):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            with tempfile.TemporaryDirectory() as folder:
                part(Path(folder))


if __name__ == "__main__":
    main()
