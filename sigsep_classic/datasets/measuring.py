"""One pass over all files of a track side by side, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.datasets.scanning import FileScan, SumScan
from sigsep_classic.datasets.tracks import StemFile, Track
from sigsep_classic.errors import AudioError, NotFiniteError

_BLOCK = 2**17
"""Samples per channel; a track of forty stems then takes a hundred megabytes."""


@dataclass(kw_only=True)
class MeasuredFile:
    """What one file says and what was seen in it.

    Parameters
    ----------
    sample_rate, channels : int
        From its header.
    n_samples : int or None
        Counted, or from the header; None where that doesn't say.
    scan : FileScan or None
        None where only the header was read.
    warnings : list of str
        From the reader.
    """

    sample_rate: int
    channels: int
    n_samples: int | None
    scan: FileScan | None = None
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return its numbers as plain values."""
        found: dict[str, Any] = {
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "n_samples": self.n_samples,
        }
        if self.scan is not None:
            found |= {"peak_db": self.scan.peak_db, "rms_db": self.scan.rms_db, "clipped": self.scan.clipped}
        return found


@dataclass(kw_only=True)
class Measured:
    """What was seen of a track.

    Parameters
    ----------
    files : dict
        Files that were read to their end, by name.
    failures : dict
        Kind and text of what kept the others from it.
    sum : SumScan or None
        The mixture beside the stems' sum; None where one of them was not read or shapes differ.
    """

    files: dict[str, MeasuredFile] = field(default_factory=dict)
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    sum: SumScan | None = None


def parts_of(track: Track) -> list[tuple[str, StemFile]]:
    """Return (name, file) for the mixture and each file of each stem; differences from the mixture are left out."""
    found = [] if track.mixture is None else [("mixture", track.mixture)]
    for name, stem in track.stems.items():
        if is_derived(track, stem):
            continue
        several = len(stem.parts) > 1
        found += [(f"{name} ({part.path.name})" if several else name, part) for part in stem.parts]
    return found


def is_derived(track: Track, stem: StemFile) -> bool:
    """Say whether a stem is made from the mixture's own file, so that the sum holds by itself."""
    mixture = track.mixture
    return mixture is not None and any(
        (p.path, p.stream) == (mixture.path, mixture.stream) for p in stem.parts
    )


def measure(track: Track, *, quick: bool = False) -> Measured:
    """Return what the files of a track are like.

    Parameters
    ----------
    track : Track
        Whose files are read, each once, side by side.
    quick : bool
        Read headers only.
    """
    found, parts = Measured(), parts_of(track)
    for name, part in parts:
        try:
            head = audio.info(part.path, stream=part.stream)
        except AudioError as error:
            found.failures[name] = ("unreadable", str(error))
            continue
        found.files[name] = MeasuredFile(
            sample_rate=head.sample_rate,
            channels=head.channels,
            n_samples=head.frames,
            warnings=list(head.warnings) if quick else [],
        )
    if not quick:
        _read_side_by_side(
            found, dict(parts), derived=any(is_derived(track, s) for s in track.stems.values())
        )
    return found


def _read_side_by_side(found: Measured, parts: dict[str, StemFile], *, derived: bool) -> None:
    readers = {name: _blocks(parts[name], file) for name, file in found.files.items()}
    shapes = {(file.sample_rate, file.channels) for file in found.files.values()}
    summed = (
        SumScan() if len(shapes) == 1 and "mixture" in readers and len(readers) > 1 and not derived else None
    )
    for file in found.files.values():
        file.scan = FileScan()
    while readers:
        blocks = {}
        for name in list(readers):
            try:
                block = next(readers[name], None)
            except AudioError as error:
                kind = "not_finite" if isinstance(error, NotFiniteError) else "unreadable"
                found.failures[name] = (kind, str(error))
                del readers[name], found.files[name]
                continue
            if block is None:
                del readers[name]
            else:
                found.files[name].scan.see(block)  # type: ignore[union-attr]
                blocks[name] = block
        if summed is not None and blocks and not found.failures:
            _add(summed, blocks, parts)
    for file in found.files.values():
        file.n_samples = file.scan.n_samples  # type: ignore[union-attr]
    found.sum = None if found.failures else summed


def _blocks(part: StemFile, file: MeasuredFile) -> Iterator[np.ndarray]:
    return audio.blocks(part.path, stream=part.stream, block_samples=_BLOCK, on_warning=file.warnings.append)


def _add(summed: SumScan, blocks: dict[str, np.ndarray], parts: dict[str, StemFile]) -> None:
    """Take in one block of all files; those that ended are silent."""
    channels = len(next(iter(blocks.values())))
    mixture, stems = np.zeros((2, channels, max(block.shape[1] for block in blocks.values())))
    for name, block in blocks.items():
        target = mixture if name == "mixture" else stems
        target[:, : block.shape[1]] += parts[name].gain * block
    summed.see(mixture, stems)
