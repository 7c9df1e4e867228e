"""What is known beforehand gains in dB, and what options of NMF cost in time.

python -m benchmarks.nmf_options
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.timing import compare, header
from sigsep_classic import NMF, NTF, STFT, grouping, separate, synthesize
from sigsep_classic.metrics import si_sdr

SECONDS, RATE = 20.0, 22050


def improvement(truth: np.ndarray, estimate: np.ndarray, mixture: np.ndarray) -> float:
    """Return by how many dB the SI-SDR of a stem exceeds that of the mixture."""
    return float(si_sdr(truth[None], estimate[None])[0] - si_sdr(truth[None], mixture[None])[0])


def knowledge() -> None:
    """Print SI-SDR improvements of drums and voice without, with one, and with all examples."""
    gains: dict[str, list[list[float]]] = {}
    for seed in range(3):
        song = synthesize("song", seconds=SECONDS, sample_rate=RATE, seed=seed)
        half = song.mixture.shape[1] // 2
        mixture = song.mixture[:, half:]
        truth = {name: stem[:, half:] for name, stem in song.stems.items()}
        alone = {name: stem[:, :half] for name, stem in song.stems.items()}
        frontend = NMF().default_frontend(RATE)
        X_true = {name: frontend.analyze(stem) for name, stem in truth.items()}
        by_truth: dict[str, Any] = {
            "groups": lambda model, X_true=X_true: grouping.by_reference(model, X_true)
        }
        ways: dict[str, dict[str, Any]] = {
            "blind, 36 components grouped by the truth": {"n_components": 36, **by_truth},
            "the same, sparsity 0.02": {"n_components": 36, "sparsity": 0.02, **by_truth},
            "the same, smoothness 0.1": {"n_components": 36, "smoothness": 0.1, **by_truth},
            "examples of all four": {"n_components": 0, "n_templates": 24, "examples": alone},
            "the same, adapted": {
                "n_components": 0,
                "n_templates": 24,
                "examples": alone,
                "adapt_templates": True,
            },
        }
        for name in ("drums", "vocals"):
            ways[f"an example of the {name} alone"] = {"n_components": 24, "examples": {name: alone[name]}}
        for label, options in ways.items():
            sep = separate(mixture, RATE, method="nmf", frontend=frontend, **options)
            row = [
                improvement(truth[name], sep[name], mixture) if name in sep else np.nan
                for name in ("drums", "vocals")
            ]
            gains.setdefault(label, []).append(row)
    for label, rows in gains.items():
        drums, vocals = np.median(rows, axis=0)
        said = [
            f"{name} {gain:5.1f} dB" for name, gain in (("drums", drums), ("vocals", vocals)) if gain == gain
        ]
        print(f"  {label:<44} {'   '.join(said)}   (median of 3 songs)")


def cost() -> None:
    """Print the time of ten iterations with each option, and of NTF on the same two channels."""
    song = synthesize("song", seconds=SECONDS, sample_rate=RATE)
    X = STFT().analyze(song.mixture)
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "sparsity": {"sparsity": 0.2},
        "smoothness": {"smoothness": 0.1},
        "automatic relevance": {"ard": 0.1},
        "weights": {"weights": np.ones((1, 1))},
        "sparseness by projection": {"sparseness": 0.5, "solver": "me"},
    }
    shared: dict[str, Any] = {"n_components": 32, "n_iter": 10, "tol": 0}
    fits: dict[str, Callable[[], Any]] = {
        name: partial(NMF(initial="random", **shared, **chosen).fit, X) for name, chosen in options.items()
    }
    fits["NTF, two channels"] = partial(NTF(**shared).fit, X)
    compare(fits, rounds=5, per_call=10)


def starts() -> None:
    """Print the divergence after 50 iterations from each kind of start, relative to the best seen."""
    song = synthesize("song", seconds=SECONDS, sample_rate=RATE)
    X = STFT().analyze(song.mixture)
    reached, seconds = {}, {}
    ways: dict[str, dict[str, Any]] = {
        "random": {"initial": "random"},
        "pooled": {},
        "nndsvd": {"initial": "nndsvd"},
        "best of 8 random": {"n_starts": 8, "initial": "random"},
    }
    for label, chosen in ways.items():
        began = time.perf_counter()
        fits = [NMF(n_components=24, n_iter=50, tol=0, seed=s, **chosen).fit(X) for s in range(3)]
        seconds[label] = (time.perf_counter() - began) / 3
        reached[label] = np.array([model.losses[-1][1] for model in fits])
    best = min(values.min() for values in reached.values())
    for label, values in reached.items():
        above = 100 * (values / best - 1)
        typical, worst = np.median(above), above.max()
        print(f"  {label:<18} {typical:5.1f} % above the best (worst {worst:.1f} %), {seconds[label]:.2f} s")


def main() -> None:
    """Print all tables."""
    header("NMF: what knowledge gains, SI-SDR improvement in a synthetic song")
    knowledge()
    header(f"NMF: one iteration, {SECONDS:.0f} s of stereo, K = 32")
    cost()
    header("NMF: kinds of start, 50 iterations, 3 seeds")
    starts()


if __name__ == "__main__":
    main()
