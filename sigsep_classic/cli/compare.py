"""``sigsep-classic compare``: scores of methods, oracles and papers side by side."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import complain, say, terminal_width
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.compare.merging import Comparison
    from sigsep_classic.compare.records import TrackScores

ARGUMENTS = "[[NAME=]SCORES ...]"

# Written down so that --help needs no NumPy; a test holds it to what the library has.
PUBLISHED = ("sisec18", "demucs_v2", "samsnet", "hybrid_demucs", "bsrnn")
ALL = "all"
FORMATS = ("text", "markdown", "latex", "csv", "json")
PAGE = "index.html"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    what = "folders that evaluate has written, or of museval JSON (METHOD/test/TRACK.json)"
    parser.add_argument("folder", nargs="*", metavar="SCORES", help=what)
    add = parser.add_argument
    files = "write a page with box plots, table.md, table.tex, table.csv, scores.csv and compare.json to this folder"
    add("-o", "--output", metavar="OUTDIR", help=files)
    add("--no-report", dest="report", action="store_false", help="the files, but no page")
    add("--no-sounds", dest="sounds", action="store_false", help="a page without players for one track")
    add("--format", choices=FORMATS, default="text", help="what is printed (default: text)")
    add(
        "--json",
        dest="format",
        action="store_const",
        const="json",
        help="print one JSON object, as --format json",
    )
    metric = "column: csdr, isr, sir, sar, usdr, si_sdr; may be repeated (default: csdr, on the page all)"
    add("--metric", action="append", default=[], metavar="METRIC", help=metric)
    add(
        "--stem",
        action="append",
        default=[],
        metavar="STEM",
        help="column; may be repeated (default: all stems)",
    )
    add(
        "--method",
        action="append",
        default=[],
        metavar="NAME",
        help="only this row; may be repeated (default: all)",
    )
    tables = f"add figures of papers, not run here: {', '.join(PUBLISHED)} or {ALL}; may be repeated"
    add("--published", action="append", default=[], choices=(*PUBLISHED, ALL), metavar="TABLE", help=tables)


def run(options: argparse.Namespace) -> int:
    """Read, merge, write and print."""
    from sigsep_classic.cli.separate import check_folder

    if not options.folder and not options.published:
        raise ParameterError(
            "SCORES is missing; name a folder that evaluate has written, or a table with --published"
        )
    if options.output is not None:
        if options.report:
            from sigsep_classic.compare.comparison_page import require_packages

            require_packages()
        check_folder(options.output)
    published = PUBLISHED if ALL in options.published else tuple(dict.fromkeys(options.published))
    records = _read(options)
    found = _merged(records, options, published, options.metric)
    if options.output is not None:
        _write(found, records, options, published)
    if not options.quiet:
        say(_shown(found, options.format))
    return 0


def _read(options: argparse.Namespace) -> list[TrackScores]:
    from sigsep_classic.cli.scoring_jobs import split_name
    from sigsep_classic.compare.reading import read_folder

    records: list[TrackScores] = []
    for text in options.folder:
        name, path = split_name(text)
        found, notes = read_folder(path, method=name)
        records += found
        if not options.quiet:
            for line in notes:
                complain(line, label="warning")
    if options.method:
        known = list(dict.fromkeys(record.method for record in records))
        for name in options.method:
            if name not in known:
                raise ParameterError(
                    f"--method {name!r} is in none of the folders; there are {', '.join(known)}"
                )
        records = [r for r in records if r.method in options.method or r.kind == "reference"]
    return records


def _merged(
    records: list[TrackScores], options: argparse.Namespace, published: tuple[str, ...], metrics: list[str]
) -> Comparison:
    from sigsep_classic.compare.merging import merge

    return merge(records, stems=options.stem, metrics=metrics, published=published)


def _shown(found: Comparison, form: str) -> str:
    """Return a comparison as text of a format."""
    from sigsep_classic.compare import printing
    from sigsep_classic.compare.merging import comparison_as_dict

    if form == "json":
        return json.dumps(comparison_as_dict(found), allow_nan=False, ensure_ascii=False)
    if form == "csv":
        return printing.as_csv(found.table).rstrip("\n")
    if form == "text":
        return printing.as_text(found.table, width=terminal_width())
    return printing.as_markdown(found.table) if form == "markdown" else printing.as_latex(found.table)


def _write(
    found: Comparison, records: list[TrackScores], options: argparse.Namespace, published: tuple[str, ...]
) -> None:
    """Write every format below the folder; without --metric the page and the lists have all metrics."""
    from sigsep_classic.compare.comparison_page import render
    from sigsep_classic.compare.merging import all_metrics
    from sigsep_classic.compare.printing import csv_text
    from sigsep_classic.compare.records import CSV_HEAD, csv_lines, write_texts

    whole = found if options.metric else _merged(records, options, published, all_metrics(records))
    texts = {
        "table.md": _shown(found, "markdown") + "\n",
        "table.tex": _shown(found, "latex") + "\n",
        "table.csv": _shown(whole, "csv") + "\n",
        "compare.json": _shown(whole, "json") + "\n",
        "scores.csv": csv_text(CSV_HEAD, csv_lines(records)),
    }
    if options.report:
        texts[PAGE] = render(whole, sounds=options.sounds)
    write_texts({os.path.join(options.output, name): text for name, text in texts.items()})
    if not options.quiet:
        page = f"; look at {os.path.join(options.output, PAGE)}" if options.report else ""
        complain(f"{', '.join(texts)} are in {options.output}{page}", label="")
