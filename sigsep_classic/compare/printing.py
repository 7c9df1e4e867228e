"""Score tables as aligned plain text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import replace

from sigsep_classic.compare.numbers import plain
from sigsep_classic.compare.published import NOT_RUN
from sigsep_classic.compare.statistics import Spread
from sigsep_classic.compare.table import (
    BEST,
    DASH,
    KINDS,
    METRIC_NAMES,
    Row,
    Table,
    shown,
    shown_seconds,
    value,
)

MARK = "*"

COUNTS = ("n", "frames", "NaN")
"""Columns of a table whose scores are medians: values each median is of, frames used, frames left out."""


def as_text(table: Table, *, notes: bool = True, width: int | None = None) -> str:
    """Return a table for a terminal: columns aligned, the best of each column starred.

    Parameters
    ----------
    table : Table
        With at least one row.
    notes : bool
        Print the rows' notes below.
    width : int, optional
        Characters that lines may have: a wider table is printed a few stems at a time, and notes are wrapped. A stem
        that is wider by itself stays so.

    Returns
    -------
    str
        Lines without trailing blanks; the last has no line feed.
    """
    blocks = [_lines(part) for part in _fitting(table, width)]
    lines = [line for block in blocks for line in ["", *block]][1:]
    if notes:
        lines += ["", *(part for line in footnotes(table) for part in _wrapped(line, width))]
    return "\n".join(line.rstrip() for line in lines)


def _fitting(table: Table, width: int | None) -> list[Table]:
    """Return the table, or several of fewer stems that fit into a width."""
    if width is None:
        return [table]
    parts: list[Table] = []
    for stem in table.stems:
        wider = replace(table, stems=(*parts[-1].stems, stem)) if parts else None
        if wider is not None and max(map(len, _lines(wider))) <= width:
            parts[-1] = wider
        else:
            parts.append(replace(table, stems=(stem,)))
    return parts or [table]


def _wrapped(line: str, width: int | None) -> list[str]:
    import textwrap

    return [line] if width is None else textwrap.wrap(line, max(20, width), subsequent_indent="  ")


def _lines(table: Table) -> list[str]:
    """Return the lines of a table without its notes."""
    body = {kind: [_cells(table, row, MARK) for row in table.of_kind(kind)] for kind in KINDS}
    tail = [label + " " for label in tail_labels(table)]
    metric_line = [table.title, *(METRIC_NAMES.get(m, m) + " " for _, m in table.columns), *tail]
    widths = [
        max(len(line[n]) for line in [metric_line, *(line for lines in body.values() for line in lines)])
        for n in range(len(metric_line))
    ]
    n_metrics = len(table.metrics)
    for s, stem in enumerate(table.stems):  # a stem's name must fit over its metrics
        span = slice(1 + s * n_metrics, 1 + (s + 1) * n_metrics)
        short = len(stem) + 1 - sum(widths[span]) - 2 * (n_metrics - 1)
        widths[span.start] += max(0, short)
    stem_line = [" " * widths[0]]
    for s, stem in enumerate(table.stems):
        span = slice(1 + s * n_metrics, 1 + (s + 1) * n_metrics)
        stem_line.append(f"{stem} ".rjust(sum(widths[span]) + 2 * (n_metrics - 1)))
    lines = ["  ".join(stem_line), _aligned(metric_line, widths)]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    for kind in KINDS:
        if body[kind]:
            named = f"-- {NOT_RUN} ".ljust(len(rule), "-") if kind == "published" else rule
            lines += [named, *(_aligned(cells, widths) for cells in body[kind])]
    return [line.rstrip() for line in lines]


def as_markdown(table: Table, *, notes: bool = True) -> str:
    """Return a table in Markdown: the best of each column bold, reference and published rows in italics.

    Parameters
    ----------
    table : Table
        With at least one row.
    notes : bool
        Print the rows' notes below.
    """
    head = [table.title, *column_labels(table), *tail_labels(table)]
    lines = [_pipes(head), "|".join(["", " --- ", *[" ---: "] * (len(head) - 1), ""])]
    for kind in KINDS:
        for row in table.of_kind(kind):
            name, *cells = _marked(table, row, "**{}**")
            plain_name = kind in ("method", "informed")
            lines.append(_pipes([name if plain_name else f"*{name}*", *cells]))
    if notes:
        lines += ["", *(f"- {line}" for line in footnotes(table, "bold:"))]
    return "\n".join(lines)


def as_latex(table: Table, *, notes: bool = True) -> str:
    """Return a table in LaTeX, for the package booktabs: the best of each column bold.

    Parameters
    ----------
    table : Table
        With at least one row.
    notes : bool
        Print the rows' notes below, each in a row over all columns.
    """
    tail, n_metrics = tail_labels(table), len(table.metrics)
    n_columns = 1 + len(table.columns) + len(tail)
    stems = [rf"\multicolumn{{{n_metrics}}}{{c}}{{{_tex(stem)}}}" for stem in table.stems]
    head = [table.title, *(METRIC_NAMES.get(m, m) for _, m in table.columns), *tail]
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (n_columns - 1)}}}",
        r"\toprule",
        _ampersands(["", *stems, *[""] * len(tail)]),
        _ampersands([_tex(label) for label in head]),
    ]
    for kind in KINDS:
        rows = table.of_kind(kind)
        lines += [r"\midrule"] if rows else []
        for row in rows:
            name, *cells = _marked(table, row, "\0{}\1")
            texts = [_tex(cell).replace("\0", r"\textbf{").replace("\1", "}") for cell in [name, *cells]]
            lines.append(
                _ampersands([texts[0] if kind == "method" else rf"\textit{{{texts[0]}}}", *texts[1:]])
            )
    lines.append(r"\bottomrule")
    if notes:
        wide = r"\multicolumn{%d}{p{0.9\linewidth}}{\footnotesize %s} \\"
        lines += [wide % (n_columns, _tex(line)) for line in footnotes(table, "Bold:")]
    return "\n".join([*lines, r"\end{tabular}"])


def as_csv(table: Table) -> str:
    """Return a table as CSV, a line for each row, stem and metric, with quartiles, counts and notes; NaN is empty."""
    head = ("row", "kind", "stem", "metric", "db", "lower", "upper", "n", "n_frames", "n_nan", "note")
    lines = []
    for kind in KINDS:
        for row in table.of_kind(kind):
            for stem, metric in table.columns:
                found = row.spread.get(stem, {}).get(metric)
                quartiles = (found.lower, found.upper) if found else (math.nan, math.nan)
                numbers = (
                    "" if math.isnan(v) else plain(v) for v in (value(row, (stem, metric)), *quartiles)
                )
                counts = (found.n_values, found.n_frames, found.n_nan) if found else ("", "", "")
                note = "; ".join(filter(None, [NOT_RUN if kind == "published" else "", row.note]))
                lines.append((row.name, kind, stem, metric, *numbers, *counts, note))
    return csv_text(head, lines)


def csv_text(head: Iterable[object], lines: Iterable[Iterable[object]]) -> str:
    """Return lines of values as CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    return buffer.getvalue()


