"""``manifest`` and ``run``: lists of files and methods, whatever stops them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigsep_classic.cli.run import far
from sigsep_classic.sets import Summary
from tests.cli.conftest import command, environment, files_below

Run = Callable[..., Any]


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_manifest_writes_files_times_methods_and_run_does_them(cli: Run, make_song: Run) -> None:
    for name in ("in/a.wav", "in/b/c.wav"):
        make_song(name, seconds=0.3)
    words = ["-m", "mid_side", "-m", "small=nmf:n_components=2,n-iter=3"]
    assert cli("manifest", "in", *words, "-o", "lists/set.jsonl").code == 0
    assert lines("lists/set.jsonl")[2:] == [
        {"file": "../in/b/c.wav", "method": "mid_side", "track": "b/c"},
        {
            "file": "../in/b/c.wav",
            "method": "nmf",
            "parameters": {"n_components": 2, "n_iter": 3},
            "track": "b/c",
            "name": "small",
        },
    ]
    done = cli("run", "lists/set.jsonl", "-o", "out", "--ext", "flac")
    assert (done.code, done.out.split()) == (0, ["a/mid_side", "a/small", "b/c/mid_side", "b/c/small"])
    assert done.err == "sigsep-classic: 4 of 4 done\n"
    assert {"a/mid_side/mid.flac", "a/mid_side/record.json", "b/c/small/source1.flac"} <= set(
        files_below("out")
    )
    done = cli("run", "lists/set.jsonl", "-o", "out", "--ext", "flac")
    assert (done.code, done.out) == (0, "")
    assert done.err == "sigsep-classic: 0 of 4 done, 4 were there already\n"


def test_a_printed_manifest_names_files_from_here(cli: Run, song: str) -> None:
    assert json.loads(cli("manifest", song).out) == {"file": "song.wav", "method": "hpss"}


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["manifest"], "INPUT is missing"),
        (["manifest", "nothing*.wav"], "matches no file"),
        (["manifest", "song.wav", "-m", "hps"], "did you mean 'h"),
        (["manifest", "song.wav", "-m", "nmf:components=3"], "no parameter 'components'"),
        (["manifest", "song.wav", "-m", "nmf:n_components=x"], "a whole number"),
        (["manifest", "song.wav", "-m", "nmf:n_components"], "is not NAME=VALUE"),
        (["manifest", "song.wav", "-m", "nmf", "-m", "nmf"], "would write to song/nmf"),
        (["run"], "MANIFEST is missing"),
        (["run", "song.wav"], "no UTF-8 text"),
        (["run", "nothing.jsonl"], "No such file"),
        (["run", "set.jsonl", "--cluster", "local:2", "-j", "2"], "give one of them"),
        (["run", "set.jsonl", "--ext", "xyz"], "xyz"),
    ],
)
def test_wrong_words_are_one_line(cli: Run, song: str, words: list[str], match: str) -> None:
    done = cli(*words)
    assert done.code in (2, 3)
    assert (len(done.err.splitlines()), done.out) == (1, "")
    assert match in done.err
    assert not Path("results").exists()


def test_failures_are_listed_at_the_end_with_exit_code_1(cli: Run, make_song: Run) -> None:
    make_song("good.wav", seconds=0.3)
    Path("bad.wav").write_text("no sound")
    assert cli("manifest", "good.wav", "bad.wav", "-m", "mid_side", "-o", "set.jsonl").code == 0
    with Path("set.jsonl").open("a") as file:
        file.write('{"file": "gone.wav"}\n')
    done = cli("run", "set.jsonl", "--json")
    assert done.code == 1
    assert [record["status"] for record in map(json.loads, done.out.splitlines())] == ["error", "ok", "error"]
    told = done.err.splitlines()
    assert told[0] == "sigsep-classic: 1 of 3 done, 2 failed"
    assert sorted(line.split(":")[2].strip() for line in told[1:]) == ["bad/mid_side", "gone/hpss"]
    assert cli("run", "set.jsonl", "-q").err.splitlines() == told[1:]
    Path("set.jsonl").write_text('{"file": "gone.wav"}\n')
    assert cli("run", "set.jsonl").code == 3


def test_progress_tells_rate_and_time_left() -> None:
    summary = Summary(total=10_000, skipped=100, done=900, failed=[{}] * 100, seconds=500.0)
    assert far(summary) == "1100 of 10000 done, 100 failed, 2 a second, 1:14:10 left"
    assert far(Summary(total=5, done=1, seconds=20.0)) == "1 of 5 done, 20 s each, 0:01:20 left"
    assert far(Summary(total=5, skipped=2)) == "2 of 5 done"


@pytest.mark.parametrize("option", ["--save-model", "--apply-model"])
def test_models_are_kept_and_applied(cli: Run, make_song: Run, option: str) -> None:
    make_song("a.wav", seconds=0.5), make_song("b.wav", seconds=0.5, seed=1)
    words = ["-m", "nmf", "--n-components", "3", "--n-iter", "5"]
    assert cli("separate", "a.wav", *words, "--save-model", "m.npz").code == 0
    if option == "--apply-model":
        done = cli("separate", "b.wav", "--apply-model", "m.npz", "--json")
        record = json.loads(done.out)
        assert (done.code, record["model"], record["method"]) == (0, "m.npz", "nmf")
        assert list(record["outputs"]) == ["source1", "source2", "source3"]
        assert "leave one out" in cli("separate", "b.wav", "--apply-model", "m.npz", "--n-fft", "512").err
        assert cli("separate", "b.wav", "--apply-model", "b.wav").code == 3
        return
    assert "put {track} in it" in cli("separate", "a.wav", "b.wav", *words, "--save-model", "n.npz").err
    assert cli("separate", "a.wav", "b.wav", *words, "--save-model", "m/{track}.npz").code == 0
    assert files_below("m") == ["a.npz", "b.npz"]
    done = cli("separate", "a.wav", "-m", "repet", "--save-model", "r.npz")
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "holds for its own recording only" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_repeats_no_more_than_what_was_under_way(cli: Run, make_song: Run, jobs: str) -> None:
    for seed in range(8):
        make_song(f"in/{seed}.wav", seed=seed, seconds=2)
    assert cli("manifest", "in", "-m", "nmf:n_components=4", "-o", "set.jsonl").code == 0
    words = command("run", "set.jsonl", "-o", "out", "-j", jobs)
    running = subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert running.stdout is not None
    running.stdout.readline()  # one is done
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    _wait_until_nobody_writes("out")
    done = {path.parent: path.stat().st_mtime_ns for path in Path("out").glob("*/nmf/record.json")}
    assert 1 <= len(done) < 8
    for folder in Path("out").glob("*/nmf"):
        record = json.loads((folder / "record.json").read_text())
        assert {p.name for p in folder.iterdir()} == {"record.json", *record["outputs"].values()}
    resumed = cli("run", "set.jsonl", "-o", "out")
    assert resumed.code == 0
    assert f"{8 - len(done)} of 8 done, {len(done)} were there already" in resumed.err
    for folder, made in done.items():
        assert (folder / "record.json").stat().st_mtime_ns == made
    assert cli("run", "set.jsonl", "-o", "whole").code == 0
    wavs = [name for name in files_below("whole") if name.endswith(".wav")]
    assert len(wavs) >= 16
    for name in wavs:
        assert Path("whole", name).read_bytes() == Path("out", name).read_bytes()
    assert not any(".parts" in name for name in files_below("out"))


def _wait_until_nobody_writes(folder: str) -> None:
    """Workers end soon after the process that started them; wait for that."""
    before: list[str] = []
    for _ in range(40):
        time.sleep(0.5)
        now = files_below(folder)
        if now == before:
            return
        before = now


@pytest.mark.slow
def test_ctrl_c_ends_a_run_cleanly(cli: Run, make_song: Run) -> None:
    for seed in range(6):
        make_song(f"in/{seed}.wav", seed=seed, seconds=2)
    assert cli("manifest", "in", "-m", "nmf:n_components=4", "-o", "set.jsonl").code == 0
    words = command("run", "set.jsonl", "-o", "out", "-j", "2")
    running = subprocess.Popen(
        words,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.decode().splitlines() == ["sigsep-classic: interrupted; what was finished is kept"]
    assert not any(".parts" in name for name in files_below("out"))
