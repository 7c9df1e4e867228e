"""``sigsep-classic demo``: a mixture made on the spot, separated and scored against the truth."""

from __future__ import annotations

import argparse
from pathlib import Path

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import Progress, complain, say, terminal_width, to_json

# Written down so that --help needs no NumPy; a test holds it to what the library has.
VARIANTS = ("song", "speech2", "hum", "repeat", "stereo2x2", "convolutive")


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    add = parser.add_argument
    add(
        "-o",
        "--output",
        default="demo",
        metavar="OUTDIR",
        help="folder for sounds, scores and page (default: demo)",
    )
    add("--variant", choices=VARIANTS, default="song", help="which mixture (default: song)")
    add("--seed", type=parsing.whole_number(0), default=0, help="another seed, another piece (default: 0)")
    add("--seconds", type=_seconds, metavar="S", help="length (default: the variant's own)")
    add(
        "-m",
        "--method",
        action="append",
        metavar="METHOD",
        help="only this method; may be repeated (default: all)",
    )
    add("--no-report", dest="report", action="store_false", help="sounds and scores, but no page")
    add("--json", action="store_true", help="print the scores as one JSON object")


def run(options: argparse.Namespace) -> int:
    """Make, separate, score; print the table."""
    from sigsep_classic.compare import demo

    progress = Progress(enabled=not options.quiet)
    folder = Path(options.output)
    try:
        record = demo.run(
            folder,
            variant=options.variant,
            seed=options.seed,
            seconds=options.seconds,
            methods=options.method,
            report=options.report,
            progress=progress.show,
        )
    finally:
        progress.clear()
    if options.json:
        say(to_json(record))
    elif not options.quiet:
        say(demo.format_table(record, width=terminal_width()))
        page = record.get("page")
        where = f"sounds and scores are in {folder}" + (f"; listen and look: {folder / page}" if page else "")
        complain(where, label="")
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no length in seconds")
    return value
