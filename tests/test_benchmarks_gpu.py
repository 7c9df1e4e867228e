"""The script that proves a GPU runs, here through the emulation, and finds out what differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu_parity
from benchmarks.gpu_kernels import CASES
from benchmarks.gpu_worker import Worker, WorkerError
from sigsep_classic.backend import cuda_status
from sigsep_classic.kernels import cuda
from tests.emulation.emulator import compiler

ROOT = Path(__file__).parents[1]
needs_compiler = pytest.mark.skipif(compiler() is None, reason="g++ not found: no CUDA emulation")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_every_operation_with_a_cuda_twin_has_a_problem():
    assert set(cuda.sources()) == {name.partition(":")[0] for name in CASES}


@pytest.mark.slow
@pytest.mark.skipif(cuda_status()[0], reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line_and_with_its_exit_code():
    done = run()
    assert (done.returncode, done.stdout) == (5, "")
    assert len(done.stderr.splitlines()) == 1
    assert "--emulated" in done.stderr


@pytest.mark.slow
@needs_compiler
def test_kernels_and_methods_agree_through_the_emulation_and_are_written_down(tmp_path):
    path = tmp_path / "record.json"
    done = run("--emulated", "--pick", "hals,soft_mask,sliding_median,hpss,ica", "--out", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(path.read_text())
    assert {row["kind"] for row in record["parity"]} == {"kernel", "method"}
    assert len(record["parity"]) == 7
    assert all(row["passed"] and row["error"] <= row["limit"] for row in record["parity"])
    assert record["parity"][-1]["kernels"]
    assert record["device"] == "emulated"


@needs_compiler
def test_an_item_that_fails_or_differs_stops_no_other(monkeypatch):
    def broken(put):
        raise ValueError("two\nlines")

    monkeypatch.setitem(CASES, "soft_mask: binary", broken)
    monkeypatch.setitem(gpu_parity.WIDER, "hals: three sweeps", -1.0)
    chosen = [("kernel", name) for name in ("soft_mask: binary", "hals: three sweeps", "shrinkage: a step")]
    rows = [*gpu_parity.compare(chosen, gpu_parity.on_emulation, workers=0, until=time.monotonic() + 60)]
    assert [row["passed"] for row in rows] == [False, False, True]
    assert rows[0]["why"] == "ValueError: two lines"


def test_what_time_does_not_allow_is_said():
    (row,) = gpu_parity.compare([("kernel", "hals: three sweeps")], gpu_parity.on_gpu, workers=0, until=0.0)
    assert row["passed"] is None
    assert row["why"] == "no time left"


def test_differences_are_relative_to_the_largest_value_and_count_whole_numbers():
    ours = {"0": np.array([1.0, 4.0]), "1": np.array([1, 2, 3, 4])}
    theirs = {"0": np.array([1.0, 4.4]), "1": np.array([1, 2, 3, 5])}
    assert gpu_parity.differences(ours, theirs) == {"0": pytest.approx(0.4 / 4.4), "1": 0.25}
    with pytest.raises(ValueError, match="the GPU gives 0"):
        gpu_parity.differences(ours, {"0": ours["0"]})


def test_a_method_whose_stems_went_another_way_is_judged_by_its_objective_and_nan_by_nothing():
    assert gpu_parity.judged("nmf", {"a": 1e-5, "loss": 1.0})["of"] == "result"
    row = gpu_parity.judged("nmf", {"a": 1e-2, "loss": 1e-6})
    assert (row["of"], row["passed"], row["error_of_stems"]) == ("objective", True, 1e-2)
    assert not gpu_parity.judged("hpss", {"a": 1e-2})["passed"]
    assert not gpu_parity.judged("hpss", {"a": float("nan"), "b": 0.0})["passed"]


@pytest.mark.slow
def test_a_process_that_fails_dies_or_hangs_costs_one_item():
    worker = Worker()
    try:
        assert worker.ask(abs, -3, timeout=60) == 3
        with pytest.raises(WorkerError, match="ZeroDivisionError"):
            worker.ask(divmod, 1, 0, timeout=60)
        with pytest.raises(WorkerError, match="exit code 7"):
            worker.ask(os._exit, 7, timeout=60)
        assert worker.ask(abs, -4, timeout=60) == 4
        with pytest.raises(WorkerError, match="no answer"):
            worker.ask(time.sleep, 60, timeout=0.1)
        assert worker.ask(abs, -5, timeout=60) == 5
    finally:
        worker.stop()
