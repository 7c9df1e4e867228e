"""The lines below a comparison: what its numbers are, what they rest on, and which methods differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sigsep_classic.compare.published import NOT_RUN
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.compare.statistics import LEVEL, Difference, smallest_p
from sigsep_classic.compare.table import METRIC_NAMES, WITHOUT_DB, Row

EDGES = "bss_eval_v4:"
"""How the warnings begin that SIR and SAR may be those of the edges of frames."""


SETTINGS = {
    "silent": "which frames they leave out",
    "seconds": "the length of frames in seconds",
    "filter_length": "the length of filters",
    "framewise_filters": "whether each frame has its own filters",
    "load": "the load on the filters' equations",
}
"""Settings that scores depend on, and what a line below a table calls them."""


def remarks(
    records: Sequence[TrackScores], rows: Sequence[Row], over: str, metrics: Sequence[str] = ()
) -> list[str]:
    """Return lines below the table: what numbers are, and on what they rest."""
    lines = []
    if records:
        n_tracks = len({(r.subset, r.track) for r in records})
        what = f"median over {n_tracks} tracks" if over == "tracks" else "median over the frames of one track"
        lines.append(
            f"{_unit(metrics)}, {what} [quartiles]; a track's cSDR, ISR, SIR, SAR are medians of its frames that are "
            "not NaN"
        )
    if _uneven([row for row in rows if row.kind != "published"]):
        lines.append(
            "not all rows were scored on the same tracks and frames: see the counts (evaluate --silent energy leaves "
            "out frames by the true stems alone)"
        )
    if any(row.kind == "published" for row in rows):
        lines.append(
            f"{NOT_RUN}: figures of papers, on data, frames and mixtures that may not be those above"
        )
    lines += [line for key in SETTINGS if (line := _unlike(records, key))]
    if _other_sets(records) and {"isr", "sir", "sar"} & set(metrics):
        lines.append(
            "SIR and SAR of a stem depend on the stems it is scored with, which are not the same in all rows: all "
            "stems, or a stem and the sum of the others; compare rows that have the same stems"
        )
    warned = sum(any(line.startswith(EDGES) for line in r.meta.get("warnings", ())) for r in records)
    if warned and {"sir", "sar"} & set(metrics):
        lines.append(
            f"SIR and SAR of {warned} of {len(records)} records may be those of the frames' edges, as museval's "
            "are there; evaluate --load 1e-6 prevents it"
        )
    return lines


def _unit(metrics: Sequence[str]) -> str:
    """Return what the numbers of some metrics are in."""
    names = [METRIC_NAMES[metric] for metric in metrics if metric in WITHOUT_DB]
    if not names:
        return "dB"
    return f"{', '.join(names)} without a unit" + (", all else dB" if len(names) < len(metrics) else "")


def _unlike(records: Sequence[TrackScores], key: str) -> str:
    """Return a line where records were scored with several values of a setting."""
    values = {str(r.meta["settings"].get(key)) for r in records if "settings" in r.meta}
    return f"records differ in {SETTINGS[key]} ({', '.join(sorted(values))})" if len(values) > 1 else ""


def _other_sets(records: Sequence[TrackScores]) -> bool:
    """Whether some stem was scored with other stems in one record than in another."""
    last: dict[str, set[frozenset[str]]] = {}
    for r in records:
        of_stem = {stem: frozenset(each) for each in r.meta.get("sets", ()) for stem in each}
        for stem, together in of_stem.items():  # scores of a later set replace those of an earlier one
            last.setdefault(stem, set()).add(together)
    return any(len(found) > 1 for found in last.values())


def _uneven(rows: Sequence[Row]) -> bool:
    """Whether some column rests on other tracks or frames in one row than in another."""
    counts: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for row in rows:
        for stem, by in row.spread.items():
            for metric, found in by.items():
                if found.n_frames:
                    counts.setdefault((stem, metric), set()).add((found.n_frames, found.n_nan))
    return any(len(found) > 1 for found in counts.values())


def in_words(column: tuple[str, str], pairs: Sequence[Difference]) -> str:
    """Return the paired tests of a column in words: which pairs differ beyond chance, and that the rest do not."""
    known = [d for d in pairs if not math.isnan(d.p)]
    if not known:
        return ""
    stem, metric = column
    found = [d if d.median >= 0 else _turned(d) for d in known if d.significant]
    unit = "" if metric in WITHOUT_DB else " dB"
    said = [f"{d.first} > {d.second} ({d.median:+.2f}{unit}, p = {_p(d.p)})" for d in found]
    rest = len(known) - len(found)
    n = sorted({d.n_tracks for d in known})
    if rest and not found:
        few = len(known) * smallest_p(n[-1]) >= LEVEL
        said.append("too few tracks for any difference to show" if few else "no pair differs beyond chance")
    elif rest:
        said.append(f"{rest} of {len(known)} pairs: no difference beyond chance")
    tracks = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
    head = f"{stem} {METRIC_NAMES.get(metric, metric)}, Wilcoxon signed-rank over {tracks} tracks, Holm"
    return f"{head}: {'; '.join(said)}"


def _turned(d: Difference) -> Difference:
    return Difference(first=d.second, second=d.first, median=-d.median, n_tracks=d.n_tracks, p=d.p)


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"
