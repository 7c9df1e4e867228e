"""Targets that can't be written and surroundings that are hostile, for every verb.

What needs a process of its own gets one: limits, another user, environments. The rest runs in this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigsep_classic import audio, save, separate
from sigsep_classic.cli.main import main
from tests.faults.sounds import encoded, noise
from tests.faults.verbs import (
    Ended,
    check_ended,
    check_records,
    command,
    environment,
    leftovers,
    run,
    snapshot,
)

pytestmark = [
    pytest.mark.slow,  # each starts Python and NumPy
    pytest.mark.skipif(sys.platform != "linux", reason="limits, mounts and /proc are those of Linux"),
]

SECONDS, RATE = 2, 16000
Inside = Callable[..., Ended]
_QUICK = ("--sdr-only", "--oracle", "none")
WRITERS: dict[str, tuple[str, ...]] = {
    "separate": ("separate", "song.wav"),
    "denoise": ("denoise", "song.wav"),
    "remix": ("remix", "song.wav", "--set", "harmonic -6dB"),
    "oracle": ("oracle", "truth"),
    "evaluate": ("evaluate", "truth", "est", *_QUICK),
    "benchmark": ("benchmark", "--dataset", "truth", "--methods", "hpss", *_QUICK),
    "compare": ("compare", "scores", "--no-report"),
    "demo": ("demo", "-m", "mid_side", "--seconds", "1", "--no-report"),
}
"""The verbs that write, each with words that make it work on what `house` holds."""
READERS: dict[str, tuple[str, ...]] = {
    "check-dataset": ("check-dataset", "truth"),
    "methods": ("methods", "hpss"),
    "info": ("info",),
    "cite": ("cite",),
    "completion": ("completion", "bash"),
}
"""The verbs that only print."""


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ``evaluate`` has written."""
    folder = tmp_path_factory.mktemp("scores")
    _furnish(folder)
    done = run(*WRITERS["evaluate"], "-o", "scores", cwd=folder)
    assert done.code == 0, done
    return folder / "scores"


def _furnish(folder: Path) -> None:
    rng = np.random.default_rng(0)
    stems = {name: rng.uniform(-0.3, 0.3, (2, SECONDS * RATE)) for name in ("vocals", "drums")}
    save(folder / "song.wav", sum(stems.values()), RATE)
    for name, x in stems.items():
        save(folder / "truth" / f"{name}.wav", x, RATE)
        save(folder / "est" / f"{name}.wav", 0.9 * x + 0.01, RATE)


@pytest.fixture
def house(tmp_path: Path, scores: Path) -> Path:
    """A folder with a song, true stems, estimates and scores, which no run may change."""
    _furnish(tmp_path)
    subprocess.run(["cp", "-r", str(scores), str(tmp_path / "scores")], check=True)
    return tmp_path


