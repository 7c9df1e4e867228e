"""`run_blocks`: every block once, whatever the number of threads, in forked processes too."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from numpy.testing import assert_array_equal

from sigsep_classic.backend import n_threads
from sigsep_classic.kernels.threads import run_blocks, run_tasks


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("n_blocks", [0, 1, 2, 6, 7, 100])
def test_every_block_is_done_once(use_threads, threads, n_blocks):
    use_threads(threads)
    done = []

    def work(first, stop, sign):
        done.extend(sign * i for i in range(first, stop))

    run_blocks(work, n_blocks, -1)
    assert_array_equal(sorted(done), range(1 - n_blocks, 1))


def test_blocks_run_at_the_same_time(use_threads):
    use_threads(3)
    together = threading.Barrier(3, timeout=10)
    run_blocks(lambda first, stop: together.wait(), 3)
    assert together.broken is False


@pytest.mark.parametrize("failing", [0, 5])
def test_an_error_in_any_block_reaches_the_caller(use_threads, failing):
    use_threads(3)

    def work(first, stop):
        if first <= failing < stop:
            raise ValueError("block 5")

    with pytest.raises(ValueError, match="block 5"):
        run_blocks(work, 6)


@pytest.mark.parametrize(("value", "expected"), [("3", 3), ("0", 2), ("many", 2), ("", 2)])
def test_a_senseless_number_of_threads_is_passed_over(monkeypatch, value, expected):
    monkeypatch.setenv("SIGSEP_NUM_THREADS", value)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert n_threads() == expected


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_threads_of_its_own():
    script = """
import os, signal, sys
import numpy as np
from sigsep_classic.kernels.sliding_median import sliding_median
V = np.random.default_rng(0).random((4, 200, 200))
expected = sliding_median(V, 5, axis=-1)
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if (sliding_median(V, 5, axis=-1) == expected).all() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    env = os.environ | {"SIGSEP_NUM_THREADS": "3"}
    command = [sys.executable, "-W", "ignore", "-c", script]
    assert subprocess.run(command, env=env, timeout=120).returncode == 0


@pytest.mark.parametrize("n", [1, 3])
def test_tasks_are_all_done_and_use_one_thread_each(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setenv("SIGSEP_NUM_THREADS", str(n))
    seen: dict[int, int] = {}

    def task(i: int) -> None:
        seen[i] = n_threads()
        run_blocks(lambda first, stop: None, 8)  # a kernel inside a task waits for no other thread

    run_tasks(task, 20)
    assert seen == dict.fromkeys(range(20), 1)
    assert n_threads() == n


@pytest.mark.parametrize("n", [1, 3])
def test_a_task_that_fails_is_told_and_stops_what_has_not_begun(
    monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    monkeypatch.setenv("SIGSEP_NUM_THREADS", str(n))
    begun: list[int] = []

    def task(i: int) -> None:
        begun.append(i)
        if i == 0:
            raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        run_tasks(task, 10_000)
    assert len(begun) < 10_000
