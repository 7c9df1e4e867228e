"""What a method's class docstring says: numpydoc read once for the command line, the tables and the report."""

from __future__ import annotations

import ast
import inspect
import re
import sys

TITLES = ("When to use", "Complexity", "Differences from the paper")
"""What the ``Notes`` of every method begin with, each on a line of its own."""
NOTE_FLAGS = re.MULTILINE | re.DOTALL
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", flags=re.MULTILINE)


def sections(kind: type) -> dict[str, str]:
    """Return the sections of a class's own docstring by title; what comes before the first is under ``""``."""
    pieces = _SECTION.split(inspect.cleandoc(_docstring(kind)))
    titles = ["", *pieces[1::2]]
    return {title: text.strip() for title, text in zip(titles, pieces[::2], strict=True)}


def _docstring(kind: type) -> str:
    """Return a class's docstring, of its source under ``python -OO``, where a dataclass has its signature there."""
    if sys.flags.optimize < 2:
        return kind.__doc__ or ""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    except (OSError, TypeError, KeyError, SyntaxError):
        return ""
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    return (ast.get_docstring(found[-1]) or "") if found else ""


def summary_of(kind: type) -> str:
    """Return the first paragraph of a class docstring: one sentence."""
    return plain_words(sections(kind)[""].partition("\n\n")[0])


def references_of(kind: type) -> list[str]:
    """Return the papers in a class's ``References`` section, one string each: paragraphs, numbered or not."""
    papers = re.split(r"\n\s*\n|\n(?=\.\. \[)", sections(kind).get("References", ""))
    return [plain_words(re.sub(r"^\.\. \[[^\]]+\]\s*", "", paper)) for paper in papers if paper.strip()]


def note_of(kind: type, title: str) -> str:
    """Return what the ``Notes`` of a class say under ``title``, one of `TITLES`; ``""`` where they say nothing.

    Such a note begins a line with ``title:`` and ends at an empty line or where the next one begins. It is one line of
    reStructuredText; see `plain_words`.
    """
    others = "|".join(TITLES)
    found = re.search(
        rf"^{title}:(.+?)(?=\n\s*\n|\n(?:{others}):|\Z)", sections(kind).get("Notes", ""), NOTE_FLAGS
    )
    return " ".join(found[1].split()) if found else ""


def plain_words(text: str) -> str:
    """Return text on one line, without the marks of reStructuredText."""
    return re.sub(r"`+", "", " ".join(text.split()))
