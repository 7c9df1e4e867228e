"""The command run in this process (fast) or as a process of its own (pipes, signals), and sounds to feed it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sigsep_classic as ssc
from sigsep_classic.cli.main import main

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """What a run left: exit code, standard output and standard error."""

    code: int
    out: Any
    err: Any


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGSEP_DEVICE", raising=False)
    return tmp_path


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command in this process."""

    def run(*words: str) -> Result:
        capsys.readouterr()
        code = main(list(words))
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def command(*words: str) -> list[str]:
    """The command as a program with arguments."""
    return [sys.executable, "-m", "sigsep_classic", *words]


def environment() -> dict[str, str]:
    """Where the program finds the package."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def program(folder: Path) -> Callable[..., Result]:
    """Run the command as a process of its own; binary streams."""

    def run(*words: str, **options: Any) -> Result:
        options = {"capture_output": True, "env": environment(), "timeout": 120} | options
        done = subprocess.run(command(*words), check=False, **options)
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def make_song(folder: Path) -> Callable[..., str]:
    """Write a second of music and return its path."""

    def make(path: str = "song.wav", *, seconds: float = 1.0, seed: int = 0, **options: Any) -> str:
        mix = ssc.synthesize("song", seconds=seconds, seed=seed, sample_rate=16000)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        ssc.save(path, mix.mixture, mix.sample_rate, **options)
        return path

    return make


@pytest.fixture
def song(make_song: Callable[..., str]) -> str:
    """A second of music in ``song.wav``."""
    return make_song()


def files_below(folder: str | Path) -> list[str]:
    """All files, hidden ones included, relative to the folder."""
    root = Path(folder)
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
