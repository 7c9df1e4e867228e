"""How separation tools name what they write: which file is which stem of which track.

Demucs writes ``separated/MODEL/TRACK/STEM.wav``, open-unmix ``TRACK_MODEL/STEM.wav`` or ``TRACK/STEM.wav``, Spleeter
``TRACK/STEM.wav``, audio-separator ``TRACK_(STEM)_MODEL.wav``, musdb ``test/TRACK/STEM.wav``, museval
``test/TRACK.json``, this package ``TRACK/STEM.wav`` with the folders above it kept, denoisers, ours too, ``TRACK.wav``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sigsep_classic.datasets.aliases import ALIASES, FINER_THAN_OTHER, canonical
from sigsep_classic.datasets.folders import (
    SUBSETS,
    plain,
    sound_files,
    stems_in,
    subfolders,
    visible_files,
)
from sigsep_classic.datasets.patterns import Pattern

SCORES = "scores"
"""What the one file of a track is called where it holds scores and no sound."""

_DEMUCS = re.compile(
    r"(?:htdemucs|hdemucs|demucs|mdx|repro_mdx|tasnet|light)\w*|[0-9a-f]{8}(?:-[0-9a-f]{8})?"
)
_UMX = re.compile(r"(?P<track>.+)_(?P<model>umx\w*)")
_FLAT = re.compile(r"(?P<track>.+)_\((?P<stem>[^()]+)\)(?:_(?P<model>.+))?")
_KNOWN_STEMS = {
    *ALIASES,
    *FINER_THAN_OTHER,
    *("residual", "harmonic", "percussive", "foreground", "background", "music", "melody", "source"),
}
_DEPTH = 4
_LOOKED_AT = 50


class Found(NamedTuple):
    """A file, and what its name says."""

    track: str
    stem: str
    path: Path
    model: str = ""


def _tree(folder: Path, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield (names of the folders from the root on, folder), the root first, a few levels deep."""
    yield above, folder
    if len(above) < _DEPTH:
        for inner in subfolders(folder):
            yield from _tree(inner, (*above, plain(inner.name)))


def _nested(root: Path) -> Iterator[Found]:
    """The folders down to the track are its name."""
    for parts, folder in _tree(root):
        for stem, path in stems_in(folder)[0].items():
            yield Found("/".join(parts) or plain(root.resolve().name), stem, path)


def _demucs(root: Path) -> Iterator[Found]:
    for found in _nested(root):
        first, slash, rest = found.track.partition("/")
        if slash:
            yield found._replace(track=rest, model=first)
        else:  # the root is one model's folder
            yield found


def _openunmix(root: Path) -> Iterator[Found]:
    for found in _nested(root):
        named = _UMX.fullmatch(found.track)
        yield found._replace(track=named["track"], model=named["model"]) if named else found


def _audio_separator(root: Path) -> Iterator[Found]:
    for path in sound_files(root):
        named = _FLAT.fullmatch(plain(path.stem))
        if named:
            yield Found(named["track"], named["stem"], path, named["model"] or "")


def _enhanced(root: Path) -> Iterator[Found]:
    """One file a track holds its speech."""
    for found in _nested(root):
        folder = found.track if found.path.parent != root else ""
        yield found._replace(track="/".join(filter(None, (folder, found.stem))), stem="speech")


def _is_stem(name: str) -> bool:
    return canonical(name).rstrip("0123456789") in _KNOWN_STEMS


def _museval_json(root: Path) -> Iterator[Found]:
    for parts, folder in _tree(root):
        for path in visible_files(folder):
            if path.suffix.lower() == ".json":
                yield Found("/".join((*parts, plain(path.stem))), SCORES, path)


def by_pattern(root: Path, text: str) -> Iterator[Found]:
    """Yield the files that fit a `Pattern`."""
    own_name = plain(root.resolve().name)
    for path, fields in Pattern(text).walk(root):
        track = "/".join(fields[name] for name in ("subset", "track") if name in fields) or own_name
        yield Found(track, fields["stem"], path, fields.get("model", ""))


def detect_tool(root: Path) -> str:
    """Return the layout by the names of the first few folders."""
    if any(_audio_separator(root)):
        return "audio_separator"
    looked_at = islice(_tree(root), _LOOKED_AT)
    folders = [(parts, stems) for parts, folder in looked_at if (stems := stems_in(folder)[0])]
    if not folders:
        return "museval_json" if any(map(_has_scores, islice(_museval_json(root), 5))) else "ours"
    first = {parts[0] for parts, _ in folders if parts}
    if not first and not any(map(_is_stem, folders[0][1])):
        return "enhanced"
    nested = all(len(parts) > 1 for parts, _ in folders)
    if nested and first <= SUBSETS:
        return "musdb"
    if _DEMUCS.fullmatch(root.resolve().name) or (nested and all(map(_DEMUCS.fullmatch, first))):
        return "demucs"
    if first and all(map(_UMX.fullmatch, first)):
        return "openunmix"
    return "spleeter" if any("accompaniment" in stems for _, stems in folders) else "ours"


def _has_scores(found: Found) -> bool:
    try:
        if not found.path.is_file():  # a pipe would wait for a writer
            return False
        with open(found.path, "rb") as file:
            return b'"targets"' in file.read(4096)
    except OSError:
        return False


ESTIMATE_LAYOUTS: dict[str, Callable[[Path], Iterator[Found]]] = {
    "demucs": _demucs,
    "openunmix": _openunmix,
    "spleeter": _nested,
    "audio_separator": _audio_separator,
    "musdb": _nested,
    "museval_json": _museval_json,
    "enhanced": _enhanced,
    "ours": _nested,
}
"""How the files of each tool's layout are read, by name."""
