"""A small band that plays one loop: drums, bass and keys, each a stereo loop that joins its own start.

Loops are built circularly, what rings over the end rings into the beginning, so a tiled loop is
exactly periodic and has no seam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigsep_classic.datasets.voices import band_noise

BEAT = 0.4
"""Seconds of a beat (150 a minute): a whole number of samples at 16, 22.05, 44.1 and 48 kHz."""

PROGRESSIONS = ((0, 8, 3, 10), (0, 5, 8, 10), (0, 3, 8, 7), (0, 10, 8, 10))
"""Roots of four chords in semitones above the key, of natural minor."""

MINOR_ROOTS = frozenset({0, 5, 7})
KICKS = ((0.0, 1.5, 2.0), (0.0, 2.0, 2.5), (0.0, 1.25, 2.0, 3.25))
"""Beats of a bar of four on which the kick falls, in three patterns."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Time and harmony that the players share.

    Parameters
    ----------
    n_samples : int
        Length of the loop.
    beats : int
        Beats in it, two to a chord.
    sample_rate : float
        Hz.
    chords : tuple of (root, third) in semitones
        Root above the key, and 3 for a minor chord or 4 for a major one.
    key_midi : int
        MIDI note of the key, between 57 and 64.
    """

    n_samples: int
    beats: int
    sample_rate: float
    chords: tuple[tuple[int, int], ...]
    key_midi: int

    def add(
        self, track: np.ndarray, sound: np.ndarray, beat: float, gain: float = 1.0, pan: float = 0.0
    ) -> None:
        """Add a sound (samples,) to a track (2, n_samples) at a beat, around the end; pan -1 is left."""
        start = round(beat * self.n_samples / self.beats) % self.n_samples
        sound = sound[: self.n_samples]
        head = min(sound.size, self.n_samples - start)
        angle = (pan + 1) * np.pi / 4
        for channel, side in enumerate((np.cos(angle), np.sin(angle))):
            track[channel, start : start + head] += gain * side * sound[:head]
            track[channel, : sound.size - head] += gain * side * sound[head:]


def compose(rng: np.random.Generator, sample_rate: float, *, beats: int) -> Loop:
    """Return a loop in a random minor key with one of `PROGRESSIONS`, ``beats`` long."""
    roots = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))][: beats // 2]
    chords = tuple((root, 3 if root in MINOR_ROOTS else 4) for root in roots)
    key = int(rng.integers(57, 65))
    n_samples = max(beats, round(beats * BEAT * sample_rate))
    return Loop(n_samples=n_samples, beats=beats, sample_rate=sample_rate, chords=chords, key_midi=key)


def _time(seconds: float, sample_rate: float) -> np.ndarray:
    return np.arange(max(1, round(seconds * sample_rate))) / sample_rate


def _kick(fs: float) -> np.ndarray:
    t = _time(0.22, fs)
    # Frequency falls from 170 Hz to 45 Hz; its integral is the phase.
    phase = 2 * np.pi * (45 * t + 125 * 0.03 * (1 - np.exp(-t / 0.03)))
    return np.sin(phase) * np.exp(-t / 0.045) * (1 - t / 0.22)


def _snare(fs: float, rng: np.random.Generator) -> np.ndarray:
    t = _time(0.2, fs)
    rattle = band_noise(t.size, fs, rng, low_hz=700, high_hz=9000) * np.exp(-t / 0.05)
    return (0.35 * rattle + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.04)) * (1 - t / 0.2)


def _hat(fs: float, rng: np.random.Generator) -> np.ndarray:
    t = _time(0.08, fs)
    return 0.25 * band_noise(t.size, fs, rng, low_hz=7000, high_hz=16000) * np.exp(-t / 0.02) * (1 - t / 0.08)


def _tone(
    midi: float, seconds: float, fs: float, *, harmonics: int, slope: float, decay: float, attack: float
) -> np.ndarray:
    """Return a struck tone: partial k has amplitude k^-slope and decays √k times faster than the first."""
    t = _time(seconds, fs)
    f0 = 440 * 2 ** ((midi - 69) / 12)
    y = np.zeros_like(t)
    for k in range(1, harmonics + 1):
        if k * f0 < 0.45 * fs:
            y += k**-slope * np.sin(2 * np.pi * k * f0 * t) * np.exp(-t * np.sqrt(k) / decay)
    release = np.clip((t[-1] - t) / 0.03, 0, 1)
    return y * release * (1 - np.exp(-t / attack))


def play_drums(loop: Loop, rng: np.random.Generator) -> np.ndarray:
    """Return kick, snare and hi-hat, (2, loop.n_samples) float64, hits differing in strength."""
    fs, track = loop.sample_rate, np.zeros((2, loop.n_samples))
    kick, snare, hat = _kick(fs), _snare(fs, rng), _hat(fs, rng)
    pattern = KICKS[int(rng.integers(len(KICKS)))]
    for bar in range(0, loop.beats, 4):
        for beat in pattern:
            loop.add(track, kick, bar + beat, gain=rng.uniform(0.85, 1.0))
        for beat in (1, 3):
            loop.add(track, snare, bar + beat, gain=rng.uniform(0.8, 1.0), pan=-0.15)
        for half in range(8):
            loop.add(
                track, hat, bar + half / 2, gain=(0.9 if half % 2 else 0.6) * rng.uniform(0.8, 1), pan=0.4
            )
    return track


def play_bass(loop: Loop, rng: np.random.Generator) -> np.ndarray:
    """Return a bass line on the chords' roots and fifths, (2, loop.n_samples) float64, in the middle."""
    track = np.zeros((2, loop.n_samples))
    for n, (root, _) in enumerate(loop.chords):
        midi = loop.key_midi - 24 + root
        midi -= 12 if midi > 44 else 0
        for beat, step in ((0.0, 0), (0.75, 0), (1.5, int(rng.choice([0, 7, 12])))):
            note = _tone(midi + step, 0.27, loop.sample_rate, harmonics=8, slope=1.5, decay=0.5, attack=0.006)
            loop.add(track, note, 2 * n + beat, gain=rng.uniform(0.85, 1.0))
    return track


def play_keys(loop: Loop, rng: np.random.Generator) -> np.ndarray:
    """Return chords of three notes spread over the stereo image, (2, loop.n_samples) float64."""
    track = np.zeros((2, loop.n_samples))
    for n, (root, third) in enumerate(loop.chords):
        for step, pan in ((0, -0.5), (third, 0.1), (7, 0.6)):
            midi = 57 + (loop.key_midi + root + step - 57) % 14
            for beat, seconds in ((0.0, 0.6), (1.5, 0.25)):
                note = _tone(
                    midi, seconds, loop.sample_rate, harmonics=10, slope=1.1, decay=0.6, attack=0.012
                )
                loop.add(track, note, 2 * n + beat, gain=rng.uniform(0.8, 1.0), pan=pan)
    return track
