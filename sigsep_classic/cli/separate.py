"""``sigsep-classic separate``: files in, stems out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import models, parsing, transforms
from sigsep_classic.cli.output import Progress, complain, log_to_stderr, say, to_json
from sigsep_classic.errors import OutputError, ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.inputs import Job
    from sigsep_classic.cli.parameters import Parameter
    from sigsep_classic.cli.work import Settings

ARGUMENTS = "INPUT ..."
DEFAULT_METHOD = "hpss"
TEMPLATE = "{track}/{stem}.{ext}"
STDOUT = "-"

# Written down so that --help needs no NumPy; a test holds them to what the library has.
CLIP_MODES = ("common", "clamp", "none")
FORMATS = ("wav", "rf64", "w64", "aiff", "au", "caf", "flac", "ogg", "opus", "mp3")
SUBTYPES = ("int16", "int24", "int32", "float32", "float64")


def add_options(parser: parsing.Parser, words: list[str], *, every_method: bool = False) -> None:
    """Add the options, those of the method named in ``words`` included.

    Parameters
    ----------
    parser : Parser
        Gets them.
    words : list of str
        What was typed after the verb.
    every_method : bool
        Add the options of all methods, for completion.
    """
    parser.add_argument(
        "input", nargs="*", metavar="INPUT", help="sound files, folders, patterns, or - for stdin"
    )
    _add_output(parser)
    method = parser.add_argument_group("method")
    method.add_argument("-m", "--method", default=DEFAULT_METHOD, metavar="METHOD", help=_method_help())
    parsing.add_computing(method)
    own: set[str] = set()
    named = _names_method(words)
    if every_method:
        own = _add_all_parameters(parser)
    elif named:
        chosen = parsing.method_in(words, DEFAULT_METHOD)
        own = add_parameters(parser, chosen)
        parser.prog += f" -m {chosen}"  # what errors name as the way to the help
    transforms.add_options(parser, own)
    models.add_options(parser)
    if not own and not named:
        parser.epilog = f"The parameters of a method: {parser.prog} -m METHOD --help"


def run(options: argparse.Namespace) -> int:
    """Separate every input; return 0, or what fits the failures."""
    if not options.input:
        raise ParameterError("INPUT is missing; name sound files, a folder, or - for standard input")
    with log_to_stderr(options.verbose):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    check_stdout(options)
    if options.report:
        from sigsep_classic.compare.report import require_packages

        require_packages()
    return carry_out(_settings(options), options)


def carry_out(settings: Settings, options: argparse.Namespace) -> int:
    """Do to every input what the settings say, and print the records; return the exit code."""
    from dataclasses import replace

    from sigsep_classic.cli.inputs import check_names, find_jobs

    to_stdout = settings.outdir == STDOUT
    jobs = find_jobs(options.input, settings.outdir)
    if to_stdout and len(jobs) != 1:
        raise ParameterError(f"-o - takes one input, not {len(jobs)}; use -o FOLDER")
    if not to_stdout:
        check_names(
            jobs,
            settings.template,
            method=settings.method_name,
            ext=settings.ext,
            needs_stem=len(settings.stems) != 1,
        )
        check_folder(settings.outdir)
    models.check_jobs(settings.save_model, jobs)
    settings = replace(settings, inputs=tuple(job.source for job in jobs if job.source != "-"))
    return work_off(jobs, settings, options)


def hint(option: str, options: argparse.Namespace) -> str | None:
    """Say which method has an option that this one hasn't, or list this one's."""
    from sigsep_classic.cli.parameters import parameters_of
    from sigsep_classic.factorizers import METHODS

    having = [
        name for name, kind in METHODS.items() if option in {p.option for p in parameters_of(kind)}
    ]  # fmt: skip
    if having:
        return f"{options.method} has none, it is one of {', '.join(having)} (choose with -m)"
    listed = [p.option for p in parameters_of(METHODS.find(options.method)) if p.option]
    return f"{options.method} has {', '.join(listed)}"


def _add_output(parser: parsing.Parser) -> None:
    group = parser.add_argument_group("output")
    add = group.add_argument
    add(
        "-o",
        "--output",
        default="separated",
        metavar="OUTDIR",
        help="folder (default: separated), or - for stdout",
    )
    template = "names below it (default: %(default)s); {method} works too"
    add("--template", default=TEMPLATE, metavar="TEMPLATE", help=template)
    add("--ext", default="wav", metavar="EXT", help=f"format: {', '.join(FORMATS)} (default: wav)")
    coding = f"sample coding: {', '.join(SUBTYPES)} … (default: float32 for wav, int24 for flac)"
    add("--subtype", metavar="SUBTYPE", help=coding)
    clip = "where the coding ends at full scale: one gain for all stems, cut off, or refuse (default: common)"
    add("--clip-mode", choices=CLIP_MODES, default="common", help=clip)
    add("--residual", action="store_true", help="also write what the stems leave of the mixture")
    add("--stem", action="append", default=[], metavar="STEM", help="write this stem only; may be repeated")
    page = "a page to look at and listen to beside the stems of each input, report.html"
    add("--report", action="store_true", help=page)
    add("--json", action="store_true", help="print one JSON record for each input")
    codec = "also read codecs whose decoders are not trusted with files of strangers, such as ADPCM"
    add("--allow-any-codec", action="store_true", help=codec)


def _method_help() -> str:
    from sigsep_classic.factorizers import METHODS

    return f"{', '.join(METHODS.built_in)} (default: {DEFAULT_METHOD})"


def _names_method(words: list[str]) -> bool:
    """Whether a method's parameters can matter: plain ``--help`` needs no method's class, and no NumPy."""
    return bool(set(words) - {"-h", "--help"})


def add_parameters(parser: parsing.Parser, method: str) -> set[str]:
    """Add the parameters of a method as options, and return those."""
    from sigsep_classic.cli.parameters import parameters_of
    from sigsep_classic.factorizers import METHODS

    kind = METHODS.find(method)
    group = parser.add_argument_group(f"parameters of {method}")
    return {option for p in parameters_of(kind) if (option := _add(parser, group, p, method))}


def _add_all_parameters(parser: parsing.Parser) -> set[str]:
    from sigsep_classic.cli.parameters import parameters_of
    from sigsep_classic.factorizers import METHODS

    group, own = parser.add_argument_group("parameters of methods"), set()
    for name, kind in METHODS.items():
        own |= {p.option for p in parameters_of(kind) if p.option not in own and _add(parser, group, p, name)}
    return {option for option in own if option}


def _add(parser: parsing.Parser, group: Any, parameter: Parameter, method: str) -> str | None:
    """Add one parameter and return its option; a name that is taken gets the method's before it."""
    from sigsep_classic.cli.parameters import add_option

    option: str | None = parameter.option
    if option and option in parser._option_string_actions:
        option = f"--{method.replace('_', '-')}{option[1:]}"
    if option:
        add_option(group, parameter, option=option)
    return option


