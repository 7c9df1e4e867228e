"""Where a verb with one stem a file writes: a folder, the one file there is to write, or standard output."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from sigsep_classic.cli import parsing, separate
from sigsep_classic.errors import ParameterError


def add_output(
    parser: parsing.Parser, folder: str, template: str, *, codecs: bool = True
) -> Callable[..., Any]:
    """Add the options of where and how to write, and return what adds one more to their group.

    ``codecs`` adds the one about codecs that are not trusted, for verbs that read sound files one by one.
    """
    add = parser.add_argument_group("output").add_argument
    where = f"folder, sound file for a single INPUT, or - for stdout (default: {folder})"
    add("-o", "--output", default=folder, metavar="OUT", help=where)
    add("--template", metavar="TEMPLATE", help=f"names below the folder (default: {template})")
    add("--ext", metavar="EXT", help=f"format: {', '.join(separate.FORMATS)} (default: wav)")
    coding = f"sample coding: {', '.join(separate.SUBTYPES)} … (default: float32 for wav, int24 for flac)"
    add("--subtype", metavar="SUBTYPE", help=coding)
    clip = "where the coding ends at full scale: one gain for all stems, cut off, or refuse (default: common)"
    add("--clip-mode", choices=separate.CLIP_MODES, default="common", help=clip)
    add("--json", action="store_true", help="print one JSON record for each input")
    codec = "also read codecs whose decoders are not trusted with files of strangers, such as ADPCM"
    if codecs:
        add("--allow-any-codec", action="store_true", help=codec)
    return add


def target(options: argparse.Namespace, n_stems: int) -> tuple[str, str, str]:
    """Return folder, template and suffix; ``-o talk.flac`` names the one file there is to write."""
    name, suffix = os.path.splitext(options.output)
    ext = (options.ext or "wav").lower().lstrip(".")
    template = options.template or ("{track}.{ext}" if n_stems == 1 else separate.TEMPLATE)
    if options.output == separate.STDOUT or not _is_file_name(options.output, suffix):
        return options.output, template, ext
    given = {"--template": options.template, "--ext": options.ext}
    for option, value in given.items():
        if value is not None:
            raise ParameterError(
                f"-o {options.output} names a file, {option} files in a folder; give one of them"
            )
    if len(options.input) != 1 or n_stems != 1 or os.path.isdir(options.input[0]):
        raise ParameterError(f"-o {options.output} names one file; for several inputs or stems use -o FOLDER")
    plain = os.path.basename(name).replace("{", "{{").replace("}", "}}")
    return os.path.dirname(name) or os.curdir, plain + ".{ext}", suffix[1:].lower()


def _is_file_name(path: str, suffix: str) -> bool:
    from sigsep_classic.audio import AUDIO_SUFFIXES

    return suffix.lower() in AUDIO_SUFFIXES and not os.path.isdir(path)
