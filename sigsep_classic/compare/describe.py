"""What a method says about itself: its first line, its papers and its parameters."""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import Any

from sigsep_classic.factorizers.citations import bibtex, papers_of
from sigsep_classic.factorizers.documentation import references_of, summary_of


def describe(method: Any) -> dict[str, Any]:
    """Return what a method is, as plain values for JSON.

    ``class``, ``summary``, ``version`` of the package it is from, ``references``, ``bibtex`` and ``parameters``.

    Parameters
    ----------
    method : Factorizer
        An instance; its class docstring is numpydoc.
    """
    kind = type(method)
    return {
        "class": kind.__name__,
        "summary": summary_of(kind),
        "version": _version(kind),
        "references": references_of(kind),
        "bibtex": [bibtex(paper) for paper in papers_of(kind)],
        "parameters": parameters(method),
    }


def parameters(method: Any) -> dict[str, Any]:
    """Return the hyper-parameters of a method; what is no plain value as its `repr`. Its grid is left out."""
    if not dataclasses.is_dataclass(method):
        return {}
    values = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name != "grid"}
    return {name: _plain(value) for name, value in values.items()}


def slug(name: str) -> str:
    """Return a name for a file or an anchor: lower-case letters and digits of ASCII, and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _version(kind: type) -> str:
    """Return the package a class comes from with its version, if it says one."""
    package = kind.__module__.partition(".")[0]
    version = getattr(sys.modules.get(package), "__version__", "")
    return f"{package} {version}" if version else ""


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    return repr(value)
