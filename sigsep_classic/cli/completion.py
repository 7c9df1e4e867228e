"""``sigsep-classic completion``: a script that lets the shell complete verbs, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from sigsep_classic.cli import parsing
from sigsep_classic.cli.main import PROG, VERBS
from sigsep_classic.cli.output import say
from sigsep_classic.errors import ParameterError, SigsepError

ARGUMENTS = "SHELL"
INSTALL = 'pip install "sigsep-classic[completion]"'

FILES = frozenset({"FILE", "INPUT", "MANIFEST", "OUT", "PICTURE", "TRACK"})
FOLDERS = frozenset({"DIR", "FOLDER", "OUTDIR", "ROOT", "SCORES"})
"""What verbs call their files and folders in --help; a folder among files is completed too."""


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    parser.add_argument("shell", nargs="?", metavar="SHELL", help="bash, zsh, fish …")
    parser.epilog = (
        f"bash: put eval \"$({PROG} completion bash)\" in ~/.bashrc\n"
        f"zsh:  {PROG} completion zsh > a folder of $fpath, as _{PROG}\n"
        f"fish: {PROG} completion fish > ~/.config/fish/completions/{PROG}.fish"
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Print the script for one shell."""
    try:
        import shtab
    except ImportError:
        raise SigsepError(f"completion needs the package shtab; {INSTALL}") from None
    shells = shtab.SUPPORTED_SHELLS
    if options.shell not in shells:
        said = f"{options.shell!r} is no shell known here" if options.shell else "SHELL is missing"
        raise ParameterError(f"{said}; use one of {', '.join(shells)}")
    say(shtab.complete(whole_parser(shells, shtab.FILE, shtab.DIRECTORY), shell=options.shell))
    return 0


def whole_parser(shells: Sequence[str], file: object, directory: object) -> argparse.ArgumentParser:
    """Return one parser of all verbs, with what shtab wants to know about files and folders."""
    from sigsep_classic.factorizers import METHODS

    parser = argparse.ArgumentParser(prog=PROG, description="Audio source separation.")
    parser.add_argument("--version", action="store_true", help="print the version")
    verbs = parser.add_subparsers(dest="verb")
    for verb, summary in VERBS.items():
        made = parsing.verb_parser(verb, summary)
        more = {"every_method": True} if verb == "separate" else {}
        import_module(f"{__package__}.{verb.replace('-', '_')}").add_options(made, [], **more)
        for action in made._actions:
            if action.metavar in FILES:
                action.complete = file  # type: ignore[attr-defined]
            elif action.metavar in FOLDERS:
                action.complete = directory  # type: ignore[attr-defined]
            elif action.dest == "method" and verb != "compare":  # whose methods are those of its scores
                action.choices, action.help = list(METHODS), "how to find the stems"
            elif action.dest == "shell":
                action.choices = list(shells)
        verbs.add_parser(verb, help=summary, parents=[made], add_help=False)
    return parser
