"""Layouts with a file or a folder a track: MUSDB18, MUSDB18-HQ, Divide and Remaster, Slakh2100.

References
----------
Z. Rafii, A. Liutkus, F.-R. Stöter, S. I. Mimilakis and R. Bittner, "The MUSDB18 corpus for music separation", 2017.
D. Petermann, G. Wichern, Z.-Q. Wang and J. Le Roux, "The cocktail fork problem: three-stem audio separation for
real-world soundtracks", ICASSP 2022. E. Manilow, G. Wichern, P. Seetharaman and J. Le Roux, "Cutting music source
separation some Slakh: a dataset to study the impact of training data quality and quantity", WASPAA 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sigsep_classic.datasets.dataset import Layout, Listing, Place, folder_places
from sigsep_classic.datasets.folders import (
    MIXTURES,
    first_folders,
    plain,
    sound_files,
    stems_in,
    subfolders,
    take_mixture,
)
from sigsep_classic.datasets.tracks import StemFile, Track
from sigsep_classic.errors import AudioError, ParameterError

MUSDB_STEMS = ("drums", "bass", "other", "vocals")
DNR_STEMS = ("speech", "music", "sfx")
GROUPINGS = ("inst_class", "file")
_STEM_MP4 = ".stem.mp4"


def _containers(folder: Path) -> list[Path]:
    return [path for path in sound_files(folder) if path.name.lower().endswith(_STEM_MP4)]


def _holds_containers(root: Path) -> bool:
    return any(_containers(folder) for folder in (root, *first_folders(root)))


def _find_musdb18(root: Path, options: dict[str, Any]) -> Listing:
    folders = [("", root), *((plain(folder.name), folder) for folder in subfolders(root))]
    places = [
        Place(subset=subset, name=plain(path.name[: -len(_STEM_MP4)]), path=path)
        for subset, folder in folders
        for path in _containers(folder)
    ]
    return Listing(places=places, build=_musdb18_track)


def _musdb18_track(place: Place) -> Track:
    stems = {name: StemFile(place.path, stream) for stream, name in enumerate(MUSDB_STEMS, start=1)}
    return Track(name=place.name, subset=place.subset, stems=stems, mixture=StemFile(place.path))


def _has_most(folder: Path, names: tuple[str, ...]) -> bool:
    """Say whether a folder has a mixture and more than half of some stems."""
    there = {name.casefold() for name in stems_in(folder)[0]}
    return bool(there.intersection(MIXTURES)) and 2 * len(there.intersection(names)) > len(names)


def _track_folders(name: str, stems: tuple[str, ...]) -> Layout:
    """Return the layout ``{subset}/{track}/{stem}.wav`` with stems that are known by name."""

    def is_track(folder: Path) -> bool:
        return _has_most(folder, stems)

    def build(place: Place) -> Track:
        there = {stem.casefold(): path for stem, path in stems_in(place.path)[0].items()}
        mixture = take_mixture(there)
        return Track(
            name=place.name,
            subset=place.subset,
            stems={stem: StemFile(there[stem]) for stem in stems if stem in there},
            mixture=None if mixture is None else StemFile(mixture),
        )

    return Layout(
        name=name,
        shape="{train,test}/TRACK/{mixture," + ",".join(stems) + "}.wav",
        fits=_fits(is_track),
        find=lambda root, options: Listing(places=folder_places(root, is_track), build=build),
        stems=stems,
    )


def _fits(is_track: Callable[[Path], bool]) -> Callable[[Path], bool]:
    return lambda root: bool(
        any(is_track(folder) for folder in first_folders(root))
        or any(is_track(track) for folder in first_folders(root) for track in first_folders(folder))
    )


def _is_slakh(folder: Path) -> bool:
    return (folder / "stems").is_dir() and take_mixture(stems_in(folder)[0]) is not None


def _find_slakh(root: Path, options: dict[str, Any]) -> Listing:
    group_by = options.get("group_by", "inst_class")
    if group_by not in GROUPINGS:
        raise ParameterError(f"group_by={group_by!r} is unknown; use one of {', '.join(GROUPINGS)}")
    return Listing(
        places=folder_places(root, _is_slakh),
        build=lambda place: _slakh_track(place, group_by == "inst_class"),
    )


def _slakh_track(place: Place, grouped: bool) -> Track:
    mixture = take_mixture(stems_in(place.path)[0])
    folder = place.path / "stems"
    files = stems_in(folder)[0] if folder.is_dir() else {}
    groups = _by_class(place.path, files) if grouped else {name: [path] for name, path in files.items()}
    stems = {
        name: StemFile(paths[0], added=tuple(StemFile(path) for path in paths[1:]))
        for name, paths in groups.items()
    }
    mixed = None if mixture is None else StemFile(mixture)
    return Track(name=place.name, subset=place.subset, stems=stems, mixture=mixed)


def _by_class(track: Path, files: dict[str, Path]) -> dict[str, list[Path]]:
    """Return the files of each instrument class; one that should be there and isn't is listed too."""
    suffix = next((path.suffix for path in files.values()), ".flac")
    groups: dict[str, list[Path]] = {}
    for name, facts in sorted(_metadata(track / "metadata.yaml").items()):
        if name not in files and not facts.get("audio_rendered", True):
            continue
        kind = "_".join(
            str(facts.get("inst_class", name)).casefold().replace("(", "").replace(")", "").split()
        )
        groups.setdefault(kind, []).append(files.get(name, track / "stems" / f"{name}{suffix}"))
    return dict(sorted(groups.items()))


def _metadata(path: Path) -> dict[str, dict[str, Any]]:
    """Return what Slakh's metadata says of each stem."""
    try:
        import yaml
    except ImportError:
        raise ParameterError(
            f'{path}: reading it needs PyYAML; pip install "sigsep-classic[datasets]", or use group_by="file"'
        ) from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    way = 'use group_by="file" to do without it'
    try:
        if path.exists() and not path.is_file():
            raise ValueError("a folder, a pipe or a device")
        stems = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)["stems"]
        return {str(name): dict(facts) for name, facts in stems.items()}
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file; {way}") from None
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise AudioError(f"{path}: has no list of stems in YAML; {way}") from None


MUSDB18 = Layout(
    name="musdb18",
    shape="{train,test}/TRACK.stem.mp4",
    fits=_holds_containers,
    find=_find_musdb18,
    stems=MUSDB_STEMS,
    # Each stream was coded by AAC on its own, and some mixtures were mastered.
    least_sum_db=10.0,
)
MUSDB18_HQ = _track_folders("musdb18_hq", MUSDB_STEMS)
DNR = _track_folders("dnr", DNR_STEMS)
SLAKH = Layout(
    name="slakh",
    shape="{train,validation,test}/TRACK/{mix.flac, stems/S00.flac, metadata.yaml}",
    fits=_fits(_is_slakh),
    find=_find_slakh,
    least_sum_db=20.0,
)
