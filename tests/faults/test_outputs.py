"""Targets that can't be written and surroundings that are hostile, for every verb.

What needs a process of its own gets one: limits, another user, environments. The rest runs in this one.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from sigsep_classic import audio, save, save_model, separate
from sigsep_classic.cli.main import main
from tests.faults.hostile import run_all
from tests.faults.sounds import encoded, noise
from tests.faults.verbs import (
    Ended,
    check_ended,
    check_records,
    environment,
    leftovers,
    run,
    snapshot,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits, mounts and /proc are those of Linux"),
]

SECONDS, RATE = 2, 16000
Inside = Callable[..., Ended]
_QUICK = ("--sdr-only", "--oracle", "none")
WRITERS: dict[str, tuple[str, ...]] = {
    "separate": ("separate", "song.wav"),
    "apply": ("separate", "song.wav", "--apply-model", "model.npz"),
    "in pieces": ("separate", "song.wav", "--memory-limit", "1M"),
    "denoise": ("denoise", "song.wav"),
    "remix": ("remix", "song.wav", "--set", "harmonic -6dB"),
    "plot": ("plot", "song.wav", "-m", "mid_side"),
    "manifest": ("manifest", "song.wav", "-m", "hpss"),
    "run": ("run", "set.jsonl"),
    "oracle": ("oracle", "truth"),
    "evaluate": ("evaluate", "truth", "est", *_QUICK),
    "benchmark": ("benchmark", "--dataset", "truth", "--methods", "hpss", *_QUICK),
    "compare": ("compare", "scores", "--no-report"),
    "demo": ("demo", "-m", "mid_side", "--seconds", "1", "--no-report"),
}
"""The verbs that write, each with words that make it work on what `house` holds."""
FILES = {"plot": "picture.png", "manifest": "set.jsonl"}
"""The verbs whose ``-o`` is a file, and its name."""
READERS: dict[str, tuple[str, ...]] = {
    "check-dataset": ("check-dataset", "truth"),
    "methods": ("methods", "hpss"),
    "info": ("info",),
    "cite": ("cite",),
    "completion": ("completion", "bash"),
}
"""The verbs that only print."""


def words_of(verb: str, target: str) -> list[str]:
    """Return the words of a verb, with a folder for what it writes."""
    if verb in READERS:
        return [*READERS[verb]]
    return [*WRITERS[verb], "-o", f"{target}/{FILES[verb]}" if verb in FILES else target]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that ``evaluate`` has written."""
    folder = tmp_path_factory.mktemp("scores")
    _furnish(folder)
    words = [str(folder / word) if (folder / word).exists() else word for word in WRITERS["evaluate"]]
    assert main([*words, "-q", "-o", str(folder / "scores")]) == 0
    return folder / "scores"


def _furnish(folder: Path) -> None:
    rng = np.random.default_rng(0)
    stems = {name: rng.uniform(-0.3, 0.3, (2, SECONDS * RATE)) for name in ("vocals", "drums")}
    save(folder / "song.wav", sum(stems.values()), RATE)
    for name, x in stems.items():
        save(folder / "truth" / f"{name}.wav", x, RATE)
        save(folder / "est" / f"{name}.wav", 0.9 * x + 0.01, RATE)
    (folder / "set.jsonl").write_text('{"file": "song.wav", "method": "hpss"}\n')
    (folder / "model.npz").write_bytes(_model())


@lru_cache(maxsize=1)
def _model() -> bytes:
    rng = np.random.default_rng(1)
    with TemporaryDirectory() as folder:
        sep = separate(rng.laplace(size=(2, RATE)), RATE, method="ica")
        return Path(save_model(Path(folder, "model.npz"), sep, frames=False)).read_bytes()


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
        done = inside(*words_of(verb, target))
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


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("verb", WRITERS)
def test_files_that_may_not_grow_leave_nothing(house: Path, inside: Inside, verb: str) -> None:
    before = snapshot(house)
    small = verb in ("evaluate", "benchmark", "compare", "manifest")
    with no_file_beyond(20 if small else 5000):
        done = inside(*words_of(verb, "results"))
    ended_well(house, before, done, house / "results", {4})


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


