"""The command as a process: pipes, closed and full outputs, signals."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sigsep_classic as ssc
from tests.cli.conftest import command, environment, files_below

Run = Callable[..., Any]

pytestmark = [
    pytest.mark.slow,  # each starts Python and NumPy
    pytest.mark.skipif(os.name != "posix", reason="pipes and signals are those of POSIX"),
]


@pytest.mark.parametrize("ext", ["wav", "flac"])
def test_sound_goes_in_by_standard_input_and_out_by_standard_output(
    program: Run, make_song: Run, ext: str
) -> None:
    path = make_song(f"song.{ext}")
    done = program("separate", "-", "-o", "-", "--stem", "percussive", input=Path(path).read_bytes())
    assert (done.code, done.err) == (0, b"")
    assert done.out[:4] == b"RIFF"
    assert np.array_equal(ssc.load(io.BytesIO(done.out)).samples, ssc.separate(path)["percussive"])
    assert files_below(".") == [path]


def test_standard_input_has_a_track_name_and_its_errors_say_so(program: Run, song: str) -> None:
    assert program("separate", "-", input=Path(song).read_bytes()).code == 0
    assert files_below("separated") == ["stdin/harmonic.wav", "stdin/percussive.wav"]
    done = program("separate", "-", "--json", input=b"no sound")
    assert done.code == 3
    assert done.err.startswith(b"sigsep-classic: error: <stdin>: ")
    assert json.loads(done.out)["input"] == "-"
    assert b"is empty" in program("separate", "-", input=b"").err


def test_another_format_goes_to_standard_output_when_asked(program: Run, song: str) -> None:
    done = program("separate", song, "-o", "-", "--stem", "harmonic", "--ext", "flac")
    assert done.out[:4] == b"fLaC"


def test_nothing_but_lines_is_printed_where_there_is_no_terminal(program: Run, song: str) -> None:
    done = program("separate", song, "-m", "nmf", "--n-iter", "30", "--groups", "harmonic_percussive")
    assert done.code == 0
    assert done.err == b""
    assert b"\x1b" not in done.out + done.err
    assert b"\r" not in done.out + done.err


def test_a_reader_that_leaves_early_ends_the_command_quietly(folder: Path) -> None:
    for words in (["methods", "--json"], ["--help"], ["completion", "bash"]):
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.run(
            command(*words), stdout=writer, stderr=subprocess.PIPE, env=environment(), check=False, timeout=60
        )
        os.close(writer)
        assert (process.returncode, process.stderr) == (141, b"")


def test_a_closed_standard_output_is_no_error_unless_sound_should_go_there(program: Run, song: str) -> None:
    shell = ["sh", "-c", 'exec "$0" "$@" >&-']
    options = {"capture_output": True, "env": environment(), "check": False, "timeout": 60}
    done = subprocess.run([*shell, *command("separate", song)], **options)
    assert (done.returncode, done.stderr) == (0, b"")
    assert files_below("separated") == ["song/harmonic.wav", "song/percussive.wav"]
    done = subprocess.run([*shell, *command("separate", song, "-o", "-", "--stem", "harmonic")], **options)
    assert done.returncode == 4
    assert b"standard output is closed" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_standard_output_is_exit_code_4_and_one_line(program: Run, song: str) -> None:
    sound = ["separate", song, "-o", "-", "--stem", "harmonic"]
    for words in (["separate", song, "--json"], ["info"], ["--help"], sound):
        with open("/dev/full", "wb") as full:
            done = program(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
        assert done.code == 4, done.err
        assert len(done.err.splitlines()) == 1


def test_a_name_that_is_not_utf8_works_and_is_printed_with_backslashes(program: Run, song: str) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    try:
        os.rename(song, name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    done = program("separate", name, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["input"] == "caf\\udce9.wav"
    done = program("separate", name)
    assert (done.code, b"\\udce9" in done.out) == (0, True)


def _deaf_to_nothing() -> None:
    """Undo what a shell does to programs in its background, and nohup: they ignore these signals."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def endless(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a run that has done ``a.wav`` and works on the others for very long."""
    made: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        rng = np.random.default_rng(0)
        for name, n_samples in (("a.wav", 500), ("b.wav", 1_500_000), ("c.wav", 1_500_000)):
            ssc.save(name, rng.uniform(-0.5, 0.5, n_samples), 16000)
        names = ["a.wav", "b.wav", "c.wav"]
        method = ["-m", "nmf", "--n-iter", "3000", "--tol", "0", "--groups", "harmonic_percussive"]
        process = subprocess.Popen(
            command("separate", *names, *method, *words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            start_new_session=True,
            preexec_fn=_deaf_to_nothing,
        )
        made.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("separated/a/")
        time.sleep(0.5)
        return process

    yield start
    for process in made:
        process.kill()
        process.communicate()


def gone(group: int) -> bool:
    """Whether all processes of a group end within ten seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGINT, "1"), (signal.SIGTERM, "2"), (signal.SIGHUP, "1")]
)
def test_a_signal_ends_the_run_and_leaves_finished_files_alone(endless: Run, number: int, jobs: str) -> None:
    process = endless("-j", jobs)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err == "sigsep-classic: interrupted; what was finished is kept\n"
    assert files_below("separated") == ["a/harmonic.wav", "a/percussive.wav"]
    assert not Path("separated/b").exists()
    assert gone(process.pid)


def test_ctrl_c_on_the_whole_group_prints_one_line(endless: Run) -> None:
    process = endless("-j", "2")
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "sigsep-classic: interrupted; what was finished is kept\n")
    assert gone(process.pid)


def test_workers_end_when_the_command_is_killed(endless: Run) -> None:
    process = endless("-j", "2")
    process.kill()
    process.wait()
    assert gone(process.pid)
    assert files_below("separated") == ["a/harmonic.wav", "a/percussive.wav"]


def test_a_signal_that_is_ignored_stays_ignored(program: Run, song: str) -> None:
    shell = 'trap "" INT; "$@" & child=$!; sleep 0.3; kill -INT $child; wait $child'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *command("separate", song)], env=environment(), check=False, timeout=60
    )
    assert done.returncode == 0
    assert files_below("separated") == ["song/harmonic.wav", "song/percussive.wav"]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_progress_is_taken_away_on_a_terminal_and_never_begun_on_a_dumb_one(song: str, term: str) -> None:
    import pty

    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        command("separate", song), stdout=theirs, stderr=theirs, env={**environment(), "TERM": term}
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # what Linux says at the end of a terminal
        while part := os.read(ours, 4096):
            said += part
    os.close(ours)
    assert run.wait() == 0
    paths = b"separated/song/harmonic.wav\r\nseparated/song/percussive.wav\r\n"
    assert said.endswith(paths)
    before = said.removesuffix(paths)
    assert before.endswith(b"\r\x1b[K") if term == "xterm" else before == b""
