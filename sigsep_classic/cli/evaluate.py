"""``sigsep-classic evaluate``: estimates of any tool against the true stems."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import (
    Progress,
    complain,
    log_to_stderr,
    say,
    terminal_width,
    to_json,
)
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.scoring import ScoringJob, ScoringSettings
    from sigsep_classic.datasets import Dataset

ARGUMENTS = "TRUTH [[NAME=]ESTIMATES[@MODEL] ...]"
FOLDER = "scores"
_DIGITS = re.compile(r"[0-9.]+")
NOTHING = "none"

# Written down so that --help needs no NumPy; a test holds them to what the library has.
SILENT = ("museval", "per_source", "energy")
LAYOUTS = ("musdb18", "dns", "slakh", "fuss", "musdb18_hq", "dnr", "pattern")
ESTIMATE_LAYOUTS = (
    "demucs",
    "openunmix",
    "spleeter",
    "audio_separator",
    "musdb",
    "museval_json",
    "enhanced",
    "ours",
)


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    what = (
        "the data set or the folder of one track's true stems; then folders of estimates, or of museval JSON"
    )
    parser.add_argument("folder", nargs="*", metavar="FOLDER", help=what)
    add_records(parser, FOLDER)
    jobs = "tracks at a time, each in a process of its own (default: 1)"
    parser.add_argument("-j", "--jobs", type=parsing.whole_number(1), default=1, metavar="JOBS", help=jobs)
    group = parser.add_argument_group("what is compared")
    add_truth(group)
    add = group.add_argument
    told = "of the estimates (default: told from the names)"
    add("--estimates-layout", choices=ESTIMATE_LAYOUTS, help=told)
    add("--estimates-pattern", metavar="PATTERN", help="names of own files of estimates, as --pattern")
    rename = "what a stem of the estimates is in the truth, such as foreground=vocals; may be repeated"
    add("--rename", action="append", default=[], type=parsing.named_file, metavar="NAME=STEM", help=rename)
    add("--no-align", dest="align", action="store_false", help="leave the delay of estimates as it is")
    add_scoring(parser)


def add_records(parser: parsing.Parser, folder: str) -> None:
    """Add the options of where records go, and whether they are made anew."""
    add = parser.add_argument
    add("-o", "--output", default=folder, metavar="OUTDIR", help=f"folder for records (default: {folder})")
    again = "keep records made of the same files with the same settings (default), or make all anew"
    add("--resume", action=argparse.BooleanOptionalAction, default=True, help=again)
    add("--json", action="store_true", help="print one JSON object for each track in place of the table")


def add_truth(group: Any) -> None:
    """Add the options of the true stems, the mixture and the oracles made from them."""
    add = group.add_argument
    add("--layout", choices=LAYOUTS, help="of the true stems (default: told from the folders)")
    own = "names of own files of true stems, such as '{subset}/{track}/{stem}.wav'"
    add("--pattern", metavar="PATTERN", help=own)
    add("--subset", action="append", metavar="SUBSET", help="only this part of the data set; may be repeated")
    mixture = "the data set's own mixture where it has one, or the sum of the stems (default: file)"
    add("--mixture", choices=("file", "sum"), default="file", help=mixture)
    oracles = (
        f"oracle mask to score beside the mixture, {NOTHING} for no oracle; may be repeated (default: irm2)"
    )
    add("--oracle", action="append", metavar="ORACLE", help=oracles)


def add_scoring(parser: parsing.Parser) -> None:
    """Add the options of metrics and frames."""
    add = parser.add_argument_group("scores").add_argument
    fast = "only cSDR, uSDR and SI-SDR, about a hundred times as fast: ISR, SIR and SAR need filters"
    add("--sdr-only", action="store_true", help=fast)
    speech = "STOI and ESTOI too, and PESQ where the package pesq is installed (these are no dB)"
    add("--speech", action="store_true", help=speech)
    silent = "which frames are left out: as museval, a source's own, or where a true stem has no energy"
    add("--silent", choices=SILENT, default="museval", help=silent)
    add("--seconds", type=_positive, default=1.0, metavar="S", help="length of a frame (default: 1)")
    add(
        "--v3",
        action="store_true",
        help="filters for each frame, as BSS Eval v3, in place of one set a track",
    )
    load = (
        "share of power added to the equations for the filters; 1e-6 keeps edges of frames out of SIR and SAR"
    )
    add("--load", type=_positive, metavar="SHARE", help=load)


def run(options: argparse.Namespace) -> int:
    """Score every track; print notes and the table; return 0, or what fits the failures."""
    if not options.folder:
        raise ParameterError(
            "TRUTH is missing; name the folder of the true stems, then those of the estimates"
        )
    with log_to_stderr(options.verbose):
        return carry_out(lambda: _jobs(options), options)


def carry_out(find_jobs: Callable[[], list[ScoringJob]], options: argparse.Namespace) -> int:
    """Score the jobs that are found, print what happened and the table; return the exit code."""
    from sigsep_classic.cli.separate import check_folder, exit_code

    settings = _settings(options)
    check_folder(options.output)
    codes = _work(find_jobs(), settings, options)
    _finish(options)
    return exit_code(codes)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _pesq() -> tuple[str, ...]:
    """Return the name of PESQ if its package is there."""
    from importlib.util import find_spec

    if find_spec("pesq") is not None:
        return ("pesq_wb",)
    complain(
        'PESQ is left out: it needs the package pesq (pip install "sigsep-classic[metrics]")', label="note"
    )
    return ()


def _settings(options: argparse.Namespace) -> ScoringSettings:
    from sigsep_classic import oracle
    from sigsep_classic.cli.scoring import ScoringSettings
    from sigsep_classic.compare.evaluating import Scoring

    asked = options.oracle or ["irm2"]
    oracles = tuple(dict.fromkeys(name for name in asked if name != NOTHING))
    for name in oracles:
        oracle.find(name)
    asked_for: dict[str, Any] = {"frames": ("csdr",)} if options.sdr_only else {}
    if options.speech:
        asked_for["totals"] = ("usdr", "si_sdr", "stoi", "estoi", *_pesq())
    scoring = Scoring(
        **asked_for,
        seconds=options.seconds,
        silent=options.silent,
        framewise_filters=options.v3,
        load=options.load,
        align=options.align,
    )
    return ScoringSettings(
        scoring=scoring,
        outdir=options.output,
        oracles=oracles,
        mixture=options.mixture,
        aliases=dict(getattr(options, "rename", ())),
        resume=options.resume,
        debug=options.debug,
    )


def _jobs(options: argparse.Namespace) -> list[ScoringJob]:
    from sigsep_classic.cli.scoring_jobs import open_roots, scoring_jobs

    truth, *texts = options.folder
    dataset = open_truth(truth, options)
    roots = open_roots(texts, layout=options.estimates_layout, pattern=options.estimates_pattern)
    jobs, missing = scoring_jobs(dataset, roots)
    notes([*dataset.notes, *(line for root in roots.values() for line in root.notes), *missing], options)
    return jobs


def open_truth(folder: str, options: argparse.Namespace) -> Dataset:
    """Return the data set of a folder, as the options of `add_truth` say."""
    from sigsep_classic.datasets import open_dataset

    return open_dataset(folder, layout=options.layout, subset=options.subset, pattern=options.pattern)


def notes(lines: Iterable[str], options: argparse.Namespace) -> None:
    """Print what has no counterpart or was passed over."""
    for line in lines:
        _note(line, options, label="warning")


def _work(jobs: list[ScoringJob], settings: ScoringSettings, options: argparse.Namespace) -> list[int]:
    from sigsep_classic.cli.pool import run_jobs
    from sigsep_classic.cli.scoring import score_track

    progress = Progress(enabled=not (options.quiet or options.verbose))
    said: dict[tuple[str, str], int] = {}
    codes, failed = [], []
    try:
        work = run_jobs(jobs, settings, workers=options.jobs, progress=progress, work=score_track)
        with closing(work) as records:
            for record in records:
                progress.clear()
                codes.append(record["exit_code"])
                failed += record.get("errors", [record.get("error")])
                _print(record, said, options)
    finally:
        progress.clear()
    again = sum(times - 1 for times in said.values())
    if again:
        times = "once" if again == 1 else f"{again} times"
        _note(f"the same was done {times} more; each record says what was done to its track", options)
    if failed and len(codes) > 1:
        complain(
            f"{sum(code != 0 for code in codes)} of {len(codes)} tracks failed for some method", label=""
        )
    return codes


def _print(record: dict[str, Any], said: dict[tuple[str, str], int], options: argparse.Namespace) -> None:
    """Print what was done to estimates, each thing once a method, and what failed."""
    for method, words in record.get("words", {}).items():
        for word in words:
            key = method, _DIGITS.sub("", word)  # the same but for how much is not said again
            said[key] = said.get(key, 0) + 1
            if said[key] == 1:
                _note(f"{record['track']}: {method}: {word}", options)
    for line in record["warnings"]:
        key = "", _DIGITS.sub("", line)
        said[key] = said.get(key, 0) + 1
        if said[key] == 1:
            _note(f"{record['track']}: {line}", options, label="warning")
    if record.get("traceback") and sys.stderr is not None:
        sys.stderr.write(record["traceback"])
    for line in record.get("errors", [record.get("error")]):
        complain(line)
    if options.json:
        say(to_json(record))
    elif options.verbose:
        done = ", ".join(f"{method} {what}" for method, what in record.get("done", {}).items())
        complain(f"{record['track']}: {done} in {record['seconds']:.1f} s", label="")


def _finish(options: argparse.Namespace) -> None:
    """Write all scores in the folder as one CSV, and print them as a table."""
    from sigsep_classic.compare.merging import merge
    from sigsep_classic.compare.printing import as_text, csv_text
    from sigsep_classic.compare.reading import read_folder
    from sigsep_classic.compare.records import CSV_HEAD, csv_lines, write_texts

    records, _ = read_folder(options.output)
    write_texts({os.path.join(options.output, "scores.csv"): csv_text(CSV_HEAD, csv_lines(records))})
    if not options.quiet and not options.json and any(not record.error for record in records):
        say(as_text(merge(records).table, width=terminal_width()))
        where = f"records are in {options.output}; sigsep-classic compare {options.output} -o report makes the page"
        complain(where, label="")


def _note(text: str, options: argparse.Namespace, *, label: str = "note") -> None:
    if not options.quiet:
        complain(text, label=label)
