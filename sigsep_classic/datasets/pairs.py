"""Layouts of speech enhancement and universal separation: noisy and clean pairs (DNS, VoiceBank), FUSS.

References
----------
C. K. A. Reddy et al., "The INTERSPEECH 2020 deep noise suppression challenge", Interspeech 2020.
S. Wisdom et al., "What's all the FUSS about free universal sound separation data?", ICASSP 2021.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from sigsep_classic.datasets.dataset import Layout, Listing, Place, folder_places
from sigsep_classic.datasets.folders import (
    first_folders,
    plain,
    sound_files,
    stems_in,
    subfolders,
    take_mixture,
)
from sigsep_classic.datasets.tracks import StemFile, Track

FILE_ID = re.compile(r"(?:^|_)fileid_(\d+)$", re.IGNORECASE)
"""What the files of one recording have in common in DNS data."""


class _Pair(NamedTuple):
    subset: str
    noisy: Path
    clean: Path
    noise: Path | None


def _pairs_in(folder: Path, subset: str) -> list[_Pair]:
    """Return the folders ``noisy…`` that have a ``clean…`` beside them, such as ``noisy_testset_wav``."""
    there = {inner.name.casefold(): inner for inner in subfolders(folder)}
    found = []
    for name, noisy in there.items():
        clean = there.get(name.replace("noisy", "clean", 1))
        if name.startswith("noisy") and clean is not None:
            tag = name.removeprefix("noisy").removesuffix("_wav").strip("_- ")
            label = "/".join(filter(None, (subset, tag)))
            found.append(_Pair(label, noisy, clean, there.get(name.replace("noisy", "noise", 1))))
    return found


def _pairs(root: Path) -> list[_Pair]:
    below = [pair for inner in first_folders(root) for pair in _pairs_in(inner, plain(inner.name))]
    return _pairs_in(root, "") + below


def _key(path: Path) -> str:
    """Return what a noisy file and its clean one have in common: the number after ``fileid_``, or the name."""
    name = plain(path.stem)
    number = FILE_ID.search(name)
    return f"fileid {int(number[1])}" if number else re.sub(r"^(noisy|clean|noise)[_-]", "", name)


def _find_dns(root: Path, options: dict[str, Any]) -> Listing:
    places, notes = [], []
    for pair in _pairs(root):
        clean = {_key(path): path for path in sound_files(pair.clean)}
        noise = {_key(path): path for path in sound_files(pair.noise)} if pair.noise else {}
        for noisy in sound_files(pair.noisy):
            key = _key(noisy)
            files = {"noisy": noisy, "speech": clean.pop(key, None), "noise": noise.get(key)}
            if noise and key not in noise:
                notes.append(f"{noisy} has no file in {pair.noise}; its noise is what is not clean")
            there = {name: path for name, path in files.items() if path is not None}
            places.append(Place(subset=pair.subset, name=plain(noisy.stem), path=noisy, files=there))
        notes += [f"{path} has no noisy file in {pair.noisy} and is passed over" for path in clean.values()]
    return Listing(places=places, build=_dns_track, notes=tuple(notes))


def _dns_track(place: Place) -> Track:
    stems = {}
    if "speech" in place.files:
        stems["speech"] = StemFile(place.files["speech"])
        # Without a noise file the noise is what is noisy and not clean.
        rest = StemFile(place.path, added=(StemFile(place.files["speech"], gain=-1.0),))
        stems["noise"] = StemFile(place.files["noise"]) if "noise" in place.files else rest
    return Track(name=place.name, subset=place.subset, stems=stems, mixture=StemFile(place.path))


def _source_names(files: dict[str, Path]) -> dict[str, StemFile]:
    return {name.removesuffix("_sound"): StemFile(path) for name, path in files.items()}


def _is_fuss(folder: Path) -> bool:
    names = {re.sub(r"\d.*", "", name) for name in stems_in(folder)[0]}
    return bool(names & {"background", "foreground"})


def _with_sources(folder: Path) -> list[Path]:
    return [inner for inner in subfolders(folder) if inner.name.endswith("_sources")]


def _find_fuss(root: Path, options: dict[str, Any]) -> Listing:
    folders = [("", root), *((plain(inner.name), inner) for inner in first_folders(root))]
    places = []
    for subset, folder in folders:
        sources = _with_sources(folder)
        mixtures = stems_in(folder)[0] if sources else {}
        for inner in sources:
            name = plain(inner.name.removesuffix("_sources"))
            files = {"mixture": mixtures[name]} if name in mixtures else {}
            places.append(Place(subset=subset, name=name, path=inner, files=files))
    return Listing(places=places or folder_places(root, _is_fuss), build=_fuss_track)


def _fuss_track(place: Place) -> Track:
    files = stems_in(place.path)[0]
    inside = take_mixture(files)
    mixture = place.files.get("mixture", inside)
    return Track(
        name=place.name,
        subset=place.subset,
        stems=_source_names(files),
        mixture=None if mixture is None else StemFile(mixture),
    )


def _fits_fuss(root: Path) -> bool:
    levels = [root, *first_folders(root)]
    return any(
        inner.name.endswith("_sources") or _is_fuss(inner)
        for folder in levels
        for inner in first_folders(folder)
    )


DNS = Layout(
    name="dns",
    shape="{noisy/NAME_fileid_N.wav, clean/clean_fileid_N.wav, noise/noise_fileid_N.wav}",
    fits=lambda root: bool(_pairs(root)),
    find=_find_dns,
    stems=("speech", "noise"),
)
FUSS = Layout(
    name="fuss",
    shape="{train,validation,eval}/{EXAMPLE.wav, EXAMPLE_sources/{background0,foreground0,...}_sound.wav}",
    fits=_fits_fuss,
    find=_find_fuss,
)
