"""A data set: the list of its tracks, found by listing folders, each looked into only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from sigsep_classic.datasets.folders import SUBSETS, first_folders, plain, sound_files, subfolders
from sigsep_classic.datasets.tracks import Track
from sigsep_classic.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a track is, before its stems are looked for.

    Parameters
    ----------
    subset, name : str
        As in `Track`.
    path : Path
        Its folder or file.
    files : mapping
        Files that the listing found already, by stem; layouts that look later leave it empty.
    """

    subset: str
    name: str
    path: Path
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a layout found below a root.

    Parameters
    ----------
    places : list of Place
        The tracks, in order.
    build : callable
        Makes the `Track` of a place.
    notes : tuple of str
        What was passed over, one line each.
    """

    places: list[Place]
    build: Callable[[Place], Track]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a family of data sets lies on the disk.

    Parameters
    ----------
    name : str
        As ``layout=`` of `open_dataset` takes it.
    shape : str
        The arrangement in one line, for messages.
    fits : callable
        Whether a root looks like it.
    find : callable
        (root, options) to a `Listing`.
    stems : tuple of str
        What every track has; empty where tracks differ.
    mixture : bool
        Whether every track has a mixture.
    least_sum_db : float
        A mixture whose SNR against the stems' sum is below this, in dB, is not their sum.
    """

    name: str
    shape: str
    fits: Callable[[Path], bool]
    find: Callable[[Path, dict[str, Any]], Listing]
    stems: tuple[str, ...] = ()
    mixture: bool = True
    least_sum_db: float = 40.0


class Dataset(Sequence[Track]):
    """The tracks of a data set, in a stable order.

    Parameters
    ----------
    root : Path
        The folder it lies in.
    layout : Layout
        How it lies there.
    listing : Listing
        What was found.

    Attributes
    ----------
    notes : tuple of str
        Files that were passed over, one line each.
    """

    def __init__(self, root: Path, layout: Layout, listing: Listing) -> None:
        self.root = root
        self.arrangement = layout
        self.notes = listing.notes
        self._places, self._build = listing.places, listing.build

    @property
    def layout(self) -> str:
        """The name of the layout, one of `LAYOUTS`."""
        return self.arrangement.name

    @property
    def subsets(self) -> tuple[str, ...]:
        """The names of the subsets; one that is empty where there are none."""
        return tuple(dict.fromkeys(place.subset for place in self._places))

    @property
    def labels(self) -> tuple[str, ...]:
        """The label of each track, without looking into any: ``"test/Artist - Title"``."""
        return tuple(f"{place.subset}/{place.name}" if place.subset else place.name for place in self._places)

    def only(self, subsets: str | Iterable[str]) -> Dataset:
        """Return the tracks of some subsets.

        Parameters
        ----------
        subsets : str or iterable of str
            Their names.

        Raises
        ------
        ParameterError
            There is no such subset.
        """
        wanted = [subsets] if isinstance(subsets, str) else list(subsets)
        for name in wanted:
            if name not in self.subsets:
                there = ", ".join(filter(None, self.subsets)) or "none"
                raise ParameterError(f"subset={name!r} is not in {self.root}; there are: {there}")
        places = [place for place in self._places if place.subset in wanted]
        listing = Listing(places=places, build=self._build, notes=self.notes)
        return Dataset(self.root, self.arrangement, listing)

    @overload
    def __getitem__(self, index: int) -> Track: ...

    @overload
    def __getitem__(self, index: slice) -> list[Track]: ...

    def __getitem__(self, index: int | slice) -> Track | list[Track]:
        if isinstance(index, slice):
            return [self._build(place) for place in self._places[index]]
        return self._build(self._places[index])

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Dataset({str(self.root)!r}, layout={self.layout!r}, {len(self)} tracks)"


def subset_folders(root: Path, is_track: Callable[[Path], bool]) -> list[tuple[str, Path]]:
    """Return (subset, folder of tracks): the folders below the root that hold tracks, or else the root.

    Beside one that does, a folder called ``train`` or the like is a subset if its folders hold any sound.
    """

    def holds_tracks(folder: Path) -> bool:
        return any(is_track(inner) for inner in first_folders(folder))

    def holds_sound(folder: Path) -> bool:
        return any(sound_files(inner) for inner in first_folders(folder))

    if any(holds_tracks(folder) for folder in first_folders(root)):
        return [
            (plain(folder.name), folder)
            for folder in subfolders(root)
            if holds_tracks(folder) or (folder.name.casefold() in SUBSETS and holds_sound(folder))
        ]
    return [("", root)] if holds_tracks(root) else []


def folder_places(root: Path, is_track: Callable[[Path], bool]) -> list[Place]:
    """Return a place for each folder beside those that are tracks, so that an empty one is not overlooked."""
    return [
        Place(subset=subset, name=plain(folder.name), path=folder)
        for subset, above in subset_folders(root, is_track)
        for folder in subfolders(above)
    ]
