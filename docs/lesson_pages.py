"""Pages of the lessons: the text of each ``examples/plot_*.py``, and with ``GALLERY=1`` what it prints and draws.

A page of text costs nothing; running all lessons takes minutes, so that a build does it only when it is asked to, and
keeps what came out until the script changes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "examples"
PREFIX = "plot_"
ORDER = {
    "Masks": ("what_is_a_mask", "ideal_masks", "what_phase_costs"),
    "Templates": ("nmf_step_by_step", "nmf_by_example", "nmf_by_score", "complex_nmf"),
    "What comes again": ("repet_period", "rpca_voice", "drum_hits", "drum_atoms"),
    "One recording, other cues": ("stereo_tricks", "denoise_a_lecture", "ica_one_microphone"),
    "Several microphones": (
        "ica_one_matrix",
        "weak_exclusion",
        "why_permutation_matters",
        "hbp_at_work",
        "iva_step_by_step",
        "ilrma_variances",
        "three_voices_two_microphones",
        "online_room",
    ),
    "At work": ("compare_with_a_neural_model", "your_own_method", "on_a_gpu", "on_a_cluster"),
}
"""Chapters and their lessons, in an order to read them in."""

Cell = tuple[str, str]
"""``"markdown"`` or ``"code"``, and the text."""
Result = dict[str, Any]
"""What a cell did: ``printed``, a text, and ``pictures``, names of files."""


def write_lessons(docs: Path) -> None:
    """Write ``lessons/`` below ``docs``; files that would not change are left alone."""
    folder = docs / "lessons"
    folder.mkdir(exist_ok=True)
    for name in (name for names in ORDER.values() for name in names):
        script = EXAMPLES / f"{PREFIX}{name}.py"
        results = _results(script, folder / name) if os.environ.get("GALLERY") == "1" else []
        _put(folder / f"{name}.md", page(script, results))
    _put(folder / "index.md", _index())


def cells(script: Path) -> list[Cell]:
    """Return the cells of a script in jupytext's percent format."""
    found = []
    for part in re.split(r"^# %%", script.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            found.append(("markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()))
        else:
            found.append(("code", body.strip("\n")))
    return found


def page(script: Path, results: list[Result]) -> str:
    """Return a lesson as Markdown; ``results`` of its code cells, or none if it was not run."""
    parts = []
    left = iter(results)
    for kind, text in cells(script):
        if kind == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        done: Result = next(left, {"printed": "", "pictures": []})
        if done["printed"].strip():
            parts.append(f"```text\n{done['printed'].rstrip()}\n```")
        parts += [f"![{Path(name).stem}]({script.stem[len(PREFIX) :]}/{name})" for name in done["pictures"]]
    parts.append(f"This lesson is `examples/{script.name}`: run it, then change it.")
    return "\n\n".join(parts) + "\n"


def _index() -> str:
    parts = [
        "# Lessons",
        "Short scripts that each teach one thing, say what to hear, end in a picture, and leave you with something to "
        "try. They need no network and no sound files, take some seconds each, and write what they make into a folder "
        "of their own name:",
        "```console\n$ python examples/plot_what_is_a_mask.py\n```",
        "This is an order to read them in; each chapter also stands by itself. Editors that know `# %%` cells (VS "
        "Code, Spyder, PyCharm, jupytext) run them step by step.",
    ]
    if os.environ.get("GALLERY") != "1":
        parts.append(
            "`make docs GALLERY=1` runs them all, and these pages then show what they print and draw."
        )
    for chapter, names in ORDER.items():
        lines = []
        for name in names:
            title, text = opening(EXAMPLES / f"{PREFIX}{name}.py")
            lines.append(f"1. [{title}]({name}.md). {text}")
        parts += [f"## {chapter}", "\n".join(lines)]
    listed = "\n".join(name for names in ORDER.values() for name in names)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{listed}\n```")
    return "\n\n".join(parts) + "\n"


def opening(script: Path) -> tuple[str, str]:
    """Return the title of a lesson and its first sentence."""
    title, text, *_ = cells(script)[0][1].split("\n\n")
    sentence = re.split(r"(?<=[.?!:]) ", " ".join(text.split()))[0]
    return title.removeprefix("# "), re.sub(r":$", ".", sentence)


def _results(script: Path, pictures: Path) -> list[Result]:
    """Return what the cells of a lesson did, run in a process of its own if it has changed since the last time."""
    kept = pictures / "results.json"
    text = script.read_text(encoding="utf-8")
    if kept.exists() and (old := json.loads(kept.read_text()))["script"] == text:
        return list(old["results"])
    pictures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, str(Path(__file__).resolve()), str(script.resolve()), str(pictures.resolve())]
        environment = {**os.environ, "MPLBACKEND": "Agg"}
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script.name} failed:\n{done.stderr}")
    results = json.loads(done.stdout)
    kept.write_text(json.dumps({"script": text, "results": results}))
    return list(results)


def run_cells(script: Path, pictures: Path) -> list[Result]:
    """Run a lesson cell by cell in the current folder, move its pictures, and return what each cell did."""
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(script)}
    results = []
    for kind, text in cells(script):
        if kind == "markdown":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(text, str(script), "exec"), names)
        made = sorted(Path().glob("**/*.png"))
        for path in made:
            path.replace(pictures / path.name)
        results.append({"printed": printed.getvalue(), "pictures": [path.name for path in made]})
    return results


def _put(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    print(json.dumps(run_cells(Path(sys.argv[1]), Path(sys.argv[2]))))
