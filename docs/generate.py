"""Pages that the package writes itself: one for each method, their table, their papers."""

from __future__ import annotations

import re
from pathlib import Path

from verified import brief, gpu_rows, verified_page

from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.citations import Paper, bibtex, papers_of
from sigsep_classic.factorizers.documentation import note_of, summary_of
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
LETTERS = "C channels, F frequencies, T frames, N sources, K components"

PLACES = {
    "device": "all of it there",
    "device, small parts on the host": "small parts on the host",
    "device and host": "parts on the host",
}
"""Where a method runs, as docs/gpu.md has it and in a sentence."""


def write_pages(docs: Path) -> None:
    """Write ``methods/``, ``citing.md`` and ``verified.md`` below ``docs``; what would not change is left alone."""
    folder = docs / "methods"
    folder.mkdir(exist_ok=True)
    for name in METHODS.built_in:
        _put(folder / f"{name}.rst", _method_page(name))
    _put(folder / "index.md", _methods_index())
    _put(docs / "citing.md", _citing())
    _put(docs / "verified.md", verified_page())


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

{_escaped(summary_of(kind))}

**When to use:** {_linked(note_of(kind, "When to use"))}

.. code-block:: console

   $ sigsep-classic separate recording.wav -m {name}
   $ sigsep-classic methods {name}  # its parameters

.. code-block:: python

   sep = sigsep_classic.separate("recording.wav", method="{name}")

{_at_a_glance(name)}

Reference
---------

.. autoclass:: {place}
   :no-members:

BibTeX
------

.. code-block:: bibtex

{papers}
"""


def _at_a_glance(name: str) -> str:
    """Return what a method costs, where it runs and how far it can be trusted, as a definition list."""
    kind = METHODS[name]
    where, kernels = gpu_rows()[name]
    facts = described(kind())
    minute = f"{size(facts['stereo_minute_bytes'])} for a minute of stereo at 44.1 kHz"
    said = {
        "Time": _sentence(_linked(note_of(kind, "Complexity"))),
        "Length": f"With these defaults, {facts['text']}.",
        "Memory": f"As a whole {facts['memory']} ({LETTERS}): {minute}.",
        "Devices": f"CPU; NVIDIA GPUs, {PLACES[where]}{', by own kernels' if kernels else ''} (:doc:`/gpu`).",
        "Differences from the paper": _sentence(_linked(note_of(kind, "Differences from the paper"))),
        "Verified": f"{brief(name)}; :ref:`read them <verified-{name}>`.",
    }
    return "\n".join(f"**{term}**\n   {text}" for term, text in said.items())


def _linked(text: str) -> str:
    """Return text with bars that are bars, and the names of methods as links."""
    text = re.sub(
        r"(?<!`)`(\w+)`(?!`)", lambda m: f":doc:`{m[1]}`" if m[1] in METHODS.built_in else m[0], text
    )
    return "".join(p if p.startswith("``") else p.replace("|", "\\|") for p in re.split(r"(``.*?``)", text))


def _escaped(text: str) -> str:
    """Return text in which nothing is reStructuredText by accident."""
    return re.sub(r"([*|`\\]|_\b)", r"\\\1", text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return _capital(text if text.endswith(".") else f"{text}.")


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
    parts = [
        "# Methods",
        "Each page says when to use a method, what it costs, where it runs, how it departs from its paper and how it "
        "was verified; then come objective, parameters, errors and papers. For a task in place of a name see "
        "[what to use for what](../which.md).",
    ]
    for title, names in by_family.items():
        lines = [f"- [`{name}`]({name}.rst): {summary_of(METHODS[name])}" for name in names]
        parts += [f"## {title}", "\n".join(lines)]
    parts += [
        "## Length and memory",
        f"For {LETTERS}, measured in float32 by `python -m benchmarks.memory_formulas`; "
        "what takes more than `--memory-limit` goes in pieces.",
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
