"""Finished recordings without a voice, as accompaniments, and a melody that is in their key.

From Debian's ``nexuiz-music`` and ``hedgewars-data`` (GPL; ogg, 44.1 kHz): played, mixed and mastered by somebody, with
what no font has. There is a stem of the whole only.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.recordings import MissingRecordingError
from benchmarks.song_voice import Note

RATE = 44_100
NEXUIZ = Path("/usr/share/games/nexuiz/data/music.pk3")
HEDGEWARS = Path("/usr/share/games/hedgewars/Data/Music")
LENGTHS = (0.25, 0.25, 0.5, 0.5, 0.5, 1.0, 1.0, 1.5, 2.0)
"""Seconds of sung notes, to be drawn from."""


def record(package: str, title: str, seconds: float) -> np.ndarray:
    """Return an excerpt from the middle of a recording, (2, samples).

    Raises
    ------
    MissingRecordingError
        Its package is not installed.
    """
    try:
        if package == "nexuiz":
            file = io.BytesIO(zipfile.ZipFile(NEXUIZ).read(f"sound/cdtracks/{title}.ogg"))
            x, rate = soundfile.read(file, always_2d=True)
        else:
            x, rate = soundfile.read(HEDGEWARS / f"{title}.ogg", always_2d=True)
    except (FileNotFoundError, soundfile.LibsndfileError):
        raise MissingRecordingError("apt-get install nexuiz-music hedgewars-data") from None
    length = int(seconds * rate)
    x = x[max(0, int(0.4 * (len(x) - length))) :][:length]
    y = soxr.resample(x, rate, RATE).T if rate != RATE else x.T
    y = np.repeat(y, 2, axis=0)[:2] if len(y) == 1 else y[:2]
    return np.pad(y, ((0, 0), (0, int(seconds * RATE) - y.shape[1])))


def melody(x: np.ndarray, rng: np.random.Generator) -> list[Note]:
    """Return phrases of notes in the key of a recording, those that sound in it more often than others."""
    import librosa

    hop = RATE // 8
    chroma = librosa.feature.chroma_stft(y=x.mean(axis=0), sr=RATE, n_fft=8192, hop_length=hop)
    scale = np.argsort(chroma.mean(axis=1))[-7:]
    notes: list[Note] = []
    now, key, end = float(rng.uniform(0, 2)), 60, x.shape[1] / RATE
    while now < end - 0.5:
        for _ in range(int(rng.integers(4, 10))):
            length = float(rng.choice(LENGTHS))
            near = [k for k in range(max(key - 5, 50), min(key + 6, 74)) if k % 12 in scale]
            at = min(int(now * RATE / hop), chroma.shape[1] - 1)
            likely = np.array([chroma[k % 12, at] ** 2 + 0.05 for k in near])
            key = int(rng.choice(near, p=likely / likely.sum())) if near else key
            notes.append((now, now + 0.95 * length, key, int(rng.integers(70, 127))))
            now += length
        now += float(rng.uniform(0.3, 1.5))
    return [note for note in notes if note[0] < end - 0.3]
