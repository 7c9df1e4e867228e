"""One table of many records: medians over tracks, quartiles, counts, paired tests, and published rows below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from sigsep_classic.compare.numbers import plain
from sigsep_classic.compare.published import published_rows
from sigsep_classic.compare.records import FRAMEWISE, TrackScores
from sigsep_classic.compare.remarks import in_words, remarks
from sigsep_classic.compare.statistics import Difference, Spread, differences, spread
from sigsep_classic.compare.table import KINDS, Row, Scores, Table, as_dict
from sigsep_classic.errors import ParameterError

Column = tuple[str, str]

ORACLE_PREFIX = "oracle "
"""How the rows of oracle masks begin."""

FIRST = "vocals"
"""Rows are sorted by this stem, if there is one."""

STEM_ORDER = ("vocals", "drums", "bass", "other", "accompaniment")
METRIC_ORDER = ("csdr", "isr", "sir", "sar", "usdr", "si_sdr", "snr", "sd_sdr")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Methods side by side.

    Parameters
    ----------
    table : Table
        Median of each row over its tracks, with quartiles; rows sorted by kind, then from the best to the worst in
        the first column.
    boxes : mapping of (stem, metric) to mapping of str to tuple of float
        What the medians are of: for each row that was run, a value for each track, or for each frame of the only one.
    over : {"tracks", "frames"}
        Which of the two.
    differences : mapping of (stem, metric) to list of Difference
        Every pair of rows of kind method and informed, paired by track; empty where there is one track.
    records : tuple of TrackScores
        All of it, failures included.
    tested : tuple of str
        The paired tests in words, which are among the table's remarks too.
    """

    table: Table
    boxes: Mapping[Column, Mapping[str, tuple[float, ...]]]
    over: str
    differences: Mapping[Column, list[Difference]]
    records: tuple[TrackScores, ...]
    tested: tuple[str, ...] = ()


def merge(
    records: Iterable[TrackScores],
    *,
    title: str = "method",
    stems: Sequence[str] = (),
    metrics: Sequence[str] = (),
    published: Sequence[str] = (),
) -> Comparison:
    """Return records of tracks and methods as one table.

    Parameters
    ----------
    records : iterable of TrackScores
        Any number of tracks and methods, in any order.
    title : str
        Heads the column of names.
    stems, metrics : sequence of str
        The columns; default all stems, and the metrics the records share: ``csdr`` alone where there is one.
    published : sequence of str
        Tables of `compare.published.TABLES` whose rows are added, marked as not run.

    Returns
    -------
    Comparison

    Raises
    ------
    ParameterError
        There are no records, the same track of the same method is there twice with other scores, or a stem or
        metric is in none.
    """
    records = _unique(records)
    if not records and not published:
        raise ParameterError("there are no scores to compare; name folders that evaluate has written")
    extra = published_rows(published, metrics=tuple(metrics) or ("csdr",)) if published else []
    columns_of = [row.scores for row in extra]
    stems = _chosen("stem", stems, _stems(records, columns_of), STEM_ORDER)
    metrics = _chosen("metric", metrics, _metrics(records, columns_of), METRIC_ORDER)
    if not metrics:
        raise ParameterError("no record has a score; every track failed")
    by_method = _by_method(records)
    over = "tracks" if len({(r.subset, r.track) for r in records}) > 1 else "frames"
    rows = [_row(found, stems, metrics, over) for found in by_method.values()]
    rows = _sorted(rows, stems[0], metrics[0]) + _sorted(
        [_of_columns(row, stems, metrics) for row in extra], stems[0], metrics[0]
    )
    pairs = _differences(by_method, stems, metrics) if over == "tracks" else {}
    tested = tuple(line for column, found in pairs.items() if (line := in_words(column, found)))
    table = Table(
        title=title,
        stems=tuple(stems),
        metrics=tuple(metrics),
        rows=tuple(rows),
        decimals=2,
        remarks=(*remarks(records, rows, over, metrics), *tested),
    )
    boxes = {
        (stem, metric): {
            name: tuple(values)
            for name, found in by_method.items()
            if (values := _values(found, stem, metric, over))
        }
        for stem in stems
        for metric in metrics
    }
    return Comparison(
        table=table, boxes=boxes, over=over, differences=pairs, records=tuple(records), tested=tested
    )


def all_metrics(records: Sequence[TrackScores]) -> list[str]:
    """Return every metric some record has, in the usual order."""
    there = {metric for record in records for metric in record.metrics}
    return [name for name in METRIC_ORDER if name in there] + sorted(there - set(METRIC_ORDER))


def comparison_as_dict(found: Comparison) -> dict[str, Any]:
    """Return plain values for strict JSON: the table, what its medians are of, and the paired tests."""
    boxes = [
        {"stem": stem, "metric": metric, "row": row, "db": [plain(v) for v in values]}
        for (stem, metric), rows in found.boxes.items()
        for row, values in rows.items()
    ]
    tests = [
        {"stem": stem, "metric": metric, **vars(d), "median": plain(d.median), "p": plain(d.p, 8)}
        for (stem, metric), pairs in found.differences.items()
        for d in pairs
    ]
    failed = [{"track": r.track, "method": r.method, "error": r.error} for r in found.records if r.error]
    return {
        "format": 1,
        "table": as_dict(found.table),
        "over": found.over,
        "values": boxes,
        "tests": tests,
        "failed": failed,
    }


