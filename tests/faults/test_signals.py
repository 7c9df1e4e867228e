"""Signals at any moment: every verb that writes ends in one line, with whole results or none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigsep_classic import audio, save
from sigsep_classic.audio.encoder import Encoder
from sigsep_classic.audio.sndfile import SndfileReader
from sigsep_classic.cli.main import main
from sigsep_classic.cli.signals import Interrupted, as_exceptions
from tests.cli.test_streams import gone
from tests.faults.verbs import OUT, check_records, environment, leftovers, snapshot

posix = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")

_UP = """
import signal, sys
for number in (signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
from sigsep_classic.cli.main import main
print("up", flush=True)
sys.exit(main(sys.argv[1:]))
"""

MOMENTS = [
    (signal.SIGINT, 0.0, "separate"),
    (signal.SIGTERM, 0.3, "separate"),
    (signal.SIGHUP, 0.9, "separate"),
    (signal.SIGTERM, 1.2, "denoise"),
]
WORDS: dict[str, tuple[str, ...]] = {
    "separate": ("separate", "in"),
    "denoise": ("denoise", "in", "--stem", "speech", "--stem", "noise", "-j", "2"),
}


def _furnish(folder: Path, n_samples: int = 200_000) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        save(folder / "in" / f"{name}.wav", rng.uniform(-0.5, 0.5, (2, n_samples)), 16000)
    for name in ("vocals", "drums"):
        save(folder / "truth" / f"{name}.wav", rng.uniform(-0.5, 0.5, (2, n_samples)), 16000)


def _start(folder: Path, *words: str) -> subprocess.Popen[str]:
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", _UP, *words]
    process = subprocess.Popen(command, cwd=folder, env=environment(), start_new_session=True, **options)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@posix
@pytest.mark.slow
@pytest.mark.parametrize(("number", "seconds", "verb"), MOMENTS)
def test_a_signal_at_any_moment(tmp_path: Path, number: int, seconds: float, verb: str) -> None:
    _furnish(tmp_path)
    before = snapshot(tmp_path)
    process = _start(tmp_path, *WORDS[verb], "-o", "results")
    time.sleep(seconds)
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    # Between the first line of Python and the first of ours a signal does what the system does by itself.
    assert process.returncode in (0, 128 + number, -number), f"{out}\n{err}"
    assert all(line.startswith("sigsep-classic: ") for line in err.splitlines()), err
    assert snapshot(tmp_path) == before
    results = tmp_path / "results"
    assert leftovers(results) == []
    check_records(results)
    sets = {"separate": {"harmonic.wav", "percussive.wav"}, "denoise": {"speech.wav", "noise.wav"}}
    for folder in results.iterdir() if verb in sets and results.is_dir() else ():
        assert {path.name for path in folder.iterdir()} == sets[verb]
        for path in folder.iterdir():
            assert audio.load(path).samples.shape == (2, 200_000)
    assert gone(process.pid)


AT: dict[str, tuple[Any, str]] = {
    "a file is read": (SndfileReader, "chunks"),
    "samples are written": (Encoder, "write"),
    "a file is checked": (Encoder, "_verify"),
    "a file gets its name": (os, "replace"),
}
"""What is going on when a signal comes: the function that is called."""

IN_PROCESS: dict[str, tuple[str, ...]] = {
    "separate": ("separate", "in/a.wav", "-o", OUT),
    "in pieces": ("separate", "in/a.wav", "--memory-limit", "1M", "-o", OUT),
    "denoise": ("denoise", "in/a.wav", "-o", OUT),
    "remix": ("remix", "in/a.wav", "--set", "harmonic -6dB", "-o", OUT),
    "plot": ("plot", "in/a.wav", "-m", "mid_side", "-o", f"{OUT}/picture.png"),
    "manifest": ("manifest", "in", "-o", f"{OUT}/set.jsonl"),
    "run": ("run", "set.jsonl", "-o", OUT),
    "oracle": ("oracle", "truth", "-o", OUT),
    "evaluate": ("evaluate", "truth", "truth", "--sdr-only", "--oracle", "none", "-o", OUT),
    "compare": ("compare", "scores", "-o", OUT),
    "demo": ("demo", "-m", "mid_side", "--seconds", "1", "--no-report", "-o", OUT),
}


@posix
@pytest.mark.slow
@pytest.mark.parametrize("verb", IN_PROCESS)
def test_a_signal_at_each_step_of_each_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    _furnish(tmp_path, n_samples=20_000)
    (tmp_path / "set.jsonl").write_text('{"file": "in/a.wav"}\n{"file": "in/b.wav"}\n')
    monkeypatch.chdir(tmp_path)
    if verb == "compare":
        assert main([*IN_PROCESS["evaluate"][:-1], "scores"]) == 0
    before, came = snapshot(tmp_path), 0
    for owner, name in AT.values():
        for time_of in (1, 2) if verb != "plot" else (1,):  # pictures take their time
            code = _with_signal(monkeypatch, owner, name, time_of, IN_PROCESS[verb])
            said = capsys.readouterr()
            came += code != 0
            assert code in (0, 143), said
            assert all(line.startswith("sigsep-classic: ") for line in said.err.splitlines()), said
            assert snapshot(tmp_path) == before
            assert leftovers(OUT) == []
            check_records(OUT)
            for path in Path(OUT).rglob("*.wav"):
                assert audio.load(path).samples.shape[1] > 0
            shutil.rmtree(OUT, ignore_errors=True)
    assert came, "no signal came"


def _with_signal(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, time_of: int, words: tuple[str, ...]
) -> int:
    """Run the command in this process; return its code where SIGTERM came at the n-th call of a function."""
    real, calls = getattr(owner, name), 0

    def interrupted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == time_of and signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN):
            signal.raise_signal(signal.SIGTERM)
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupted)
        return main(list(words))


@posix
@pytest.mark.slow
def test_a_command_that_is_scored_ends_with_its_children(tmp_path: Path) -> None:
    _furnish(tmp_path)
    script = tmp_path / "model.sh"
    script.write_text('#!/bin/sh\nsleep 300 &\necho $! > "$(dirname "$0")/child"\nwait\n')
    script.chmod(0o755)
    model = f"{script} {{input}} {{output}}"
    process = _start(
        tmp_path, "benchmark", "--dataset", "truth", "--model", model, "--methods", "mid_side", "-o", "out"
    )
    for _ in range(300):
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip():
            break
        time.sleep(0.1)
    child = int((tmp_path / "child").read_text())
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == "sigsep-classic: interrupted; what was finished is kept"
    for _ in range(50):
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    pytest.fail(f"the child {child} of the model is still there")


@posix
def test_a_signal_whose_exception_gets_lost_still_ends_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def body() -> None:
        with as_exceptions():
            item = Finalized()
            del item
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN

    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with pytest.raises(Interrupted):
        body()
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before
    assert capfd.readouterr().err == ""


@contextmanager
def heard(number: int) -> Iterator[None]:
    """Let a signal arrive inside, also where a shell started this in the background and told it not to listen."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@posix
def test_a_signal_while_libsndfile_reads_is_not_lost() -> None:
    import io

    from tests.faults.sounds import encoded, noise

    class Signals(io.BytesIO):
        armed = True

        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 5000 and self.armed:
                self.armed = False
                signal.raise_signal(signal.SIGINT)
            return super().read(size)

    with heard(signal.SIGINT), pytest.raises(Interrupted), as_exceptions():
        audio.load(Signals(encoded(noise(1, 100_000), format="FLAC")))
