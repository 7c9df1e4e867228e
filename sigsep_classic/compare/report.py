"""A page to look at and listen to: scores, players and spectrograms in one file that loads nothing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sigsep_classic import audio
from sigsep_classic.compare.clips import HIGHEST_HZ, LOWEST_HZ, RANGE_DB, make_clips
from sigsep_classic.compare.describe import slug
from sigsep_classic.compare.table import (
    BEST,
    KINDS,
    METRIC_NAMES,
    Row,
    Table,
    from_dict,
    shown,
    shown_seconds,
    value,
)
from sigsep_classic.errors import ParameterError

TEMPLATE = "report.html.j2"
MAX_BYTES = 5_000_000
PLAYED = 3
"""Rows of each kind in a table that have players: those with the best mean score."""
TEXT_BYTES = 400_000
"""Left for everything that is no sound and no picture: the demonstration's tables and papers take 160 000."""


def require_packages() -> None:
    """Raise unless what the page is made with is installed.

    Raises
    ------
    ParameterError
        jinja2 or matplotlib is missing.
    """
    missing = [name for name in ("jinja2", "matplotlib") if not installed(name)]
    if missing:
        raise ParameterError(
            f'the page needs {" and ".join(missing)}; pip install "sigsep-classic[report]", or leave the '
            "page out (demo: --no-report)"
        )


def installed(name: str) -> bool:
    """Return whether a package is installed, without importing it."""
    try:
        return find_spec(name) is not None
    except ValueError:  # what find_spec raises for a module set to None in sys.modules
        return False


def render(record: Mapping[str, Any], folder: str | os.PathLike[str]) -> str:
    """Return the page of a record, HTML with every sound and picture inside.

    Parameters
    ----------
    record : mapping
        What `compare.demo.run` returns, or its ``scores.json``.
    folder : path
        Where the record's sound files are.

    Returns
    -------
    str
        Less than `MAX_BYTES` long: players hold the beginning of each sound if all of it does not fit.

    Raises
    ------
    ParameterError
        jinja2 or matplotlib is missing.
    AudioError
        A sound file can't be read.
    """
    require_packages()
    tables = {title: from_dict(_bare(data)) for title, data in record["tasks"].items()}
    files = [record["mixture"], *record["stems"].values()]
    tables = {title: _heard(table) for title, table in tables.items()}
    files += [file for table in tables.values() for row in table.rows for file in row.files.values()]
    sounds = {file: audio.load(Path(folder) / file).samples for file in files}
    clips = make_clips(
        sounds, record["sample_rate"], loudest=record["mixture"], max_chars=MAX_BYTES - TEXT_BYTES
    )
    return template(TEMPLATE).render(
        record=record,
        clips=clips,
        tasks=[_task(table, record["tasks"][title]) for title, table in tables.items()],
        best_note=BEST,
        played=PLAYED,
        low_hz=LOWEST_HZ,
        high_hz=min(HIGHEST_HZ, record["sample_rate"] / 2),
        range_db=RANGE_DB,
        slug=slug,
    )


def template(name: str) -> Any:
    """Return a page's template; jinja2 must be installed."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("sigsep_classic", "compare"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name)


def _bare(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in ("title", "stems", "metrics", "rows")}


def _heard(table: Table) -> Table:
    """Return the table with sounds for no more than the `PLAYED` best rows of each kind."""
    metric = table.metrics[0]
    kept: set[str] = set()
    for kind in KINDS:
        best = sorted(table.of_kind(kind), key=lambda row: -_mean(row, table.stems, metric))
        kept |= {row.name for row in best[:PLAYED]}
    rows = (row if row.name in kept else replace(row, files={}) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _mean(row: Row, stems: Sequence[str], metric: str) -> float:
    """Return a row's mean score; a stem without a number counts little."""
    scores = [value(row, (stem, metric)) for stem in stems]
    return sum(score if math.isfinite(score) else -50.0 for score in scores) / len(scores)


def _task(table: Table, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template prints of one table."""
    return {
        "title": table.title,
        "id": slug(table.title),
        "description": data["description"],
        "stems": table.stems,
        "metrics": [METRIC_NAMES.get(metric, metric) for metric in table.metrics],
        "columns": [f"{stem}, {METRIC_NAMES.get(metric, metric)}" for stem, metric in table.columns],
        "bodies": [
            {"kind": kind, "rows": [_row(table, row) for row in table.of_kind(kind)]}
            for kind in KINDS
            if table.of_kind(kind)
        ],
        "notes": table.notes(),
        "has_best": any(table.is_best(row, column) for row in table.rows for column in table.columns),
    }


def _sentence(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:] + "." if phrase else ""


def _row(table: Table, row: Row) -> dict[str, Any]:
    """Return what the template prints of one row: cells for the table, stems for the players."""
    first = table.metrics[0]
    return {
        "name": row.name,
        "id": f"{slug(table.title)}-{slug(row.name)}",
        "method": row.method,
        "note": _sentence(row.note),
        "seconds": {"text": shown_seconds(row.seconds), "key": "" if row.seconds is None else row.seconds},
        "cells": [
            {"text": shown(value(row, column)), "key": value(row, column), "best": table.is_best(row, column)}
            for column in table.columns
        ],
        "stems": [
            {
                "part": part,
                "own_name": Path(file).stem,
                "file": file,
                "score": f"{METRIC_NAMES.get(first, first)} {shown(value(row, (part, first)))} dB",
            }
            for part, file in row.files.items()
        ],
    }