@pytest.fixture
def inside(house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inside:
    """Run the command in this process, in the house."""
    monkeypatch.chdir(house)

    def ended(*words: str) -> Ended:
        capsys.readouterr()
        code = main(list(words))
        return Ended(code, *capsys.readouterr())

    return ended


def ended_well(house: Path, before: dict[str, str], done: Ended, out: Path, codes: set[int]) -> None:
    """Check an end, that all that was there is there, and that what was written is whole."""
    check_ended(done)
    assert done.code in codes, done
    assert snapshot(house) == before
    if out.is_dir():
        assert leftovers(out) == []
        check_records(out)
        for path in out.rglob("*.wav"):
            assert np.isfinite(audio.load(path).samples).all()


@pytest.mark.parametrize("verb", WRITERS)
def test_a_file_in_place_of_the_folder_and_a_folder_that_takes_no_files(
    house: Path, inside: Inside, verb: str
) -> None:
    (house / "taken").write_text("in the way")
    before = snapshot(house)
    for target in ("taken", "/proc/results", "/dev/full"):
        done = inside(*WRITERS[verb], "-o", target)
        ended_well(house, before, done, house / "results", {4})
        assert target in done.err


_NOBODY = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from sigsep_classic.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_nobody_may_not_write_where_root_may(house: Path) -> None:
    (house / "results").mkdir(mode=0o755)
    for path in (house, *house.parents):
        if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001 and path != Path("/"):
            os.chmod(path, path.stat().st_mode | 0o055)
    before = snapshot(house)
    words = [sys.executable, "-c", _NOBODY, *WRITERS["separate"], "-o", "results"]
    done = subprocess.run(
        words,
        cwd=house,
        env=environment(HOME="/nonexistent"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "can't open file" in done.stderr or "No module named" in done.stderr:
        pytest.skip("nobody may not read the package here")
    ended_well(house, before, Ended(done.returncode, done.stdout, done.stderr), house / "results", {4})
    assert list((house / "results").iterdir()) == []


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from sigsep_classic.cli.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("verb", WRITERS)
def test_files_that_may_not_grow_leave_nothing(house: Path, verb: str) -> None:
    before = snapshot(house)
    env = environment(NUMBA_CACHE_DIR=os.environ.get("NUMBA_CACHE_DIR", ""))
    limit = "50" if verb in ("evaluate", "benchmark", "compare") else "20000"
    words = [sys.executable, "-c", _LIMITED, limit, *WRITERS[verb], "-o", "results"]
    done = subprocess.run(words, cwd=house, env=env, capture_output=True, text=True, timeout=120, check=False)
    ended_well(house, before, Ended(done.returncode, done.stdout, done.stderr), house / "results", {4})


@pytest.fixture(params=["at once", "late"])
def small_disk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk with room for nothing, or for the first of two stems."""
    disk = tmp_path_factory.mktemp("disk")
    size = "4k" if request.param == "at once" else "300k"
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting is not allowed here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_nothing(house: Path, small_disk: Path) -> None:
    save(house / "long.wav", noise(2, 60_000), RATE)
    before = snapshot(house)
    for words in (("separate", "long.wav"), ("denoise", "long.wav", "--stem", "speech", "--stem", "noise")):
        ended_well(house, before, run(*words, "-o", str(small_disk), cwd=house), small_disk, {4})
        assert list(small_disk.rglob("*.wav")) == []
    done = run(
        "separate",
        "long.wav",
        "-o",
        "-",
        "--stem",
        "harmonic",
        cwd=house,
        env=environment(TMPDIR=str(small_disk)),
    )
    assert done.code == 0


@pytest.mark.parametrize("verb", [*WRITERS, *READERS])
def test_nothing_but_the_target_needs_to_be_writable(house: Path, verb: str) -> None:
    before = snapshot(house)
    nowhere = dict.fromkeys(
        ("HOME", "TMPDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"), "/proc/nowhere"
    )
    words = (*WRITERS[verb], "-o", "results") if verb in WRITERS else READERS[verb]
    done = run(*words, cwd=house, env=environment(**nowhere))
    ended_well(house, before, done, house / "results", {0})


@pytest.mark.parametrize("verb", [*WRITERS, *READERS])
def test_optimized_python_in_the_c_locale_with_names_that_are_not_utf8(house: Path, verb: str) -> None:
    before = snapshot(house, without=("results-\udce9",))
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = (*WRITERS[verb], "-o", "results-\udce9") if verb in WRITERS else READERS[verb]
    done = run(*words, flags=["-OO"], cwd=house, env=environment(**locale))
    check_ended(done)
    assert done.code == 0
    assert snapshot(house, without=("results-\udce9",)) == before
    if verb in WRITERS:
        check_records(house / "results-\udce9")
        assert any((house / "results-\udce9").rglob("*.*"))


@pytest.mark.parametrize("verb", [*WRITERS, *READERS])
def test_a_current_folder_that_was_deleted(house: Path, inside: Inside, verb: str) -> None:
    before = snapshot(house)
    words = list(WRITERS.get(verb, READERS.get(verb, ())))
    words = [str(house / word) if (house / word).exists() else word for word in words]
    for more in ([], ["-o", str(house / "results")]) if verb in WRITERS else ([],):
        gone = house / "results" / "gone"
        gone.mkdir(parents=True)
        os.chdir(gone)
        gone.rmdir()
        try:
            done = inside(*words, *more)
        finally:
            os.chdir(house)
        expected = {0} if more or verb in READERS or verb == "compare" else {4}
        ended_well(house, before, done, house / "results", expected)


@pytest.mark.parametrize("verb", ["separate", "evaluate", "check-dataset", "info"])
def test_a_reader_that_leaves_at_once(house: Path, verb: str) -> None:
    before = snapshot(house)
    words = (*WRITERS[verb], "-o", "results") if verb in WRITERS else READERS[verb]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command(*words),
        cwd=house,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment(),
        timeout=120,
        check=False,
    )
    os.close(writer)
    ended_well(house, before, Ended(done.returncode, "", done.stderr.decode()), house / "results", {0, 141})


def test_two_runs_into_one_folder(house: Path) -> None:
    before = snapshot(house)
    options: Any = {
        "cwd": house,
        "env": environment(),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    runs = [subprocess.Popen(command("separate", "song.wav", "-o", "results"), **options) for _ in range(3)]
    for process in runs:
        out, err = process.communicate(timeout=180)
        ended_well(house, before, Ended(process.returncode, out, err), house / "results", {0})
    alone = separate(str(house / "song.wav"))
    for name, stem in alone.items():
        assert np.array_equal(audio.load(house / "results" / "song" / f"{name}.wav").samples, stem)


@pytest.mark.parametrize("verb", [*WRITERS])
def test_the_input_folder_as_output_keeps_the_inputs(house: Path, inside: Inside, verb: str) -> None:
    before = snapshot(house)
    for target in (".", "truth", "est"):
        done = inside(*WRITERS[verb], "-o", target)
        check_ended(done)
        after = snapshot(house)
        assert {name: after.get(name) for name in before if not _results(name, target, verb)} == {
            name: mark for name, mark in before.items() if not _results(name, target, verb)
        }
        assert leftovers(house) == []


def _results(name: str, target: str, verb: str) -> bool:
    """Whether a file is one of scores, which a later run into the same folder writes anew."""
    return verb in ("evaluate", "benchmark", "compare", "demo") and name.endswith(
        (".json", ".csv", ".md", ".tex")
    )


def test_names_that_collide_and_odd_names(house: Path) -> None:
    names = [
        "ä.wav",
        "a\u0308.wav",
        "x y'\"$(id).wav",
        "-q.wav",
        "new\nline.wav",
        "\udcff\udcfe.wav",
        "🎵.wav",
        "%s{}.wav",
    ]
    odd = house / "odd"
    odd.mkdir()
    made = []
    for number, name in enumerate(names):
        try:
            (odd / name).write_bytes(encoded(noise(1, 2000) * (0.3 + 0.05 * number)))
            made.append(name)
        except OSError:
            continue  # this file system takes other names
    before = snapshot(house)
    done = run("separate", "odd", "-o", "results", cwd=house)
    check_ended(done)
    assert done.code == 2, "two spellings of one accent are one file elsewhere"
    (odd / names[1]).unlink()
    before = snapshot(house)
    for words in (["separate", "odd"], ["denoise", "odd"], ["remix", "odd", "--set", "harmonic -6dB"]):
        done = run(*words, "-o", "results", cwd=house)
        ended_well(house, before, done, house / "results", {0})
    assert len(list((house / "results").rglob("harmonic.wav"))) == len(made) - 1
    done = run("separate", "odd/new\nline.wav", "song.wav", "nowhere\n.wav", "-o", "more", cwd=house)
    assert done.code == 1
    assert "nowhere\\n.wav" in done.err or "nowhere .wav" in done.err
