"""What a method's class docstring says: numpydoc read once for the command line, the tables and the report."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", flags=re.MULTILINE)


def sections(kind: type) -> dict[str, str]:
    """Return the sections of a class's own docstring by title; what comes before the first is under ``""``."""
    pieces = _SECTION.split(inspect.cleandoc(kind.__doc__ or ""))
    titles = ["", *pieces[1::2]]
    return {title: text.strip() for title, text in zip(titles, pieces[::2], strict=True)}


def summary_of(kind: type) -> str:
    """Return the first paragraph of a class docstring: one sentence."""
    return plain_words(sections(kind)[""].partition("\n\n")[0])


def references_of(kind: type) -> list[str]:
    """Return the papers in a class's ``References`` section, one string each: paragraphs, numbered or not."""
    papers = re.split(r"\n\s*\n|\n(?=\.\. \[)", sections(kind).get("References", ""))
    return [plain_words(re.sub(r"^\.\. \[[^\]]+\]\s*", "", paper)) for paper in papers if paper.strip()]


def plain_words(text: str) -> str:
    """Return text on one line, without the marks of reStructuredText."""
    return re.sub(r"`+", "", " ".join(text.split()))
