"""Synthetic mixtures with known truth: one seeded source of sound for tests, documentation and the demo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from sigsep_classic.datasets import band
from sigsep_classic.datasets.voices import band_noise, melody, sing, talk
from sigsep_classic.errors import ParameterError

PEAK = 0.9
GRID = 2.0**-22
"""Stems are whole multiples of this, -132 dB: then float32 adds them without rounding, in any order."""

Scene: TypeAlias = tuple[dict[str, np.ndarray], dict[str, Any]]
"""What a generator returns: stems (channels, samples) float64 at any level, and facts about them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """A mixture and the stems it is the sum of.

    Parameters
    ----------
    mixture : ndarray (channels, samples), float32
        Within ±0.9. Equal to the sum of the stems, bit for bit, added in any order.
    stems : dict of str to ndarray (channels, samples), float32
        The image of each source: what it contributes to each channel.
    sample_rate : int
        Hz.
    name : str
        The variant it came from.
    meta : mapping
        What the generator knows besides: see `VARIANTS`.
    """

    mixture: np.ndarray
    stems: dict[str, np.ndarray]
    sample_rate: int
    name: str
    meta: Mapping[str, Any] = field(default_factory=dict)


def _level(x: np.ndarray, level_db: float) -> np.ndarray:
    """Return x at an RMS of ``level_db`` dB."""
    return x * (10 ** (level_db / 20) / max(float(np.sqrt(np.mean(x**2))), 1e-12))