def test_a_full_disk_leaves_nothing(
    house: Path, inside: Inside, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(house / "long.wav", noise(2, 60_000), RATE)
    before = snapshot(house)
    stems = ("--stem", "speech", "--stem", "noise")
    for words in (
        ("separate", "long.wav"),
        ("separate", "long.wav", "--memory-limit", "2M"),
        ("denoise", "long.wav", *stems),
        ("remix", "long.wav", "--set", "harmonic -6dB"),
        ("oracle", "truth"),
    ):
        ended_well(house, before, inside(*words, "-o", str(small_disk)), small_disk, {4})
        assert list(small_disk.rglob("*.wav")) == []
    for verb in (
        "run",
        "evaluate",
        "benchmark",
        "compare",
        "plot",
        "manifest",
    ):  # little, which may find room
        done = inside(*words_of(verb, str(small_disk)))
        ended_well(house, before, done, small_disk, {0, 4} if verb != "run" else {1, 4})
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    to_stdout = ["separate", "long.wav", "-o", "-", "--stem", "harmonic", "--ext", "flac"]
    done = run(*to_stdout, cwd=house, env=environment(TMPDIR=str(small_disk)))
    assert done.code == 0, "what fits into memory needs no temporary file"
    done = inside(*to_stdout, "--memory-limit", "2M")
    ended_well(house, before, done, small_disk, {4})


def test_nothing_but_the_target_needs_to_be_writable(house: Path, tmp_path_factory: Any) -> None:
    before = snapshot(house)
    nowhere = dict.fromkeys(
        ("HOME", "TMPDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"), "/proc/nowhere"
    )
    plan = {verb: words_of(verb, f"results/{verb}") for verb in (*WRITERS, *READERS)}
    ended = run_all(plan, cwd=house, notes=tmp_path_factory.mktemp("notes") / "n", env=nowhere)
    for verb, done in ended.items():
        ended_well(house, before, done, house / "results" / verb, {0})


def test_optimized_python_in_the_c_locale_with_names_that_are_not_utf8(
    house: Path, tmp_path_factory: Any
) -> None:
    out = "results-\udce9"
    before = snapshot(house, without=(out,))
    locale = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    plan = {verb: words_of(verb, f"{out}/{verb}") for verb in (*WRITERS, *READERS)}
    plan["help"] = ["separate", "-m", "nmf", "--help"]
    notes = tmp_path_factory.mktemp("notes") / "n"
    ended = run_all(plan, cwd=house, notes=notes, flags=("-OO",), env=locale)
    assert snapshot(house, without=(out,)) == before
    for verb, done in ended.items():
        check_ended(done)
        assert done.code == 0, done
        if verb in WRITERS:
            check_records(house / out / verb)
            assert any((house / out / verb).rglob("*.*"))
    for verb in ("methods", "help"):
        assert "(" not in ended[verb].out.splitlines()[0], "no signature in place of a sentence"


@pytest.mark.parametrize("verb", [*WRITERS, *READERS])
def test_a_current_folder_that_was_deleted(house: Path, inside: Inside, verb: str) -> None:
    before = snapshot(house)
    known = READERS if verb in READERS else WRITERS
    words = [str(house / word) if (house / word).exists() else word for word in known[verb]]
    target = words_of(verb, str(house / "results"))[len(words) :]
    for more in ([], target) if verb in WRITERS else ([],):
        gone = house / "results" / "gone"
        gone.mkdir(parents=True)
        os.chdir(gone)
        gone.rmdir()
        try:
            done = inside(*words, *more)
        finally:
            os.chdir(house)
        prints = verb in (*READERS, "compare", "manifest")
        expected = {0} if more or prints else {4}
        ended_well(house, before, done, house / "results", expected)


@pytest.mark.parametrize("verb", [*WRITERS, *READERS])
def test_a_reader_that_leaves_at_once(
    house: Path, inside: Inside, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    before = snapshot(house)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as left:
        monkeypatch.setattr("sys.stdout", left)
        done = inside(*words_of(verb, "results"))
        monkeypatch.undo()
    ended_well(house, before, done, house / "results", {0, 141})


@pytest.mark.parametrize("verb", WRITERS)
def test_two_runs_into_one_folder(house: Path, inside: Inside, verb: str) -> None:
    before = snapshot(house)
    alone = inside(*words_of(verb, "alone"))
    assert alone.code == 0, alone
    wanted = _contents(house / "alone")
    shutil.rmtree(house / "alone")
    ends = _at_once(house, words_of(verb, "results"))
    for done in ends:  # `run` takes its folder for itself
        ended_well(house, before, done, house / "results", {0, 4} if verb == "run" else {0})
    assert 0 in {done.code for done in ends}
    assert _contents(house / "results") == wanted


def _at_once(folder: Path, words: list[str]) -> list[Ended]:
    """Return how two forks of this process end that run the same command at the same time."""
    context = multiprocessing.get_context("fork")
    together = context.Barrier(2)
    said = [folder.with_name(f"{folder.name} said by {n}") for n in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads here idle, and have no locks
        children = [context.Process(target=_say, args=(words, path, together), daemon=True) for path in said]
        for child in children:
            child.start()
    for child in children:
        child.join(120)
        child.kill()
        child.join()
    texts = [[Path(f"{path}.{stream}").read_text() for stream in ("out", "err")] for path in said]
    return [Ended(int(child.exitcode), *text) for child, text in zip(children, texts, strict=True)]


def _say(words: list[str], path: Path, together: Any) -> None:
    """Run the command in a fork, and write what it prints to files."""
    for stream, name in enumerate(("out", "err"), 1):
        os.dup2(os.open(f"{path}.{name}", os.O_WRONLY | os.O_CREAT), stream)
    sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))  # noqa: SIM115
    together.wait(60)
    code = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _contents(folder: Path) -> dict[str, bytes]:
    """Return the sounds below a folder, and the names of all else, which may tell the time."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): f.read_bytes() if f.suffix == ".wav" else b"" for f in files}


@pytest.mark.parametrize("verb", [*WRITERS])
def test_the_input_folder_as_output_keeps_the_inputs(house: Path, inside: Inside, verb: str) -> None:
    before = snapshot(house)
    for target in (".", "truth", "est"):
        done = inside(*words_of(verb, target))
        check_ended(done)
        after = snapshot(house)
        assert {name: after.get(name) for name in before if not _results(name, target, verb)} == {
            name: mark for name, mark in before.items() if not _results(name, target, verb)
        }
        assert leftovers(house) == []


def _results(name: str, target: str, verb: str) -> bool:
    """Whether a file is one of scores, which a later run into the same folder writes anew."""
    writes = verb in ("evaluate", "benchmark", "compare", "demo")
    return (writes and name.endswith((".json", ".csv", ".md", ".tex"))) or name == FILES.get(verb)


def test_names_that_collide_and_odd_names(house: Path, inside: Inside) -> None:
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
    done = inside("separate", "odd", "-o", "results")
    check_ended(done)
    assert done.code == 2, "two spellings of one accent are one file elsewhere"
    (odd / names[1]).unlink()
    before = snapshot(house)
    for words in (["separate", "odd"], ["denoise", "odd"], ["remix", "odd", "--set", "harmonic -6dB"]):
        done = inside(*words, "-o", "results")
        ended_well(house, before, done, house / "results", {0})
    assert len(list((house / "results").rglob("harmonic.wav"))) == len(made) - 1
    done = inside("separate", "odd/new\nline.wav", "song.wav", "nowhere\n.wav", "-o", "more")
    assert done.code == 1
    assert "nowhere\\n.wav" in done.err or "nowhere .wav" in done.err
