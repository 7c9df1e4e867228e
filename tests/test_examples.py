"""Every lesson of examples/ runs, offline and without a screen, leaves sounds and a picture, and has its place."""

from __future__ import annotations

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def lesson_pages():
    place = EXAMPLES.parent / "docs" / "lesson_pages.py"
    spec = importlib.util.spec_from_file_location("lesson_pages", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fonts_are_known():
    """Let matplotlib look for fonts once: it says so on stderr when that takes long."""
    pytest.importorskip("matplotlib.font_manager")


def test_every_lesson_has_its_place_in_the_reading_order(lesson_pages):
    placed = [f"plot_{name}.py" for names in lesson_pages.ORDER.values() for name in names]
    assert len(placed) >= 15
    assert sorted(placed) == [script.name for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_lesson_says_what_to_hear_and_what_to_try(script, lesson_pages):
    cells = lesson_pages.cells(script)
    (first, opening), (last, ending) = cells[0], cells[-1]
    assert (first, last) == ("markdown", "markdown")
    assert opening.startswith("# ")
    assert "**What to hear**" in opening
    assert ending.split("\n\n")[-1].startswith("**Try**")
    assert "?" in ending
    assert len(script.read_text().splitlines()) <= 130


def test_a_page_shows_what_a_lesson_prints_and_draws(lesson_pages, tmp_path, monkeypatch):
    script = tmp_path / "plot_small.py"
    code = 'from pathlib import Path\n\nPath("a.png").touch()\nprint(7)\n'
    script.write_text(f"# %% [markdown]\n# # Small\n#\n# One. Two.\n\n# %%\n{code}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    results = lesson_pages.run_cells(script, tmp_path / "pictures")
    assert results == [{"printed": "7\n", "pictures": ["a.png"]}]
    page = lesson_pages.page(script, results)
    assert page.startswith("# Small\n\nOne. Two.\n\n```python\nfrom pathlib")
    assert "```text\n7\n```\n\n![a](small/a.png)" in page
    assert "```text" not in lesson_pages.page(script, [])
    assert lesson_pages.opening(script) == ("Small", "One.")


def left_by(script, folder):
    return {path.suffix for path in (folder / script.stem.removeprefix("plot_")).rglob("*")}


@pytest.mark.slow
@pytest.mark.usefixtures("fonts_are_known")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_lesson_runs_and_leaves_sounds_and_a_picture(script, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(
        str(script), run_name="__main__"
    )  # in this process: half of the time is libraries being loaded
    out, err = capfd.readouterr()
    assert out
    assert not err
    assert {".png", ".wav"} <= left_by(script, tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("fonts_are_known")
def test_a_lesson_runs_by_itself(tmp_path):
    script = EXAMPLES / "plot_what_is_a_mask.py"
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert {".png", ".wav"} <= left_by(script, tmp_path)


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
    }
    helpers |= {
        "neural_models",
        "peers",
        "gpu_kernels",
        "gpu_parity",
        "gpu_speed",
        "gpu_spatial",
        "gpu_worker",
    }
    by_themselves = {"memory", "memory_formulas"}  # hours of sound and of work
    folder = EXAMPLES.parent / "benchmarks"
    names = {path.stem for path in folder.glob("*.py")} - helpers
    readme = (EXAMPLES.parent / "README.md").read_text()
    everything = (folder / "__main__.py").read_text()
    for name in names:
        assert f"`python -m benchmarks.{name}`" in readme
        assert (f"\n    {name},\n" in everything) != (name in by_themselves)
