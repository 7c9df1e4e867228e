"""One stem of a long file to standard output: as it is made, or from a temporary file where that can't be."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from sigsep_classic import audio
from sigsep_classic.audio.forward import refusals_told
from sigsep_classic.cli.failures import drop_stdout
from sigsep_classic.cli.stems import STDOUT, format_of
from sigsep_classic.errors import OutputError
from sigsep_classic.streaming.sources import FileSource
from sigsep_classic.streaming.writing import Target

Done = tuple[audio.SaveRecord, dict[str, str], dict[str, Any]]


def to_stdout(work: Callable[[Target], Done], target: Target, source: FileSource, ext: str) -> Done:
    """Write the one stem of a target to standard output, and return what ``work`` returns.

    WAV of floats goes there block by block. What needs a gain, or has to be finished before it can begin, is made in a
    temporary file first.

    Parameters
    ----------
    work : callable
        Writes the stems of a target.
    target : Target
        For files.
    source : FileSource
        With the true number of samples.
    ext : str
        Suffix that says the format.

    Raises
    ------
    OutputError
        Standard output is closed or full, or there is no room for the temporary file.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed; use -o FOLDER")
    shape = {"channels": source.channels, "sample_rate": source.sample_rate, "n_samples": source.n_samples}
    encoding = audio.forward_encoding(
        format=format_of(ext), subtype=target.subtype, clip_mode=target.clip_mode, **shape
    )
    try:
        if encoding is None:
            return _by_file(work, target, ext)
        forward: Any = partial(audio.ForwardWriter, sys.stdout.buffer, encoding, [])
        return work(dataclasses.replace(target, paths_of=_itself, forward=forward))
    except OutputError:
        drop_stdout()  # what is left in its buffer would fail once more at exit
        raise


def _itself(names: list[str]) -> dict[str, str]:
    return dict.fromkeys(names, STDOUT)


def _by_file(work: Callable[[Target], Done], target: Target, ext: str) -> Done:
    try:
        folder = tempfile.mkdtemp(prefix="sigsep-classic-")
    except OSError as error:
        raise OutputError(
            f"<stdout>: no place for a temporary file ({error.strerror or error}); set TMPDIR, or use -o FOLDER"
        ) from None
    try:
        with refusals_told():
            place = os.path.join(folder, f"stem.{ext}")
            saved, paths, facts = work(
                dataclasses.replace(target, paths_of=lambda names: dict.fromkeys(names, place))
            )
            with open(place, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return saved, dict.fromkeys(paths, STDOUT), facts
    finally:
        shutil.rmtree(folder, ignore_errors=True)
