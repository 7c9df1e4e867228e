"""``sigsep-classic oracle``: true stems in, what an ideal mask or filter would take out of their mixture."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from sigsep_classic.cli import parsing, separate
from sigsep_classic.cli.output import log_to_stderr
from sigsep_classic.cli.targets import add_output, target
from sigsep_classic.errors import ParameterError

if TYPE_CHECKING:
    from sigsep_classic.cli.oracle_work import OracleSettings, TrackJob
    from sigsep_classic.datasets import Track

ARGUMENTS = "TRACK ..."
FOLDER = "oracle"
DEFAULT = "irm2"

# Written down so that --help needs no NumPy; a test holds them to what the library has.
MASKS = (
    "ibm",
    "ibm1",
    "ibm2",
    "irm1",
    "irm2",
    "iam",
    "psm",
    "crm",
    "mwf",
    "mwf_channel",
    "demixing",
    "nmf",
    "nmf_components",
)
MIXTURES = ("file", "sum")
ACCOMPANIMENT = "accompaniment"


def add_options(parser: parsing.Parser, words: list[str]) -> None:
    """Add the options of this verb."""
    tracks = "a folder of stems, a .stem.mp4, or a folder with many of either"
    parser.add_argument("input", nargs="*", metavar="TRACK", help=tracks)
    add = add_output(parser, FOLDER, separate.TEMPLATE, codecs=False)
    add("--stem", action="append", default=[], metavar="STEM", help="write this one only; may be repeated")
    lead = "also write accompaniment, the sum of all estimates but vocals, or of all but NAME"
    add("--accompaniment", nargs="?", const="vocals", metavar="NAME", help=lead)
    add("--score", action="store_true", help="also print what the estimates, and the mixture, score in dB")
    group = parser.add_argument_group("oracle")
    masks = f"{', '.join(MASKS)}; irm and ibm take any exponent, such as irm1.5 (default: {DEFAULT})"
    group.add_argument("--mask", default=DEFAULT, metavar="MASK", help=masks)
    mixture = (
        "the track's own mixture, or the sum of its stems; a mastered one is not the sum (default: file)"
    )
    group.add_argument("--mixture", choices=MIXTURES, default="file", help=mixture)
    size = parsing.whole_number(1)
    group.add_argument("--n-fft", type=size, metavar="N", help="window in samples (default: 2048)")
    group.add_argument(
        "--hop", type=size, metavar="N", help="samples between frames (default: half the window)"
    )
    group.add_argument("--window", metavar="NAME", help="hann, or any that scipy knows (default: hann)")
    parsing.add_computing(group)


def run(options: argparse.Namespace) -> int:
    """Make the estimates of every track; return 0, or what fits the failures."""
    if not options.input:
        raise ParameterError("TRACK is missing; name a folder of stems, or a .stem.mp4")
    # With some stems chosen, the accompaniment is one more.
    also = [ACCOMPANIMENT] if options.stem and options.accompaniment else []
    options.stem = list(dict.fromkeys([*options.stem, *also]))
    with log_to_stderr(options.verbose):
        separate.check_stdout(options)
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from sigsep_classic.cli.inputs import check_names
    from sigsep_classic.cli.oracle_work import process_track

    settings = _settings(options, frontend=_frontend(options))
    jobs = _jobs(options.input)
    outdir, template, ext = _target(options, len(jobs))
    settings = _replaced(settings, outdir=outdir, template=template, ext=ext, inputs=_files(jobs))
    if outdir == separate.STDOUT:
        if len(jobs) != 1:
            raise ParameterError(f"-o - takes one track, not {len(jobs)}; use -o FOLDER")
    else:
        check_names(
            list(jobs),
            template,
            method=settings.method_name,
            ext=ext,
            needs_stem=len(settings.stems) != 1,
        )
        separate.check_folder(outdir)
    return separate.work_off(jobs, settings, options, work=process_track)


def _settings(options: argparse.Namespace, *, frontend: Any) -> OracleSettings:
    """Return what is asked for, checked as far as can be without reading a file."""
    from sigsep_classic.backend import resolve_device
    from sigsep_classic.cli.oracle_work import OracleSettings
    from sigsep_classic.cli.work import check_format
    from sigsep_classic.oracle import find

    settings = OracleSettings(
        method=find(options.mask),
        device=resolve_device(options.device),
        transform={},
        stft=frontend,
        mixture=options.mixture,
        lead=options.accompaniment or "",
        score=options.score,
        subtype=options.subtype,
        clip_mode=options.clip_mode,
        stems=tuple(options.stem),
        debug=options.debug,
    )
    check_format((options.ext or "wav").lower().lstrip("."), options.subtype)
    return settings


def _replaced(settings: OracleSettings, **changes: Any) -> OracleSettings:
    from dataclasses import replace

    from sigsep_classic.cli.work import check_format

    check_format(changes["ext"], settings.subtype)
    return replace(settings, **changes)


def _target(options: argparse.Namespace, n_jobs: int) -> tuple[str, str, str]:
    """Return folder, template and suffix; one stem of one track can be given a file of its own name."""
    one = len(options.stem) == 1
    asked = argparse.Namespace(**{**vars(options), "input": [separate.STDOUT] * n_jobs})
    outdir, template, ext = target(asked, 1 if one else 2)
    if template == "{track}.{ext}" and options.template is None:
        template = separate.TEMPLATE
    return outdir, template, ext


def _frontend(options: argparse.Namespace) -> Any:
    from sigsep_classic.frontends import STFT
    from sigsep_classic.oracle import SISEC_STFT

    n_fft = options.n_fft or SISEC_STFT.n_fft
    window = parsing.parse_window(options.window) or SISEC_STFT.window
    return STFT(n_fft=n_fft, hop=options.hop or max(1, n_fft // 2), window=window)


def _jobs(names: list[str]) -> list[TrackJob]:
    """Return a job for each track in what was typed, each once."""
    from sigsep_classic.cli.oracle_work import TrackJob
    from sigsep_classic.errors import SigsepError

    jobs: list[TrackJob] = []
    for name in dict.fromkeys(names):
        try:
            jobs += [TrackJob(source=name, track=track.label, found=track) for track in _tracks(name)]
        except SigsepError as error:
            if len(names) == 1:
                raise
            jobs.append(TrackJob(source=name, track=name, problem=str(error)))
    return jobs


def _tracks(name: str) -> list[Track]:
    from pathlib import Path

    from sigsep_classic.datasets import open_dataset
    from sigsep_classic.errors import AudioError

    path = Path(name)
    if path.is_file() and path.name.lower().endswith(".stem.mp4"):
        beside = open_dataset(path.parent, layout="musdb18")
        return [track for track in beside if any(stem.path == path for stem in track.stems.values())]
    if not path.is_dir():
        what = "is one file" if path.exists() else "is not there"
        raise AudioError(f"{name}: {what}; an oracle needs a folder of true stems, or a .stem.mp4")
    return list(open_dataset(path))


def _files(jobs: list[TrackJob]) -> tuple[str, ...]:
    """Return the files that are read, which must not be written over."""
    found = []
    for job in jobs:
        if job.found is not None:
            own = [job.found.mixture] if job.found.mixture is not None else []
            found += [
                os.fspath(part.path) for stem in (*job.found.stems.values(), *own) for part in stem.parts
            ]
    return tuple(dict.fromkeys(found))
