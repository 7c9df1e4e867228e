"""Records of scores below a folder: those of `evaluate`, or museval's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sigsep_classic.compare.records import RecordError, TrackScores, read

OURS = "records"
"""The folder of strict records below the output of ``evaluate``; museval's beside it says the same."""

_REFERENCES = re.compile(r"oracle .*|mixture_n|MIX|I[BR]M[12]|MWF")
"""Names of museval's folders that hold no method: ours, and those of SiSEC 2018."""


def read_folder(root: str | os.PathLike[str], *, method: str = "") -> tuple[list[TrackScores], list[str]]:
    """Return the records below a folder, and a line for each JSON file that is none.

    Parameters
    ----------
    root : path
        What ``evaluate`` wrote, a part of it, or a folder of museval JSON: ``METHOD/test/TRACK.json``.
    method : str
        What the one method below it is called; default: what the records say, or museval's folders.

    Raises
    ------
    RecordError
        There is no such folder, nothing below it is a record, or ``method`` names several.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise RecordError(f"{folder}: no such folder; name one that evaluate or museval has written")
    found, notes = [], []
    for path in _files(folder / OURS if (folder / OURS).is_dir() else folder):
        try:
            found.append(_reference(read(path)))
        except RecordError as error:
            notes.append(f"passed over: {error}")
    if not found:
        why = f" ({notes[0]})" if notes else ""
        raise RecordError(
            f"{folder}: holds no scores{why}; name a folder that evaluate or museval has written"
        )
    if method:
        names = dict.fromkeys(record.method for record in found if record.kind == "method")
        if len(names) > 1:
            raise RecordError(
                f"{folder}: holds {', '.join(names)}; name the folder of one to call it {method}"
            )
        found = [replace(r, method=method) if r.kind == "method" else r for r in found]
    return found, notes


def _reference(record: TrackScores) -> TrackScores:
    """Return a record as a reference row where it is one of museval's that is called as SiSEC's or ours are."""
    if record.meta.get("museval") and _REFERENCES.fullmatch(record.method):
        return replace(record, kind="reference")
    return record


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.json")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path
