"""``sigsep-classic denoise``: noisy recordings in, speech out."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from sigsep_classic.cli import parsing, separate
from sigsep_classic.cli.output import log_to_stderr
from sigsep_classic.cli.targets import add_output, target
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.work import Settings

ARGUMENTS = "INPUT ..."
FOLDER = "denoised"

# Written down so that --help needs no NumPy; a test holds them to what the library has.
GAINS = ("wiener", "log-mmse", "mmse-stsa", "om-lsa", "subtraction", "gate")
NOISES = ("mmse", "imcra", "minimum", "quantile")
STEMS = ("speech", "noise", "hum")


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    listed = "sound files, folders, patterns, or - for stdin"
    parser.add_argument("input", nargs="*", metavar="INPUT", help=listed)
    _add_output(parser)
    group = parser.add_argument_group("noise")
    known = group.add_mutually_exclusive_group()
    known.add_argument(
        "--noise",
        metavar="NOISE",
        help=f"from when to when it is alone, in seconds, such as 0.0-0.5, or how it is followed: {', '.join(NOISES)} "
        "(default: mmse)",
    )
    clip = "a recording of the noise alone, at the level it has in INPUT"
    known.add_argument("--noise-clip", metavar="FILE", help=clip)
    group.add_argument("--hum", action="store_true", help="take mains hum off first, its frequency found")
    group.add_argument("--hum-hz", type=float, metavar="HZ", help="the same with a frequency that is known")
    group = parser.add_argument_group("method")
    group.add_argument("-m", "--method", dest="gain", choices=GAINS, help="the gain (default: wiener)")
    group.add_argument("--floor-db", type=float, metavar="DB", help="least gain in dB (default: -25)")
    smooth = "share of the frame before in the a-priori SNR, 0 to 1 (default: 0.95)"
    group.add_argument("--smoothing", type=float, metavar="A", help=smooth)
    group.add_argument("--causal", action="store_true", default=None, help="use nothing that comes later")
    apart = "each channel with a gain of its own (default: one gain for all)"
    group.add_argument("--unlinked", dest="linked", action="store_false", default=None, help=apart)
    parsing.add_computing(group)


def run(options: argparse.Namespace) -> int:
    """Denoise every input; return 0, or what fits the failures."""
    if not options.input:
        raise ParameterError("INPUT is missing; name sound files, a folder, or - for standard input")
    options.stem = list(dict.fromkeys(options.stem)) or ["speech"]
    with log_to_stderr(options.verbose):
        separate.check_stdout(options)
        return separate.carry_out(_settings(options), options)


def _add_output(parser: parsing.Parser) -> None:
    add = add_output(parser, FOLDER, "{track}.{ext}, or {track}/{stem}.{ext} for several stems")
    stem = f"write this stem: {', '.join(STEMS)}; may be repeated (default: speech)"
    add("--stem", action="append", choices=STEMS, default=[], metavar="STEM", help=stem)


def _settings(options: argparse.Namespace) -> Settings:
    """Return what is asked for, checked as far as can be without reading a file."""
    from sigsep_classic.api import make_method, with_noise
    from sigsep_classic.backend import resolve_device
    from sigsep_classic.cli.work import Settings, check_format

    asked = {name: getattr(options, name) for name in ("gain", "floor_db", "smoothing", "causal", "linked")}
    asked["gain"] = asked["gain"] and asked["gain"].replace("-", "_")
    method = make_method("denoise", **{name: value for name, value in asked.items() if value is not None})
    if options.noise_clip is not None and not os.path.isfile(options.noise_clip):
        raise ParameterError(f"--noise-clip: there is no file {options.noise_clip}")
    if options.noise is not None:
        if os.path.isfile(options.noise):
            raise ParameterError(f"--noise {options.noise} is a file; give it with --noise-clip")
        method = with_noise(method, options.noise, 0)
    hum = options.hum if options.hum_hz is None else options.hum_hz
    if hum is not False:
        make_method("dehum", frequency=options.hum_hz)
    elif "hum" in options.stem:
        raise ParameterError("--stem hum needs --hum")
    outdir, template, ext = target(options, len(options.stem))
    check_format(ext, options.subtype)
    return Settings(
        method=method,
        denoising={"noise": options.noise_clip, "hum": hum},
        device=resolve_device(options.device),
        transform={},
        outdir=outdir,
        template=template,
        ext=ext,
        subtype=options.subtype,
        clip_mode=options.clip_mode,
        stems=tuple(options.stem),
        allow_any_codec=options.allow_any_codec,
        memory_limit=parsing.memory_limit(options),
        debug=options.debug,
    )