def column_labels(table: Table) -> list[str]:
    """Return stem and metric of each column of scores, as they are printed."""
    return [f"{stem} {METRIC_NAMES.get(metric, metric)}" for stem, metric in table.columns]


def tail_labels(table: Table) -> list[str]:
    """Return the labels of what is printed after the scores: counts where scores are medians, else seconds."""
    if any(row.spread for row in table.rows):
        return list(COUNTS)
    return ["seconds"] if any(row.kind != "published" for row in table.rows) else []


def tail_cells(table: Table, row: Row) -> list[str]:
    """Return what is printed after a row's scores."""
    labels = tail_labels(table)
    if labels != list(COUNTS):
        return [shown_seconds(row.seconds) for _ in labels]
    there = [row.spread.get(s, {}).get(m) for s, m in table.columns]
    found = [each for each in there if each is not None and each.n_values]
    frames = [each for each in found if each.n_frames]
    return [
        _range(each.n_values for each in found),
        _range(each.n_frames - each.n_nan for each in frames),
        _range(each.n_nan for each in frames),
    ]


def quartiles(table: Table, found: Spread | None) -> str:
    """Return quartiles as they are printed, ``[5.1, 7.2]``; nothing where there are none."""
    if found is None or found.n_values < 2 or math.isnan(found.lower):
        return ""
    return f"[{shown(found.lower, table.decimals)}, {shown(found.upper, table.decimals)}]"


def printed_name(row: Row) -> str:
    """Return a row's name, marked where the row was not run."""
    return f"{row.name} ({NOT_RUN})" if row.kind == "published" else row.name


def footnotes(table: Table, best: str = MARK) -> list[str]:
    """Return the lines below a table: what the mark of the best is, notes of rows, remarks on all of it."""
    notes = [f"{names}: {note}" for names, note in table.notes()]
    starred = any(table.is_best(row, column) for row in table.rows for column in table.columns)
    counts = ["n: values the median is of; frames: those used; NaN: those left out, since a stem is silent"]
    counted = counts if tail_labels(table) == list(COUNTS) else []
    return ([f"{best} {BEST}"] if starred else []) + notes + counted + list(table.remarks)


def _cells(table: Table, row: Row, mark: str) -> list[str]:
    """Return a row's cells; the place of the mark is a blank where there is none, so that digits align."""
    cells = [row.name]
    for stem, metric in table.columns:
        best = table.is_best(row, (stem, metric))
        between = quartiles(table, row.spread.get(stem, {}).get(metric))
        width = max(len(quartiles(table, r.spread.get(stem, {}).get(metric))) for r in table.rows)
        number = shown(value(row, (stem, metric)), table.decimals) + (mark if best else " ")
        cells.append(number + (f"{between.rjust(width)} " if width else ""))
    return [*cells, *(cell + " " for cell in tail_cells(table, row))]


def _marked(table: Table, row: Row, best: str) -> list[str]:
    """Return a row's cells without blanks, the best numbers put in ``best``."""
    cells = [printed_name(row)]
    for stem, metric in table.columns:
        number = shown(value(row, (stem, metric)), table.decimals)
        number = best.format(number) if table.is_best(row, (stem, metric)) else number
        between = quartiles(table, row.spread.get(stem, {}).get(metric))
        cells.append(f"{number} {between}".strip())
    return [*cells, *tail_cells(table, row)]


def _range(counts: Iterable[int]) -> str:
    found = sorted(set(counts))
    if not found:
        return DASH
    return str(found[0]) if len(found) == 1 else f"{found[0]}–{found[-1]}"


def _aligned(cells: list[str], widths: list[int]) -> str:
    name, *numbers = cells
    return "  ".join([name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(numbers, widths[1:], strict=True))])


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _ampersands(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


_TEX = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # right after the end of a line it would be the line's optional argument
    "–": "--",
    "±": r"$\pm$",
}


def _tex(text: str) -> str:
    """Return text with every character that means something to LaTeX spelt out."""
    return "".join(_TEX.get(character, character) for character in text)