def _tile(loop: np.ndarray, n_samples: int) -> np.ndarray:
    return np.tile(loop, (1, -(-n_samples // loop.shape[1])))[:, :n_samples]


def _rng(seed: int, part: int) -> np.random.Generator:
    """One stream a part, so that a change to one instrument leaves the others as they were."""
    return np.random.default_rng([seed, part])


def _singer(n_samples: int, sample_rate: int, seed: int, key_midi: int) -> np.ndarray:
    rng = _rng(seed, 1)
    scale = [key_midi + step for step in (-5, -2, 0, 3, 5, 7, 10)]
    line = melody(n_samples / sample_rate, rng, beat=band.BEAT, scale_midi=scale)
    return sing(line, n_samples, sample_rate, rng)


def _talker(
    n_samples: int, sample_rate: int, seed: int, part: int, pitch_hz: float, start: float
) -> np.ndarray:
    rng = _rng(seed, part)
    line = talk(n_samples / sample_rate, rng, pitch_hz=pitch_hz, start=start)
    return sing(line, n_samples, sample_rate, rng, vibrato_cents=0)


def _two_talkers(n_samples: int, sample_rate: int, seed: int) -> np.ndarray:
    """Return a low and a high talker, (2, samples), independent and of RMS 1."""
    low = _talker(n_samples, sample_rate, seed, 1, 110.0, 0.05)
    high = _talker(n_samples, sample_rate, seed, 2, 205.0, 0.12)
    return np.stack([low, high])


def _song(n_samples: int, sample_rate: int, seed: int) -> Scene:
    loop = band.compose(_rng(seed, 0), sample_rate, beats=8)
    vocals = np.stack([_singer(n_samples, sample_rate, seed, loop.key_midi)] * 2)
    players = ((band.play_drums, 2, -1.0), (band.play_bass, 3, -1.0), (band.play_keys, 4, -1.5))
    drums, bass, keys = (
        _tile(_level(play(loop, _rng(seed, part)), level), n_samples) for play, part, level in players
    )
    stems = {"vocals": vocals, "drums": drums, "bass": bass, "other": keys}
    return stems, {"beat_seconds": band.BEAT, "period_samples": loop.n_samples, "key_midi": loop.key_midi}


def _repeat(n_samples: int, sample_rate: int, seed: int) -> Scene:
    loop = band.compose(_rng(seed, 0), sample_rate, beats=4)
    parts = (
        _level(band.play_drums(loop, _rng(seed, 2)), -3.0),
        _level(band.play_bass(loop, _rng(seed, 3)), -3.0),
        _level(band.play_keys(loop, _rng(seed, 4)), -3.0),
    )
    voice = np.stack([_singer(n_samples, sample_rate, seed, loop.key_midi)] * 2)
    stems = {"background": _tile(sum(parts, np.zeros(())), n_samples), "foreground": voice}
    return stems, {"period_samples": loop.n_samples}


def _speech2(n_samples: int, sample_rate: int, seed: int) -> Scene:
    low, high = _two_talkers(n_samples, sample_rate, seed)
    return {"speaker1": low[None], "speaker2": high[None]}, {}


def _hum(n_samples: int, sample_rate: int, seed: int) -> Scene:
    rng, start = _rng(seed, 0), 0.6
    speech = _talker(n_samples, sample_rate, seed, 1, 130.0, start)
    speech[: min(n_samples, round(0.5 * sample_rate))] = 0.0
    t = np.arange(n_samples) / sample_rate
    drift = 1 + 0.1 * np.sin(2 * np.pi * 0.3 * t + rng.uniform(0, 2 * np.pi))
    hum = np.zeros(n_samples)
    for k in (1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15):
        if 50 * k < 0.45 * sample_rate:
            hum += rng.uniform(0.5, 1) / k * np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 2 * np.pi))
    hiss = band_noise(n_samples, sample_rate, rng, low_hz=20, high_hz=8000)
    noise = _level(hum * drift, -6.0) + _level(hiss, -26.0)
    return {"speech": speech[None], "hum": noise[None]}, {"hum_hz": 50.0, "noise_only_seconds": 0.5}


def _stereo2x2(n_samples: int, sample_rate: int, seed: int) -> Scene:
    sources = _two_talkers(n_samples, sample_rate, seed)
    a, b = _rng(seed, 0).uniform(0.35, 0.75, 2)
    mixing = np.array([[1.0, a], [b, 1.0]])
    stems = {f"source{n + 1}": mixing[:, n, None] * sources[n] for n in range(2)}
    return stems, {"mixing": mixing, "sources": sources}


def _impulse_responses(sample_rate: int, rng: np.random.Generator, rt60: float) -> np.ndarray:
    """Return (channels, sources, taps): a direct path, then noise that falls 60 dB in rt60 seconds."""
    taps = max(8, round(1.2 * rt60 * sample_rate))
    t = np.arange(taps) / sample_rate
    filters = np.zeros((2, 2, taps))
    for channel in range(2):
        for source in range(2):
            # Two microphones 15 cm apart: the far one hears a source up to 0.4 ms later and softer.
            far = channel != source
            delay = round((0.001 + far * rng.uniform(0.0002, 0.0004)) * sample_rate)
            tail = rng.standard_normal(taps) * 10 ** (-3 * t / rt60)
            tail[: delay + 1] = 0
            tail *= 0.5 / max(float(np.sqrt(np.sum(tail**2))), 1e-12)  # 6 dB direct to reverberant
            filters[channel, source] = tail
            filters[channel, source, delay] = 1.0
            filters[channel, source] *= 0.7 if far else 1.0
    return filters


def _convolutive(n_samples: int, sample_rate: int, seed: int) -> Scene:
    rt60 = 0.18
    sources = _two_talkers(n_samples, sample_rate, seed)
    filters = _impulse_responses(sample_rate, _rng(seed, 0), rt60)
    n_fft = 1 << (n_samples + filters.shape[-1] - 2).bit_length()
    spectra = np.fft.rfft(filters, n_fft) * np.fft.rfft(sources, n_fft)
    images = np.fft.irfft(spectra, n_fft)[..., :n_samples]  # (channels, sources, samples)
    stems = {f"source{n + 1}": images[:, n] for n in range(2)}
    return stems, {"filters": filters, "sources": sources, "rt60_seconds": rt60}


VARIANTS: Mapping[str, tuple[Callable[[int, int, int], Scene], float]] = MappingProxyType(
    {
        "song": (_song, 9.6),
        "speech2": (_speech2, 5.0),
        "hum": (_hum, 5.0),
        "repeat": (_repeat, 9.6),
        "stereo2x2": (_stereo2x2, 5.0),
        "convolutive": (_convolutive, 5.0),
    }
)
"""Name to (generator of samples, sample rate and seed; default seconds).

=============  ========  ==============================  =============================================
name           channels  stems                           ``meta``
=============  ========  ==============================  =============================================
song           2         vocals, drums, bass, other      beat_seconds, period_samples, key_midi
speech2        1         speaker1, speaker2
hum            1         speech, hum                     hum_hz, noise_only_seconds (at the start)
repeat         2         background, foreground          period_samples
stereo2x2      2         source1, source2                mixing (channels, sources), sources
convolutive    2         source1, source2                filters (channels, sources, taps), sources,
                                                         rt60_seconds
=============  ========  ==============================  =============================================

``sources`` is (sources, samples) float32 and dry, on the mixture's level: an image is its source
times ``mixing`` or through ``filters``, to within the stems' rounding.
"""


def synthesize(
    variant: str = "song", *, seconds: float | None = None, sample_rate: int = 44100, seed: int = 0
) -> Mixture:
    """Return a synthetic mixture with its true stems.

    Parameters
    ----------
    variant : str
        A name from `VARIANTS`: ``song`` (voice, keys, bass and drums), ``speech2`` (two talkers),
        ``hum`` (a talker under 50 Hz hum and hiss), ``repeat`` (an exactly periodic background
        under a voice), ``stereo2x2`` and ``convolutive`` (two talkers on two channels, mixed by a
        matrix or by room-like filters).
    seconds : float, > 0, or None
        Length; None is 9.6 for music, 5 for speech.
    sample_rate : int, >= 8000
        Hz.
    seed : int, >= 0
        Same seed, same samples on one platform; another seed, another key, melody, pattern, voice.

    Returns
    -------
    Mixture
        float32; one gain, common to all stems, puts the mixture's peak at 0.9.

    Raises
    ------
    ParameterError
        The variant is unknown, or a number is out of range.
    """
    if variant not in VARIANTS:
        raise ParameterError(f"variant {variant!r} is unknown; use one of {', '.join(VARIANTS)}")
    generate, default_seconds = VARIANTS[variant]
    seconds = default_seconds if seconds is None else seconds
    if not 8000 <= sample_rate <= 384_000:
        raise ParameterError(f"sample_rate={sample_rate} Hz; give 8000 to 384000")
    if not 1 <= seconds * sample_rate < 2**31:
        raise ParameterError(f"seconds={seconds}; give at least one sample and less than 2**31")
    if seed < 0:
        raise ParameterError(f"seed={seed}; give a whole number from 0")
    scene, meta = generate(round(seconds * sample_rate), int(sample_rate), int(seed))
    return normalised(scene, meta, sample_rate, variant)


def normalised(scene: dict[str, np.ndarray], meta: dict[str, Any], sample_rate: int, name: str) -> Mixture:
    """Put the mixture's peak at PEAK and the stems on GRID."""
    peak = float(np.max(np.abs(sum(scene.values(), np.zeros(())))))
    # Room for half a grid step a stem, so that rounding cannot lift the peak above PEAK.
    gain = (PEAK - len(scene) * GRID) / max(peak, 1e-12)
    stems = {
        stem: (np.round(image * (gain / GRID)) * GRID).astype(np.float32) for stem, image in scene.items()
    }
    if "sources" in meta:
        meta = {**meta, "sources": (gain * meta["sources"]).astype(np.float32)}
    mixture = np.stack(list(stems.values())).sum(axis=0)
    return Mixture(mixture=mixture, stems=stems, sample_rate=int(sample_rate), name=name, meta=meta)
