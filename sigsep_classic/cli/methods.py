"""``sigsep-classic methods``: what there is to choose from, read from the methods themselves."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import Any

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import say, to_json
from sigsep_classic.memory import size

ARGUMENTS = "[METHOD ...]"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    what = "methods to explain with all their parameters (default: a list of all)"
    parser.add_argument("method", nargs="*", metavar="METHOD", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def run(options: argparse.Namespace) -> int:
    """Print the methods asked for."""
    from sigsep_classic.factorizers import METHODS

    kinds = {name: METHODS.find(name) for name in options.method or METHODS}
    entries = [describe(name, kind) for name, kind in kinds.items()]
    if options.json:
        say(to_json(entries, indent=2))
        return 0
    explain = _in_full if options.method else _in_short
    say("\n\n".join(explain(entry) for entry in entries))
    if not options.method:
        say("\nAll parameters of one: sigsep-classic methods METHOD")
    return 0


def describe(name: str, kind: type) -> dict[str, Any]:
    """Return a method as plain values: name, class, summary, references, notes, length and memory, parameters."""
    from sigsep_classic.cli.parameters import parameters_of
    from sigsep_classic.factorizers.documentation import (
        TITLES,
        note_of,
        plain_words,
        references_of,
        summary_of,
    )
    from sigsep_classic.planning import described

    return {
        "name": name,
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "summary": summary_of(kind),
        "references": references_of(kind),
        "notes": {title.lower(): plain_words(text) for title in TITLES if (text := note_of(kind, title))},
        "length": described(kind()) if _plain(kind) else None,
        "parameters": [
            {
                "name": p.name,
                "option": p.option,
                "type": p.type,
                "default": p.default,
                "required": p.required,
                "choices": list(p.choices),
                "doc": p.doc,
            }
            for p in parameters_of(kind)
        ],
    }


def _in_short(entry: dict[str, Any]) -> str:
    options = "  ".join(f"{p['option']} {_shown(p)}" for p in entry["parameters"] if p["option"])
    return "\n".join([*_head(entry), *_papers(entry), *_wrapped(options, "    ", "    ")])


def _in_full(entry: dict[str, Any]) -> str:
    lines = [*_head(entry), *_papers(entry)]
    for title, text in entry["notes"].items():
        lines += _wrapped(f"{title}: {text}", "    ", "        ")
    if (length := entry["length"]) is not None:
        minute = f"{size(length['stereo_minute_bytes'])} for a minute of stereo at 44.1 kHz"
        lines += _wrapped(f"length: {length['text']}", "    ", "        ")
        lines += _wrapped(f"memory as a whole: {length['memory']}; {minute}", "    ", "        ")
    for p in entry["parameters"]:
        lines.append(f"    {p['option'] or p['name'] + ' (in Python)'} {_shown(p)}")
        lines += _wrapped(p["doc"], "        ", "        ")
    return "\n".join(lines)


def _plain(kind: type) -> bool:
    """Whether a method can be made without parameters."""
    from sigsep_classic.cli.parameters import parameters_of

    return not any(p.required for p in parameters_of(kind))


def _shown(parameter: dict[str, Any]) -> str:
    return (
        parameter["type"].upper()
        if parameter["required"]
        else str(parameter["default"]).replace("None", "none")
    )


def _head(entry: dict[str, Any]) -> list[str]:
    return _wrapped(f"{entry['name']}: {entry['summary']}", "", "    ")


def _papers(entry: dict[str, Any]) -> list[str]:
    return [line for paper in entry["references"] for line in _wrapped(paper, "  ", "    ")]


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    width = min(110, shutil.get_terminal_size((100, 24)).columns)
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
