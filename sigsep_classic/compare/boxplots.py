"""Box plots as the SiSEC campaigns draw them, as SVG: a picture for each stem, metrics side by side, a box a row.

Colours are classes for the page's style sheet, so that a picture is right on a light and on a dark ground. Written
here since it needs no plotting package and twenty lines of geometry are all there is to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from sigsep_classic.compare.statistics import spread
from sigsep_classic.compare.table import METRIC_NAMES, WITHOUT_DB, Row, Table, shown, value

LABEL, PANEL, GAP = 275, 250, 26
"""Widths in pixels: names of rows, one metric, and between metrics."""
LINE, HEAD, FOOT = 20, 26, 30
"""Heights in pixels: one row, what is above all rows, what is below."""
WHISKER = 1.5
"""Whiskers end at the last value within so many times the distance of the quartiles from the box."""
FEW = 5
"""Below so many values points are drawn, and no box."""
MAX_NAME = 38
WIDEST_DB = 60.0
"""An axis ends here: a stem that is right to rounding would leave no room for the others."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """What is drawn of a row in one panel, in dB.

    Parameters
    ----------
    median, lower, upper : float
        Of the values; only the median is finite where nothing else is known.
    low, high : float
        Ends of the whiskers.
    notch : float
        Half the width of the notch, ``1.57 (upper − lower) / sqrt(n)``: where notches of two boxes do not overlap,
        their medians differ (about 95 %).
    outliers : tuple of float
        Values beyond the whiskers; all of them where they are few.
    n : int
        Number of values.
    """

    median: float
    lower: float
    upper: float
    low: float
    high: float
    notch: float
    outliers: tuple[float, ...]
    n: int


def box_of(values: Sequence[float]) -> Box:
    """Return the box of some values, infinite ones counted in the quartiles only.

    References
    ----------
    R. McGill, J. W. Tukey, W. A. Larsen, "Variations of box plots", The American Statistician, vol. 32, no. 1, 1978.
    """
    found = spread(values)
    kept = np.array([v for v in values if math.isfinite(v)])
    distance = found.upper - found.lower
    reach = WHISKER * (distance if math.isfinite(distance) else 0.0)
    inside = kept[(kept >= found.lower - reach) & (kept <= found.upper + reach)] if len(kept) else kept
    few = len(values) < FEW or not len(inside)
    return Box(
        median=found.median,
        lower=found.lower,
        upper=found.upper,
        low=float(inside.min()) if len(inside) else found.median,
        high=float(inside.max()) if len(inside) else found.median,
        notch=1.57 * distance / math.sqrt(found.n_values)
        if found.n_values and math.isfinite(distance)
        else 0.0,
        outliers=tuple(float(v) for v in kept if few or not inside.min() <= v <= inside.max()),
        n=len(values),
    )


def box_plots(table: Table, boxes: Mapping[tuple[str, str], Mapping[str, Sequence[float]]]) -> dict[str, str]:
    """Return an SVG picture for each stem, metrics from left to right, rows from the best to the worst.

    Parameters
    ----------
    table : Table
        Rows without values are drawn as one mark at their score.
    boxes : mapping of (stem, metric) to mapping of str to sequence of float
        Values in dB by the name of the row.
    """
    rows = _in_order(table)
    limits = {metric: _limits(table, boxes, metric) for metric in table.metrics}
    return {stem: _picture(stem, table, rows, boxes, limits) for stem in table.stems}


def _in_order(table: Table) -> list[Row]:
    """Return rows of all kinds from the best to the worst in the first column."""

    def key(row: Row) -> float:
        score = value(row, table.columns[0])
        return math.inf if math.isnan(score) else -score

    return sorted(table.rows, key=key)


def _limits(
    table: Table, boxes: Mapping[tuple[str, str], Mapping[str, Sequence[float]]], metric: str
) -> tuple[float, float]:
    """Return the ends of a metric's axis, the same for all stems: where whiskers and marks are."""
    ends = [value(row, (stem, metric)) for row in table.rows for stem in table.stems]
    for stem in table.stems:
        for values in boxes.get((stem, metric), {}).values():
            box = box_of(values)
            ends += [box.low, box.high]
    finite = [min(max(end, -WIDEST_DB), WIDEST_DB) for end in ends if math.isfinite(end)] or [0.0, 1.0]
    margin = 0.04 * (max(finite) - min(finite)) + 0.2
    return min(finite) - margin, max(finite) + margin


