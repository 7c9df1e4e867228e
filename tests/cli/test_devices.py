"""What the command line says of devices; what is not there is exit code 5; one GPU takes many files."""

from __future__ import annotations

import json
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic import backend, devices
from sigsep_classic.cli import on_gpu
from sigsep_classic.cli.inputs import Job
from sigsep_classic.cli.output import Progress
from sigsep_classic.cli.work import Settings
from sigsep_classic.messages import WarningsByFile, warnings_kept
from tests.cli.conftest import files_below

Cli = Callable[..., Any]
NO_GPU = f"CuPy is not installed; {backend.INSTALL_CUPY}"


@pytest.mark.parametrize(
    "words",
    [
        ["separate", "song.wav"],
        ["separate", "song.wav", "song.wav", "-j", "2"],
        ["denoise", "song.wav"],
        ["remix", "song.wav", "--set", "percussive -6dB"],
        ["oracle", "stems"],
        ["benchmark", "--dataset", "stems"],
    ],
    ids=" ".join,
)
def test_a_gpu_that_is_not_there_is_one_line_with_the_command_and_exit_code_5(
    cli: Cli, song: str, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(backend, "cuda_status", lambda index=0: (False, NO_GPU))
    Path("stems").mkdir()
    before = files_below(".")
    for device in ("cuda", "cuda:1"):
        done = cli(*words, "--device", device)
        assert (done.code, done.out, files_below(".")) == (5, "", before)
        said = f"device '{device}' asked for, but {NO_GPU}; use device='cpu' to go on without"
        assert done.err == f"sigsep-classic: error: {said}\n"


def test_info_lists_every_gpu_and_what_is_wrong_with_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"memory": 85 * 10**9, "free": 80 * 10**9, "compute_capability": "9.0"}
    found = [
        devices.Gpu(index=0, name="One", **facts),
        devices.Gpu(index=1, name="Two", problem="cuda:1 (Two) is taken", **facts),
    ]
    monkeypatch.setattr(devices, "gpus", lambda: found)
    monkeypatch.setattr(backend, "cuda_status", lambda index=0: (True, "the first"))
    text = cli("info").out
    assert "device:           cuda\n" in text
    assert "cuda:             yes: the first\n" in text
    assert "cuda:0:           One, 80.0 of 85.0 GB free, compute capability 9.0\n" in text
    assert (
        "cuda:1:           Two, 80.0 of 85.0 GB free, compute capability 9.0; cuda:1 (Two) is taken\n" in text
    )
    (first, second) = json.loads(cli("info", "--json").out)["devices"]["cuda"]["gpus"]
    assert (first["name"], second["problem"]) == ("One", "cuda:1 (Two) is taken")


# ---- many files on one GPU; on the CPU the same code does the same without moving anything


def records(jobs: list[Job], **options: Any) -> list[dict[str, Any]]:
    settings = Settings(method=ssc.HPSS(), device="cpu", transform={}, **options)
    return list(on_gpu.run_jobs(jobs, settings, Progress(enabled=False)))


def test_files_and_records_are_those_of_one_after_the_other(cli: Cli, make_song: Cli) -> None:
    names = [make_song(f"in/{seed}.wav", seed=seed, seconds=0.3) for seed in range(3)]
    Path("in/1b.wav").write_text("no sound")
    done = cli("separate", "in", "-o", "one", "--json")
    expected = [json.loads(line) for line in done.out.splitlines()]
    jobs = [Job(source=r["input"], track=r["track"]) for r in expected]
    found = records(jobs, outdir="two")
    for record, known in zip(found, expected, strict=True):
        assert list(record) == list(known)
        for key in set(known) - {"seconds", "outputs", "frontend", "parameters", "memory_limit"}:
            assert record[key] == known[key], key
    assert [r["status"] for r in found].count("error") == 1
    assert files_below("one") == files_below("two")
    for name in files_below("one"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    assert len(names) == 3


def test_options_of_the_transform_and_a_format_that_does_not_fit_are_seen_to(folder: Path) -> None:
    ssc.save("many.wav", np.ones((9, 1000)) / 2, 16000)
    ssc.save("few.wav", np.ones((1, 4000)) / 2, 16000)
    jobs = [Job(source="many.wav", track="many"), Job(source="few.wav", track="few")]
    many, few = records(jobs, ext="mp3")
    assert (many["status"], many["exit_code"], few["status"]) == ("error", 4, "ok")
    (few,) = records(jobs[1:], outdir="again")
    assert few["frontend"]["name"] == "STFT"


def test_a_gpu_takes_many_files_but_not_what_is_no_separation() -> None:
    settings = Settings(method=ssc.HPSS(), device="cuda", transform={})
    assert on_gpu.takes(settings)
    for changed in (
        {"device": "cpu"},
        {"changes": "vocals mute"},
        {"denoising": {"hum": True}},
        {"examples": {"a": "b"}},
    ):
        assert not on_gpu.takes(
            Settings(**{"method": ssc.HPSS(), "device": "cuda", "transform": {}, **changed})
        )


@pytest.mark.slow
def test_the_command_uses_one_process_on_a_gpu(
    cli: Cli, make_song: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = pytest.importorskip("tests.emulation.strict")
    for seed in range(3):
        make_song(f"in/{seed}.wav", seed=seed, seconds=0.3)
    Path("in/1b.wav").write_text("no sound")
    known = cli("separate", "in", "-o", "cpu", "-d", "cpu")
    monkeypatch.setattr("sigsep_classic.cli.pool._in_workers", lambda *args: pytest.fail("workers"))
    with strict.strict_cupy():
        done = cli("separate", "in", "-o", "gpu", "-j", "3", "-d", "cuda")
    assert (done.code, done.out, done.err) == (1, known.out.replace("cpu/", "gpu/"), known.err)
    for name in files_below("cpu"):
        expected, found = ssc.load(Path("cpu", name)).samples, ssc.load(Path("gpu", name)).samples
        np.testing.assert_allclose(found, expected, atol=1e-5)


# ---- warnings of several threads


def test_warnings_go_to_the_file_that_their_thread_is_at() -> None:
    kept, logger = WarningsByFile(), logging.getLogger("sigsep_classic")

    def reads() -> None:
        with kept.at(["read"], computing=False):
            logger.warning("from the reader")

    with kept.listening(), kept.at(["computed"]):
        for target in (reads, lambda: logger.warning("from a helper")):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        logger.warning("from here")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("Python's", stacklevel=1)
        with kept.at(["written"], computing=False):
            logger.warning("while writing")
    computed = ["from a helper", "from here", "UserWarning: Python's"]
    assert kept.lines == {"read": ["from the reader"], "computed": computed, "written": ["while writing"]}


def test_warnings_are_kept_inside_and_printed_again_outside(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("sigsep_classic")
    with warnings_kept() as lines:
        logger.warning("inside")
        logger.info("nothing to keep")
    logger.warning("outside")
    assert lines == ["inside"]
    assert [record.getMessage() for record in caplog.records] == ["outside"]