def _settings(options: argparse.Namespace) -> Settings:
    """Return what is asked for, checked as far as can be without reading a file."""
    from sigsep_classic.api import make_method
    from sigsep_classic.backend import resolve_device
    from sigsep_classic.cli.work import Settings, check_format
    from sigsep_classic.factorizers import METHODS

    given = vars(options)
    METHODS.find(options.method)
    own = typed_parameters(options)
    method = models.opened(options.model, given) if options.model else make_method(options.method, **own)
    models.check_kept(options.save_model, method)
    transform = _transform(given)
    groups = parsing.parse_groups(given.get("groups"))
    if isinstance(groups, str) and groups not in transforms.GROUPERS:
        raise ParameterError(
            f"--groups {groups!r} is unknown; use {', '.join(transforms.GROUPERS)}, or 'drums=0,3;voice=1,2'"
        )
    ext = options.ext.lower().lstrip(".")
    check_format(ext, options.subtype)
    settings = Settings(
        method=method,
        device=resolve_device(options.device),
        transform=transform,
        mask=given.get("mask"),
        phase=given.get("phase"),
        groups=groups,
        n_sources=given.get("n_sources"),
        order=given.get("order"),
        positions=_positions(given, method),
        examples=_examples(given, method),
        model=options.model,
        save_model=options.save_model,
        outdir=options.output,
        template=options.template,
        ext=ext,
        subtype=options.subtype,
        clip_mode=options.clip_mode,
        residual=options.residual,
        stems=tuple(dict.fromkeys(options.stem)),
        allow_any_codec=options.allow_any_codec,
        memory_limit=parsing.memory_limit(options),
        report=options.report,
        debug=options.debug,
    )
    settings.check_transform()
    return settings


def _positions(given: dict[str, Any], method: Any) -> list[list[float]] | None:
    """Return the places of ``--positions``, checked with ``--order`` as far as can be without the channels."""
    from sigsep_classic.refusals import check_located, check_order, models_of

    places = parsing.parse_positions(given.get("positions"))
    check_order(given.get("order"), places, channels=2 if places is None else len(places))
    for kind in models_of(method):
        check_located(kind, given.get("order"))
    return places


