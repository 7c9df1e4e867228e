"""Pick the verb, run it, and turn whatever happens into one line and an exit code."""

from __future__ import annotations

import sys

from sigsep_classic._version import __version__

PROG = "sigsep-classic"

VERBS = {
    "separate": "split sound files into stems",
    "denoise": "take noise, and hum, off speech",
    "remix": "change stems: level, place, filters, reverberation",
    "manifest": "list files times methods, for run",
    "run": "do what a manifest says, here or on a cluster; stopped, go on",
    "methods": "list the methods, their papers and parameters",
    "cite": "print BibTeX of this package and of methods' papers",
    "info": "say what is installed here: versions, devices, codecs, caches",
    "evaluate": "score estimates of any tool against true stems",
    "benchmark": "run methods and your models on a data set, and score them",
    "oracle": "make stems by masks from the true ones: upper bounds",
    "compare": "put scores, oracles and published figures side by side",
    "plot": "draw what a method finds: spectra, periods, directions …",
    "demo": "separate a mixture made on the spot, and score it",
    "lab": "try methods on a page: drop a recording, listen, look, get code",
    "check-dataset": "look for faults in a data set: files, rates, sums, silence",
    "completion": "print a completion script for your shell",
}
"""Verbs and what they do, in lines that an eighty-column terminal has room for."""

OVERVIEW = f"""\
usage: {PROG} VERB ...

Classical (non-neural) audio source separation.

{{verbs}}

  -h, --help     show this help, or a verb's: {PROG} separate --help
  --version      print the version

examples:
  {PROG} separate song.wav       writes separated/song/harmonic.wav …
  {PROG} separate album/ -m repet_sim -o out
  {PROG} separate song.wav -m nmf --n-components 20 --groups timbre

exit codes: 0 done, 1 some inputs failed, 2 usage, 3 unreadable input,
            4 can't write, 5 device, 130/143 signals
"""

_COMMON_FLAGS = frozenset({"-q", "--quiet", "-v", "--verbose", "--debug"})


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : list of str, optional
        Words after the program's name; default those of this process.

    Returns
    -------
    int
        0 done, 1 some inputs failed, 2 usage, 3 unreadable input, 4 cannot write, 5 device, 128 + n signal n.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        code = _overview(words)
        if code is None:
            code = _run_verb(words)
        _print()
        return code
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        from sigsep_classic.cli.failures import report

        return report(error, debug="--debug" in words)


def _print(text: str = "") -> None:
    """Print on standard output and make sure that it arrives."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from sigsep_classic.cli.output import unwritable

        raise unwritable(error) from None


def _overview(words: list[str]) -> int | None:
    """Answer what needs no verb, without importing anything; None if there is a verb."""
    asked = [word for word in words if word not in _COMMON_FLAGS]
    if not asked:
        if sys.stderr is not None:
            sys.stderr.write(_overview_text())
        return 2
    if asked[0] in ("-h", "--help", "help"):
        _print(_overview_text())
        return 0
    if asked[0] in ("--version", "-V"):
        _print(f"{PROG} {__version__}\n")
        return 0
    return None


def _overview_text() -> str:
    verbs = "\n".join(f"  {verb:<14} {summary}" for verb, summary in VERBS.items())
    return OVERVIEW.format(verbs="verbs:\n" + verbs)


def _run_verb(words: list[str]) -> int:
    from importlib import import_module

    from sigsep_classic.cli import config, parsing, signals

    with signals.as_exceptions():  # before NumPy is imported, so that Ctrl-C during that is clean too
        at = next(i for i, word in enumerate(words) if word not in _COMMON_FLAGS)
        verb, rest = words[at], [*words[:at], *words[at + 1 :]]
        if verb not in VERBS:
            raise parsing.unknown_verb(verb, VERBS)
        module = import_module(f"sigsep_classic.cli.{verb.replace('-', '_')}")
        parser = parsing.verb_parser(verb, VERBS[verb], arguments=getattr(module, "ARGUMENTS", ""))
        written, rest = config.taken(rest)
        rest = written.words(verb, rest, getattr(module, "DEFAULT_METHOD", ""))
        module.add_options(parser, rest)
        written.check(verb, parser)
        options = parsing.parse(parser, rest, hint=getattr(module, "hint", None))
        code: int = module.run(options)
        return code
