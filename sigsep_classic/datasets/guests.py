"""Recordings that objects hold: tracks of musdb, rooms of pyroomacoustics, mixtures and tracks of this package.

They are told by what they have, so that none of those packages is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic.datasets.tracks import LoadedTrack, Track
from sigsep_classic.errors import ParameterError, ShapeError


@dataclass(frozen=True, kw_only=True)
class Held:
    """A recording that an object holds.

    Parameters
    ----------
    samples : array (channels, samples) or (samples,)
        As the object has them, its axes put in this order.
    sample_rate : int
        In Hz.
    name : str
        Of the track; empty where it has none.
    microphones : ndarray (channels, 2 or 3) or None
        Where they are, in metres.
    """

    samples: Any
    sample_rate: int
    name: str = ""
    microphones: np.ndarray | None = None


def held_by(source: Any) -> Held | None:
    """Return the recording that an object holds; None for anything else, such as an array or a file.

    Parameters
    ----------
    source : object
        A room of pyroomacoustics (``mic_array`` and ``fs``), a track, source or target of musdb (``audio`` as
        (samples, channels) and ``rate``), a `Track`, which is read, a `Mixture`, `LoadedTrack` or `Separation`
        (``mixture`` and ``sample_rate``), what `load` returns (``samples`` and ``sample_rate``), or an open
        ``soundfile.SoundFile``, which is read from where it is.

    Raises
    ------
    ParameterError
        The room has no microphones or was not simulated; the track does not know its rate.
    AudioError
        A track can't be read.

    Examples
    --------
    >>> from sigsep_classic import synthesize
    >>> held_by(synthesize("song", seconds=1.0)).samples.shape
    (2, 44100)
    """
    if isinstance(source, Held):
        return source
    if hasattr(source, "mic_array") and hasattr(source, "fs"):
        return _of_room(source)
    if _has(source, "audio") and _has(source, "rate"):
        return _of_musdb(source)
    if _has(source, "samplerate") and _has(source, "read"):
        samples = source.read(dtype="float32", always_2d=True).T
        return Held(samples=samples, sample_rate=source.samplerate, name=Path(str(source.name)).stem)
    if isinstance(source, Track):
        source = source.load()
    part = next((part for part in ("mixture", "samples") if _has(source, part)), None)
    if part is None or not _has(source, "sample_rate"):
        return None
    places = getattr(source, "meta", {}).get("microphones_m")
    name = str(getattr(source, "track", None) or getattr(source, "name", ""))
    return Held(
        samples=getattr(source, part),
        sample_rate=source.sample_rate,
        name=Path(name).stem
        if part == "samples"
        else name,  # what was read from a file is called by its path
        microphones=None if places is None else np.asarray(places),
    )


def _has(source: Any, name: str) -> bool:
    """Whether an object has an attribute, without reading it: a track's sound may be read from its file each time."""
    return hasattr(type(source), name) or name in getattr(source, "__dict__", ())


def from_musdb(track: Any) -> LoadedTrack:
    """Return a track of a ``musdb.DB`` as one of ours, for `oracle.apply` and `compare.evaluating.evaluate`.

    Parameters
    ----------
    track : musdb.MultiTrack
        ``track.audio`` and the ``audio`` of its ``sources`` are read, as much as its ``chunk_start`` and
        ``chunk_duration`` say.

    Returns
    -------
    LoadedTrack
        float32, (channels, samples), the sources in their order. Those one sample shorter or longer than the
        mixture, as the AAC of MUSDB18 has them, are cut or filled up with silence and that is said in ``warnings``.

    Raises
    ------
    ParameterError
        It is no such track.
    ShapeError
        A source has other channels than the mixture.
    """
    sources = getattr(track, "sources", None)
    if not isinstance(sources, dict) or not sources or not hasattr(track, "audio"):
        raise ParameterError(f"track is {track!r:.60}; give a track of musdb.DB, such as db[0]")
    held = _of_musdb(track)
    mixture = _as_rows(held.samples)
    stems, warnings = {}, list[str]()
    for name, source in sources.items():
        x = _as_rows(np.asarray(source.audio).T)
        if len(x) != len(mixture):
            raise ShapeError(f"{held.name}: {name} has {len(x)} channels and the mixture {len(mixture)}")
        if x.shape[1] != mixture.shape[1]:
            warnings.append(f"{name} has {x.shape[1]} samples and the mixture {mixture.shape[1]}")
            x = np.pad(x, ((0, 0), (0, max(0, mixture.shape[1] - x.shape[1]))))[:, : mixture.shape[1]]
        stems[str(name)] = x
    return LoadedTrack(
        name=held.name, sample_rate=held.sample_rate, mixture=mixture, stems=stems, warnings=tuple(warnings)
    )


def _as_rows(x: Any) -> np.ndarray:
    return np.ascontiguousarray(np.atleast_2d(x), dtype=np.float32)


def _of_room(room: Any) -> Held:
    if room.mic_array is None:
        raise ParameterError(
            "the room has no microphones; call room.add_microphone_array(...) and simulate()"
        )
    if room.mic_array.signals is None:
        raise ParameterError("the room holds no sound yet; call room.simulate() first")
    places = np.asarray(room.mic_array.R).T
    return Held(
        samples=np.asarray(room.mic_array.signals), sample_rate=int(room.fs), name="room", microphones=places
    )


def _of_musdb(track: Any) -> Held:
    samples = np.ascontiguousarray(np.asarray(track.audio).T)
    owner = getattr(track, "multitrack", track)  # of a source or target
    # A data base that resamples leaves ``rate`` at that of the file.
    rate = getattr(owner, "sample_rate", None) or owner.rate
    if not rate:
        raise ParameterError(f"track {track!r:.60} does not know its rate; pass track.audio.T and the rate")
    return Held(samples=samples, sample_rate=int(rate), name=str(getattr(track, "name", "") or ""))
