"""Sounds for the page of a comparison: one track's mixture, true stems and estimates, where their files are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.audio.codecs import AUDIO_SUFFIXES
from sigsep_classic.compare.clips import make_clips
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.errors import AudioError

LONGEST_S = 30.0
"""Seconds that are read of each file: more than fits a page is not needed."""

MIXTURES = ("mixture", "mix")
"""What the file of a mixture is called."""

MOST = 8
"""Methods that have players: the first rows of the table."""

CHANNELS = 2
TRUE = "true stems"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A track with its sounds.

    Parameters
    ----------
    track : str
        Its name.
    sample_rate : int
        In Hz.
    mixture : ndarray (channels, samples)
        Its beginning, as of all sounds.
    decks : dict of str to dict of str to ndarray
        Stems by the name of a row, true stems first.
    """

    track: str
    sample_rate: int
    mixture: np.ndarray
    decks: dict[str, dict[str, np.ndarray]]


def sounds_of(records: Sequence[TrackScores], order: Iterable[str]) -> Heard | None:
    """Return the sounds of the first track among those that most methods have files of; None where there are none.

    Parameters
    ----------
    records : sequence of TrackScores
        Those that ``evaluate`` wrote name the files they were made of.
    order : iterable of str
        Names of rows, the best first.
    """
    truths = {_key(r): _files(r) for r in records if r.kind == "reference" and _files(r)}
    found: dict[tuple[str, str], dict[str, dict[str, Path]]] = {}
    for record in records:
        truth = truths.get(_key(record))
        stems = _estimates(record, truth) if truth and record.kind != "reference" else {}
        if stems:
            found.setdefault(_key(record), {})[record.method] = stems
    if not found:
        return None
    key = max(found, key=lambda each: len(found[each]))
    rows = {name: found[key][name] for name in order if name in found[key]}
    try:
        return _read(key[1], truths[key], dict(list(rows.items())[:MOST]))
    except (AudioError, OSError):
        return None  # a page without players is better than none


def players(heard: Heard, *, max_chars: int) -> dict[str, Any]:
    """Return what the template shows of sounds: the clips, and the name of a clip for each stem of each deck."""
    sounds = {("", ""): heard.mixture} | {
        (name, stem): x for name, stems in heard.decks.items() for stem, x in stems.items()
    }
    numbered = {f"{n}": x for n, x in enumerate(sounds.values())}
    clips = make_clips(numbered, heard.sample_rate, loudest="0", max_chars=max_chars)
    number = {key: f"{n}" for n, key in enumerate(sounds)}
    decks = {name: {stem: number[name, stem] for stem in stems} for name, stems in heard.decks.items()}
    return {"track": heard.track, "clips": clips, "decks": decks, "mixture": "0", "true": TRUE}


def _key(record: TrackScores) -> tuple[str, str]:
    return record.subset, record.track


def _files(record: TrackScores) -> list[Path]:
    """Return the sound files that a record was made of and that are there."""
    named: Mapping[str, Any] = record.meta.get("made_of", {}).get("files", {})
    return [path for path in map(Path, named) if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()]


def _estimates(record: TrackScores, truth: list[Path]) -> dict[str, Path]:
    """Return the files of a record's estimates by stem: those that are no true stem and whose name has one in it."""
    aliases = record.meta.get("made_of", {}).get("aliases", {})
    found: dict[str, Path] = {}
    for path in _files(record):
        name = path.stem.casefold()
        named = [aliases[alias] for alias in aliases if alias in name]
        named += [stem for stem in record.stems if stem.casefold() in name]
        if named and path not in truth:
            found.setdefault(named[0], path)
    order = [path.stem for path in truth]
    return dict(
        sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
    )


def _read(track: str, truth: list[Path], rows: Mapping[str, Mapping[str, Path]]) -> Heard:
    whole = {path.stem: path for path in truth}
    mixture = next((whole.pop(name) for name in MIXTURES if name in whole), None)
    rate = audio.load(truth[0], duration=0.1).sample_rate
    true = {name: _beginning(path, rate) for name, path in whole.items()}
    decks = {TRUE: true} | {
        name: {stem: _beginning(path, rate) for stem, path in stems.items()} for name, stems in rows.items()
    }
    n_samples = min(x.shape[-1] for stems in decks.values() for x in stems.values())
    decks = {
        name: {stem: x[:, :n_samples] for stem, x in stems.items()} for name, stems in decks.items() if stems
    }
    mix = sum(x[:, :n_samples] for x in true.values()) if mixture is None else _beginning(mixture, rate)
    return Heard(track=track, sample_rate=rate, mixture=np.asarray(mix)[:, :n_samples], decks=decks)


def _beginning(path: Path, rate: int) -> np.ndarray:
    return audio.load(path, sample_rate=rate, duration=LONGEST_S).samples[:CHANNELS]
