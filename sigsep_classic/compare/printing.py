"""Score tables as aligned plain text and as Markdown."""

from __future__ import annotations

from sigsep_classic.compare.table import BEST, KINDS, METRIC_NAMES, Row, Table, shown, shown_seconds, value

MARK = "*"


def as_text(table: Table, *, notes: bool = True) -> str:
    """Return a table for a terminal: columns aligned, the best of each column starred.

    Parameters
    ----------
    table : Table
        With at least one row.
    notes : bool
        Print the rows' notes below.

    Returns
    -------
    str
        Lines without trailing blanks; the last has no line feed.
    """
    body = {kind: [_cells(table, row, MARK) for row in table.of_kind(kind)] for kind in KINDS}
    metric_line = [table.title, *(METRIC_NAMES.get(m, m) + " " for _, m in table.columns), "seconds "]
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
            lines += [rule, *(_aligned(cells, widths) for cells in body[kind])]
    lines += ["", *_footnotes(table)] if notes else []
    return "\n".join(line.rstrip() for line in lines)


def as_markdown(table: Table, *, notes: bool = True) -> str:
    """Return a table in Markdown: the best of each column bold, reference rows in italics.

    Parameters
    ----------
    table : Table
        With at least one row.
    notes : bool
        Print the rows' notes below.
    """
    head = [
        table.title,
        *(f"{stem} {METRIC_NAMES.get(metric, metric)}" for stem, metric in table.columns),
        "seconds",
    ]
    lines = [_pipes(head), "|".join(["", " --- ", *[" ---: "] * (len(head) - 1), ""])]
    for kind in KINDS:
        for row in table.of_kind(kind):
            name, *cells = (cell.strip() for cell in _cells(table, row, ""))
            cells = [
                f"**{cell}**" if n < len(table.columns) and table.is_best(row, table.columns[n]) else cell
                for n, cell in enumerate(cells)
            ]
            lines.append(_pipes([f"*{name}*" if kind == "reference" else name, *cells]))
    if notes:
        starred = [line.replace(f"{MARK} ", "bold: ", 1) for line in _footnotes(table)]
        lines += ["", *(f"- {line}" for line in starred)]
    return "\n".join(lines)


def _cells(table: Table, row: Row, mark: str) -> list[str]:
    """Return a row's cells; the place of the mark is a blank where there is none, so that digits align."""
    cells = [row.name]
    for column in table.columns:
        cells.append(shown(value(row, column)) + (mark if table.is_best(row, column) else " "))
    return [*cells, shown_seconds(row.seconds) + " "]


def _aligned(cells: list[str], widths: list[int]) -> str:
    name, *numbers = cells
    return "  ".join([name.ljust(widths[0]), *(c.rjust(w) for c, w in zip(numbers, widths[1:], strict=True))])


def _footnotes(table: Table) -> list[str]:
    notes = [f"{names}: {note}" for names, note in table.notes()]
    starred = any(table.is_best(row, column) for row in table.rows for column in table.columns)
    return ([f"{MARK} {BEST}"] if starred else []) + notes


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
