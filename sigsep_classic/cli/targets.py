"""Where a verb with one stem a file writes: a folder, the one file there is to write, or standard output."""

from __future__ import annotations

import argparse
import os

from sigsep_classic.cli import separate
from sigsep_classic.errors import ParameterError


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
