"""Score-informed starts: a note may sound only in its bins and while it lasts (Ewert & Müller 2012)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sigsep_classic.checks import check_number
from sigsep_classic.errors import ParameterError
from sigsep_classic.typing import Grid

ONSET_SECONDS, RELEASE_SECONDS = 0.1, 0.3
"""How much earlier than written a note may begin, and how much later it may end."""
SEMITONES = 0.5
"""How far a partial may lie from its place."""
BINS = 2
"""Half the main lobe of a Hann window, in bins: the least width of a partial."""


class Note(NamedTuple):
    """A note of a score.

    Parameters
    ----------
    onset, offset : float
        Beginning and end in seconds.
    pitch : float
        MIDI number; 69 is 440 Hz.
    """

    onset: float
    offset: float
    pitch: float


class Score(Mapping[str, tuple[Note, ...]]):
    """Notes by the name of their source: read-only, equal if all names and notes are, in their order.

    Parameters
    ----------
    given : mapping of str to sequence of (onset s, offset s, MIDI pitch)
        At least one note each.

    Raises
    ------
    ParameterError
        There is no note, or one is not three numbers, the offset after the onset.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, Mapping) or not given:
            raise ParameterError(
                "notes has no note; give names with lists of (onset s, offset s, MIDI pitch)"
            )
        self._lines = {name: _line(name, line) for name, line in given.items()}

    def __getitem__(self, name: str) -> tuple[Note, ...]:
        return self._lines[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Score) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def __deepcopy__(self, memo: Any) -> Score:
        return self

    def __repr__(self) -> str:
        return f"Score({', '.join(f'{name}: {len(line)} notes' for name, line in self.items())})"


def pitch_counts(notes: Mapping[str, Sequence[tuple[float, float, float]]]) -> dict[str, int]:
    """Return how many different pitches each name has."""
    return {name: len({pitch for _, _, pitch in line}) for name, line in notes.items()}


def note_supports(
    notes: Mapping[str, Sequence[tuple[float, float, float]]], grid: Grid, n_freq: int, n_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return starting templates and activations that are 0 where the score says that nothing sounds.

    Parameters
    ----------
    notes : mapping of str to sequence of (onset s, offset s, MIDI pitch)
        One component for each pitch of each name.
    grid : Grid
        Frames per second and bin distance.
    n_freq, n_frames : int
        Of the spectrogram.

    Returns
    -------
    W : ndarray (n_freq, components)
        Shares of one: 1 / n around the n-th partial, 0 elsewhere.
    H : ndarray (components, n_frames)
        1 while a note may sound, 0 elsewhere.

    References
    ----------
    S. Ewert and M. Müller, "Using score-informed constraints for NMF-based source separation", Proc. ICASSP, 2012.
    """
    templates, activations = [], []
    for line in notes.values():
        for pitch in sorted({note[2] for note in line}):
            templates.append(_partials(pitch, grid, n_freq))
            activations.append(_sounding([Note(*note) for note in line if note[2] == pitch], grid, n_frames))
    return np.stack(templates, axis=1), np.stack(activations)


def note_mask(
    notes: Mapping[str, Sequence[tuple[float, float, float]]], grid: Grid, n_freq: int, n_frames: int
) -> np.ndarray:
    """Return 1 where a note may sound and 0 elsewhere, (n_freq, n_frames)."""
    W, H = note_supports(notes, grid, n_freq, n_frames)
    mask: np.ndarray = ((W > 0).astype(np.float32) @ H.astype(np.float32) > 0).astype(np.float32)
    return mask


def _partials(pitch: float, grid: Grid, n_freq: int) -> np.ndarray:
    template = np.zeros(n_freq)
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    bins = np.arange(n_freq) * grid.bin_hz
    for n in range(1, int(bins[-1] / fundamental) + 1):
        width = max(BINS * grid.bin_hz, n * fundamental * (2 ** (SEMITONES / 12) - 1))
        near = abs(bins - n * fundamental) <= width
        template[near] = np.maximum(template[near], 1 / n)
    return template / max(template.sum(), 1e-30)


def _sounding(notes: Sequence[Note], grid: Grid, n_frames: int) -> np.ndarray:
    activation = np.zeros(n_frames)
    for note in notes:
        first = math.floor((note.onset - ONSET_SECONDS) * grid.frame_rate)
        last = math.ceil((note.offset + RELEASE_SECONDS) * grid.frame_rate)
        activation[max(0, first) : max(0, last + 1)] = 1
    return activation


def _line(name: Any, line: Any) -> tuple[Note, ...]:
    if not isinstance(name, str):
        raise ParameterError(f"notes: {name!r} can't name a source; give a string")
    if isinstance(line, str) or not hasattr(line, "__iter__"):
        raise ParameterError(f"notes[{name!r}] is {line!r}; give a list of (onset s, offset s, MIDI pitch)")
    found = tuple(_note(name, note) for note in line)
    if not found:
        raise ParameterError(f"notes[{name!r}] has no note; give (onset s, offset s, MIDI pitch)")
    return found


def _note(name: str, note: Any) -> Note:
    try:
        onset, offset, pitch = note
    except (TypeError, ValueError):
        raise ParameterError(f"notes[{name!r}] has {note!r}; give (onset s, offset s, MIDI pitch)") from None
    for what, value in (("onset", onset), ("offset", offset), ("pitch", pitch)):
        check_number(f"{what} of a note of {name!r}", value)
    if not (offset > onset and all(map(math.isfinite, (onset, offset, pitch)))):
        raise ParameterError(
            f"notes[{name!r}] has a note from {onset} to {offset} s; it must end after it begins"
        )
    return Note(float(onset), float(offset), float(pitch))
