"""One entry of a data set: named stems and their mixture, read only when asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sigsep_classic import audio
from sigsep_classic.errors import AudioError, ParameterError

logger = logging.getLogger("sigsep_classic")

MIXTURES = ("file", "sum")


@dataclass(frozen=True)
class StemFile:
    """Where one stem is: a sound file, a stream of a container, or several of them added.

    Parameters
    ----------
    path : Path
        The sound file.
    stream : int
        Which audio stream of it, from 0; more than 0 in containers such as ``.stem.mp4`` alone.
    gain : float
        Factor for the samples; -1 takes this file off a sum.
    added : tuple of StemFile
        Files that are added to this one, such as all basses of a song, or a mixture's other part with gain -1.

    Examples
    --------
    >>> noisy, clean = StemFile(Path("noisy.wav")), StemFile(Path("clean.wav"), gain=-1.0)
    >>> noise = StemFile(noisy.path, added=(clean,))
    >>> [part.path.name for part in noise.parts]
    ['noisy.wav', 'clean.wav']
    """

    path: Path
    stream: int = 0
    gain: float = 1.0
    added: tuple[StemFile, ...] = ()

    @property
    def parts(self) -> tuple[StemFile, ...]:
        """All files that are added, this one first."""
        return (self, *(part for other in self.added for part in other.parts))


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedTrack:
    """The samples of a track.

    Parameters
    ----------
    name : str
        Of the track.
    sample_rate : int
        In Hz.
    mixture : ndarray
        (channels, samples), float32.
    stems : dict of str to ndarray
        Each of the shape of ``mixture``, float32.
    warnings : tuple of str
        What was put right so that all have one shape, and what the files' readers said; one line each.
    """

    name: str
    sample_rate: int
    mixture: np.ndarray
    stems: dict[str, np.ndarray]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Track:
    """One entry of a data set.

    Parameters
    ----------
    name : str
        As its folder or file is called.
    subset : str
        ``"train"``, ``"test"`` …; empty where the data set has none.
    stems : mapping of str to StemFile
        The true stems in the data set's order.
    mixture : StemFile or None
        The mixture's file; None where the stems' sum is the mixture.
    """

    name: str
    subset: str = ""
    stems: Mapping[str, StemFile] = field(default_factory=dict)
    mixture: StemFile | None = None

    @property
    def label(self) -> str:
        """The name with the subset before it, which is unique in a data set: ``"test/Artist - Title"``."""
        return f"{self.subset}/{self.name}" if self.subset else self.name

    def load(
        self,
        sample_rate: int | None = None,
        *,
        mixture: str = "file",
        start: float = 0.0,
        duration: float | None = None,
    ) -> LoadedTrack:
        """Return the samples of the mixture and of all stems, in one shape.

        Where rates or lengths differ, the mixture's (or else the first stem's) rate and the largest length are
        taken; one channel is repeated where others have more. Each is said in ``warnings`` and logged.

        Parameters
        ----------
        sample_rate : int, optional
            Resample to this rate in Hz; that of the files by default.
        mixture : {"file", "sum"}
            The data set's own mixture where it has one, or the sum of the stems. A mastered mixture, as in
            MUSDB18, is not the sum.
        start, duration : float
            Part to read, in seconds.

        Raises
        ------
        AudioError
            There are no stems, a file can't be read, or channels do not fit together.
        ParameterError
            ``mixture`` is neither.
        """
        if mixture not in MIXTURES:
            raise ParameterError(f"mixture={mixture!r} is unknown; use one of {', '.join(MIXTURES)}")
        if not self.stems:
            raise AudioError(f"{self.label}: has no stems; look at it with sigsep-classic check-dataset")
        files = dict(self.stems)
        if mixture == "file" and self.mixture is not None:
            files = {"": self.mixture, **files}  # first: its rate is the one taken
        reader = _TrackReader(self.label, sample_rate, start, duration)
        loaded = _one_shape(reader, {name: reader.read(stem) for name, stem in files.items()})
        mixed = loaded.pop("") if "" in loaded else _sum(list(loaded.values()))
        for line in reader.warnings:
            logger.warning("%s: %s", self.label, line)
        assert reader.rate is not None
        return LoadedTrack(
            name=self.name,
            sample_rate=reader.rate,
            mixture=mixed,
            stems=loaded,
            warnings=tuple(reader.warnings),
        )


class _TrackReader:
    """Reads the files of one track at one rate and keeps what had to be put right."""

    def __init__(self, label: str, rate: int | None, start: float, duration: float | None) -> None:
        self.label, self.rate, self.warnings = label, rate, list[str]()
        self._asked = rate is not None
        self._start, self._duration = start, duration

    def read(self, stem: StemFile) -> np.ndarray:
        """Return (channels, samples) of all parts of a stem, added."""
        parts = {f"part {i}": self._read_file(part) for i, part in enumerate(stem.parts)}
        if len(parts) == 1:
            return parts["part 0"]
        return _sum(list(_one_shape(self, parts, name=stem.path.name).values()))

    def _read_file(self, stem: StemFile) -> np.ndarray:
        sound = audio.load(
            stem.path,
            sample_rate=self.rate,
            start=self._start,
            duration=self._duration,
            stream=stem.stream,
        )
        if self.rate is None:
            self.rate = sound.sample_rate
        elif not self._asked:
            there = audio.info(stem.path, stream=stem.stream).sample_rate
            if there != self.rate:
                self.warnings.append(f"{stem.path.name} was resampled from {there} to {self.rate} Hz")
        self.warnings += [f"{stem.path.name}: {line}" for line in sound.warnings]
        return sound.samples if stem.gain == 1.0 else np.float32(stem.gain) * sound.samples


def _one_shape(
    reader: _TrackReader, loaded: dict[str, np.ndarray], *, name: str = ""
) -> dict[str, np.ndarray]:
    """Return the arrays with the channels and the length of the largest."""
    channels = max(len(x) for x in loaded.values())
    lengths = {x.shape[1] for x in loaded.values()}
    if len(lengths) > 1:
        short, long = min(lengths), max(lengths)
        reader.warnings.append(
            f"{name or 'files'} have {short} to {long} samples; silence fills them up to {long}"
        )
    for key, x in loaded.items():
        if len(x) not in (1, channels):
            raise AudioError(
                f"{reader.label}: {key or 'the mixture'} has {len(x)} channels and others have {channels}; "
                "make them alike"
            )
        if len(x) != channels:
            reader.warnings.append(
                f"{key or 'mixture'} has one channel, which is repeated to make {channels}"
            )
    return {key: _fill(x, channels, max(lengths)) for key, x in loaded.items()}


def _fill(x: np.ndarray, channels: int, n_samples: int) -> np.ndarray:
    if x.shape == (channels, n_samples):
        return x
    filled = np.zeros((channels, n_samples), x.dtype)
    filled[:, : x.shape[1]] = x
    return filled


def _sum(arrays: list[np.ndarray]) -> np.ndarray:
    total = arrays[0].copy()
    for x in arrays[1:]:
        total += x
    return total
