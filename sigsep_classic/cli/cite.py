"""``sigsep-classic cite``: BibTeX of this package and of the papers of methods."""

from __future__ import annotations

import argparse
from typing import Any

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import say, to_json

ARGUMENTS = "[METHOD ...]"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    what = "methods whose papers to cite (default: this package alone); all: those of every method"
    parser.add_argument("method", nargs="*", metavar="METHOD", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON array")


def run(options: argparse.Namespace) -> int:
    """Print the entries asked for."""
    from sigsep_classic.factorizers import METHODS
    from sigsep_classic.factorizers.citations import Paper, bibtex, papers_of

    names = list(METHODS) if options.method == ["all"] else options.method
    used_by: dict[Paper, list[str]] = {}
    for name in names:
        for paper in papers_of(METHODS.find(name)):
            used_by.setdefault(paper, []).append(name)
    entries: list[dict[str, Any]] = [
        {"methods": methods, "key": paper.key, "authors": list(paper.authors), "title": paper.title}
        | {"venue": paper.venue, "year": paper.year, "bibtex": bibtex(paper)}
        for paper, methods in used_by.items()
    ]
    if options.json:
        say(to_json(entries, indent=2))
        return 0
    say("\n\n".join([_package(), *(f"% {', '.join(e['methods'])}\n{e['bibtex']}" for e in entries)]))
    return 0


def _package() -> str:
    from sigsep_classic._version import __version__

    lines = ["@software{sigsep_classic,", "  author = {{The sigsep_classic developers}},"]
    lines += [
        "  title = {{sigsep_classic: classical audio source separation}},",
        f"  version = {{{__version__}}},",
    ]
    return "\n".join([*lines, "}"])
