"""``sigsep-classic manifest``: files times methods, as a list for ``run``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import complain, say
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.inputs import Job
    from sigsep_classic.sets import Unit

ARGUMENTS = "INPUT ... -o MANIFEST"
STDOUT = "-"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    add = parser.add_argument
    add("input", nargs="*", metavar="INPUT", help="sound files, folders or patterns")
    method = (
        "a method with parameters: 'nmf' or 'nmf:n_components=12,n_iter=50', with NAME= before it a folder name of "
        "its own: 'small=nmf:n_components=4'; may be repeated (default: hpss)"
    )
    add("-m", "--method", action="append", default=[], metavar="METHOD", help=method)
    add(
        "--apply-model",
        dest="model",
        action="append",
        default=[],
        metavar="FILE",
        help="a model of `separate --save-model`, applied; may be repeated",
    )
    add("-o", "--output", default=STDOUT, metavar="MANIFEST", help="where to write it (default: print it)")
    add(
        "--json",
        action="store_true",
        help="print one JSON object that says what was written (the lines are JSON)",
    )


def run(options: argparse.Namespace) -> int:
    """Write a line for each file and method."""
    import json

    from sigsep_classic.cli.inputs import STDIN, find_jobs
    from sigsep_classic.sets import Manifest, write_manifest

    if not options.input or STDIN in options.input:
        raise ParameterError("INPUT is missing; name sound files or folders")
    ways = [*map(_way, options.method), *({"model": name} for name in options.model)] or [{"method": "hpss"}]
    jobs = find_jobs(options.input, options.output)
    for job in jobs:
        if job.problem:
            raise ParameterError(job.problem)
    base = os.curdir if options.output == STDOUT else os.path.dirname(options.output) or os.curdir
    units = list(_units(jobs, ways, base))
    Manifest(units=units, folder=base)  # two that would write to one place are refused
    if options.output == STDOUT:
        for unit in units:
            say(json.dumps(unit.told()))
        return 0
    write_manifest(options.output, units)
    if options.json:
        say(json.dumps({"manifest": options.output, "files": len(jobs), "lines": len(units)}))
    elif not options.quiet:
        complain(f"{options.output}: {len(jobs)} files, {len(units)} lines", label="")
    return 0


def _units(jobs: Iterable[Job], ways: list[dict[str, Any]], base: str) -> Iterable[Unit]:
    from sigsep_classic.sets import Unit

    for job in jobs:
        for way in ways:
            told = {**way, "model": _seen_from(base, way["model"])} if "model" in way else way
            unit = Unit(file=_seen_from(base, job.source), **told)
            track = job.track.replace(os.sep, "/")
            plain = unit.place.rpartition("/")[0] == track
            yield unit if plain else Unit(file=unit.file, track=track, **told)


def _seen_from(base: str, path: str) -> str:
    """Return a path as it is from the manifest's folder; absolute ones stay."""
    return path if os.path.isabs(path) else os.path.relpath(path, base)


def _way(text: str) -> dict[str, Any]:
    """Return name, method and parameters of ``small=nmf:n_components=4,n_iter=50``."""
    from sigsep_classic.api import make_method
    from sigsep_classic.cli.parameters import parameters_of
    from sigsep_classic.factorizers import METHODS

    head, _, tail = text.partition(":")
    name, equals, method = head.rpartition("=")
    if equals and not name.strip():
        raise ParameterError(f"--method {text!r} has no name before its =; write small=nmf:n_components=4")
    kind = METHODS.find(method)
    known = {parameter.name: parameter for parameter in parameters_of(kind)}
    found: dict[str, Any] = {}
    for part in filter(None, tail.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        key = key.replace("-", "_")
        if not equals:
            raise ParameterError(f"--method {text!r}: {part!r} is not NAME=VALUE such as n_components=12")
        if key in known and known[key].kinds == ("bool",):
            if value.lower() not in ("true", "false", "yes", "no"):
                raise ParameterError(f"--method {text!r}: {key} is {value!r}; it must be yes or no")
            found[key] = value.lower() in ("true", "yes")
        else:
            try:
                found[key] = known[key].value_of(value) if key in known else value
            except ParameterError as error:
                raise ParameterError(f"--method {text!r}: {key}: {error}") from None
    make_method(method, **found)
    told: dict[str, Any] = {"method": kind.name if method not in METHODS else method}
    more = {"parameters": found, "name": name.strip()}
    return told | {key: value for key, value in more.items() if value}
