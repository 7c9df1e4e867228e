"""Utterances of a given length from a folder of recordings, or from recordings at hand; each is used once a round."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from sigsep_classic import audio
from sigsep_classic.errors import ArrayTypeError, ParameterError, ShapeError

Recordings: TypeAlias = str | os.PathLike[str] | Mapping[str, Sequence[np.ndarray]]
"""A folder, or name of a voice to its recordings, each (samples,)."""


class Utterances:
    """Recordings in an order drawn at random, from which utterances are taken.

    Parameters
    ----------
    recordings : str, path or mapping of str to sequence of array (samples,)
        A folder of sound files, those of one voice in one folder within it (files beside them are voices of their
        own); or the recordings of each voice.
    sample_rate : int
        Hz to which files are resampled.
    seed : int
        Determines the order.

    Raises
    ------
    ParameterError
        There is nothing to read.
    ShapeError, ArrayTypeError
        A recording at hand is not (samples,) of real numbers.
    """

    def __init__(self, recordings: Recordings, *, sample_rate: int, seed: int) -> None:
        self._rate = sample_rate
        self._voices: dict[str, list[Path | np.ndarray]]
        if isinstance(recordings, Mapping):
            self._voices = {
                voice: _checked(voice, pieces) for voice, pieces in recordings.items() if len(pieces)
            }
        elif isinstance(recordings, (str, os.PathLike)):
            self._voices = _scanned(Path(recordings))
        else:
            kind = type(recordings).__name__
            raise ParameterError(f"recordings is a {kind}; give a folder, or {{voice: [samples, …], …}}")
        if not self._voices:
            raise ParameterError(f"no recordings in {recordings!s:.80}; give a folder of sound files")
        self._rng = np.random.default_rng([seed, len(self._voices)])
        self._turn = 0
        self._queues: dict[str, list[int]] = {voice: [] for voice in self._voices}

    def draw(self, n: int, n_samples: int) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the voices and the utterances (n, n_samples) float32 of n sources, no recording twice.

        Voices come in turn, so that they differ while there are enough of them.

        Raises
        ------
        ParameterError
            There are too few recordings, or too short ones.
        """
        names = sorted(self._voices)
        voices = tuple(names[(self._turn + k) % len(names)] for k in range(n))
        self._turn += n
        heard: set[tuple[str, int]] = set()
        return voices, np.stack([self._utterance(voice, n_samples, heard) for voice in voices])

    def _utterance(self, voice: str, n_samples: int, heard: set[tuple[str, int]]) -> np.ndarray:
        pieces: list[np.ndarray] = []
        missing = n_samples
        while missing > 0:
            x = self._samples(voice, self._next(voice, heard))
            start = int(self._rng.integers(max(1, x.size - missing + 1)))
            pieces.append(x[start : start + missing])
            missing -= pieces[-1].size
        return np.concatenate(pieces).astype(np.float32)

    def _next(self, voice: str, heard: set[tuple[str, int]]) -> int:
        """Return the number of the next recording of a voice that this mixture has not heard."""
        queue = self._queues[voice]
        for _ in range(2):
            for position, number in enumerate(queue):
                if (voice, number) not in heard:
                    heard.add((voice, number))
                    return queue.pop(position)
            queue.extend(self._rng.permutation(len(self._voices[voice])).tolist())
        raise ParameterError(
            f"voice {voice!r} has too few recordings for one mixture; give more or longer ones"
        )

    def _samples(self, voice: str, number: int) -> np.ndarray:
        piece = self._voices[voice][number]
        if isinstance(piece, Path):
            return audio.load(piece, sample_rate=self._rate, mono=True).samples[0]
        return np.asarray(piece)


def _checked(voice: str, pieces: Sequence[np.ndarray]) -> list[Path | np.ndarray]:
    """Return the recordings of a voice as arrays (samples,)."""
    found: list[Path | np.ndarray] = []
    for piece in pieces:
        try:
            x = np.asarray(piece)
        except ValueError:
            raise ShapeError(f"a recording of voice {voice!r} is ragged; give (samples,)") from None
        if x.dtype.kind not in "fiu":
            raise ArrayTypeError(f"a recording of voice {voice!r} is of {x.dtype}; give real samples")
        if x.ndim != 1 or not x.size:
            raise ShapeError(f"a recording of voice {voice!r} has shape {x.shape}; give (samples,)")
        found.append(x)
    return found


def _scanned(folder: Path) -> dict[str, list[Path | np.ndarray]]:
    """Return the sound files of each voice: of each folder directly within, and each file beside them."""
    voices: dict[str, list[Path | np.ndarray]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in audio.AUDIO_SUFFIXES and path.is_file():
            voices.setdefault(path.relative_to(folder).parts[0], []).append(path)
    return voices
