"""Singing made of real speech with all of its band: syllables laid on a melody by the WORLD vocoder (PyPI ``pyworld``).

The speech is that of Debian's ``hedgewars-data`` (44.1 kHz, GFDL: many actors, each a voice of a folder). A syllable's
vowel is held for as long as its note, its consonants are as said; pitch glides, drifts and has vibrato; the envelope is
moved along frequency for other throats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from scipy.ndimage import gaussian_filter1d

from benchmarks.recordings import MissingRecordingError

VOICES = Path("/usr/share/games/hedgewars/Data/Sounds/voices")
RATE = 44_100
FRAME = 0.005
"""Seconds of a frame of WORLD."""

SPAN = 60.0
"""Seconds of speech that are analysed for a song."""

Note = tuple[float, float, int, int]
"""Start and stop in seconds, MIDI key, velocity 1 … 127."""


@dataclass(frozen=True, kw_only=True)
class Singer:
    """Who sings and how: drawn once a song (`singer`), a second one for other parts.

    Parameters
    ----------
    throat : float
        Factor of all formants.
    centre : float
        MIDI key about which the melody is put, by octaves.
    vibrato : tuple of float
        Hz, and semitones at its fullest.
    glide : float
        Seconds from key to key.
    """

    throat: float
    centre: float
    vibrato: tuple[float, float]
    glide: float


def singer(rng: np.random.Generator) -> Singer:
    """Return a singer: low and large, or high and small."""
    high = rng.random() < 0.5
    return Singer(
        throat=float(rng.uniform(1.1, 1.25) if high else rng.uniform(0.9, 1.08)),
        centre=float(rng.uniform(62, 70) if high else rng.uniform(52, 60)),
        vibrato=(float(rng.uniform(4.8, 6.5)), float(rng.uniform(0.0, 0.7))),
        glide=float(rng.uniform(0.02, 0.07)),
    )


def line(notes: Sequence[Note], shortest: float = 0.2) -> list[Note]:
    """Return what one voice can sing of notes: one at a time, the highest, none shorter than ``shortest`` seconds."""
    kept: list[Note] = []
    for note in sorted(notes, key=lambda n: (round(n[0], 2), -n[2])):
        if kept and note[0] - kept[-1][0] < shortest:
            continue
        if kept:
            start, stop, key, velocity = kept[-1]
            kept[-1] = (start, min(stop, note[0]), key, velocity)
        kept.append(note)
    return [(a, max(b, a + shortest), key, velocity) for a, b, key, velocity in kept]


@dataclass(frozen=True)
class Speech:
    """WORLD's frames of speech: f0 in Hz, envelope and aperiodicity (frames, bins), and the syllables in them.

    A syllable is three frames: where its consonants start, where its vowel starts, and where it stops.
    """

    f0: np.ndarray
    envelope: np.ndarray
    breath: np.ndarray
    syllables: tuple[tuple[int, int, int], ...]


def sung(
    voice: str, notes: Sequence[Note], n_samples: int, who: Singer, rng: np.random.Generator
) -> np.ndarray:
    """Return speech sung on notes, (samples,) at 44.1 kHz.

    Parameters
    ----------
    voice : str
        A folder of hedgewars-data.
    notes : sequence of (start, stop, key, velocity)
        The melody in seconds; see `line`.
    n_samples : int
        Length of the result.
    who : Singer
        How it is sung.
    rng : numpy.random.Generator
        Syllables and small deviations.
    """
    speech = analysed(voice)
    melody = line(notes)
    frames = int(n_samples / RATE / FRAME) + 1
    at, loud = _laid(melody, speech, frames, rng)
    used = at >= 0
    source = np.where(used, at, 0)
    f0 = np.where(used & (speech.f0[source] > 0), _pitch(melody, frames, who, rng), 0.0)
    envelope = _moved(speech.envelope[source], who.throat) * (loud**2)[:, None]
    return _synthesised(f0, np.maximum(envelope, 1e-16), speech.breath[source], n_samples)


def spoken(voice: str, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return prompts of a voice one after the other, (samples,) at 44.1 kHz."""
    prompts = _prompts(voice)
    return _fitted(np.concatenate([prompts[i] for i in rng.permutation(len(prompts))]), n_samples)


