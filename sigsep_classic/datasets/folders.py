"""Listing folders of sound files: a stable order, and nothing that a file manager or a loop put there."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sigsep_classic.audio import AUDIO_SUFFIXES
from sigsep_classic.errors import AudioError

MIXTURES = ("mixture", "mix")
"""What the mixture's file is called, without its suffix."""

SUBSETS = frozenset({"train", "test", "valid", "validation", "dev", "eval"})
"""What the folders of subsets are called, in lower case."""

_JUNK = frozenset({"__macosx", "lost+found", "$recycle.bin", "system volume information"})

# Where a stem is there twice, the file with more of the sound is read.
_PREFERRED = (".wav", ".flac", ".w64", ".rf64", ".aiff", ".aif", ".caf")

# As many folders are looked at to tell a layout: some may be empty.
_LOOKED_AT = 20


def as_root(root: str | os.PathLike[str]) -> Path:
    """Return the folder as a path.

    Raises
    ------
    AudioError
        It is not there or no folder.
    """
    path = Path(root)
    if not path.is_dir():
        what = "is a file" if path.exists() else "no such folder"
        raise AudioError(f"{path}: {what}; name the folder the data set lies in")
    return path


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder by name; hidden ones and links back up are left out."""
    found = [entry for entry in _entries(folder) if _is_folder(entry)]
    links = {entry.name for entry in found if entry.is_symlink() and _leads_back(entry)}
    return [folder / entry.name for entry in found if entry.name not in links]


def sound_files(folder: Path) -> list[Path]:
    """Return the sound files in a folder by name, told by their suffixes; hidden ones are left out."""
    return [
        folder / entry.name
        for entry in _entries(folder)
        if os.path.splitext(entry.name)[1].lower() in AUDIO_SUFFIXES and not _is_folder(entry)
    ]


def visible_files(folder: Path) -> list[Path]:
    """Return the files in a folder by name; hidden ones are left out."""
    return [folder / entry.name for entry in _entries(folder) if not _is_folder(entry)]


def stems_in(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the sound files of a folder under their names without suffix, and a line for each one passed over."""
    found: dict[str, Path] = {}
    notes = []
    for path in sorted(sound_files(folder), key=_by_preference):
        name = plain(path.stem)
        if name in found:
            notes.append(f"{path} is passed over; {found[name].name} is read in its place")
        else:
            found[name] = path
    return {name: found[name] for name in sorted(found)}, notes


def first_folders(folder: Path) -> list[Path]:
    """Return the first few folders in a folder."""
    return list(islice(subfolders(folder), _LOOKED_AT))


def plain(name: str) -> str:
    """Return a name with one spelling of each accent, so that names from two systems compare equal."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def take_mixture(stems: dict[str, Path]) -> Path | None:
    """Remove the mixture from ``stems`` and return its file, or None."""
    for name in list(stems):
        if name.casefold() in MIXTURES:
            return stems.pop(name)
    return None


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what a folder holds by name, without hidden files such as ``._x`` and ``.DS_Store``."""
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except OSError as error:
        raise AudioError(f"{folder}: can't be listed ({error.strerror}); check its permissions") from None
    for entry in sorted(entries, key=lambda entry: (plain(entry.name), entry.name)):
        if not entry.name.startswith(".") and entry.name.casefold() not in _JUNK:
            yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _leads_back(entry: os.DirEntry[str]) -> bool:
    """Say whether a link leads to a folder it lies in."""
    target = os.path.realpath(entry.path)
    here = os.path.realpath(os.path.dirname(entry.path))
    return here == target or here.startswith(target.rstrip(os.sep) + os.sep)


def _by_preference(path: Path) -> tuple[int, str]:
    suffix = path.suffix.lower()
    return (_PREFERRED.index(suffix) if suffix in _PREFERRED else len(_PREFERRED), path.name)
