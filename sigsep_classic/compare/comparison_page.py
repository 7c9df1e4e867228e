"""A comparison as one page that loads nothing: table, box plots, paired tests, and what was done to get there."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from sigsep_classic._version import __version__
from sigsep_classic.compare.boxplots import box_plots
from sigsep_classic.compare.describe import describe, slug
from sigsep_classic.compare.listening import players, sounds_of
from sigsep_classic.compare.merging import Comparison
from sigsep_classic.compare.printing import footnotes, quartiles, tail_cells, tail_labels
from sigsep_classic.compare.published import NOT_RUN
from sigsep_classic.compare.report import MAX_BYTES, installed, template
from sigsep_classic.compare.statistics import LEVEL
from sigsep_classic.compare.table import KINDS, METRIC_NAMES, WITHOUT_DB, Row, Table, shown, value
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS

TEMPLATE = "comparison.html.j2"

DECK_BYTES = 60_000
"""Left for what is around the sounds and pictures of players."""

LEAST_SOUND = 300_000
"""With less left for sounds, players would not be worth it."""


def require_packages() -> None:
    """Raise `ParameterError` unless jinja2 is installed."""
    if not installed("jinja2"):
        raise ParameterError(
            'the page needs jinja2; pip install "sigsep-classic[report]", or leave the page out (--no-report)'
        )


def render(found: Comparison, *, title: str = "Comparison of separation methods", sounds: bool = True) -> str:
    """Return the page of a comparison, HTML with everything inside.

    Parameters
    ----------
    found : Comparison
        What `compare.merging.merge` returned.
    title : str
        The heading.
    sounds : bool
        Put players for one track on it, where the files that were scored are still at hand and matplotlib is
        installed for the spectrograms.

    Raises
    ------
    ParameterError
        jinja2 is missing.
    """
    require_packages()
    values = _values(found, title)
    page: str = template(TEMPLATE).render(values)
    left = MAX_BYTES - len(page.encode()) - DECK_BYTES
    possible = sounds and left > LEAST_SOUND and installed("matplotlib")
    if possible and (heard := sounds_of(found.records, _names(found.table))):
        page = template(TEMPLATE).render(values | {"heard": players(heard, max_chars=left)})
    return page


def _values(found: Comparison, title: str) -> dict[str, Any]:
    """Return what the template prints, sounds apart."""
    table = found.table
    tracks = sorted({(r.subset, r.track) for r in found.records})
    return {
        "title": title,
        "version": __version__,
        "over": found.over,
        "all_db": not WITHOUT_DB.intersection(table.metrics),
        "n_tracks": len(tracks),
        "rates": sorted({int(r.sample_rate) for r in found.records if r.sample_rate}),
        "stems": table.stems,
        "metrics": [METRIC_NAMES.get(m, m) for m in table.metrics],
        "columns": [f"{stem}, {METRIC_NAMES.get(m, m)}" for stem, m in table.columns],
        "tail": tail_labels(table),
        "bodies": [
            {"kind": kind, "rows": [_row(table, row) for row in table.of_kind(kind)]}
            for kind in KINDS
            if table.of_kind(kind)
        ],
        "kinds": list(dict.fromkeys("oracle" if row.oracle else row.kind for row in table.rows)),
        "not_run": NOT_RUN,
        "notes": [line for line in footnotes(table, "Bold on green:") if line not in found.tested],
        "pictures": box_plots(table, found.boxes),
        "tests": _tests(found),
        "level": LEVEL,
        "words": _words(found),
        "failed": [r for r in found.records if r.error],
        "methods": _methods(found),
        "slug": slug,
        "heard": None,
    }


def _names(table: Table) -> list[str]:
    """Return the names of rows, the best first, blind methods before informed ones."""
    return [row.name for kind in KINDS for row in table.of_kind(kind)]


def _methods(found: Comparison) -> dict[str, dict[str, Any]]:
    """Return what the methods of this package that were run say of themselves, with the parameters of the run."""
    methods: dict[str, dict[str, Any]] = {}
    for record in found.records:
        run = record.meta.get("made_of", {}).get("candidate", {})
        if run.get("method") in METHODS and record.method not in methods:
            about = describe(METHODS[run["method"]]())
            methods[record.method] = about | {"parameters": run.get("parameters", {})}
    return methods


def _row(table: Table, row: Row) -> dict[str, Any]:
    """Return what the template prints of one row."""
    return {
        "name": row.name,
        "published": row.kind == "published",
        "cells": [
            {
                "text": shown(value(row, (stem, metric)), table.decimals),
                "between": quartiles(table, row.spread.get(stem, {}).get(metric)),
                "key": value(row, (stem, metric)),
                "best": table.is_best(row, (stem, metric)),
            }
            for stem, metric in table.columns
        ],
        "tail": tail_cells(table, row),
    }


def _tests(found: Comparison) -> list[dict[str, Any]]:
    """Return the paired tests of each column that has any, larger differences first."""
    tables = []
    for (stem, metric), pairs in found.differences.items():
        rows = [
            {
                "better": d.first if d.median >= 0 else d.second,
                "worse": d.second if d.median >= 0 else d.first,
                "gap": shown(abs(d.median), 2) + ("" if metric in WITHOUT_DB else " dB"),
                "n": d.n_tracks,
                "p": "–" if d.p != d.p else f"{d.p:.2g}",
                "significant": d.significant,
            }
            for d in sorted(pairs, key=lambda d: (d.p != d.p, d.p, -abs(d.median)))
        ]
        if rows:
            tables.append({"title": f"{stem}, {METRIC_NAMES.get(metric, metric)}", "rows": rows})
    return tables


def _words(found: Comparison) -> list[tuple[str, str, int]]:
    """Return what was done to estimates, and warnings: method, what, and on how many tracks."""
    first: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for r in found.records:
        for word in (*r.meta.get("words", ()), *r.meta.get("warnings", ())):
            key = r.method, re.sub(r"[0-9.]+", "", str(word))  # the same but for how much
            first.setdefault(key, str(word))
            counts[key] += 1
    return [(method, first[method, word], n) for (method, word), n in counts.items()]
