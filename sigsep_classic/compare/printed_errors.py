"""What is wrong with published tables, found by recomputing what can be: means, copies, figures printed twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from sigsep_classic.compare.published import STEMS, TABLES, Published, published

ROUNDING = 0.005 + 1e-9
"""Half of the last digit printed."""

SAME_AS_SISEC = {
    ("demucs_v2", "IRM oracle"): "IRM2",
    ("demucs_v2", "Wave-U-Net"): "STL2",
    ("demucs_v2", "MMDenseLSTM"): "TAK2",
    ("samsnet", "IRM oracle"): "IRM2",
    ("samsnet", "Wave-U-Net"): "STL2",
    ("samsnet", "MMDenseLSTM"): "TAK1",
}
"""Rows that repeat a system of SiSEC 2018, whose raw scores are public."""


@dataclass(frozen=True, kw_only=True)
class PrintedError:
    """One thing that can't be right, or is not the same everywhere it is printed.

    Parameters
    ----------
    table, model : str
        Whose row it is.
    kind : {"mean", "copy", "differs from SiSEC 2018", "mean elsewhere", "parameters"}
        What was compared.
    text : str
        One phrase for a footnote.
    """

    table: str
    model: str
    kind: str
    text: str


def mean_of_stems(row: Published) -> float:
    """Return the mean of the four stems in dB, from what the table prints of them."""
    (metric,) = row.metrics
    return sum(row.scores[stem][metric] for stem in STEMS) / len(STEMS)


@lru_cache(maxsize=1)
def printed_errors() -> tuple[PrintedError, ...]:
    """Return every error that recomputing finds in the tables that come with the package."""
    rows = [row for table in TABLES if table != "sisec18" for row in published(table)]
    found = [*_means(rows), *_copies(rows), *_not_as_sisec(rows), *_means_elsewhere(rows), *_parameters(rows)]
    return tuple(found)


def footnotes(row: Published) -> list[str]:
    """Return what is wrong with a row, one phrase each."""
    if row.table == "sisec18":
        return []
    twice = sum(row.model == each.model for each in published(row.table)) > 1
    return [
        error.text
        for error in printed_errors()
        if (error.table, error.model) == (row.table, row.model if not twice else _key(row))
    ]


def _key(row: Published) -> str:
    """Return the model, with its training data or data set where a table has several rows of it."""
    twice = sum(row.model == each.model for each in published(row.table)) > 1
    more = row.data or f"{row.dataset} {row.metrics[0]}"
    return f"{row.model} ({more})" if twice else row.model


def _error(row: Published, kind: str, text: str) -> PrintedError:
    return PrintedError(table=row.table, model=_key(row), kind=kind, text=text)


def _means(rows: list[Published]) -> Iterator[PrintedError]:
    for row in rows:
        mean, printed = mean_of_stems(row), row.printed_mean
        assert printed is not None
        if abs(mean - printed) > ROUNDING:
            close = "; rounding the stems explains it" if abs(mean - printed) <= 2 * ROUNDING else ""
            text = f"prints a mean of {printed:.2f}, that of its four stems is {mean:.2f}{close}"
            yield _error(row, "mean", text)


def _copies(rows: list[Published]) -> Iterator[PrintedError]:
    for a, b in combinations(rows, 2):
        if a.table == b.table and a.model != b.model and a.scores == b.scores:
            text = "the same figures as {}, digit for digit: one of the two is a copy"
            yield _error(a, "copy", text.format(b.model))
            yield _error(b, "copy", text.format(a.model))


def _not_as_sisec(rows: list[Published]) -> Iterator[PrintedError]:
    raw = {row.model: row for row in published("sisec18")}
    for row in rows:
        system = SAME_AS_SISEC.get((row.table, row.model))
        for stem in STEMS if system else ():
            assert system is not None
            printed, median = row.scores[stem]["csdr"], raw[system].scores[stem]["csdr"]
            if abs(printed - median) > ROUNDING:
                text = f"prints {printed:.2f} for {stem}; the raw scores of SiSEC 2018 ({system}) give {median:.2f}"
                yield _error(row, "differs from SiSEC 2018", text)


def _means_elsewhere(rows: list[Published]) -> Iterator[PrintedError]:
    """Yield rows whose four stems are printed in another table with another mean."""
    for a, b in combinations(rows, 2):
        assert a.printed_mean is not None
        assert b.printed_mean is not None
        if a.table != b.table and a.scores == b.scores and abs(a.printed_mean - b.printed_mean) > 1e-9:
            for row, other in ((a, b), (b, a)):
                elsewhere = f"{other.printed_mean:.2f} in the table of {TABLES[other.table]}"
                text = f"mean {row.printed_mean:.2f} here, {elsewhere}, for the same four stems"
                yield _error(row, "mean elsewhere", text)


def _parameters(rows: list[Published]) -> Iterator[PrintedError]:
    for row in rows:
        if len(set(row.parameters)) > 1:
            first, last = (f"{count:g} M" for count in row.parameters)
            text = (
                f"{first} parameters in the table, {last} on the last slide of the lecture it was copied from"
            )
            yield _error(row, "parameters", text)