def _examples(given: dict[str, Any], method: Any) -> dict[str, str]:
    """Return the files of ``--example`` by name, checked to be there and to be of use."""
    examples: dict[str, str] = {}
    for name, path in given.get("example") or ():
        if not hasattr(method, "with_examples"):
            raise ParameterError(
                f"--example is for methods with templates; use -m {', '.join(transforms.TAUGHT)}"
            )
        if name in examples:
            raise ParameterError(f"--example: {name!r} is given twice; join the recordings")
        if not os.path.isfile(path):
            raise ParameterError(f"--example {name}: there is no file {path}")
        examples[name] = path
    return examples


def typed_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was typed of the options of `add_parameters`."""
    given = vars(options).items()
    return {name.partition(":")[2]: value for name, value in given if name.startswith("parameter:")}


def _transform(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was asked of the transform, checked where the rest of it is not up to the method."""
    from sigsep_classic.frontends import STFT

    typed = {name: given.get(name) for name in ("frontend", "n_fft", "hop")}
    typed["window"] = parsing.parse_window(given.get("window"))
    transform: dict[str, Any] = {name: value for name, value in typed.items() if value is not None}
    if "n_fft" in transform:
        STFT(**{name: value for name, value in transform.items() if name != "frontend"})
    return transform


def check_stdout(options: argparse.Namespace) -> None:
    """Refuse to write several stems, or both sound and JSON, to standard output, or sound to a terminal."""
    if options.output != STDOUT:
        return
    if len(options.stem) != 1:
        raise ParameterError("-o - writes one stem; say which with --stem NAME")
    if getattr(options, "report", False):
        raise ParameterError("-o - writes sound and nothing else; use -o FOLDER with --report")
    if options.json:
        raise ParameterError("-o - and --json both want standard output; use -o FOLDER with --json")
    if sys.stdout is not None and sys.stdout.isatty():
        raise ParameterError("-o - would print sound on your terminal; add > FILE or | PROGRAM")


def check_folder(folder: str) -> None:
    """Find out before the work, not after it, that nothing can be written there."""
    import tempfile

    place = os.path.abspath(folder)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise OutputError(f"{folder}: {place} is no folder; choose another one with -o")
    try:
        # Root may write anywhere by its permissions, and can't in /proc: only trying tells.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise OutputError(
            f"{folder}: can't be written ({error.strerror or error}); check its permissions, or choose another one "
            "with -o"
        ) from None


def work_off(
    jobs: Sequence[Job],
    settings: Settings,
    options: argparse.Namespace,
    **more: Callable[..., dict[str, Any]],
) -> int:
    """Do the jobs, print their records as they come, and return the exit code; ``more`` is for `pool.run_jobs`."""
    from sigsep_classic.cli.pool import run_jobs

    progress = Progress(enabled=not (options.quiet or options.verbose))
    codes = []
    try:
        with closing(run_jobs(jobs, settings, workers=options.jobs, progress=progress, **more)) as records:
            for record in records:
                progress.clear()
                codes.append(record.get("exit_code", 0))
                _print(record, options, to_stdout=settings.outdir == STDOUT)
    finally:
        progress.clear()
    failed = sum(code != 0 for code in codes)
    if failed and len(codes) > 1:
        complain(f"{failed} of {len(codes)} inputs failed", label="")
    return exit_code(codes)


def exit_code(codes: list[int]) -> int:
    """0 if all went well; the one reason if all failed for it; else 1."""
    return codes[0] if len(set(codes)) == 1 else 1


def _print(record: dict[str, Any], options: argparse.Namespace, *, to_stdout: bool) -> None:
    name = "<stdin>" if record["input"] == "-" else record["input"]
    if not options.quiet:
        for line in record["warnings"]:
            complain(f"{name}: {line}", label="warning")
    if record["status"] == "error":
        if "traceback" in record:
            sys.stderr.write(record["traceback"])
        complain(record["error"])
    elif not options.quiet:
        _print_levels(name, record)
    text = record.pop("text", ())
    if options.json:
        say(to_json(record))
    elif record["status"] == "ok" and not options.quiet and not to_stdout:
        for line in (*record["outputs"].values(), *filter(None, [record.get("report")]), *text):
            say(line)
    if options.verbose and record["status"] == "ok":
        speed = record["duration"] / max(record["seconds"], 1e-6)
        done = f"{record['duration']:.1f} s in {record['seconds']:.1f} s ({speed:.0f} times real time)"
        complain(f"{name}: {record['method']} on {record['device']}, {done}", label="")


def _print_levels(name: str, record: dict[str, Any]) -> None:
    """Say what was done to the level, if anything was."""
    peak = f"the peak was {record['peak']:.3f}, beyond full scale"
    if record["gain"] != 1:
        complain(f"{name}: all stems multiplied by {record['gain']:.3f}, {peak}", label="warning")
    if record["clipped"]:
        complain(f"{name}: {record['clipped']} samples cut off, {peak}", label="warning")
