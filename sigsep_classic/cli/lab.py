"""``sigsep-classic lab``: a page on this computer to try methods on."""

from __future__ import annotations

import argparse

from sigsep_classic.cli import parsing
from sigsep_classic.cli.output import complain, say


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    add = parser.add_argument
    where = "port of 127.0.0.1 to serve the page on; 0 takes any (default: 8421, or any where that is taken)"
    add("--port", type=_port, metavar="PORT", help=where)
    add("--no-browser", dest="browser", action="store_false", help="print the address and open no browser")
    limit = "largest recording that the page takes (default: 200M)"
    add("--upload-limit", default="200M", metavar="SIZE", help=limit)
    jobs = "separations at a time, of all tabs together (default: 1)"
    add("-j", "--jobs", type=parsing.whole_number(1), default=1, metavar="JOBS", help=jobs)


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from sigsep_classic.lab.server import require_packages, serve
    from sigsep_classic.memory import parse_size

    require_packages()
    limit = parse_size(options.upload_limit, name="--upload-limit")

    def ready(address: str) -> None:
        say(address)
        if not options.quiet:
            complain("the lab is at the address above, for this computer alone; Ctrl-C ends it", label="")

    serve(port=options.port, upload_limit=limit, at_once=options.jobs, browser=options.browser, ready=ready)
    return 0


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; use 0 to 65535")
    return int(text)
