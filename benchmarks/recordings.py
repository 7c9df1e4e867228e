"""Real recordings from public packages, for benchmarks and tests; none of them is part of this project.

* the excerpt of the MUSDB18 test set inside the PyPI package ``stempeg`` (6 s, four true stems, AAC);
* speech from Debian's ``asterisk-core-sounds-en-g722`` (16 kHz, CC-BY-SA 3.0);
* music on hold from Debian's ``asterisk-moh-opsound-wav`` (8 kHz, CC-BY-SA).
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np

from sigsep_classic import audio
from sigsep_classic.datasets.synthetic import Mixture

DEBIAN = Path("/usr/share/asterisk")
MUSDB_STREAMS = ("mixture", "drums", "bass", "other", "vocals")


class MissingRecordingError(Exception):
    """The package a recording comes from is not installed; the message says which."""


def _decoded(path: Path, stream: int = 0, *, container: str | None = None) -> tuple[np.ndarray, int]:
    """Return (channels, samples) float32 and the rate of one audio stream, by PyAV."""
    try:
        import av
    except ImportError:
        raise MissingRecordingError("pip install av") from None
    with av.open(str(path), format=container) as file:
        track = file.streams.audio[stream]
        resampler = av.AudioResampler(format="fltp", rate=track.rate)
        pieces = [part.to_ndarray() for frame in file.decode(track) for part in resampler.resample(frame)]
        return np.concatenate(pieces, axis=1), track.rate


@lru_cache(maxsize=1)
def musdb_excerpt() -> Mixture:
    """Return six seconds of The Easton Ellises' "Falcon 69"; the mixture is the sum of the stems."""
    spec = importlib.util.find_spec("stempeg")
    if spec is None or spec.origin is None:
        raise MissingRecordingError("pip install stempeg")
    path = next((Path(spec.origin).parent / "data").glob("*.stem.mp4"))
    stems = {}
    for stream, name in enumerate(MUSDB_STREAMS):
        samples, rate = _decoded(path, stream)
        stems[name] = samples
    del stems["mixture"]  # mastered: it is not the sum of the stems
    return Mixture(mixture=sum(stems.values()), stems=stems, sample_rate=rate, name="musdb_excerpt")


@lru_cache(maxsize=4)
def speech(seconds: float = 12.0, *, voice: str = "en_US_f_Allison") -> tuple[np.ndarray, int]:
    """Return (1, samples) at 16 kHz: telephone prompts one after the other, the longest first."""
    folder = DEBIAN / "sounds" / voice
    files = sorted(folder.glob("*.g722"), key=lambda path: (-path.stat().st_size, path.name))
    if not files:
        raise MissingRecordingError("apt-get install asterisk-core-sounds-en-g722")
    pieces, length, rate = [], 0, 16000
    for path in files:
        samples, rate = _decoded(path, container="g722")
        pieces.append(samples[:1])
        length += samples.shape[1]
        if length >= seconds * rate:
            break
    return np.concatenate(pieces, axis=1)[:, : int(seconds * rate)], rate


@lru_cache(maxsize=4)
def music_on_hold(title: str = "macroform-the_simplicity", *, start: float = 20.0, seconds: float = 12.0):
    """Return (channels, samples) and the rate of a piece of music on hold, without stems."""
    path = DEBIAN / "moh" / f"{title}.wav"
    if not path.exists():
        raise MissingRecordingError("apt-get install asterisk-moh-opsound-wav")
    sound = audio.load(path, start=start, duration=seconds)
    return sound.samples, sound.sample_rate


def speech_over_music(seconds: float = 12.0) -> Mixture:
    """Return a prompt read over music on hold, both at the same level, 16 kHz."""
    talk, rate = speech(seconds)
    music, music_rate = music_on_hold(seconds=seconds)
    music = _resampled(music.mean(axis=0, keepdims=True), music_rate, rate)
    n = min(talk.shape[1], music.shape[1])
    talk, music = talk[:, :n] / talk[:, :n].std(), music[:, :n] / music[:, :n].std()
    gain = np.float32(0.5 / np.abs(talk + music).max())
    stems = {"foreground": talk * gain, "background": music * gain}
    mixture = stems["foreground"] + stems["background"]
    return Mixture(mixture=mixture, stems=stems, sample_rate=rate, name="speech_over_music")


def _resampled(x: np.ndarray, rate: int, target: int) -> np.ndarray:
    if rate == target:
        return x
    import soxr

    return np.ascontiguousarray(soxr.resample(x.T, rate, target).T.astype(np.float32))
