"""`vocals` and `drums` beside single methods, public code, a prior of frequency alone and the oracle, on whole songs.

    python -m benchmarks.recipes [--development] [--quick] [--task vocals|drums]

Median 1-s SDR (BSS Eval v4, images), the median and the mean over songs, and the mean SI-SDR, of the stem and of the
rest, in dB. Songs are those held apart (`benchmarks.songs`: other music, font, kit and voices than the weights were
fitted to), and by itself the excerpt of a real one. Public code: librosa's ``effects.hpss`` and the voice separation of
its gallery (`nn_filter`); REPET-Python's rules by ``compat`` (it has no release that runs today).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

import sigsep_classic as ssc
from benchmarks.fit_fusion import TASKS, judged_stems
from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from benchmarks.songs import development, held_apart
from benchmarks.timing import header
from sigsep_classic.datasets.synthetic import Mixture
from sigsep_classic.oracle import ideal_ratio_mask
from sigsep_classic.recipes.cues import Song
from sigsep_classic.recipes.fusion import Weights, fitted, fuse

Split = Callable[[Mixture], np.ndarray]
"""A mixture to the estimate of the stem, (channels, samples); the rest is what it leaves."""

STEMS = {
    "vocals": ("vocals", "foreground", "centre"),
    "drums": ("drums", "percussive"),
}
SINGLE = {
    "vocals": (
        *(
            "repet",
            "repet_extended",
            "repet_adaptive",
            "repet_sim",
            "ft2d",
            "rpca",
            "melody",
            "simm",
            "centre",
        ),
        "kam",
    ),
    "drums": ("hpss", "hrps", "hpss_cascade", "hpss_diffusion", "kam"),
}
"""Single methods by task; those not registered are left out."""


def ours(method: str, task: str, mixture: Mixture, **options: object) -> np.ndarray:
    """Return the stem that one of our methods finds."""
    found = ssc.separate(mixture.mixture, mixture.sample_rate, method=method, **options)
    return next(found[name] for name in STEMS[task] if name in found)


def librosa_percussive(mixture: Mixture) -> np.ndarray:
    """Return what ``librosa.effects.percussive`` gives."""
    import librosa

    return librosa.effects.percussive(mixture.mixture)


def librosa_gallery(mixture: Mixture) -> np.ndarray:
    """Return the voice by the recipe of librosa's gallery: medians over the nearest frames, soft masks with margins."""
    import librosa

    rate, n = mixture.sample_rate, mixture.mixture.shape[-1]
    X = librosa.stft(mixture.mixture)
    S = np.abs(X).mean(axis=0)
    near = librosa.decompose.nn_filter(
        S, aggregate=np.median, metric="cosine", width=int(librosa.time_to_frames(2, sr=rate))
    )
    near = np.minimum(S, near)
    gain = librosa.util.softmask(S - near, 10 * near, power=2)
    return librosa.istft(gain * X, length=n)


def public(task: str) -> dict[str, Split]:
    """Return what other packages offer for the task."""
    if task == "drums":
        return {"librosa effects.percussive": librosa_percussive}
    settings: dict[str, dict[str, float]] = {
        "repet": {},
        "repet_adaptive": {},
        "repet_sim": {"distance": 1.0},
    }
    rules = {
        f"REPET-Python's rules, {method}": partial(ours, method, task, compat="repet-python", **options)
        for method, options in settings.items()
    }
    return {"librosa gallery, nn_filter": librosa_gallery, **rules}


def prior_only(task: str, mixture: Mixture) -> np.ndarray:
    """Return the stem by the task's prior of frequency alone, fitted without any cue."""
    weights = fitted(f"{task}_prior")
    return fused(task, mixture, weights)


def fused(task: str, mixture: Mixture, weights: Weights) -> np.ndarray:
    """Return the stem by weights that have no cue."""
    song = Song(x=mixture.mixture, sample_rate=mixture.sample_rate, frontend=ssc.STFT(n_fft=4096))
    gain = fuse({"none": np.zeros_like(song.S)}, weights, song.frequencies)
    return song.frontend.synthesize(gain * song.X, mixture.mixture.shape[-1])


def oracle(task: str, mixture: Mixture) -> np.ndarray:
    """Return the stem by the ideal ratio mask, power 2."""
    stem = TASKS[task].stem
    truth = {stem: mixture.stems[stem], "rest": mixture.mixture - mixture.stems[stem]}
    return ideal_ratio_mask(mixture.mixture, truth)[stem]


def rows(task: str) -> dict[str, Split]:
    """Return all rows of a task."""
    known = ssc.METHODS.built_in
    return {
        "mixture": lambda mixture: mixture.mixture,
        "mixture / 2": lambda mixture: mixture.mixture / 2,
        "prior of frequency alone": partial(prior_only, task),
        **public(task),
        **{method: partial(ours, method, task) for method in SINGLE[task] if method in known},
        f"{task}, weights=None": partial(ours, task, task, weights=None),
        f"{task}": partial(ours, task, task),
        "oracle: ideal ratio mask": partial(oracle, task),
    }


def table(task: str, title: str, mixtures: Sequence[Mixture]) -> Mapping[str, np.ndarray]:
    """Print a table; return the scores of each row, (songs, 4)."""
    stem = TASKS[task].stem
    print(f"\n{title}: {stem} | rest   (v4 median, v4 mean, SI-SDR mean), CPU s a song")
    found: dict[str, np.ndarray] = {}
    for label, split in rows(task).items():
        start = time.process_time()
        estimates = [split(mixture) for mixture in mixtures]
        seconds = (time.process_time() - start) / len(mixtures)
        scores = np.array(
            [
                judged_stems(mixture.mixture, estimate, mixture.stems[stem], mixture.sample_rate)
                for mixture, estimate in zip(mixtures, estimates, strict=True)
            ]
        )
        found[label] = scores
        middle, mean = np.median(scores, axis=0), scores.mean(axis=0)
        cells = " | ".join(f"{middle[k]:6.2f} {mean[k]:6.2f} {mean[k + 1]:7.2f}" for k in (0, 2))
        print(f"  {label:<36} {cells}   {seconds:6.1f}", flush=True)
    _margins(task, found)
    return found


def _margins(task: str, found: Mapping[str, np.ndarray]) -> None:
    """Print how far the recipe is above the best public method, by the median over songs."""
    for part, k in (("stem", 0), ("rest", 2)):
        best = max(public(task), key=lambda label: np.median(found[label][:, k]))
        margin = np.median(found[task][:, k]) - np.median(found[best][:, k])
        print(f"  {task}, {part}: {margin:+.2f} dB above the best public method ({best})")


def main(arguments: Sequence[str] = ("--quick",)) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes")
    parser.add_argument("--development", action="store_true", help="the songs the weights were fitted to")
    parser.add_argument("--quick", action="store_true", help="three songs")
    parser.add_argument("--task", choices=list(STEMS))
    chosen = parser.parse_args(arguments)
    header("Recipes on songs")
    for task in [chosen.task] if chosen.task else STEMS:
        try:
            songs = development() if chosen.development else held_apart()
            kind = "development" if chosen.development else "held apart"
            songs = [song for song in songs if TASKS[task].stem in song.stems]
            table(task, f"{len(songs)} songs, {kind}", songs[::5] if chosen.quick else songs)
        except MissingRecordingError as missing:
            print(f"songs left out: {missing}")
        try:
            table(task, "a real song, 6 s (in no fit)", [musdb_excerpt()])
        except MissingRecordingError as missing:
            print(f"excerpt left out: {missing}")


if __name__ == "__main__":
    main(sys.argv[1:])
