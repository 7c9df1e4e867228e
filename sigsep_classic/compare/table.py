"""Score tables: methods in rows, stems by metrics in columns, between the mixture and the oracle mask."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sigsep_classic import metrics as _metrics
from sigsep_classic.compare.numbers import parsed, plain
from sigsep_classic.compare.statistics import Spread, spread_as_dict, spread_from_dict
from sigsep_classic.errors import ParameterError
from sigsep_classic.oracle import ideal_ratio_mask
from sigsep_classic.typing import Array

Scores: TypeAlias = Mapping[str, Mapping[str, float]]
"""Stem, then metric, to decibels."""

METRIC_NAMES = {
    "si_sdr": "SI-SDR",
    "usdr": "uSDR",
    "csdr": "cSDR",
    "isr": "ISR",
    "sir": "SIR",
    "sar": "SAR",
    "snr": "SNR",
    "sd_sdr": "SD-SDR",
    "stoi": "STOI",
    "estoi": "ESTOI",
    "pesq_wb": "PESQ wb",
    "pesq_nb": "PESQ nb",
}
"""What tables print for the names in `metrics.METRICS`."""

WITHOUT_DB = frozenset({"stoi", "estoi", "pesq_wb", "pesq_nb"})
"""Metrics that are numbers of no unit."""

DEFAULT_METRICS = ("si_sdr", "usdr")

MIXTURE = "mixture"
ORACLE = "oracle: ideal ratio mask"

KINDS = ("method", "informed", "reference", "published")
"""Kinds of rows, in the order they are printed: ``method``; ``informed``, a method that was handed the true
stems; ``reference``, no method: the mixture and the oracle mask, between which methods usually lie; ``published``,
figures copied from a paper, not run."""

NOTES = {
    MIXTURE: "the unprocessed mixture as the estimate of every stem",
    ORACLE: "a ratio mask made from the true stems (IRM2 of SiSEC): a mark for methods that mask, no strict bound",
}
BEST = "the best of its column among methods that do not use the true stems"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table.

    Parameters
    ----------
    name : str
        What the line is called.
    scores : mapping of str to mapping of str to float
        dB by stem and metric; what is missing or NaN is printed as a dash.
    kind : {"method", "informed", "reference", "published"}
        See `KINDS`.
    method : str
        Key in `METHODS`, or empty.
    note : str
        One phrase on how the line came about, printed below the table.
    seconds : float, optional
        Wall-clock time of the method.
    files : mapping of str to str
        Sound file of each stem, relative to the record's folder.
    spread : mapping of str to mapping of str to Spread
        Quartiles and counts of what a score is the median of, by stem and metric.
    oracle : bool
        Whether the estimates are made from the true stems to show what masks can do.
    """

    name: str
    scores: Scores
    kind: str = "method"
    method: str = ""
    note: str = ""
    seconds: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    spread: Mapping[str, Mapping[str, Spread]] = field(default_factory=dict)
    oracle: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows over the same stems and metrics.

    Parameters
    ----------
    title : str
        What was asked of the methods.
    stems, metrics : tuple of str
        The columns: every metric under every stem.
    rows : tuple of Row
        In any order; printing sorts them by kind.
    decimals : int
        Digits printed after the point.
    remarks : tuple of str
        Lines printed below the notes of the rows.
    """

    title: str
    stems: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    decimals: int = 1
    remarks: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The (stem, metric) of each column of scores."""
        return tuple((stem, metric) for stem in self.stems for metric in self.metrics)

    def of_kind(self, kind: str) -> list[Row]:
        """Return the rows of one of `KINDS`."""
        return [row for row in self.rows if row.kind == kind]

    def notes(self) -> list[tuple[str, str]]:
        """Return the rows' notes as (names of the rows, note), in the order of printing, each note once."""
        names: dict[str, list[str]] = {}
        for kind in KINDS:
            for row in self.of_kind(kind):
                names.setdefault(row.note, []).append(row.name)
        return [(", ".join(rows), note) for note, rows in names.items() if note]

    def best(self) -> dict[tuple[str, str], str]:
        """Return the highest score of each column as it is printed, over rows of kind ``method``."""
        result = {}
        for column in self.columns:
            values = [value(row, column) for row in self.of_kind("method")]
            top = max((v for v in values if not math.isnan(v)), default=math.nan)
            result[column] = shown(top, self.decimals)
        return result

    def is_best(self, row: Row, column: tuple[str, str]) -> bool:
        """Say whether a row prints the best score of a column; it takes two methods with a score there."""
        printed = shown(value(row, column), self.decimals)
        return (
            row.kind == "method"
            and sum(not math.isnan(value(each, column)) for each in self.of_kind("method")) > 1
            and printed != DASH
            and printed == self.best()[column]
        )


