"""``sigsep-classic run``: a manifest of files and methods, by many processes or machines, each result on disk."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import parsing, separate
from sigsep_classic.cli.output import Progress, complain, log_to_stderr, say, to_json
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.sets import Summary

ARGUMENTS = "MANIFEST"
FOLDER = "results"
LINE_EVERY = 30.0
"""Seconds between lines about how far it is, where there is no terminal."""


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "manifest",
        nargs="?",
        metavar="MANIFEST",
        help='a file of lines such as {"file": "a.wav", "method": "nmf", "parameters": {"n_components": 12}}; '
        "`manifest` writes one",
    )
    add = parser.add_argument_group("output").add_argument
    where = f"folder; stems are in TRACK/METHOD below it (default: {FOLDER})"
    add("-o", "--output", default=FOLDER, metavar="OUTDIR", help=where)
    add("--ext", default="wav", metavar="EXT", help=f"format: {', '.join(separate.FORMATS)} (default: wav)")
    add("--subtype", metavar="SUBTYPE", help=f"sample coding: {', '.join(separate.SUBTYPES)} …")
    add(
        "--clip-mode", choices=separate.CLIP_MODES, default="common", help="as for separate (default: common)"
    )
    add("--residual", action="store_true", help="also write what the stems leave of the mixture")
    add("--json", action="store_true", help="print one JSON record for each unit that is done or fails")
    computing = parser.add_argument_group("computing")
    parsing.add_computing(computing)
    computing.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="tcp://HOST:PORT of a dask scheduler whose workers see the same files, or local:4; in place of -j",
    )
    computing.add_argument(
        "--identity",
        choices=("time", "content"),
        default="time",
        help="what tells whether a file has changed since its result was made: name, size and time of change, or "
        "all of its bytes (default: time)",
    )


def run(options: argparse.Namespace) -> int:
    """Do what the manifest says, but what is done already; return 0, or what fits the failures."""
    if options.manifest is None:
        raise ParameterError(
            "MANIFEST is missing; write one: sigsep-classic manifest FOLDER -m hpss -o set.jsonl"
        )
    if options.cluster is not None and options.jobs > 1:
        raise ParameterError("--cluster and -j both say who works; give one of them")
    with log_to_stderr(options.verbose):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from sigsep_classic.backend import resolve_device
    from sigsep_classic.cli.work import check_format
    from sigsep_classic.sets import run as run_set

    ext = options.ext.lower().lstrip(".")
    check_format(ext, options.subtype)
    told = Telling(options)
    try:
        summary = run_set(
            options.manifest,
            options.output,
            jobs=options.jobs,
            cluster=options.cluster,
            # A cluster's machines are not this one: each looks for itself.
            device=options.device if options.cluster else resolve_device(options.device),
            memory_limit=parsing.memory_limit(options),
            identity_by=options.identity,
            watch=told,
            ext=ext,
            subtype=options.subtype,
            clip_mode=options.clip_mode,
            residual=options.residual,
        )
    finally:
        told.end()
    return _summed_up(summary, quiet=options.quiet)


def _summed_up(summary: Summary, *, quiet: bool) -> int:
    """Say what came of it, every failure on a line of its own, and return the exit code."""
    if not quiet:
        there = f", {summary.skipped} were there already" if summary.skipped else ""
        failed = f", {len(summary.failed)} failed" if summary.failed else ""
        complain(f"{summary.done} of {summary.total} done{there}{failed}", label="")
    for record in summary.failed:
        complain(f"{record['place']}: {record['error']}")
    if not summary.failed:
        return 0
    if summary.done + summary.skipped:
        return 1
    return separate.exit_code([record["exit_code"] for record in summary.failed])


class Telling:
    """Says how far a run is: one line on a terminal, a line now and then anywhere else; and prints what is done.

    Parameters
    ----------
    options : Namespace
        ``quiet``, ``verbose`` and ``json``.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._line = Progress(enabled=not options.quiet)
        self._plain = not options.quiet and not self._line.enabled
        self._next = time.monotonic() + LINE_EVERY

    def __call__(self, record: dict[str, Any], summary: Summary) -> None:
        """Print a record, and how far it is."""
        self._line.clear()
        if not self._options.quiet:
            for line in record["warnings"]:
                complain(f"{record['place']}: {line}", label="warning")
        if self._options.json:
            say(to_json(record))
        elif record["status"] == "ok" and not self._options.quiet:
            say(record["place"])
        text = far(summary)
        self._line.show(text, every=0.1)
        if self._plain and time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_EVERY
            complain(text, label="")

    def end(self) -> None:
        """Take the line away."""
        self._line.clear()


def far(summary: Summary) -> str:
    """Return ``120 of 10000 done, 2 failed, 3.4 a second, 0:48:26 left``."""
    settled = summary.total - summary.left
    failed = f", {len(summary.failed)} failed" if summary.failed else ""
    if not summary.seconds:
        return f"{settled} of {summary.total} done{failed}"
    rate = summary.rate
    pace = f"{rate:.3g} a second" if rate >= 1 else f"{1 / rate:.3g} s each"
    seconds = round(summary.left / rate)
    left = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"
    return f"{settled} of {summary.total} done{failed}, {pace}, {left}"
