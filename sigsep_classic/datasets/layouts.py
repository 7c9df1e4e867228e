"""Data sets on the disk: which layout a folder has, and its tracks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sigsep_classic.datasets.dataset import Dataset, Layout, Listing, Place
from sigsep_classic.datasets.folders import MIXTURES, as_root, first_folders, plain, sound_files
from sigsep_classic.datasets.music import DNR, MUSDB18, MUSDB18_HQ, SLAKH
from sigsep_classic.datasets.pairs import DNS, FUSS
from sigsep_classic.datasets.patterns import Pattern
from sigsep_classic.datasets.tracks import StemFile, Track
from sigsep_classic.errors import AudioError, ParameterError


def open_dataset(
    root: str | os.PathLike[str],
    *,
    layout: str | None = None,
    subset: str | Iterable[str] | None = None,
    pattern: str | None = None,
    mixture: str | None = None,
    stems: Iterable[str] | None = None,
    group_by: str = "inst_class",
) -> Dataset:
    """Return the tracks below a folder; nothing is read but the names of files.

    Parameters
    ----------
    root : path
        The folder the data set lies in.
    layout : str, optional
        One of `LAYOUTS`; told from the folders by default.
    subset : str or iterable of str, optional
        Only these, such as ``"test"``.
    pattern : str, optional
        Names of own files below ``root``, such as ``"{subset}/{track}/{stem}.wav"``; see `Pattern`.
    mixture : str, optional
        With a pattern, what its ``{stem}`` is for the mixture; ``"mixture"`` or ``"mix"`` by default. Where there
        is none, the mixture is the sum of the stems.
    stems : iterable of str, optional
        With a pattern, only these stems.
    group_by : {"inst_class", "file"}
        Stems of Slakh: one an instrument class (needs PyYAML), or one a file.

    Returns
    -------
    Dataset
        A sequence of `Track`.

    Raises
    ------
    AudioError
        There is no such folder, or no layout fits it.
    ParameterError
        A name is unknown, or the pattern is wrong.
    """
    folder = as_root(root)
    options: dict[str, Any] = {"pattern": pattern, "mixture": mixture, "stems": stems, "group_by": group_by}
    if layout is not None and layout not in LAYOUTS:
        raise ParameterError(f"layout={layout!r} is unknown; use one of {', '.join(LAYOUTS)}")
    if pattern is not None and layout not in (None, "pattern"):
        raise ParameterError(
            f"layout={layout!r} has names of its own; leave layout out to use pattern={pattern!r}"
        )
    chosen = LAYOUTS["pattern" if pattern is not None else layout or detect(folder)]
    found = chosen.find(folder, options)
    if not found.places:
        raise AudioError(
            f"{folder}: has no tracks in the layout {chosen.name} ({chosen.shape}); check the folder"
        )
    dataset = Dataset(folder, chosen, found)
    return dataset if subset is None else dataset.only(subset)


def detect(root: Path) -> str:
    """Return the name of the layout of a folder.

    Parameters
    ----------
    root : Path
        The folder.

    Raises
    ------
    AudioError
        None fits.
    """
    for name, layout in LAYOUTS.items():
        if layout.fits(root):
            return name
    raise AudioError(
        f"{root}: fits none of the layouts {', '.join(LAYOUTS)}; name the folder above the tracks, or use a "
        "pattern such as {subset}/{track}/{stem}.wav"
    )


def _own_pattern(root: Path) -> str | None:
    """Return the pattern of folders of sound files, or None."""
    if any(sound_files(track) for folder in first_folders(root) for track in first_folders(folder)):
        return "{subset}/{track}/{stem}"
    if any(sound_files(folder) for folder in first_folders(root)):
        return "{track}/{stem}"
    return "{stem}" if len(sound_files(root)) > 1 else None


def _find_pattern(root: Path, options: dict[str, Any]) -> Listing:
    text = options["pattern"] or _own_pattern(root)
    if text is None:
        raise AudioError(f"{root}: has no sound files where they are looked for; give a pattern")
    wanted = None if options["stems"] is None else set(options["stems"])
    mixtures = MIXTURES if options["mixture"] is None else (plain(options["mixture"]).casefold(),)
    own_name = plain(root.resolve().name)
    places: dict[tuple[str, str], Place] = {}
    notes = []
    for path, fields in Pattern(text).walk(root):
        stem = fields["stem"]
        key = fields.get("subset", ""), fields.get("track", own_name)
        place = places.setdefault(key, Place(subset=key[0], name=key[1], path=path.parent))
        stem = "mixture" if stem.casefold() in mixtures else stem
        if stem in place.files:
            notes.append(f"{path} is passed over; {place.files[stem].name} is read in its place")
        elif wanted is None or stem == "mixture" or stem in wanted:
            place.files[stem] = path
    if options["mixture"] is not None and not any("mixture" in place.files for place in places.values()):
        raise ParameterError(
            f"mixture={options['mixture']!r}: no file of {root} that fits {text!r} has it as its stem"
        )
    ordered = [places[key] for key in sorted(places)]
    return Listing(places=ordered, build=_own_track, notes=tuple(notes))


def _own_track(place: Place) -> Track:
    stems = {name: StemFile(path) for name, path in sorted(place.files.items())}
    mixture = stems.pop("mixture", None)
    return Track(name=place.name, subset=place.subset, stems=stems, mixture=mixture)


OWN = Layout(
    name="pattern",
    shape="{subset}/{track}/{stem}.wav",
    fits=lambda root: _own_pattern(root) is not None,
    find=_find_pattern,
    mixture=False,
)

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (MUSDB18, DNS, SLAKH, FUSS, MUSDB18_HQ, DNR, OWN)
}
"""Layouts by name, in the order in which they are tried."""
