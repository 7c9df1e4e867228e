"""Parts of the songs in `benchmarks.songs` and `benchmarks.scenes`: speech in a small room, a sampled drum kit."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.recordings import MissingRecordingError

KITS = Path("/usr/share/hydrogen/data/drumkits")
SPEECH_RATE = 16_000

Note = tuple[float, float, int, int]
"""Start and stop in seconds, MIDI key, velocity 1 … 127."""

PIECES = (
    (r"kick|bass ?drum|\bbd\b|stereo normal", (35, 36)),
    (r"snare", (38, 40, 37, 39)),
    (r"open", (46,)),
    (r"hat|hh|hi-?hat|closed", (42, 44, 54, 56, 69, 70)),
    (r"crash", (49, 52, 55, 57)),
    (r"ride", (51, 53, 59)),
    (r"tom", (41, 43, 45, 47, 48, 50)),
)
"""Pieces of a kit by what their names have in them, and the General MIDI keys they play; the first that fits."""


def spoken(prompts: Sequence[np.ndarray], n_samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return speech (2, samples) in a small stereo room.

    Parameters
    ----------
    prompts : sequence of array (samples,)
        Recordings at 16 kHz, said one after the other.
    n_samples, rate : int
        Length and rate of the result.
    rng : numpy.random.Generator
        Order of the prompts, room.
    """
    length = int(n_samples * SPEECH_RATE / rate) + SPEECH_RATE
    order = rng.permutation(len(prompts))
    x = np.concatenate([prompts[i] for i in order[:60]])[:length].astype(np.float64)
    voice = soxr.resample(x, SPEECH_RATE, rate)[:n_samples]
    voice = np.pad(voice, (0, n_samples - voice.size))
    return _in_a_room(voice, rate, rng)


def _in_a_room(voice: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a voice near the middle with a short decaying tail 14 dB below it, (2, samples)."""
    taps = int(0.35 * rate)
    t = np.arange(taps) / rate
    tail = rng.standard_normal((2, taps)) * 10 ** (-3 * t / 0.35) * (t > 0.01)
    tail *= 10 ** (-14 / 20) / np.sqrt((tail**2).sum(axis=1, keepdims=True))
    n_fft = 1 << (voice.size + taps - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(tail, n_fft) * np.fft.rfft(voice, n_fft), n_fft)[:, : voice.size]
    angle = (1 + rng.uniform(-0.12, 0.1)) * np.pi / 4
    return np.outer([np.cos(angle), np.sin(angle)], voice) * np.sqrt(2) + wet


def kit_of(name: str, notes: Sequence[Note], n_samples: int, rate: int) -> np.ndarray:
    """Return a sampled kit that plays notes on General MIDI's drum keys, (2, samples)."""
    layers = _kit(name, rate)
    y = np.zeros((2, n_samples))
    for start, _, key, velocity in notes:
        piece = next((words for words, keys in PIECES if key in keys), None)
        if piece is None or not layers.get(piece):
            continue
        choices = layers[piece]
        strength = velocity / 127
        sound = choices[min(int(strength * len(choices)), len(choices) - 1)]
        at = round(start * rate)
        part = sound[:, : max(0, n_samples - at)]
        y[:, at : at + part.shape[1]] += strength * part
    return y


@lru_cache(maxsize=2)
def _kit(name: str, rate: int) -> dict[str, list[np.ndarray]]:
    """Return the sounds of each piece, soft ones first."""
    folder = KITS / name
    if not folder.exists():
        raise MissingRecordingError("apt-get install hydrogen-drumkits")
    found: dict[str, list[tuple[float, np.ndarray]]] = {}
    text = re.sub(
        r"\sxmlns(:\w+)?=\"[^\"]*\"|xsi:\w+=\"[^\"]*\"", "", (folder / "drumkit.xml").read_text("utf-8")
    )
    for instrument in ElementTree.fromstring(text).iter("instrument"):
        label = (instrument.findtext("name") or "").lower()
        for layer in instrument.iter("layer"):
            file = layer.findtext("filename") or ""
            words = f"{label} {file}".lower()
            piece = next((pattern for pattern, _ in PIECES if re.search(pattern, words)), None)
            if piece is not None and (folder / file).exists():
                samples, given = soundfile.read(folder / file, always_2d=True)
                samples = soxr.resample(samples, given, rate) if given != rate else samples
                stereo = np.repeat(samples.T, 2, axis=0)[:2] if samples.shape[1] == 1 else samples.T[:2]
                found.setdefault(piece, []).append((float(layer.findtext("max") or 1), stereo))
    return {piece: [x for _, x in sorted(sounds, key=lambda s: s[0])] for piece, sounds in found.items()}