def _picture(
    stem: str,
    table: Table,
    rows: Sequence[Row],
    boxes: Mapping[tuple[str, str], Mapping[str, Sequence[float]]],
    limits: Mapping[str, tuple[float, float]],
) -> str:
    rows = [row for row in rows if any(not math.isnan(value(row, (stem, m))) for m in table.metrics)]
    width = LABEL + len(table.metrics) * (PANEL + GAP)
    height = HEAD + LINE * len(rows) + FOOT
    title = escape(f"Box plots of {stem}: {', '.join(METRIC_NAMES.get(m, m) for m in table.metrics)}")
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{title}">'
    ]
    for n, row in enumerate(rows):
        name = row.name if len(row.name) <= MAX_NAME else row.name[: MAX_NAME - 1] + "…"
        y = HEAD + LINE * (n + 0.5)
        parts.append(f'<text class="name {_class(row)}" x="{LABEL - 10}" y="{y + 4:g}">{escape(name)}</text>')
    for m, metric in enumerate(table.metrics):
        panel = _Panel(
            LABEL + m * (PANEL + GAP), len(rows), *limits[metric], unit="" if metric in WITHOUT_DB else " dB"
        )
        parts += panel.frame(METRIC_NAMES.get(metric, metric))
        for n, row in enumerate(rows):
            values = boxes.get((stem, metric), {}).get(row.name, ())
            parts += panel.row(n, row, values, value(row, (stem, metric)))
    return "".join([*parts, "</svg>"])


def _class(row: Row) -> str:
    return "oracle" if row.oracle else row.kind


class _Panel:
    """One metric: an axis and a line for each row."""

    def __init__(self, left: float, n_rows: int, low: float, high: float, *, unit: str) -> None:
        self.left, self.n_rows, self.low, self.high, self.unit = left, n_rows, low, high, unit

    def x(self, db: float) -> float:
        """Return the place of a value; what lies beyond the axis is at its end."""
        share = (min(max(db, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.left + PANEL * share, 1)

    def frame(self, label: str) -> Iterator[str]:
        """Yield heading, grid and numbers of the axis."""
        bottom = HEAD + LINE * self.n_rows
        yield f'<text class="head" x="{self.left + PANEL / 2}" y="14">{escape(label)}</text>'
        for tick in _ticks(self.low, self.high):
            x = self.x(tick)
            kind = "zero" if tick == 0 else "grid"
            yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{HEAD - 4}" y2="{bottom + 4}"/>'
            yield f'<text class="tick" x="{x}" y="{bottom + 17}">{f"{tick:g}".replace("-", "−")}</text>'

    def row(self, n: int, row: Row, values: Sequence[float], score: float) -> Iterator[str]:
        """Yield the box of a row, or a mark where only its score is known."""
        if math.isnan(score) and not values:
            return
        y, kind = HEAD + LINE * (n + 0.5), _class(row)
        if not values:
            x = self.x(score)
            yield f'<g class="{kind}"><title>{escape(row.name)}: {shown(score, 2)}{self.unit}</title>'
            yield f'<path class="mark" d="M{x - 5} {y}L{x} {y - 5}L{x + 5} {y}L{x} {y + 5}Z"/></g>'
            return
        box = box_of(values)
        between = f", quartiles {shown(box.lower, 2)} to {shown(box.upper, 2)}" if box.n > 1 else ""
        said = f"{row.name}: median {shown(box.median, 2)}{self.unit}{between}, n = {box.n}"
        yield f'<g class="{kind}"><title>{escape(said)}</title>'
        if box.n >= FEW:
            yield from self._box(box, y)
        yield from (f'<circle class="dot" cx="{self.x(v)}" cy="{y}" r="1.8"/>' for v in box.outliers)
        x = self.x(box.median)
        half = 3.2 if box.n >= FEW and box.notch else 6
        yield f'<line class="median" x1="{x}" x2="{x}" y1="{y - half}" y2="{y + half}"/></g>'

    def _box(self, box: Box, y: float) -> Iterator[str]:
        lower, upper, middle = self.x(box.lower), self.x(box.upper), self.x(box.median)
        # A notch never leaves its box.
        left = max(lower, self.x(box.median - box.notch)) if box.notch else middle
        right = min(upper, self.x(box.median + box.notch)) if box.notch else middle
        yield f'<line class="whisker" x1="{self.x(box.low)}" x2="{lower}" y1="{y}" y2="{y}"/>'
        yield f'<line class="whisker" x1="{upper}" x2="{self.x(box.high)}" y1="{y}" y2="{y}"/>'
        for end in (self.x(box.low), self.x(box.high)):
            yield f'<line class="whisker" x1="{end}" x2="{end}" y1="{y - 3}" y2="{y + 3}"/>'
        top, bottom, waist = y - 6, y + 6, 3.2 if box.notch else 6
        points = [(lower, top), (left, top), (middle, y - waist), (right, top), (upper, top)]
        points += [(upper, bottom), (right, bottom), (middle, y + waist), (left, bottom), (lower, bottom)]
        yield f'<path class="box" d="M{"L".join(f"{px:g} {py:g}" for px, py in points)}Z"/>'


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers between two ends."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step)
    return [round(n * step, 6) + 0.0 for n in range(first, math.floor(high / step) + 1)]
