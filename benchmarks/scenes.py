"""Speech over music with sound effects, with true stems: a set to fit on, and one held apart.

Speech is that of Debian's asterisk-core-sounds, music the songs of `benchmarks.songs` without their voice, effects are
Freedoom's own (11 kHz, struck at random). Stereo, 20 s, 44.1 kHz: speech, music, effects. Development has freedoom1's
music and effects and the voices Allison and June; held apart are freedoom2's music, effects that are in it alone, and
the voices Carlo and Ivrvoice.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import soxr

from benchmarks.room_sets import _prompts
from benchmarks.song_parts import spoken
from benchmarks.songs import DEVELOPMENT, HELD_APART, RATE, SECONDS, SongSet, lumps, song
from sigsep_classic.datasets.synthetic import Mixture

DEVELOPMENT_VOICES = ("en_US_f_Allison", "fr_CA_f_June")
HELD_APART_VOICES = ("it_IT_m_Carlo", "ru_RU_f_IvrvoiceRU")
_LEAST_BYTES = 3000
_LEVELS = {"speech": (-1.0, 2.0), "music": (-8.0, -2.0), "effects": (-6.0, 2.0)}


def development() -> list[Mixture]:
    """Return the scenes to fit on."""
    return [
        _scene(DEVELOPMENT, n, effects("freedoom1"), DEVELOPMENT_VOICES)
        for n in range(len(DEVELOPMENT.titles))
    ]


def held_apart() -> list[Mixture]:
    """Return the scenes for the last tables; never fit on them."""
    known = effects("freedoom1")
    own = {name: x for name, x in effects("freedoom2").items() if name not in known}
    return [_scene(HELD_APART, n, own, HELD_APART_VOICES) for n in range(len(HELD_APART.titles))]


def _scene(kind: SongSet, number: int, sounds: Mapping[str, np.ndarray], voices: Sequence[str]) -> Mixture:
    rng = np.random.default_rng(kind.seed + 500 + number)
    n = int(RATE * SECONDS)
    music = song(kind, number).stems
    parts = {
        "speech": spoken(_prompts(voices[(number + 1) % len(voices)]), n, RATE, rng),
        "music": sum(stem for name, stem in music.items() if name != "vocals"),
        "effects": _struck(list(sounds.values()), n, rng),
    }
    for name, part in parts.items():
        parts[name] = part * (10 ** (rng.uniform(*_LEVELS[name]) / 20) / np.sqrt(np.mean(part**2)))
    gain = 0.9 / np.abs(sum(parts.values())).max()
    stems = {name: (np.round(gain * part * 32767) / 32768).astype(np.float32) for name, part in parts.items()}
    total = np.stack(list(stems.values())).sum(axis=0)
    return Mixture(mixture=total, stems=stems, sample_rate=RATE, name=f"{kind.wad}/scene{number}")


def _struck(sounds: Sequence[np.ndarray], n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return effects at random times and places, one every second or two, (2, samples)."""
    y, at = np.zeros((2, n_samples)), 0.0
    while at < SECONDS - 0.5:
        sound = sounds[int(rng.integers(len(sounds)))]
        start, angle = int(at * RATE), (1 + rng.uniform(-0.8, 0.8)) * np.pi / 4
        part = rng.uniform(0.4, 1.0) * sound[: n_samples - start]
        y[:, start : start + part.size] += np.outer([np.cos(angle), np.sin(angle)], part)
        at += rng.uniform(0.7, 2.2)
    return y


@lru_cache(maxsize=2)
def effects(wad: str) -> Mapping[str, np.ndarray]:
    """Return the sound effects of a WAD by name, (samples,) at 44.1 kHz, each of peak 1."""
    found = {}
    for name, data in lumps(wad):
        if name.startswith("DS") and len(data) > _LEAST_BYTES:
            _, rate, _ = struct.unpack("<HHI", data[:8])
            samples = np.frombuffer(data[24:-16], np.uint8).astype(np.float64) - 128
            found[name] = soxr.resample(samples / np.abs(samples).max(), rate, RATE)
    return found
