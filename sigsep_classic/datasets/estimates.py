"""Folders of estimates, whichever tool wrote them, as one mapping: track to stem to file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sigsep_classic.datasets.aliases import canonical
from sigsep_classic.datasets.folders import as_root, plain
from sigsep_classic.datasets.pairs import FILE_ID
from sigsep_classic.datasets.tools import ESTIMATE_LAYOUTS, Found, by_pattern, detect_tool
from sigsep_classic.datasets.tracks import Track
from sigsep_classic.errors import AudioError, ParameterError

_ENDINGS = (".stem.mp4", ".stem", ".wav", ".flac", ".mp3", ".m4a", ".ogg", ".aiff", "_enhanced", "_denoised")


class Estimates(Mapping[str, Mapping[str, Path]]):
    """Files of estimates by track and stem.

    Parameters
    ----------
    root : Path
        The folder.
    layout : str
        One of `ESTIMATE_LAYOUTS`, or ``"pattern"``.
    tracks : mapping
        Track to stem to path. Tracks keep the folders above them: ``"test/Artist - Title"``. Where the layout is
        ``museval_json`` the one stem of each is ``"scores"``.
    model : str
        The tool's model, where names tell.
    notes : tuple of str
        Files that were passed over, one line each.
    """

    def __init__(
        self,
        root: Path,
        layout: str,
        tracks: Mapping[str, Mapping[str, Path]],
        *,
        model: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        self.root, self.layout, self.model, self.notes = root, layout, model, notes
        self._tracks = tracks
        self._index: dict[str, list[str]] = {}
        for track in tracks:
            for key in dict.fromkeys(_keys(track)):
                self._index.setdefault(key, []).append(track)

    def __getitem__(self, track: str) -> Mapping[str, Path]:
        return self._tracks[track]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tracks)

    def __len__(self) -> int:
        return len(self._tracks)

    def __repr__(self) -> str:
        return f"Estimates({str(self.root)!r}, layout={self.layout!r}, {len(self)} tracks)"

    @property
    def holds_scores(self) -> bool:
        """Whether the files hold scores in place of sound."""
        return self.layout == "museval_json"

    def of(self, track: Track | str) -> Mapping[str, Path]:
        """Return the stems of a track of the truth; empty where there are none.

        Its label is looked for first, then its name, without regard to case, to how accents are spelt, to suffixes
        that tools leave on, to a folder ``mixture``, and to characters that file systems refuse.

        Parameters
        ----------
        track : Track or str
            The track, its label or its name.

        Raises
        ------
        ParameterError
            Several fit equally.
        """
        label = track if isinstance(track, str) else track.label
        if label in self._tracks:
            return self._tracks[label]
        for key in _keys(label):
            fitting = self._index.get(key, [])
            if len(fitting) > 1:
                some = ", ".join(fitting[:3]) + (", …" if len(fitting) > 3 else "")
                raise ParameterError(
                    f"{label}: {len(fitting)} tracks of {self.root} fit ({some}); name the folder of one of them"
                )
            if fitting:
                return self._tracks[fitting[0]]
        return {}


def open_estimates(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    pattern: str | None = None,
    model: str | None = None,
) -> Estimates:
    """Return which files below a folder are estimates of which stems; nothing is read but names.

    Parameters
    ----------
    root : path
        What a tool wrote; the folder of one model or the one above it.
    layout : str, optional
        One of `ESTIMATE_LAYOUTS`; told from the names by default.
    pattern : str, optional
        Names of own files, such as ``"{track}/{model}/{stem}.wav"``; see `Pattern`.
    model : str, optional
        Which model's, where the folder holds several.

    Returns
    -------
    Estimates
        Track to stem to path; stems are spelt as the files spell them (see `canonical`).

    Raises
    ------
    AudioError
        There is no such folder, or nothing in it looks like estimates.
    ParameterError
        The layout is unknown, or there are several models.
    """
    folder = as_root(root)
    if layout is not None and layout not in ESTIMATE_LAYOUTS:
        raise ParameterError(f"layout={layout!r} is unknown; use one of {', '.join(ESTIMATE_LAYOUTS)}")
    if pattern is not None:
        name, found = "pattern", list(by_pattern(folder, pattern))
    else:
        name = layout or detect_tool(folder)
        found = list(ESTIMATE_LAYOUTS[name](folder))
    if not found:
        raise AudioError(
            f"{folder}: holds no estimates in the layout {name}; check the folder, or give a pattern"
        )
    chosen = _choose_model(folder, sorted({f.model for f in found if f.model}), model)
    return _collect(folder, name, [f for f in found if f.model in ("", chosen)], chosen)


def _choose_model(folder: Path, there: list[str], wanted: str | None) -> str:
    if wanted is not None and wanted not in there:
        raise ParameterError(f"model={wanted!r} is not in {folder}; there are: {', '.join(there) or 'none'}")
    if wanted is None and len(there) > 1:
        raise ParameterError(f"{folder} holds the models {', '.join(there)}; choose one with model=")
    return wanted or (there[0] if there else "")


def _collect(folder: Path, layout: str, found: list[Found], model: str) -> Estimates:
    tracks: dict[str, dict[str, Path]] = {}
    notes = []
    for track, stem, path, _ in sorted(found):
        stems = tracks.setdefault(track, {})
        if stem in stems:
            notes.append(f"{path} is passed over; {stems[stem].name} is read in its place")
        elif canonical(stem) != "mixture":  # some tools leave a copy of their input
            stems[stem] = path
    filled = {track: stems for track, stems in tracks.items() if stems}
    return Estimates(folder, layout, filled, model=model, notes=tuple(notes))


def _keys(label: str) -> Iterator[str]:
    """Yield what a track may be looked for under, the surest first."""
    parts = [_loose(part) for part in plain(label).split("/")]
    if len(parts) > 1 and parts[-1] in ("mixture", "mix"):
        parts.pop()
    yield "/".join(parts)
    yield parts[-1]
    number = FILE_ID.search(parts[-1])
    if number:
        yield f"fileid {int(number[1])}"


def _loose(name: str) -> str:
    name = name.casefold()
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return re.sub(r'[<>:"\\|?*]', "_", name).rstrip(". ")
