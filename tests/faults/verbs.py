"""The ways a file reaches each verb, and what any run may leave behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.sounds import encoded, make, noise

ROOT = Path(__file__).parents[2]
CODES = {0, 1, 2, 3, 4, 5, 129, 130, 141, 143}
OUT = "results"


@dataclass(frozen=True)
class Ended:
    """What a run left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Way:
    """One way for a sound file into a verb.

    Parameters
    ----------
    words : callable
        From the file under test, which was put at ``place``, to the words of the command.
    place : str
        The folder it lies in, below the current one.
    stem : str
        Its name without the suffix.
    beside : tuple of str
        Sound files that are there and right.
    fails_alone : bool
        The file is all the work there is, so that its failure is the run's.
    """

    words: Callable[[Path], list[str]]
    place: str = "in"
    stem: str = "sound"
    beside: tuple[str, ...] = ()
    fails_alone: bool = True


def _truth(*words: str) -> Callable[[Path], list[str]]:
    return lambda path: [*words, "-o", OUT]


_STEMS = ("truth/vocals.wav", "truth/drums.wav")
_QUICK = ("--sdr-only", "--oracle", "none")
WAYS: dict[str, Way] = {
    "separate INPUT": Way(lambda path: ["separate", str(path), "-o", OUT]),
    "separate FOLDER": Way(
        lambda path: ["separate", "in", "-o", OUT], beside=("in/right.wav",), fails_alone=False
    ),
    "separate --example": Way(
        lambda path: [
            "separate",
            "right.wav",
            "-m",
            "nmf",
            "--n-iter",
            "2",
            "--example",
            f"a={path}",
            "-o",
            OUT,
        ],
        beside=("right.wav",),
    ),
    "denoise INPUT": Way(lambda path: ["denoise", str(path), "-o", OUT]),
    "denoise --noise-clip": Way(
        lambda path: ["denoise", "right.wav", "--noise-clip", str(path), "-o", OUT], beside=("right.wav",)
    ),
    "remix INPUT": Way(lambda path: ["remix", str(path), "--set", "harmonic -6dB", "-o", OUT]),
    "plot INPUT": Way(lambda path: ["plot", str(path), "-m", "hpss", "-o", f"{OUT}/picture.png"]),
    "oracle STEM": Way(_truth("oracle", "truth"), "truth", "bass", _STEMS),
    "oracle MIXTURE": Way(_truth("oracle", "truth"), "truth", "mixture", _STEMS),
    "evaluate TRUTH": Way(
        _truth("evaluate", "truth", "est", *_QUICK),
        "truth",
        "bass",
        (*_STEMS, "est/vocals.wav", "est/drums.wav"),
    ),
    "evaluate ESTIMATE": Way(
        _truth("evaluate", "truth", "est", *_QUICK),
        "est",
        "vocals",
        (*_STEMS, "est/drums.wav"),
        fails_alone=False,
    ),
    "benchmark TRUTH": Way(
        _truth("benchmark", "--dataset", "truth", "--methods", "hpss", *_QUICK), "truth", "bass", _STEMS
    ),
    "check-dataset STEM": Way(lambda path: ["check-dataset", "truth"], "truth", "bass", _STEMS),
}
"""By verb and argument."""


def prepare(way: Way, name: str, folder: Path) -> Path:
    """Put the file ``name`` of `SOUNDS` and those beside it where a way wants them; return its path from ``folder``."""
    for number, beside in enumerate(way.beside):
        path = folder / beside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(noise(1, 2000) * (0.5 + 0.1 * number)))
    return make(name, folder / way.place, way.stem).relative_to(folder)


def snapshot(folder: str | Path, *, without: Iterable[str] = (OUT,)) -> dict[str, str]:
    """Return what lies below a folder: each name with a mark of what it holds."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [
            name for name in folders if os.path.relpath(os.path.join(place, name), folder) not in without
        ]
        for name in (*folders, *files):
            path = Path(place, name)
            regular = path.is_file() and not path.is_symlink()
            mark = hashlib.sha256(path.read_bytes()).hexdigest() if regular else oct(path.lstat().st_mode)
            found[os.fsencode(path.relative_to(folder)).decode(errors="backslashreplace")] = mark
    return found


def leftovers(folder: str | Path) -> list[str]:
    """Return hidden and temporary files below a folder; the lock of ``run``, which stays, is none."""
    hidden = [path for path in Path(folder).rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
    return [str(path) for path in hidden if path.name != ".lock"]


def check_ended(done: Ended, *, named: Iterable[str] = ()) -> None:
    """Check what holds for every end of every verb: a known code, lines of ours, names where it failed."""
    assert done.code in CODES, done
    assert "Traceback" not in done.err, done.err
    assert "internal error" not in done.err, done.err
    for line in done.err.splitlines():
        assert line.startswith("sigsep-classic: "), done.err
    if done.code not in (0, 141):
        text = done.err + done.out
        assert any(mark in text for mark in ("error", "interrupted")), done
        assert not named or any(name in text for name in named), done


def check_records(folder: str | Path) -> None:
    """Check that each JSON file below a folder is whole."""
    for path in Path(folder).rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


def command(*words: str, flags: Iterable[str] = ()) -> list[str]:
    """Return the command as a program with arguments."""
    return [sys.executable, *flags, "-m", "sigsep_classic", *words]


def environment(**more: str) -> dict[str, str]:
    """Return where the program finds the package, its threads, and what else is asked for."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "SIGSEP_NUM_THREADS": "1", **more}


def run(*words: str, flags: Iterable[str] = (), timeout: float = 120, **options: Any) -> Ended:
    """Run the command as a process of its own; a hang is a failure."""
    options = {
        "check": False,
        "env": environment(),
        "stdin": subprocess.DEVNULL,
        "capture_output": True,
    } | options
    done = subprocess.run(command(*words, flags=flags), timeout=timeout, **options)
    out, err = ((text or b"").decode(errors="backslashreplace") for text in (done.stdout, done.stderr))
    return Ended(done.returncode, out, err)
