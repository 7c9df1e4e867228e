"""Every oracle beside the mixture for several transforms, on real audio; STOI and ESTOI against pystoi.

    python -m benchmarks.oracles [number of songs]

uSDR in dB. The excerpt is that of `benchmarks.recordings` (MUSDB18, its mixture the sum of the stems), the songs those
of `benchmarks.songs` held apart. Windows overlap by half.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.recordings import MissingRecordingError, musdb_excerpt, speech_over_music
from benchmarks.songs import HELD_APART, song
from benchmarks.timing import compare, header
from sigsep_classic import oracle
from sigsep_classic.datasets.synthetic import Mixture
from sigsep_classic.frontends import STFT
from sigsep_classic.metrics import usdr
from sigsep_classic.metrics.perceptual import estoi, stoi

SIZES = (1024, 2048, 4096, 8192)
PEER = "sigsep-mus-oracle"

Stems = Mapping[str, np.ndarray]


def rows(frontend: STFT) -> dict[str, Callable[[Mixture], Stems]]:
    """Return what makes the estimates of each row."""
    made: dict[str, Callable[[Mixture], Stems]] = {
        "mixture / stems": lambda mix: dict.fromkeys(mix.stems, mix.mixture / len(mix.stems))
    }
    for name, each in oracle.ORACLES.items():
        made[name] = lambda mix, each=each: each(mix.mixture, mix.stems, frontend=frontend)  # type: ignore[misc]
    made[f"mwf, numbers of {PEER}"] = lambda mix: oracle.apply(
        "mwf", mix.mixture, mix.stems, frontend=frontend, compat=PEER
    )
    return made


def table(mix: Mixture, size: int) -> None:
    """Print all rows of one mixture and one transform, stem by stem."""
    names = list(mix.stems)
    print(f"\n{mix.name}, n_fft {size}, hop {size // 2}")
    print(f"  {'':<34} {' '.join(f'{name:>8}' for name in names)}     mean")
    for label, make in rows(STFT(n_fft=size, hop=size // 2)).items():
        start = time.perf_counter()
        estimates = make(mix)
        seconds = time.perf_counter() - start
        found = usdr([mix.stems[name] for name in names], [estimates[name] for name in names])
        cells = " ".join(f"{value:8.2f}" for value in found)
        print(f"  {label:<34} {cells} {found.mean():8.2f}   {seconds:.2f} s")


def summary(title: str, mixes: list[Mixture]) -> None:
    """Print the mean over stems and mixtures, one column a transform."""
    print(f"\n{title}: mean uSDR by n_fft")
    print(f"  {'':<34} {' '.join(f'{size:>8}' for size in SIZES)}")
    columns = [rows(STFT(n_fft=size, hop=size // 2)) for size in SIZES]
    for label in columns[0]:
        means = []
        for column in columns:
            found = []
            for mix in mixes:
                estimates = column[label](mix)
                found += usdr(list(mix.stems.values()), [estimates[name] for name in mix.stems]).tolist()
            means.append(np.mean(found))
        print(f"  {label:<34} {' '.join(f'{mean:8.2f}' for mean in means)}")


def intelligibility(seconds: float = 10.0) -> None:
    """Print times of STOI and ESTOI relative to pystoi, and by how much they differ."""
    import pystoi
    import soxr

    mix = speech_over_music(seconds)

    def both(x: np.ndarray, y: np.ndarray, rate: int) -> None:
        for name, ours, extended in (("STOI", stoi, False), ("ESTOI", estoi, True)):
            calls: dict[str, Callable[[], float]] = {
                f"{name}, ours": lambda ours=ours: float(ours(x, y, sample_rate=rate)[0]),  # type: ignore[misc]
                f"{name}, pystoi": lambda extended=extended: float(pystoi.stoi(x, y, rate, extended)),  # type: ignore[misc]
            }
            compare(calls, rounds=15)
            a, b = (call() for call in calls.values())
            print(f"  {name} {a:.6f}, difference {a - b:.1e}")

    for rate in (10000, 16000, 44100):
        header(f"{seconds:.1f} s of speech over music at {rate} Hz, one thread", "pystoi", "scipy")
        clean, noisy = mix.stems["foreground"][0], mix.mixture[0]
        x, y = (soxr.resample(each.astype(float), mix.sample_rate, rate) for each in (clean, noisy))
        both(x, y, rate)


def main(n_songs: int = 3) -> None:
    """Print what the packages that are installed allow."""
    try:
        excerpt = musdb_excerpt()
        for size in SIZES:
            table(excerpt, size)
    except MissingRecordingError as missing:
        print(f"no excerpt: {missing}")
    try:
        summary(f"{n_songs} songs held apart", [song(HELD_APART, n) for n in range(n_songs)])
    except MissingRecordingError as missing:
        print(f"no songs: {missing}")
    try:
        intelligibility()
    except (MissingRecordingError, ImportError) as missing:
        print(f"no STOI: {missing}")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
