"""Fit the weights of the recipes to development songs and scenes, and say how they do on what is left out.

    python -m benchmarks.fit_fusion [vocals|vocals_fast|drums|bass|other|speech|music|effects ...] [--write]

Bins are drawn in proportion to their power, 6 000 a song; the target is the real share of the stem in the mixture,
``Re sum of R_c conj(X_c) / |X|²``. Minimised is the mean over songs of the log of the mean squared error, which is the
SNR in dB averaged over songs, so that quiet songs count as loud ones do; plus 1e-2 of the sum of squared weights. Each
song counts twice, the second time with its stems nearer to the middle and its voice at another level (`narrowed`). Four
songs at a time, both ways, are left out of a fit and judged by it; what is left out, and nothing else, has chosen the
penalty, the knots and the cues.
``--write`` puts the weights fitted to all songs where the recipes read them, with where they come from.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks import scenes, songs
from benchmarks.recordings import MissingRecordingError
from sigsep_classic import masking
from sigsep_classic.datasets.synthetic import Mixture
from sigsep_classic.factorizers.base import usual_stft
from sigsep_classic.metrics import csdr, si_sdr
from sigsep_classic.recipes.cues import AROUND, CUES, Song
from sigsep_classic.recipes.fusion import FOLDER, Weights, fuse, knots, log_odds

BLIND = tuple(name for name in CUES if name != "sung")
"""Cues that are cheap."""

VOICE = (*CUES, *(name + AROUND for name in CUES))
"""Cues of the voice."""


@dataclass(frozen=True)
class Task:
    """The stem weights are for, the knots of its prior and the bands of its cues in Hz, and the cues."""

    stem: str
    hertz: tuple[float, ...]
    bands: tuple[float, ...]
    cues: tuple[str, ...] = BLIND
    development: Callable[[], list[Mixture]] = songs.development


SUNG = (60.0, 110.0, 200.0, 400.0, 800.0, 1600.0, 4000.0, 8000.0, 13000.0)
LOW = (40.0, 80.0, 150.0, 300.0, 600.0, 1500.0, 4000.0, 9000.0)
TASKS = {
    "vocals": Task("vocals", SUNG, (150.0, 600.0, 2500.0), VOICE),
    "vocals_fast": Task("vocals", SUNG, (150.0, 600.0, 2500.0)),
    "drums": Task("drums", LOW, (80.0, 400.0, 2000.0, 8000.0)),
    "bass": Task("bass", LOW, (80.0, 400.0, 2000.0)),
    "other": Task("other", LOW, (150.0, 600.0, 2500.0)),
    **{
        stem: Task(stem, LOW, (150.0, 600.0, 2500.0), development=scenes.development)
        for stem in ("speech", "music", "effects")
    },
}

LEFT_OUT = 4
"""Songs left out of a fit at a time, to be judged by it."""

DRAWN, RIDGE, ERROR_FLOOR, AUDIBLE = 6_000, 1e-2, 1e-3, 1e-5

ITERATIONS = 250
"""At most, of a fit."""


@dataclass(frozen=True)
class Drawn:
    """Bins of a song: log-odds of cues (bins, cues), frequency in Hz (bins,), target (bins,)."""

    odds: np.ndarray
    hertz: np.ndarray
    target: np.ndarray

    def design(self, chosen: Sequence[int], bands: tuple[float, ...], hertz: tuple[float, ...]) -> np.ndarray:
        """Return what is multiplied by offset, weights of the chosen cues at the bands, and prior: (bins, values)."""
        local = self.odds[:, list(chosen), None] * knots(self.hertz, bands)[:, None, :]
        ones = np.ones((len(self.target), 1))
        parts = [ones, local.reshape(len(ones), -1), knots(self.hertz, hertz)]
        return np.concatenate(parts, axis=1).astype(np.float32)  # half the traffic of the many products


Ready = tuple[Mixture, Song, dict[str, np.ndarray]]


def drawn(song: Song, masks: Mapping[str, np.ndarray], stem: np.ndarray, seed: int) -> Drawn:
    """Return bins of a song, drawn in proportion to their power."""
    R, power = song.frontend.analyze(stem), (abs(song.X) ** 2).sum(axis=0)
    flat = np.cumsum(power.ravel(), dtype=np.float64)
    at = np.searchsorted(flat, np.random.default_rng(seed).random(DRAWN) * flat[-1])
    at = np.minimum(at, power.size - 1)
    target = ((R * song.X.conj()).real.sum(axis=0) / np.maximum(power, 1e-30)).ravel()[at]
    odds = np.stack([log_odds(mask).ravel()[at] for mask in masks.values()], axis=1)
    return Drawn(odds, song.frequencies[at // power.shape[1]], target)


def fit(songs: Sequence[Drawn], cues: Sequence[str], task: Task, chosen: Sequence[int]) -> Weights:
    """Return the weights that fit best, of the cues numbered ``chosen``."""
    designs = [song.design(chosen, task.bands, task.hertz) for song in songs]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        total, slope = RIDGE * float((values[1:] ** 2).sum()), 2 * RIDGE * values
        slope[0] = 0
        for design, song in zip(designs, songs, strict=True):
            m = 1 / (1 + np.exp(-(design @ values.astype(np.float32))))
            error = m - song.target
            mean = float((error**2).mean()) + ERROR_FLOOR
            total += np.log(mean) / len(songs)
            slope += design.T @ (2 * error * m * (1 - m)) / (len(error) * mean * len(songs))
        return total, slope

    start = np.zeros(designs[0].shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x.round(4)
    n, width = len(chosen), len(task.bands)
    local = found[1 : 1 + n * width].reshape(n, width)
    return Weights(
        offset=float(found[0]),
        bands=task.bands,
        cues={cues[k]: tuple(a) for k, a in zip(chosen, local.tolist(), strict=True)},
        hertz=task.hertz,
        prior=tuple(found[1 + n * width :].tolist()),
    )


def batched(items: Iterable[str], size: int) -> list[tuple[str, ...]]:
    """Return items in tuples of ``size``, the last perhaps shorter."""
    listed = list(items)
    return [tuple(listed[at : at + size]) for at in range(0, len(listed), size)]


def narrowed(mixture: Mixture, seed: int) -> Mixture:
    """Return a mixture whose stems are nearer to the middle, and its voice softer, as many a recording has them."""
    rng = np.random.default_rng(seed)
    stems = {}
    for name, stem in mixture.stems.items():
        middle = stem.mean(axis=0, keepdims=True)
        stems[name] = middle + np.float32(rng.uniform(0, 0.4)) * (stem - middle)
        if name == "vocals":
            stems[name] *= np.float32(10 ** (rng.uniform(-4, 2) / 20))
    total = np.stack(list(stems.values())).sum(axis=0)
    return Mixture(
        mixture=total, stems=stems, sample_rate=mixture.sample_rate, name=f"{mixture.name}, narrow"
    )


def prepared(mixture: Mixture, cues: Sequence[str]) -> tuple[Song, dict[str, np.ndarray]]:
    """Return a song and its cues."""
    song = Song(x=mixture.mixture, sample_rate=mixture.sample_rate, frontend=usual_stft(mixture.sample_rate))
    return song, {name: song.cue(name) for name in cues}


def judged(song: Song, gain: np.ndarray, stem: np.ndarray) -> np.ndarray:
    """Return the scores of the stem that a mask finds; see `judged_stems`."""
    found = song.frontend.synthesize(masking.apply(gain[None], song.X), song.x.shape[-1])
    return judged_stems(song.x, found, stem, song.sample_rate)


def judged_stems(x: np.ndarray, found: np.ndarray, stem: np.ndarray, rate: float) -> np.ndarray:
    """Return median 1-s SDR and SI-SDR of the stem, then of the rest, in dB."""
    pairs = ((stem, found), (x - stem, x - found))
    return np.array([f(a, b) for a, b in pairs for f in (lambda a, b: _csdr(a, b, rate), _si_sdr)])


def _csdr(truth: np.ndarray, found: np.ndarray, rate: float) -> float:
    return float(np.nanmedian(csdr(truth[None], found[None], window=int(rate))))


def _si_sdr(truth: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean(si_sdr(truth[None], found[None])))


def record(weights: Weights, task: Task, names: list[str], held: np.ndarray) -> dict[str, Any]:
    """Return weights as the recipes read them, with where they come from."""
    return {
        "offset": weights.offset,
        "bands": list(weights.bands),
        "cues": {name: list(values) for name, values in weights.cues.items()},
        "hertz": list(weights.hertz),
        "prior": list(weights.prior),
        "provenance": {
            "fitted by": "python -m benchmarks.fit_fusion",
            "songs": names,
            "version of the songs": songs.VERSION,
            "stem": task.stem,
            "penalty on squared weights": RIDGE,
            "bins a song": DRAWN,
            "songs left out at a time": LEFT_OUT,
            "median SDR in dB of stem and rest, of songs left out of the fit": np.median(held, axis=0)[[0, 2]]
            .round(2)
            .tolist(),
        },
    }


def fitted_to(name: str, task: Task, ready: Sequence[Ready], *, write: bool) -> None:
    """Fit a task, with cues and without, print how songs left out do, and perhaps write."""
    ready = [
        (m, song, masks)
        for m, song, masks in ready
        if task.stem in m.stems and m.stems[task.stem].std() > AUDIBLE
    ]
    bins = [
        drawn(song, {cue: masks[cue] for cue in task.cues}, mixture.stems[task.stem], seed)
        for seed, (mixture, song, masks) in enumerate(ready)
    ]
    titles = [mixture.name.partition(",")[0] for mixture, _, _ in ready]
    for label, chosen in ((name, range(len(task.cues))), (f"{name}_prior", range(0))):
        held = []
        for out in batched(dict.fromkeys(titles), LEFT_OUT):
            inside = [b for b, title in zip(bins, titles, strict=True) if title not in out]
            others = fit(inside, task.cues, task, chosen)
            for (mixture, song, masks), title in zip(ready, titles, strict=True):
                if title in out:
                    held.append(judged(song, fuse(masks, others, song.frequencies), mixture.stems[task.stem]))
        table = np.array(held)
        print(
            f"  {label:<14} left out: median " + "  ".join(f"{v:6.2f}" for v in np.median(table, axis=0)),
            end="   ",
        )
        print("mean " + "  ".join(f"{v:6.2f}" for v in table.mean(axis=0)), flush=True)
        names = [mixture.name for mixture, _, _ in ready]
        found = record(fit(bins, task.cues, task, chosen), task, names, table)
        if write and not label.endswith("fast_prior"):  # the same as the other's
            (FOLDER / f"{label}.json").write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def main(arguments: Sequence[str] = ("drums",)) -> None:
    """Fit, print and perhaps write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_fusion")
    parser.add_argument("task", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--write", action="store_true", help="put the weights where the recipes read them")
    chosen = parser.parse_args(arguments)
    print("stem: median 1-s SDR, SI-SDR; rest: the same; in dB")
    for development in dict.fromkeys(TASKS[name].development for name in chosen.task):
        names = [name for name in chosen.task if TASKS[name].development is development]
        cues = dict.fromkeys(cue for name in names for cue in TASKS[name].cues)
        try:
            plain = development()
        except MissingRecordingError as missing:
            print(f"{', '.join(names)} left out: {missing}")
            continue
        mixtures = [*plain, *(narrowed(mixture, seed) for seed, mixture in enumerate(plain))]
        ready = [(mixture, *prepared(mixture, list(cues))) for mixture in mixtures]
        for name in names:
            fitted_to(name, TASKS[name], ready, write=chosen.write)


if __name__ == "__main__":
    main(sys.argv[1:])
