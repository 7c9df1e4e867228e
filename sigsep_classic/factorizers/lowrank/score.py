"""Score-informed starts: a note may sound only in its bins and while it lasts (Ewert & Müller 2012)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def check_notes(notes: Any) -> dict[str, tuple[Note, ...]]:
    """Return notes by the name of their source, each as a `Note`.

    Parameters
    ----------
    notes : mapping of str to sequence of (onset s, offset s, MIDI pitch)
        At least one note each.

    Raises
    ------
    ParameterError
        There is no note, or one is not three numbers, the offset after the onset.
    """
    if not isinstance(notes, Mapping) or not notes or not all(len(line) for line in notes.values()):
        raise ParameterError("notes has no note; give names with lists of (onset s, offset s, MIDI pitch)")
    return {name: tuple(_note(name, note) for note in line) for name, line in notes.items()}


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
