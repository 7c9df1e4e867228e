"""``sigsep-classic plot``: a sound file in, a picture of what a method finds in it out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from sigsep_classic.cli import parsing, separate
from sigsep_classic.cli.output import Progress, complain, log_to_stderr, say, to_json
from sigsep_classic.errors import ParameterError

ARGUMENTS = "INPUT"
DEFAULT_METHOD = separate.DEFAULT_METHOD
SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".webp")

# Written down so that --help needs no NumPy; a test holds them to what the library has.
VIEWS = ("model", "stems", "waveforms", "masks", "loss", "permutation", "directivity")
SCALES = ("log", "linear")


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options, those of the method named in ``words`` included."""
    add = parser.add_argument
    add("input", nargs="?", metavar="INPUT", help="a sound file")
    picture = f"file to write, {', '.join(SUFFIXES)} (default: the name of INPUT with .png, in this folder)"
    add("-o", "--output", metavar="PICTURE", help=picture)
    what = "what the method found, or stems, waveforms, gains, …: see plot in the library (default: model)"
    add("--what", choices=VIEWS, default="model", help=what)
    channel = "draw this channel, from 1 (default: the root mean square of all)"
    add("--channel", type=parsing.whole_number(1), metavar="N", help=channel)
    add("--scale", choices=SCALES, default="log", help="of frequency axes (default: log)")
    places = "microphones in metres, for directions: 'x,y;x,y', one a channel, or a file of such lines"
    add("--positions", metavar="PLACES", help=places)
    add("--json", action="store_true", help="print one JSON record")
    group = parser.add_argument_group("method")
    known = f"as for separate (default: {DEFAULT_METHOD})"
    group.add_argument("-m", "--method", default=DEFAULT_METHOD, metavar="METHOD", help=known)
    device = "auto, cpu, cuda or cuda:N (default: $SIGSEP_DEVICE, else auto)"
    group.add_argument("-d", "--device", metavar="DEVICE", help=device)
    if set(words) - {"-h", "--help"}:
        chosen = parsing.method_in(words, DEFAULT_METHOD)
        separate.add_parameters(parser, chosen)
        parser.prog += f" -m {chosen}"
    else:
        parser.epilog = f"The parameters of a method: {parser.prog} -m METHOD --help"


hint = separate.hint


def run(options: argparse.Namespace) -> int:
    """Separate one file, draw the picture and print its name."""
    from sigsep_classic.api import make_method
    from sigsep_classic.messages import warnings_kept
    from sigsep_classic.plot.draw import require_matplotlib

    if not options.input:
        raise ParameterError("INPUT is missing; name a sound file")
    target = options.output or f"{Path(options.input).stem}.png"
    if Path(target).suffix.lower() not in SUFFIXES:
        raise ParameterError(f"-o {target} is no picture; end its name with one of {', '.join(SUFFIXES)}")
    require_matplotlib()
    method = make_method(options.method, **separate.typed_parameters(options))
    separate.check_folder(os.path.dirname(target) or os.curdir)
    progress = Progress(enabled=not (options.quiet or options.verbose))
    with log_to_stderr(options.verbose), warnings_kept() as warnings:
        try:
            progress.show(f"{options.input}: separating")
            drawn = _drawn(options, method)
            progress.show(f"{options.input}: drawing")
            _save(drawn, target, options.input)
        finally:
            progress.clear()
    lines = [line.removeprefix(f"{options.input}: ") for line in warnings]
    if not options.quiet:
        for line in lines:
            complain(f"{options.input}: {line}", label="warning")
    record = {"input": options.input, "picture": target, "what": options.what, "method": options.method}
    if options.json:
        say(to_json({**record, "warnings": lines}))
    elif not options.quiet:
        say(target)
    return 0


def _drawn(options: argparse.Namespace, method: Any) -> Any:
    """Return the figure."""
    from sigsep_classic.api import separate as separated

    sep = separated(options.input, method=method, device=options.device)
    if (options.channel or 1) > len(sep.mixture):
        raise ParameterError(f"--channel is {options.channel}; {options.input} has {len(sep.mixture)}")
    channel = None if options.channel is None else options.channel - 1
    places = parsing.parse_positions(options.positions)
    return sep.plot(options.what, channel=channel, scale=options.scale, positions=places)


def _save(figure: Any, target: str, source: str) -> None:
    """Write the picture, all or nothing, and never over the sound."""
    from sigsep_classic.audio.publish import FileSet

    with FileSet([target], inputs=[source]) as files:
        figure.savefig(files.temporary(target), format=Path(target).suffix[1:].lower(), dpi=120)
