"""What a method says about itself: its first line, its papers and its parameters."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", flags=re.MULTILINE)


def describe(method: Any) -> dict[str, Any]:
    """Return a method's ``class``, ``summary``, ``references`` and ``parameters``, as plain values for JSON.

    Parameters
    ----------
    method : Factorizer
        An instance; its class docstring is numpydoc.
    """
    kind = type(method)
    return {
        "class": kind.__name__,
        "summary": plain_words(sections(kind).get("", "").split("\n\n")[0]),
        "references": references(kind),
        "parameters": parameters(method),
    }


def sections(kind: type) -> dict[str, str]:
    """Return the sections of a class's own docstring by title; what comes before the first is under ``""``."""
    pieces = _SECTION.split(inspect.cleandoc(kind.__doc__ or ""))
    titles = ["", *pieces[1::2]]
    return {title: text.strip() for title, text in zip(titles, pieces[::2], strict=True)}


def references(kind: type) -> list[str]:
    """Return the papers in a class's ``References`` section, one string each: paragraphs, numbered or not."""
    text = sections(kind).get("References", "")
    papers = re.split(r"\n\s*\n|\n(?=\.\. \[)", text)
    return [plain_words(re.sub(r"^\.\. \[[^\]]+\]\s*", "", paper)) for paper in papers if paper.strip()]


def parameters(method: Any) -> dict[str, Any]:
    """Return the hyper-parameters of a method; what is no plain value as its `repr`. Its grid is left out."""
    if not dataclasses.is_dataclass(method):
        return {}
    values = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name != "grid"}
    return {name: _plain(value) for name, value in values.items()}


def slug(name: str) -> str:
    """Return a name for a file or an anchor: lower-case letters and digits of ASCII, and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def plain_words(text: str) -> str:
    """Return text on one line, without the marks of reStructuredText."""
    return re.sub(r"`+", "", " ".join(text.split()))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    return repr(value)
