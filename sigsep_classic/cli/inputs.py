"""From what was typed to the list of sound files and their track names: files, folders, patterns, ``-``."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sigsep_classic.errors import ParameterError

STDIN = "-"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One sound to separate.

    Parameters
    ----------
    source : str
        Its path, or ``-`` for standard input.
    track : str
        What ``{track}`` in file names stands for; below a folder that was named, the path from there.
    problem : str
        Why there is nothing to read; empty where that is not known yet.
    """

    source: str
    track: str
    problem: str = ""


def find_jobs(names: list[str], outdir: str) -> list[Job]:
    """Return a job for each sound file in what was typed, each file once.

    Parameters
    ----------
    names : list of str
        Files, folders (searched to the bottom for sound files), patterns the shell left alone, or ``-`` alone.
    outdir : str
        Not searched where it lies below a folder, so that stems are not separated again.

    Raises
    ------
    ParameterError
        ``-`` is not alone, or a folder is its own output.
    """
    if STDIN in names:
        if len(names) > 1:
            raise ParameterError(
                "'-' is standard input and stands alone; name the other files in another run"
            )
        return [Job(source=STDIN, track="stdin")]
    seen: dict[str, Job] = {}
    for name in names:
        for job in _expand(name, outdir):
            seen.setdefault(os.path.realpath(job.source) if not job.problem else job.source, job)
    return list(seen.values())


def check_names(jobs: list[Job], template: str, *, method: str, ext: str, needs_stem: bool) -> None:
    """Raise `ParameterError` if the template is wrong or two jobs would write the same files."""
    taken: dict[str, Job] = {}
    for job in jobs:
        try:
            name = template.format(track=job.track, stem="\0", method=method, ext=ext)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ParameterError(
                f"--template {template!r}: {error}; use {{track}}, {{stem}}, {{method}} and {{ext}}"
            ) from None
        if "\0" not in name and needs_stem:
            raise ParameterError(f"--template {template!r} gives all stems one file; put {{stem}} in it")
        # Some file systems take a.wav, A.wav and another spelling of the same accent for one name.
        key = unicodedata.normalize("NFC", os.path.normpath(name)).casefold()
        if key in taken:
            way = "name the folder above both" if "{track" in template else "put {track} in --template"
            raise ParameterError(
                f"{taken[key].source} and {job.source} would write the same files; {way}, "
                "or use a run with its own -o for each"
            )
        taken[key] = job


def _expand(name: str, outdir: str) -> Iterator[Job]:
    if os.path.isdir(name):
        yield from _in_folder(name, outdir)
    elif not os.path.lexists(name) and glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))
        if not matches:
            yield Job(source=name, track=name, problem=f"{name}: matches no file; check the pattern")
        above = _folder_above(name)
        for match in matches:
            if os.path.isdir(match):
                yield from _in_folder(match, outdir)
            else:
                yield Job(source=match, track=_below(match, above))
    else:
        yield Job(source=name, track=Path(name).stem)


def _folder_above(pattern: str) -> str:
    """Return the part of a pattern before the first component that is one."""
    while glob.has_magic(pattern):
        pattern = os.path.dirname(pattern)
    return pattern or os.curdir


def _below(path: str, folder: str) -> str:
    """Return the path from a folder to a file, without the suffix."""
    return str(Path(os.path.relpath(path, folder)).with_suffix(""))


def _in_folder(folder: str, outdir: str) -> Iterator[Job]:
    """Yield the sound files below a folder in the order of their names; hidden ones are passed over."""
    from sigsep_classic.audio import AUDIO_SUFFIXES

    avoided, found = os.path.realpath(outdir), False
    if os.path.realpath(folder) == avoided:
        raise ParameterError(
            f"{folder}: is also the output folder, so its stems would be separated again; "
            "choose another one with -o"
        )
    refused: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) != avoided
        )
        for name in sorted(files):
            path = os.path.join(place, name)
            if name.startswith(".") or os.path.splitext(name)[1].lower() not in AUDIO_SUFFIXES:
                continue
            found = True
            yield Job(source=path, track=_below(path, folder))
    for error in refused:
        problem = f"{error.filename}: can't be searched ({error.strerror}); check its permissions"
        yield Job(source=str(error.filename), track=str(error.filename), problem=problem)
    if not found and not refused:
        problem = f"{folder}: has no sound files below it; check the folder, or name the files themselves"
        yield Job(source=folder, track=folder, problem=problem)
