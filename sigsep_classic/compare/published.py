"""Figures of papers that come with the package: copied, not run, with what is wrong with them as footnotes."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from sigsep_classic.compare.statistics import Spread
from sigsep_classic.compare.table import Row
from sigsep_classic.errors import ParameterError

NOT_RUN = "published, not run"

STEMS = ("vocals", "drums", "bass", "other")
"""The stems of MUSDB18, in the order the tables here are kept in."""

TABLES = {
    "sisec18": "SiSEC 2018",
    "demucs_v2": "Demucs v2",
    "samsnet": "Sams-Net",
    "hybrid_demucs": "Hybrid Demucs",
    "bsrnn": "BSRNN",
}
"""Tables of scores on MUSDB18 by name, and what the paper or campaign is called."""

_FILES = {
    "sisec18": "sisec18_musdb18_test.csv",
    "demucs_v2": "musdb18_sdr_demucs_v2.csv",
    "samsnet": "musdb18_sdr_samsnet.csv",
    "hybrid_demucs": "musdb18_sdr_hybrid_demucs.csv",
    "bsrnn": "musdb18_bsrnn_usdr_csdr.csv",
}

SISEC_METRICS = {"SDR": "csdr", "ISR": "isr", "SIR": "sir", "SAR": "sar"}

SISEC_NAMES = {
    "REP1": "REPET",
    "REP2": "REPET-SIM",
    "MELO": "Melodia pitch mask",
    "2DFT": "2DFT",
    "RPCA": "RPCA",
    "HPSS": "HPSS",
    "HPLP": "high and low pass",
    "MIX": "mixture/4",
}
"""What the classical entries of SiSEC 2018 are."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One row of a published table.

    Parameters
    ----------
    table : str
        Key in `TABLES`.
    model : str
        As printed.
    dataset : str
        ``MUSDB18`` or ``MUSDB18-HQ``.
    data : str
        Songs the model was trained with beyond those of the data set; empty where the table doesn't say.
    scores : mapping of str to mapping of str to float
        dB by stem and metric.
    printed_mean : float, optional
        What the table prints as the mean of the four stems.
    parameters : tuple of float
        Millions of parameters, in every version that was printed.
    spread : mapping of str to mapping of str to Spread
        Frames and NaN frames where the source has them.
    kind : str
        ``oracle``, ``classical`` … where the source says so.
    """

    table: str
    model: str
    dataset: str
    data: str = ""
    scores: Mapping[str, Mapping[str, float]]
    printed_mean: float | None = None
    parameters: tuple[float, ...] = ()
    spread: Mapping[str, Mapping[str, Spread]] = field(default_factory=dict)
    kind: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics this row has."""
        return tuple(dict.fromkeys(metric for by in self.scores.values() for metric in by))

    @property
    def name(self) -> str:
        """Model, what else it was trained with, data set where it is not MUSDB18, and table, as one name."""
        known = SISEC_NAMES.get(self.model) if self.table == "sisec18" else None
        model = f"{self.model} ({known})" if known and known != self.model else self.model
        data = f" +{self.data} songs" if self.data not in ("", "0", "n/a") else ""
        place = "" if self.dataset == "MUSDB18" else f", {self.dataset}"
        return f"{model}{data}{place} [{TABLES[self.table]}]"


def published(table: str) -> tuple[Published, ...]:
    """Return the rows of a published table.

    Parameters
    ----------
    table : str
        Key in `TABLES`.

    Raises
    ------
    ParameterError
        There is no such table.
    """
    if table not in TABLES:
        raise ParameterError(f"published table {table!r} is unknown; use one of {', '.join(TABLES)}")
    return _read(table)


def published_rows(tables: Sequence[str] = tuple(TABLES), *, metrics: Sequence[str] = ("csdr",)) -> list[Row]:
    """Return published rows as rows of a table, with the errors found in them as notes.

    Parameters
    ----------
    tables : sequence of str
        Keys in `TABLES`.
    metrics : sequence of str
        Rows with none of these are left out; uSDR and cSDR are two metrics.

    Raises
    ------
    ParameterError
        There is no such table.
    """
    from sigsep_classic.compare.printed_errors import footnotes

    rows = []
    for found in (each for table in tables for each in published(table)):
        if not set(found.metrics) & set(metrics):
            continue
        note = "; ".join(footnotes(found))
        rows.append(
            Row(
                name=found.name,
                scores=found.scores,
                kind="published",
                note=note,
                spread=found.spread,
                oracle=found.kind == "oracle",
            )
        )
    return rows


def read_csv(name: str) -> list[dict[str, str]]:
    """Return the rows of a file that comes with the package."""
    text = (files("sigsep_classic.compare") / "published" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@lru_cache(maxsize=len(TABLES))
def _read(table: str) -> tuple[Published, ...]:
    rows = read_csv(_FILES[table])
    if table == "sisec18":
        return _sisec(rows)
    if table == "bsrnn":
        return _bsrnn(rows)
    return tuple(_wide(table, row) for row in rows)


def _wide(table: str, row: Mapping[str, str]) -> Published:
    """Return a row of a table that has the stems in columns."""
    counts = [row.get("params_millions"), row.get("params_millions_last_slide")]
    return Published(
        table=table,
        model=row["model"],
        dataset=row.get("dataset", "MUSDB18"),
        data=row.get("extra_songs", ""),
        scores={stem: {"csdr": float(row[stem])} for stem in STEMS},
        printed_mean=float(row["average" if table == "samsnet" else "all"]),
        parameters=tuple(float(count) for count in counts if count),
        kind="oracle" if "oracle" in row["model"] else "",
    )


def _bsrnn(rows: list[dict[str, str]]) -> tuple[Published, ...]:
    """Return a row for each model, data set and metric, since each has a mean of its own."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        key = (row["model"], row["dataset"], row["metric"].lower())
        found.setdefault(key, {})[row["stem"]] = float(row["sdr_db"])
    return tuple(
        Published(
            table="bsrnn",
            model=model,
            dataset=dataset,
            scores={stem: {metric: values[stem]} for stem in STEMS},
            printed_mean=values["all"],
        )
        for (model, dataset, metric), values in found.items()
    )


def _sisec(rows: list[dict[str, str]]) -> tuple[Published, ...]:
    scores: dict[str, dict[str, dict[str, float]]] = {}
    spreads: dict[str, dict[str, dict[str, Spread]]] = {}
    kinds = {row["method"]: row["kind"] for row in rows}
    for row in rows:
        metric, middle = SISEC_METRICS[row["metric"]], float(row["median_of_track_medians_db"])
        scores.setdefault(row["method"], {}).setdefault(row["target"], {})[metric] = middle
        counts = Spread(
            median=middle,
            lower=float("nan"),
            upper=float("nan"),
            n_values=int(row["n_tracks"]),
            n_frames=int(row["n_frames"]),
            n_nan=int(row["n_nan_frames"]),
        )
        spreads.setdefault(row["method"], {}).setdefault(row["target"], {})[metric] = counts
    return tuple(
        Published(
            table="sisec18",
            model=method,
            dataset="MUSDB18",
            scores=scores[method],
            spread=spreads[method],
            kind=kinds[method].partition(" (")[0],
        )
        for method in scores
    )
