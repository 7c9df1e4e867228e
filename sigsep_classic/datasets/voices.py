"""A voice-like source: harmonics of a gliding pitch through moving formants, breath and consonants.

It is a plain source-filter voice: each harmonic is weighted by a parallel formant filter read at
its own frequency, so there is no time-domain filter and everything is vectorised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONTROL_HZ = 500.0
"""Rate at which pitch, formants and loudness are computed; the ear follows none of them faster."""

VOWELS_HZ = np.array(
    [[800, 1200, 2600], [450, 1950, 2650], [300, 2300, 3000], [450, 850, 2550], [325, 700, 2500]], dtype=float
)
"""Centres of three formants in Hz for the vowels a, e, i, o, u."""

BANDWIDTHS_HZ = np.array([90.0, 120.0, 180.0])
FORMANT_GAINS = np.array([1.0, 0.6, 0.35])
HIGHEST_HZ = 6000.0


@dataclass(frozen=True, kw_only=True)
class Syllable:
    """One note or syllable of a voice.

    Parameters
    ----------
    start, duration : float
        Seconds.
    pitch_hz : float, > 0
        Pitch at its middle.
    vowel : int, 0 to 4
        Row of `VOWELS_HZ`.
    level : float, > 0
        Amplitude relative to the others.
    consonant : bool
        Begins with a burst of noise.
    """

    start: float
    duration: float
    pitch_hz: float
    vowel: int
    level: float = 1.0
    consonant: bool = False


def band_noise(
    n_samples: int, sample_rate: float, rng: np.random.Generator, *, low_hz: float, high_hz: float
) -> np.ndarray:
    """Return noise (n_samples,) of RMS about 1 between two frequencies, with slopes of 24 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    f = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    gain = 1 / ((1 + (low_hz / np.maximum(f, 1.0)) ** 4) * (1 + (f / high_hz) ** 4))
    noise = np.fft.irfft(spectrum * gain, n_samples)
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12)


