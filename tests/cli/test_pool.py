"""Several files at a time: the same results, nothing lost, nothing hidden."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic import HPSS
from sigsep_classic.backend import n_threads
from sigsep_classic.cli.inputs import find_jobs
from sigsep_classic.cli.output import Progress
from sigsep_classic.cli.pool import run_jobs
from sigsep_classic.cli.work import Settings
from sigsep_classic.errors import SigsepError
from tests.cli.conftest import files_below

Run = Callable[..., Any]

pytestmark = pytest.mark.slow  # each worker imports NumPy


@dataclass(frozen=True, kw_only=True)
class KillsOnStereo(HPSS):
    """HPSS that takes its process with it when there are two channels, as the system does without memory."""

    name: ClassVar[str] = "kills_on_stereo"

    def fit(self, X: Any, **options: Any) -> Any:
        """Die, or work."""
        if len(X) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, **options)


@dataclass(frozen=True, kw_only=True)
class SaysThreads(HPSS):
    """Fails with the number of threads it may use."""

    name: ClassVar[str] = "says_threads"

    def fit(self, X: Any, **options: Any) -> Any:
        """Say it."""
        raise SigsepError(f"threads: {n_threads()}")


def records(names: list[str], method: Any, workers: int) -> list[dict[str, Any]]:
    settings = Settings(method=method, device="cpu", transform={})
    jobs = find_jobs(names, "separated")
    return list(run_jobs(jobs, settings, workers=workers, progress=Progress(enabled=False)))


@pytest.mark.parametrize("words", [[], ["-m", "nmf", "--n-iter", "40"]], ids=" ".join)
def test_two_jobs_give_the_bytes_that_one_gives(cli: Run, make_song: Run, words: list[str]) -> None:
    for seed in range(3):
        make_song(f"in/{seed}.wav", seed=seed, seconds=2)
    one = cli("separate", "in", "-o", "one", *words)
    two = cli("separate", "in", "-o", "two", "-j", "2", *words)
    assert (one.code, two.code, two.err) == (0, 0, "")
    assert two.out == one.out.replace("one/", "two/")
    names = files_below("one")
    assert names == files_below("two")
    assert len(names) >= 6
    for name in names:
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name


def test_failures_in_workers_are_records_in_the_order_of_the_inputs(cli: Run, make_song: Run) -> None:
    make_song("a.wav"), Path("b.wav").write_text("no sound"), make_song("c.wav")
    done = cli("separate", "a.wav", "b.wav", "c.wav", "-j", "2", "--json")
    assert done.code == 1
    assert [(r["input"], r["status"]) for r in map(json.loads, done.out.splitlines())] == [
        ("a.wav", "ok"),
        ("b.wav", "error"),
        ("c.wav", "ok"),
    ]
    assert "b.wav: can't be read as sound" in done.err
    assert cli("separate", "b.wav", "nix.wav", "-j", "2").code == 3


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_worker_that_is_killed_takes_only_its_own_file_with_it(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, channels in (("a", 1), ("b", 2), ("c", 1)):
        ssc.save(f"{name}.wav", rng.uniform(-0.5, 0.5, (channels, 8000)), 8000)
    a, b, c = records(["a.wav", "b.wav", "c.wav"], KillsOnStereo(), 2)
    assert (a["status"], b["status"], c["status"]) == ("ok", "error", "ok")
    assert "the process working on it was killed" in b["error"]
    assert b["exit_code"] == 1
    assert files_below("separated") == [f"{n}/{s}.wav" for n in "ac" for s in ("harmonic", "percussive")]


def test_jobs_times_threads_stay_within_the_processors(
    make_song: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [make_song(f"{n}.wav") for n in range(4)]
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "7")
    for workers, threads in ((2, 3), (4, 1)):
        found = records(names, SaysThreads(), workers)
        assert [r["error"].endswith(f"threads: {threads}") for r in found] == [True] * 4
    assert os.environ["SIGSEP_NUM_THREADS"] == "7"
