"""Pages that the package writes itself: one for each method, their table, their papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.citations import Paper, bibtex, papers_of
from sigsep_classic.factorizers.documentation import summary_of
from sigsep_classic.memory import size
from sigsep_classic.planning import described

FAMILIES = {
    "Songs and scenes (recipes)": "recipes",
    "Low rank: NMF and its relatives": "factorizers.lowrank",
    "Convolutive factorization and sparse codes": "factorizers.convolutive",
    "Harmonic and percussive": "factorizers.harmonic",
    "Repetition": "factorizers.repetition",
    "Pitch": "factorizers.pitch",
    "Stereo space": "factorizers.stereo",
    "Demixing: ICA, IVA, ILRMA": "factorizers.demixing",
    "Spatial covariance and direction": "factorizers.covariance",
    "Dereverberation": "factorizers.dereverberation",
    "Noise and hum": "factorizers.denoising",
}


def write_pages(docs: Path) -> None:
    """Write ``methods/`` and ``citing.md`` below ``docs``; files that would not change are left alone."""
    folder = docs / "methods"
    folder.mkdir(exist_ok=True)
    for name in METHODS.built_in:
        _put(folder / f"{name}.rst", _method_page(name))
    _put(folder / "index.md", _methods_index())
    _put(docs / "citing.md", _citing())


def family_of(name: str) -> str:
    """Return the heading a method stands under."""
    module = METHODS[name].__module__.removeprefix("sigsep_classic.")
    return next(title for title, start in FAMILIES.items() if module.startswith(start))


def _put(path: Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _method_page(name: str) -> str:
    kind = METHODS[name]
    place = f"{kind.__module__}.{kind.__qualname__}"
    papers = "\n\n".join("   " + bibtex(paper).replace("\n", "\n   ") for paper in papers_of(kind))
    return f"""\
{name}
{"=" * len(name)}

.. code-block:: console

   $ sigsep-classic separate recording.wav -m {name}
   $ sigsep-classic methods {name}

.. code-block:: python

   sep = sigsep_classic.separate("recording.wav", method="{name}")

.. autoclass:: {place}
   :no-members:

Length and memory
-----------------

{_length(kind())}

BibTeX
------

.. code-block:: bibtex

{papers}
"""


def _length(method: Any) -> str:
    facts = described(method)
    minute = f"{size(facts['stereo_minute_bytes'])} for a minute of stereo at 44.1 kHz"
    return f"With these defaults it is {facts['text']}. As a whole it takes {facts['memory']}: {minute}."


def _lengths() -> str:
    """Return the table of how methods handle length, and what they take."""
    lines = ["| method | length | beyond the samples | stereo minute |", "|---|---|---|---|"]
    for name in METHODS.built_in:
        facts = described(METHODS[name]())
        minute = size(facts["stereo_minute_bytes"])
        lines.append(f"| `{name}` | {facts['text']} | {facts['memory']} | {minute} |")
    return "\n".join(lines)


def _methods_index() -> str:
    by_family: dict[str, list[str]] = {title: [] for title in FAMILIES}
    for name in METHODS.built_in:
        by_family[family_of(name)].append(name)
    parts = ["# Methods", "Each page is the method's own docstring: objective, parameters, errors, papers."]
    for title, names in by_family.items():
        lines = [f"- [`{name}`]({name}.rst): {summary_of(METHODS[name])}" for name in names]
        parts += [f"## {title}", "\n".join(lines)]
    parts += [
        "## Length and memory",
        "For C channels, F frequencies, T frames, N sources and K components, measured in float32 by "
        "`python -m benchmarks.memory_formulas`; what takes more than `--memory-limit` goes in pieces.",
        _lengths(),
    ]
    listed = "\n".join(METHODS.built_in)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{listed}\n```")
    return "\n\n".join(parts) + "\n"


def _citing() -> str:
    used_by: dict[Paper, list[str]] = {}
    for name in METHODS.built_in:
        for paper in papers_of(METHODS[name]):
            used_by.setdefault(paper, []).append(name)
    entries = "\n\n".join(f"% {', '.join(names)}\n{bibtex(paper)}" for paper, names in used_by.items())
    return f"""\
# Citing

Cite the paper of each method you use, and this package with its version. `sigsep-classic cite nmf hpss` prints the
entries of two methods, `sigsep-classic cite all` these:

```bibtex
{entries}
```
"""