def _smooth(x: np.ndarray, seconds: float) -> np.ndarray:
    """Return x (..., control frames) under a Hann window ``seconds`` long, its ends held."""
    width = 2 * int(seconds * CONTROL_HZ / 2) + 1
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(width // 2, width // 2)], mode="edge")
    view = np.lib.stride_tricks.sliding_window_view(padded, width, axis=-1)
    return view @ (window / window.sum())


def _formant_gains(harmonics_hz: np.ndarray, formants_hz: np.ndarray) -> np.ndarray:
    """Return the parallel formant filter (harmonics, frames) at each harmonic's frequency."""
    gains = np.zeros_like(harmonics_hz)
    for centre, width, gain in zip(formants_hz, BANDWIDTHS_HZ, FORMANT_GAINS, strict=True):
        gains += gain / (1 + ((harmonics_hz - centre) / width) ** 2)
    return gains + 0.01


def _controls(
    syllables: list[Syllable], n_frames: int, rng: np.random.Generator, vibrato_cents: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pitch in Hz (frames,), formants in Hz (3, frames) and loudness (frames,)."""
    t = np.arange(n_frames) / CONTROL_HZ
    starts = np.array([s.start for s in syllables])
    now = np.maximum(np.searchsorted(starts, t, side="right") - 1, 0)
    pitch, ends, level = (
        np.array(values)[now]
        for values in zip(*((s.pitch_hz, s.start + s.duration, s.level) for s in syllables), strict=True)
    )
    vowel = np.array([s.vowel for s in syllables])[now]
    sounding = (t >= starts[now]) & (t < ends)
    # Vibrato sets in after the note, as singers do; a slow random drift keeps long notes alive.
    depth = _smooth(np.clip((t - starts[now] - 0.1) / 0.2, 0, 1), 0.05) * vibrato_cents
    drift = _smooth(rng.standard_normal(n_frames), 0.3) * 60
    cents = depth * np.sin(2 * np.pi * 5.5 * t + rng.uniform(0, 2 * np.pi)) + drift
    f0 = np.exp(_smooth(np.log(pitch), 0.07)) * 2 ** (cents / 1200)
    return f0, _smooth(VOWELS_HZ[vowel].T, 0.09), _smooth(sounding * level, 0.05)


def _voiced(
    f0: np.ndarray, formants: np.ndarray, loudness: np.ndarray, n_samples: int, fs: float
) -> np.ndarray:
    top = min(HIGHEST_HZ, 0.45 * fs)
    orders = np.arange(1, max(1, int(top / f0.min())) + 1)[:, None]
    gains = _formant_gains(orders * f0, formants) / orders * loudness
    gains *= np.clip((top - orders * f0) / 200, 0, 1)  # fade a harmonic out before it could alias
    at = np.arange(n_samples) * (CONTROL_HZ / fs)
    frames = np.arange(f0.size)
    phase = np.cumsum(np.interp(at, frames, f0)) * (2 * np.pi / fs)
    # sin(kφ) = 2 cos φ sin((k−1)φ) − sin((k−2)φ): one sine for all harmonics.
    twice_cos, current, before = 2 * np.cos(phase), np.sin(phase), np.zeros(n_samples)
    y = np.zeros(n_samples)
    for gain in gains:
        y += np.interp(at, frames, gain) * current
        before *= -1
        before += twice_cos * current
        current, before = before, current
    return y


def _consonants(syllables: list[Syllable], n_samples: int, fs: float, rng: np.random.Generator) -> np.ndarray:
    y = np.zeros(n_samples)
    for syllable in syllables:
        if not syllable.consonant:
            continue
        length = max(2, round(rng.uniform(0.05, 0.09) * fs))
        low = rng.uniform(1500, 4000)
        burst = band_noise(length, fs, rng, low_hz=low, high_hz=3 * low) * np.hanning(length)
        start = max(0, round(syllable.start * fs) - length // 2)
        stop = min(n_samples, start + length)
        if stop > start:
            y[start:stop] += syllable.level * burst[: stop - start]
    return y


def sing(
    syllables: list[Syllable],
    n_samples: int,
    sample_rate: float,
    rng: np.random.Generator,
    *,
    vibrato_cents: float = 35.0,
) -> np.ndarray:
    """Return a voice that sings or says the syllables, of RMS 1.

    Parameters
    ----------
    syllables : list of Syllable
        In order of time, at least one.
    n_samples : int
        Length.
    sample_rate : float
        Hz.
    rng : numpy.random.Generator
        Draws drift, breath and consonants.
    vibrato_cents : float, >= 0
        Depth of the vibrato; about 35 for song, 0 for speech.

    Returns
    -------
    ndarray (n_samples,), float64
    """
    n_frames = int(n_samples * CONTROL_HZ / sample_rate) + 2
    f0, formants, loudness = _controls(syllables, n_frames, rng, vibrato_cents)
    y = _voiced(f0, formants, loudness, n_samples, sample_rate)
    y /= max(float(np.sqrt(np.mean(y**2))), 1e-12)
    breath = band_noise(n_samples, sample_rate, rng, low_hz=2000, high_hz=7000)
    breath *= np.interp(np.arange(n_samples) * (CONTROL_HZ / sample_rate), np.arange(n_frames), loudness)
    y += 0.02 * breath + 0.3 * _consonants(syllables, n_samples, sample_rate, rng)
    return y / max(float(np.sqrt(np.mean(y**2))), 1e-12)


def melody(seconds: float, rng: np.random.Generator, *, beat: float, scale_midi: list[int]) -> list[Syllable]:
    """Return a sung line over ``scale_midi`` that never repeats: phrases of notes with rests between.

    ``beat`` is in seconds. Pitches walk at random over the scale, a step or two a note.
    """
    syllables: list[Syllable] = []
    at, place = 0.5 * beat, len(scale_midi) // 2
    while at < seconds or not syllables:
        for _ in range(int(rng.integers(4, 8))):
            beats = float(rng.choice([0.5, 1.0, 1.0, 1.5]))
            place = int(np.clip(place + rng.integers(-2, 3), 0, len(scale_midi) - 1))
            syllables.append(
                Syllable(
                    start=at,
                    duration=0.9 * beats * beat,
                    pitch_hz=440 * 2 ** ((scale_midi[place] - 69) / 12),
                    vowel=int(rng.integers(5)),
                    level=float(rng.uniform(0.7, 1.0)),
                    consonant=bool(rng.random() < 0.5),
                )
            )
            at += beats * beat
        at += float(rng.choice([0.5, 1.0, 1.5])) * beat
    return syllables


def talk(seconds: float, rng: np.random.Generator, *, pitch_hz: float, start: float = 0.1) -> list[Syllable]:
    """Return speech-like syllables, four or five a second, whose pitch falls in each phrase.

    ``pitch_hz`` is the talker's mean pitch, ``start`` the first syllable's second.
    """
    syllables: list[Syllable] = []
    at = start
    while at < seconds or not syllables:
        count = int(rng.integers(5, 10))
        for n in range(count):
            duration = float(rng.uniform(0.13, 0.28))
            syllables.append(
                Syllable(
                    start=at,
                    duration=0.85 * duration,
                    pitch_hz=pitch_hz * float(1.18 - 0.36 * n / count + 0.05 * rng.standard_normal()),
                    vowel=int(rng.integers(5)),
                    level=float(rng.uniform(0.5, 1.0)),
                    consonant=bool(rng.random() < 0.6),
                )
            )
            at += duration
        at += float(rng.uniform(0.15, 0.4))
    return syllables
