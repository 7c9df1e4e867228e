"""Every example runs, offline and without a screen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def test_there_are_examples():
    assert SCRIPTS


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_runs(script, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert not done.stderr


def test_every_benchmark_is_in_the_readme_and_in_the_run_of_all():
    helpers = {"__init__", "__main__", "timing", "recordings", "room_sets", "room_peers"}
    helpers |= {
        "room_twins",
        "songs",
        "song_mix",
        "song_parts",
        "song_records",
        "song_voice",
        "scenes",
        "memory",
    }
    helpers |= {"neural_models", "peers", "gpu_kernels", "gpu_parity", "gpu_speed", "gpu_worker"}
    folder = EXAMPLES.parent / "benchmarks"
    names = {path.stem for path in folder.glob("*.py")} - helpers
    readme = (EXAMPLES.parent / "README.md").read_text()
    everything = (folder / "__main__.py").read_text()
    for name in names:
        assert f"`python -m benchmarks.{name}`" in readme
        assert f"\n    {name},\n" in everything