def _fitted(y: np.ndarray, n_samples: int) -> np.ndarray:
    y = np.tile(y, 1 + n_samples // y.size)
    return y[:n_samples]


def _synthesised(f0: np.ndarray, envelope: np.ndarray, breath: np.ndarray, n_samples: int) -> np.ndarray:
    import pyworld

    envelope, breath = (np.ascontiguousarray(part, dtype=np.float64) for part in (envelope, breath))
    y = pyworld.synthesize(f0, envelope, breath, RATE, 1000 * FRAME)
    return np.pad(y[:n_samples], (0, max(0, n_samples - y.size)))


def _laid(
    melody: Sequence[Note], speech: Speech, frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each frame that of the speech, -1 for silence, and its loudness."""
    at, loud = np.full(frames, -1), np.zeros(frames)
    number = int(rng.integers(len(speech.syllables)))
    for start, stop, _, velocity in melody:
        first, vowel, last = speech.syllables[number % len(speech.syllables)]
        number += 1
        begin, end = round(start / FRAME), min(round(stop / FRAME), frames)
        lead = min(vowel - first, begin)
        level = (0.4 + 0.6 * velocity / 127) * rng.uniform(0.75, 1.1)
        # Consonants before the beat at their own pace; the vowel's middle half is what is held.
        at[begin - lead : begin] = np.arange(vowel - lead, vowel)
        loud[begin - lead : begin] = level
        length, own = end - begin, last - vowel
        edge = min(own // 4, length // 2)
        middle = np.linspace(edge, own - edge - 1, max(length - 2 * edge, 0))
        inside = np.concatenate([np.arange(edge), middle, np.arange(own - edge, own)])[:length]
        at[begin:end] = vowel + np.round(inside).astype(int)
        fade = np.minimum(1, (np.arange(length)[::-1] + 1) / 8)
        loud[begin:end] = level * fade
    return at, gaussian_filter1d(loud, 2)


def _pitch(melody: Sequence[Note], frames: int, who: Singer, rng: np.random.Generator) -> np.ndarray:
    """Return the sung fundamental of each frame in Hz."""
    times = np.arange(frames) * FRAME
    keys, depth = np.full(frames, float(melody[0][2])), np.zeros(frames)
    for start, stop, key, _ in melody:
        keys[round(start / FRAME) :] = key
        held = np.clip((times - start - 0.2) / 0.3, 0, 1) * (times < stop)
        depth = np.where(times >= start, held, depth)
    keys += 12 * np.round((who.centre - np.median([n[2] for n in melody])) / 12)
    pitch = gaussian_filter1d(keys, who.glide / FRAME / 2)
    drift = gaussian_filter1d(rng.standard_normal(frames), 20)
    rate, extent = who.vibrato
    wobble = 2 * np.pi * np.cumsum(rate * (1 + 0.05 * drift / drift.std())) * FRAME
    pitch += extent * depth * np.sin(wobble) + 0.12 * drift / drift.std()
    return 440 * 2 ** ((pitch - 69) / 12)


def _moved(envelope: np.ndarray, factor: float) -> np.ndarray:
    """Return envelopes (frames, bins) with all formants ``factor`` times as high."""
    bins = np.arange(envelope.shape[1])
    source = bins / factor
    low = np.minimum(source.astype(int), bins[-1] - 1)
    part = np.minimum(source - low, 1)
    logs = np.log(envelope)
    return np.exp((1 - part) * logs[:, low] + part * logs[:, low + 1])


@lru_cache(maxsize=12)
def analysed(voice: str) -> Speech:
    """Return the analysis of what a voice says."""
    try:
        import pyworld
    except ImportError:
        raise MissingRecordingError("pip install pyworld") from None
    x = np.concatenate(_prompts(voice))[: int(SPAN * RATE)]
    f0, times = pyworld.harvest(x, RATE, frame_period=1000 * FRAME)
    envelope = pyworld.cheaptrick(x, f0, times, RATE)
    breath = pyworld.d4c(x, f0, times, RATE).astype(np.float32)
    return Speech(f0, envelope.astype(np.float32), breath, _syllables(f0, envelope))


def _syllables(f0: np.ndarray, envelope: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    """Return syllables: voiced runs of 80 ms and more, cut where they are softest, after 0.12 s of what is unvoiced."""
    power = 10 * np.log10(envelope.sum(axis=1))
    silent = power < np.percentile(power, 95) - 35
    voiced = (f0 > 0) & ~silent
    edges = np.flatnonzero(np.diff(np.concatenate([[0], voiced.astype(int), [0]])))
    found = []
    for start, stop in edges.reshape(-1, 2):
        first = start
        while first > 0 and start - first < 24 and not voiced[first - 1] and not silent[first - 1]:
            first -= 1
        while stop - start > 80:  # longer than a syllable of 0.4 s
            cut = start + 30 + int(np.argmin(power[start + 30 : start + 70]))
            found.append((int(first), int(start), cut))
            first = start = cut
        if stop - start >= 16:
            found.append((int(first), int(start), int(stop)))
    return tuple(found)


@lru_cache(maxsize=16)
def _prompts(voice: str) -> Sequence[np.ndarray]:
    """Return the recordings of a voice at RMS 0.1, those left out that another folder has too."""
    counts, prompts = _digests(), []
    for path in sorted((VOICES / voice).glob("*.ogg")):
        if counts[_digest(path)] == 1:
            samples, rate = soundfile.read(path, always_2d=True)
            x = samples.mean(axis=1)
            x = soxr.resample(x, rate, RATE) if rate != RATE else x
            if x.size > 0.3 * RATE and x.std() > 1e-4:
                prompts.append(x * (0.1 / x.std()))
    if not prompts:
        raise MissingRecordingError("apt-get install hedgewars-data")
    return prompts


@lru_cache(maxsize=1)
def _digests() -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for path in VOICES.glob("*/*.ogg"):
        counts[_digest(path)] = counts.get(_digest(path), 0) + 1
    return counts


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