DASH = "–"


def value(row: Row, column: tuple[str, str]) -> float:
    """Return a row's score in dB, NaN where there is none."""
    stem, metric = column
    return float(row.scores.get(stem, {}).get(metric, math.nan))


def shown(score: float, decimals: int = 1) -> str:
    """Return a score to some decimals; a dash for NaN."""
    if math.isnan(score):
        return DASH
    return f"{score if abs(score) >= 0.5 * 10.0**-decimals else 0.0:.{decimals}f}"  # never "-0.0"


def shown_seconds(seconds: float | None) -> str:
    """Return seconds to two decimals; a dash for None."""
    return DASH if seconds is None else f"{seconds:.2f}"


def score_table(
    title: str,
    mixture: Array,
    stems: Mapping[str, Array],
    estimates: Mapping[str, Mapping[str, Array]],
    *,
    sample_rate: float,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> Table:
    """Return the table of some estimates with the rows every table needs: mixture and oracle mask.

    Parameters
    ----------
    title : str
        Printed above.
    mixture : array (channels, samples), float
        What was separated.
    stems : mapping of str to array (channels, samples)
        The true stems.
    estimates : mapping of str to mapping of str to array (channels, samples)
        A row's name, and its estimates by stem. Estimates under other names are passed over; a stem without
        one gets no score.
    sample_rate : float
        In Hz.
    metrics : sequence of str
        Names from `sigsep_classic.metrics.METRICS`.

    Returns
    -------
    Table

    Raises
    ------
    ParameterError, ShapeError, NumericalError
        As `sigsep_classic.metrics.scores` does.
    """
    rows = [
        Row(name=name, scores=score(stems, found, sample_rate=sample_rate, metrics=metrics))
        for name, found in estimates.items()
    ]
    for name, found in reference_estimates(mixture, stems).items():
        scores = score(stems, found, sample_rate=sample_rate, metrics=metrics)
        rows.append(Row(name=name, scores=scores, kind="reference", note=NOTES[name]))
    return Table(title=title, stems=tuple(stems), metrics=tuple(metrics), rows=tuple(rows))


def reference_estimates(mixture: Array, stems: Mapping[str, Array]) -> dict[str, dict[str, Array]]:
    """Return what bounds a table: the mixture as every stem, and the ideal ratio mask's stems (IRM2)."""
    return {
        MIXTURE: dict.fromkeys(stems, mixture),
        ORACLE: ideal_ratio_mask(mixture, stems, power=2.0),
    }


def score(
    stems: Mapping[str, Array],
    estimates: Mapping[str, Array],
    *,
    sample_rate: float,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> dict[str, dict[str, float]]:
    """Return dB by stem and metric, for the stems that have an estimate."""
    there = {name: stem for name, stem in stems.items() if name in estimates}
    if not there:
        raise ParameterError(f"no estimate is named after a stem; stems: {', '.join(stems)}")
    return _metrics.scores(there, estimates, metrics=metrics, sample_rate=sample_rate)


def as_dict(table: Table) -> dict[str, Any]:
    """Return plain values for strict JSON: NaN becomes None, infinities become ``"inf"`` and ``"-inf"``."""
    rows = []
    for row in table.rows:
        scores = {s: {m: plain(v) for m, v in by.items()} for s, by in row.scores.items()}
        data = {**vars(row), "scores": scores, "files": dict(row.files)}
        spread = {s: {m: spread_as_dict(v) for m, v in by.items()} for s, by in data.pop("spread").items()}
        more = {"spread": spread, "oracle": data.pop("oracle")}
        rows.append(data | {key: found for key, found in more.items() if found})
    extra = {"decimals": table.decimals, "remarks": list(table.remarks)} if table.remarks else {}
    head = {"title": table.title, "stems": list(table.stems), "metrics": list(table.metrics)}
    return {**head, "rows": rows, **extra}


def from_dict(data: Mapping[str, Any]) -> Table:
    """Return the table that `as_dict` made ``data`` of."""
    rows = []
    for row in data["rows"]:
        scores = {s: {m: parsed(v) for m, v in by.items()} for s, by in row["scores"].items()}
        spread = {
            s: {m: spread_from_dict(v) for m, v in by.items()} for s, by in row.get("spread", {}).items()
        }
        rows.append(Row(**{**row, "scores": scores, "spread": spread}))
    return Table(
        title=data["title"],
        stems=tuple(data["stems"]),
        metrics=tuple(data["metrics"]),
        rows=tuple(rows),
        decimals=data.get("decimals", 1),
        remarks=tuple(data.get("remarks", ())),
    )
