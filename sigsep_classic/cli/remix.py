"""``sigsep-classic remix``: stems louder, softer, elsewhere, filtered or drier, back in one file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sigsep_classic.cli import parsing, separate
from sigsep_classic.cli.output import log_to_stderr
from sigsep_classic.cli.targets import add_output, target
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.work import Settings

ARGUMENTS = "INPUT ... --set CHANGES"
FOLDER = "remixed"
STEM = "remix"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    listed = "sound files, folders, patterns, or - for stdin"
    parser.add_argument("input", nargs="*", metavar="INPUT", help=listed)
    changes = (
        "what becomes of stems: 'vocals -6dB; drums mute; bass pan left; other lowpass 4k'; also solo, x0.5, pan 0.3, "
        "highpass 120, bandpass 300-3k, bandstop 50-60, dry (less reverberation); may be repeated"
    )
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="CHANGES", help=changes)
    group = parser.add_argument_group("stems")
    known = "gives the stems (default: the first of vocals, drums, four_stems, hpss, denoise, repet_sim that has all)"
    group.add_argument("-m", "--method", metavar="METHOD", help=known)
    parsing.add_computing(group)
    add_output(parser, FOLDER, "{track}.{ext}")


def run(options: argparse.Namespace) -> int:
    """Remix every input; return 0, or what fits the failures."""
    if not options.input:
        raise ParameterError("INPUT is missing; name sound files, a folder, or - for standard input")
    if not options.changes:
        raise ParameterError("--set is missing; for example --set 'vocals -6dB; drums mute'")
    options.stem = [STEM]
    with log_to_stderr(options.verbose):
        separate.check_stdout(options)
        return separate.carry_out(_settings(options), options)


def _settings(options: argparse.Namespace) -> Settings:
    """Return what is asked for, checked as far as can be without reading a file."""
    from sigsep_classic.api import make_method
    from sigsep_classic.backend import resolve_device
    from sigsep_classic.cli.work import Settings, check_format
    from sigsep_classic.factorizers import METHODS
    from sigsep_classic.remixing import method_for, parse

    changes = "; ".join(options.changes)
    method = options.method or method_for(parse(changes), METHODS.__contains__)
    outdir, template, ext = target(options, 1)
    check_format(ext, options.subtype)
    return Settings(
        method=make_method(method),
        changes=changes,
        device=resolve_device(options.device),
        transform={},
        outdir=outdir,
        template=template,
        ext=ext,
        subtype=options.subtype,
        clip_mode=options.clip_mode,
        stems=(STEM,),
        allow_any_codec=options.allow_any_codec,
        memory_limit=parsing.memory_limit(options),
        debug=options.debug,
    )
