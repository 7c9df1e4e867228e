"""``sigsep-classic benchmark``: methods and plugged-in models on every track of a data set, scored."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sigsep_classic.cli import evaluate, parsing
from sigsep_classic.cli.output import log_to_stderr
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.scoring import ScoringJob

ARGUMENTS = "--dataset DIR"
FOLDER = "benchmark"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    add = parser.add_argument
    add("--dataset", metavar="DIR", help="the data set, or the folder of one track's true stems")
    methods = "methods, separated by commas, or all: those made for one recording (default: all)"
    add("--methods", action="append", metavar="NAMES", help=methods)
    model = (
        "a model of yours: path.py:function, taking samples (channels, samples) and a rate and returning stems by "
        "name, a network such as model.onnx:sample_rate=44100,stems=vocals+drums (also .pt, .pt2), or a command such "
        "as 'demucs {input} -o {output}'; NAME=... names its row; may be repeated"
    )
    add("--model", action="append", default=[], metavar="MODEL", help=model)
    evaluate.add_records(parser, FOLDER)
    evaluate.add_truth(parser.add_argument_group("what is compared"))
    evaluate.add_scoring(parser)
    parsing.add_computing(parser.add_argument_group("computing"))


def run(options: argparse.Namespace) -> int:
    """Run and score every candidate on every track; print the table; return 0, or what fits the failures."""
    if options.dataset is None:
        raise ParameterError("--dataset is missing; name the folder of the true stems")
    options.align = False  # what is made here has no delay
    with log_to_stderr(options.verbose):
        return evaluate.carry_out(lambda: _jobs(options), options)


def _jobs(options: argparse.Namespace) -> list[ScoringJob]:
    from dataclasses import replace

    from sigsep_classic.backend import resolve_device
    from sigsep_classic.cli.scoring_jobs import scoring_jobs
    from sigsep_classic.compare.candidates import ALL, candidates

    device = resolve_device(options.device)
    dataset = evaluate.open_truth(options.dataset, options)
    names = [name for text in options.methods or [ALL] for name in text.split(",") if name]
    jobs, notes = scoring_jobs(dataset, {})
    evaluate.notes([*dataset.notes, *notes], options)
    found = []
    for job in jobs:
        speech = "speech" in job.truth.stems
        run = candidates(names, options.model, device=device, speech=speech)
        found.append(replace(job, candidates=tuple(run)))
    return found
