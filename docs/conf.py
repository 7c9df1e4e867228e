"""The documentation site: ``make docs``. Pages of methods and lessons are written before each build."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generate import write_pages
from lesson_pages import write_lessons

from sigsep_classic import METHODS, __version__
from sigsep_classic.factorizers.documentation import TITLES

project = "sigsep_classic"
author = "The sigsep_classic developers"
copyright = "the sigsep_classic developers, MIT licence"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"sigsep_classic {version}"
html_theme_options = {"source_edit_link": ""}
html_show_sourcelink = True
copybutton_prompt_text = "$ "
default_role = "py:obj"
nitpicky = False
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
intersphinx_mapping: dict[str, tuple[str, None]] = {}  # a build needs no network

write_pages(Path(__file__).parent)
write_lessons(Path(__file__).parent)


def setup(app: Any) -> None:
    """Let bars in docstrings mean absolute values; say once what the top of a method's page says."""
    app.connect("autodoc-process-docstring", _without_notes, priority=90)
    app.connect("autodoc-process-docstring", _with_bars, priority=100)  # before numpydoc


def _without_notes(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Leave out of ``Notes`` what stands above, under a heading of its own, on the page of a method."""
    if what != "class" or thing not in {METHODS[method] for method in METHODS.built_in}:
        return
    kept, inside = [], False
    for line in lines:
        inside = line.startswith(tuple(f"{title}:" for title in TITLES)) or (inside and bool(line.strip()))
        if not inside:
            kept.append(line)
    lines[:] = kept


def _with_bars(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape ``|``, a substitution in reStructuredText, wherever text is not literal."""
    literal: int | None = None  # how far the line before a literal block is indented
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        if literal is None and not line.lstrip().startswith((">>>", "...")):
            pieces = re.split(r"(``.*?``)", line)
            lines[i] = "".join(p if p.startswith("``") else p.replace("|", "\\|") for p in pieces)
            literal = indent if line.rstrip().endswith("::") else None
