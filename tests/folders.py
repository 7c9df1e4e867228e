"""Data sets and estimates as they lie on the disk, with sounds made on the spot or with none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 8000


def noise(seed: int = 0, *, channels: int = 2, n_samples: int = 800) -> np.ndarray:
    """Noise of few bits, (channels, samples) float32, whose sums are exact."""
    rng = np.random.default_rng([7, seed])
    return (rng.integers(-400, 400, (channels, n_samples)) / 4096).astype(np.float32)


def write(path: Path, x: np.ndarray, rate: int = RATE) -> Path:
    """Write samples (channels, samples) as float, or 24 bits in FLAC, with the folders above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, x.T, rate, subtype="PCM_24" if path.suffix == ".flac" else "FLOAT")
    return path


def write_track(
    folder: Path, stems: Mapping[str, np.ndarray], *, mixture: str = "mixture", suffix: str = ".wav"
) -> None:
    """Write stems and their sum."""
    for name, x in {**stems, mixture: sum(stems.values())}.items():
        write(folder / f"{name}{suffix}", x)


def music(seed: int = 0) -> dict[str, np.ndarray]:
    """Four stems of noise."""
    return {name: noise(10 * seed + i) for i, name in enumerate(("drums", "bass", "other", "vocals"))}


def touch(root: Path, *names: str) -> None:
    """Make empty files, with the folders above."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def stem_mp4(path: Path, streams: list[np.ndarray], rate: int = 44100) -> Path:
    """Write stereo streams (2, samples) as one AAC file."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        tracks = [container.add_stream("aac", rate=rate, layout="stereo") for _ in streams]
        for track, x in zip(tracks, streams, strict=True):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(x, np.float32), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts = rate, 0
            for packet in [*track.encode(frame), *track.encode(None)]:
                container.mux(packet)
    return path


def tone(hz: float, *, n_samples: int = 8192, rate: int = 44100) -> np.ndarray:
    """A stereo sine, (2, samples)."""
    x = 0.2 * np.sin(2 * np.pi * hz * np.arange(n_samples) / rate)
    return np.stack([x, 0.5 * x]).astype(np.float32)
