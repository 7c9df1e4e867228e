"""The manual page, from the parsers of the verbs; ``hatch_build.py`` puts it into the wheel for ``man``."""

from __future__ import annotations

import argparse
import os
import re
from importlib import import_module
from typing import Any

from sigsep_classic._version import __version__
from sigsep_classic.cli import parsing
from sigsep_classic.cli.main import PROG, VERBS

DESCRIPTION = (
    "Classical (non-neural) audio source separation: the NMF family, sparse coding, harmonic and percussive parts, "
    "repetition, melody, stereo space, denoising, and ICA, IVA and ILRMA for several microphones; scores, oracles and "
    "tables beside them. The parameters of a method, which are options too, are in "
    f"{PROG} separate -m METHOD --help, its papers in {PROG} methods METHOD."
)

SECTIONS = {
    "OUTPUT": (
        "Results are on standard output, one path or table a line, and everything else on standard error: progress on "
        "a terminal alone, warnings, errors of one line. With --json standard output holds JSON and nothing else."
    ),
    "EXIT STATUS": (
        "0 done; 1 some inputs failed; 2 usage; 3 unreadable input; 4 a result can't be written; 5 no such device, or "
        "memory; 128 + n after signal n."
    ),
    "ENVIRONMENT": (
        "SIGSEP_DEVICE: auto, cpu, cuda or cuda:N, where no --device says it. SIGSEP_NUM_THREADS, OMP_NUM_THREADS: "
        "processors to use. SIGSEP_MEMORY_LIMIT: what would take more goes in pieces. NUMBA_DISABLE_JIT: no compiled "
        "kernels."
    ),
    "FILES": (
        "pyproject.toml: the nearest one's [tool.sigsep-classic.VERB] holds options of a verb, "
        "[tool.sigsep-classic.methods.METHOD] parameters of a method; --config names another file, --no-config none."
    ),
    "EXAMPLES": (
        f"{PROG} separate song.wav -m vocals; {PROG} separate room.wav -m bss --n-sources 2; "
        f"{PROG} denoise talk.wav -o clean.wav; {PROG} remix song.wav --set 'vocals -6dB'; "
        f"{PROG} benchmark --dataset tracks --methods hpss,rpca -o scores; {PROG} compare scores -o report"
    ),
}

_REQUEST = re.compile(r"\.(?:[A-Z]{1,2}|[a-z]{2})(?: |$)")
"""What lines of the page that are no text begin with."""


def page() -> str:
    """Return the manual page as troff, the same wherever it is made; needs argparse-manpage, which builds have."""
    width = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"  # argparse breaks usage lines by the width of the terminal
    try:
        return _written()
    finally:
        if width is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = width


def _written() -> str:
    from argparse_manpage.manpage import Manpage

    parser = _every_verb()
    parser._manpage = [  # type: ignore[attr-defined]
        {"heading": heading, "content": text.replace("; " + PROG, "\n.br\n" + PROG)}
        for heading, text in SECTIONS.items()
    ]
    made = Manpage(parser)
    made.manual, made.source = "User Commands", f"{PROG} {__version__}"
    made.date = ""  # the same sources give the same wheel
    made.synopsis = [PROG, "VERB", "[OPTIONS]", "..."]
    return "".join(_as_text(line) for line in str(made).splitlines(keepends=True))


def _as_text(line: str) -> str:
    """Return a line that troff takes for what it is: text that begins with a dot or a quote is no request."""
    return "\\&" + line if line[0] in "'." and not _REQUEST.match(line) and line[:2] != '."' else line


def _every_verb() -> argparse.ArgumentParser:
    """Return one parser of all verbs, without the parameters of methods; imports no NumPy."""
    parser = argparse.ArgumentParser(prog=PROG, description=DESCRIPTION)
    parser.man_short_description = "classical audio source separation"  # type: ignore[attr-defined]
    parser.add_argument("--version", action="store_true", help="print the version")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb, summary in VERBS.items():
        module = import_module(f"{__package__}.{verb.replace('-', '_')}")
        made = parsing.verb_parser(verb, summary, arguments=getattr(module, "ARGUMENTS", ""))
        module.add_options(made, [])
        options: dict[str, Any] = {"prog": made.prog, "usage": made.usage, "description": made.description}
        verbs.add_parser(verb, help=summary, parents=[made], add_help=False, **options)
    return parser
