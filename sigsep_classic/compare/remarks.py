"""The lines below a comparison: what its numbers are, what they rest on, and which methods differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sigsep_classic.compare.published import NOT_RUN
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.compare.statistics import Difference
from sigsep_classic.compare.table import METRIC_NAMES, Row

EDGES = "bss_eval_v4:"
"""How the warnings begin that SIR and SAR may be those of the edges of frames."""


def remarks(
    records: Sequence[TrackScores], rows: Sequence[Row], over: str, metrics: Sequence[str] = ()
) -> list[str]:
    """Return lines below the table: what numbers are, and on what they rest."""
    lines = []
    if records:
        n_tracks = len({(r.subset, r.track) for r in records})
        what = f"median over {n_tracks} tracks" if over == "tracks" else "median over the frames of one track"
        lines.append(
            f"dB, {what} [quartiles]; a track's cSDR, ISR, SIR, SAR are medians of its frames that are not NaN"
        )
    if _uneven([row for row in rows if row.kind != "published"]):
        lines.append("not all rows were scored on the same tracks and frames: see the counts")
    if any(row.kind == "published" for row in rows):
        lines.append(
            f"{NOT_RUN}: figures of papers, on data, frames and mixtures that may not be those above"
        )
    silent = {r.meta["settings"]["silent"] for r in records if "settings" in r.meta}
    if len(silent) > 1:
        lines.append(f"records differ in which frames they leave out ({', '.join(sorted(silent))})")
    warned = sum(any(line.startswith(EDGES) for line in r.meta.get("warnings", ())) for r in records)
    if warned and {"sir", "sar"} & set(metrics):
        lines.append(
            f"SIR and SAR of {warned} of {len(records)} scored tracks may be those of the frames' edges, as museval's "
            "are there; evaluate --load 1e-6 prevents it"
        )
    return lines


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
    said = [f"{d.first} > {d.second} ({d.median:+.2f} dB, p = {_p(d.p)})" for d in found]
    rest = len(known) - len(found)
    if rest:
        said.append(
            f"{rest} of {len(known)} pairs: no difference beyond chance"
            if found
            else "no pair differs beyond chance"
        )
    n = sorted({d.n_tracks for d in known})
    tracks = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
    head = f"{stem} {METRIC_NAMES.get(metric, metric)}, Wilcoxon signed-rank over {tracks} tracks, Holm"
    return f"{head}: {'; '.join(said)}"


def _turned(d: Difference) -> Difference:
    return Difference(first=d.second, second=d.first, median=-d.median, n_tracks=d.n_tracks, p=d.p)


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"
