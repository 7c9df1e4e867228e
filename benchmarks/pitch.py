"""Methods that know of pitch, on songs with true stems, beside the mixture, half of it, and the ideal ratio mask.

    python -m benchmarks.pitch

Median over one-second frames of SDR in dB (BSS Eval v4), voice and accompaniment. Seeds 0 to 3 of the synthetic song
and the excerpt were looked at while defaults were chosen, seeds 4 to 7 were not. The synthetic voice is a source
through formants, which is what `SIMM` believes of voices: expect less of it on real ones.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

import sigsep_classic as ssc
from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from benchmarks.timing import compare, header
from sigsep_classic import METHODS
from sigsep_classic.datasets.synthetic import Mixture
from sigsep_classic.factorizers.pitch.paths import best_path
from sigsep_classic.metrics import scores
from sigsep_classic.oracle import ideal_ratio_mask
from sigsep_classic.pipeline import separate_array

Stems = Mapping[str, np.ndarray]


def truth_of(song: Mixture) -> dict[str, np.ndarray]:
    """Return the voice and all else."""
    return {"vocals": song.stems["vocals"], "accompaniment": song.mixture - song.stems["vocals"]}


def run(name: str, song: Mixture) -> Stems:
    """Return the stems a method finds."""
    stems = separate_array(song.mixture, song.sample_rate, METHODS[name]())
    if "foreground" in stems:
        return {"vocals": stems["foreground"], "accompaniment": stems["background"]}
    return stems


def table(title: str, songs: list[Mixture]) -> None:
    """Print the mean over songs of the scores of each method, and its time."""
    rows = {
        "mixture": lambda song: dict.fromkeys(truth_of(song), song.mixture),
        "mixture / 2": lambda song: dict.fromkeys(truth_of(song), song.mixture / 2),
        "repet": lambda song: run("repet", song),
        "repet_sim": lambda song: run("repet_sim", song),
        "rpca": lambda song: run("rpca", song),
        "melody": lambda song: run("melody", song),
        "simm": lambda song: run("simm", song),
        "oracle: ideal ratio mask": lambda song: ideal_ratio_mask(song.mixture, truth_of(song)),
    }
    print(f"\n{title}: {len(songs)} songs   (vocals, accompaniment; seconds a song, processor time)")
    for label, separate in rows.items():
        values, start = [], time.process_time()
        estimates = [separate(song) for song in songs]
        seconds = (time.process_time() - start) / len(songs)
        for song, stems in zip(songs, estimates, strict=True):
            result = scores(truth_of(song), stems, metrics=("csdr",), sample_rate=song.sample_rate)
            values.append([result[name]["csdr"] for name in ("vocals", "accompaniment")])
        vocals, rest = np.mean(values, axis=0)
        print(f"  {label:<26} {vocals:6.2f} {rest:6.2f}   {seconds:5.2f}")


def viterbi() -> None:
    """Print the time of the best path beside librosa's Viterbi over the same candidates."""
    import librosa

    n, n_frames = 200, 1300
    S = np.random.default_rng(0).random((n, n_frames))
    away = abs(np.subtract.outer(np.arange(n), np.arange(n)))
    moves = np.exp(-np.minimum(0.1 * away, 1.0))
    moves /= moves.sum(axis=1, keepdims=True)
    shares = np.exp(S)
    shares /= shares.max()
    header(f"best path through {n} candidates, {n_frames} frames", "librosa")
    compare(
        {
            "ours": lambda: best_path(S, step=0.1, jump=1.0, silent=0.0, toggle=1.0),
            "librosa.sequence.viterbi": lambda: librosa.sequence.viterbi(shares, moves),
        },
        rounds=5,
    )


def main() -> None:
    """Print the tables and the timing."""
    table("synthetic, seen", [ssc.synthesize("song", seed=seed) for seed in range(4)])
    table("synthetic, not seen", [ssc.synthesize("song", seed=seed) for seed in range(4, 8)])
    try:
        table("MUSDB18 excerpt, seen", [musdb_excerpt()])
    except MissingRecordingError as missing:
        print(f"MUSDB18 excerpt left out: {missing}")
    viterbi()


if __name__ == "__main__":
    main()