def _unique(records: Iterable[TrackScores]) -> list[TrackScores]:
    """Return the records; the same one read twice counts once."""
    found: dict[tuple[str, str, str], TrackScores] = {}
    for record in records:
        key = (record.method, record.subset, record.track)
        if key in found and (found[key].frames, found[key].totals) != (record.frames, record.totals):
            both = _joined(found[key], record)
            if both is not None:
                record = both
            elif bool(found[key].error) == bool(record.error):
                raise ParameterError(
                    f"{record.method}, {record.track}: there are two different records of it; name one folder only, "
                    "or evaluate under another name"
                )
            else:
                record = record if found[key].error else found[key]  # what worked in one of two runs
        found[key] = record
    return list(found.values())


def _joined(first: TrackScores, second: TrackScores) -> TrackScores | None:
    """Return one record of a reference row that two runs made, for the stems of each; None if they differ.

    SIR and SAR are those of the first run, since they depend on the stems of a run.
    """
    if first.kind != "reference" or first.error or second.error:
        return None
    alike = [metric for metric in first.metrics if metric not in ("isr", "sir", "sar")]
    for stem, metric in product(first.stems, alike):
        for a, b in ((first.frames, second.frames), (first.totals, second.totals)):
            one, other = a.get(stem, {}).get(metric), b.get(stem, {}).get(metric)
            if one is not None and other is not None and one != other:
                return None
    return replace(
        first,
        frames={s: {**second.frames.get(s, {}), **by} for s, by in {**second.frames, **first.frames}.items()},
        totals={s: {**second.totals.get(s, {}), **by} for s, by in {**second.totals, **first.totals}.items()},
    )


def _by_method(records: Sequence[TrackScores]) -> dict[str, list[TrackScores]]:
    found: dict[str, list[TrackScores]] = {}
    for record in records:
        found.setdefault(record.method, []).append(record)
    return found


def _stems(records: Sequence[TrackScores], more: Sequence[Scores]) -> list[str]:
    """Return the stems of what was run; those of published rows only where nothing was."""
    found = [stem for record in records for stem in record.stems]
    return list(dict.fromkeys(found or [stem for scores in more for stem in scores]))


def _metrics(records: Sequence[TrackScores], more: Sequence[Scores]) -> list[str]:
    found = [metric for record in records for metric in record.metrics]
    return list(dict.fromkeys(found or [m for scores in more for by in scores.values() for m in by]))


def _chosen(what: str, asked: Sequence[str], there: list[str], order: Sequence[str]) -> list[str]:
    """Return the columns asked for, checked, or those there are in the usual order; of metrics cSDR alone."""
    for name in asked:
        if there and name not in there:
            raise ParameterError(f"{what} {name!r} is in none of the records; there are {', '.join(there)}")
    if asked:
        return list(asked)
    if what == "metric" and "csdr" in there:
        return ["csdr"]
    known = [name for name in order if name in there]
    return known + [name for name in there if name not in known]


def _of_columns(row: Row, stems: Sequence[str], metrics: Sequence[str]) -> Row:
    """Return a row with the scores of some columns only."""

    def cut(by_stem: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        return {s: {m: v for m, v in by.items() if m in metrics} for s, by in by_stem.items() if s in stems}

    return replace(row, scores=cut(row.scores), spread=cut(row.spread))


def _row(found: list[TrackScores], stems: Sequence[str], metrics: Sequence[str], over: str) -> Row:
    spreads = {s: {m: _spread(found, s, m, over) for m in metrics} for s in stems}
    notes = dict.fromkeys(str(r.meta["note"]) for r in found if r.meta.get("note"))
    failed = sum(bool(r.error) for r in found)
    if failed:
        notes[f"{failed} of {len(found)} tracks failed and are not in its medians"] = None
    return Row(
        name=found[0].method,
        kind=found[0].kind,
        scores={s: {m: v.median for m, v in by.items()} for s, by in spreads.items()},
        spread=spreads,
        note="; ".join(notes),
        oracle=found[0].method.startswith(ORACLE_PREFIX),
    )


def _values(found: list[TrackScores], stem: str, metric: str, over: str) -> list[float]:
    """Return what a row's median is of: its tracks' medians, or the frames of its one track."""
    if over == "frames" and metric in FRAMEWISE:
        return [v for r in found for v in r.frames.get(stem, {}).get(metric, ()) if not math.isnan(v)]
    return [v for r in found if not math.isnan(v := r.value(stem, metric))]


def _spread(found: list[TrackScores], stem: str, metric: str, over: str) -> Spread:
    tracks = [r.spread(stem, metric) for r in found]
    n_frames, n_nan = sum(t.n_frames for t in tracks), sum(t.n_nan for t in tracks)
    return spread(_values(found, stem, metric, over), n_frames=n_frames, n_nan=n_nan)


def _sorted(rows: list[Row], stem: str, metric: str) -> list[Row]:
    """Return rows by kind, then from the best to the worst in the first column."""

    def key(row: Row) -> tuple[int, bool, float]:
        score = row.scores.get(stem, {}).get(metric, math.nan)
        return (KINDS.index(row.kind), math.isnan(score), -score if not math.isnan(score) else 0.0)

    return sorted(rows, key=key)


def _differences(
    by_method: Mapping[str, list[TrackScores]], stems: Sequence[str], metrics: Sequence[str]
) -> dict[Column, list[Difference]]:
    """Return the paired tests of every column, over methods: nobody asks whether an oracle is better."""
    tested = {name: found for name, found in by_method.items() if found[0].kind != "reference"}
    result = {}
    for stem in stems:
        for metric in metrics:
            scores = {
                name: {f"{r.subset}/{r.track}": r.value(stem, metric) for r in found if not r.error}
                for name, found in tested.items()
            }
            there = {n: by for n, by in scores.items() if any(not math.isnan(v) for v in by.values())}
            result[stem, metric] = differences(there)
    return result
