"""Permutation solvers: time, and how much of the exact order's gain they reach on outputs of three methods.

    python -m benchmarks.permutation [--quick]

Mixtures are those of `benchmarks.room_sets` to develop on. The outputs of FDICA (each frequency by itself), AuxIVA and
ILRMA are put in order by each solver and by the oracle, which knows the true sources; a solver's share is its gain
over the oracle's, dSDR at the first microphone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

import sigsep_classic as ssc
from benchmarks.recordings import MissingRecordingError
from benchmarks.room_sets import development, gain
from benchmarks.timing import compare, header
from sigsep_classic import permutation
from sigsep_classic.datasets.rooms import RoomMixture
from sigsep_classic.factorizers import METHODS
from sigsep_classic.typing import Grid

OUTPUTS = {
    "FDICA, 2048": (ssc.FDICA(permutation=None), 2048),
    "FDICA, 4096": (ssc.FDICA(permutation=None), 4096),
    "AuxIVA, 2048": (METHODS["auxiva"](), 2048),
    "ILRMA, 2048": (METHODS["ilrma"](), 2048),
}
"""Title to method and window; bins of FDICA are left in the order they were found in."""
OURS = ("kernel", "correlation", "dyadic", "hbp", "doa")


def speed() -> None:
    """Print the time of each solver on outputs of three sources that are in no order, 314 frames."""
    rng = np.random.default_rng(0)
    for n_freq in (1025, 4097):
        levels = rng.gamma(0.4, size=(3, 1, 314)) * rng.gamma(0.5, size=(3, n_freq, 314))
        noise = rng.standard_normal((2, 3, n_freq, 314))
        Y = (np.sqrt(levels) * (noise[0] + 1j * noise[1])).astype(np.complex64)
        A = np.exp(1j * rng.uniform(-1, 1, (n_freq, 3, 3)))
        mixed = np.array([rng.permutation(3) for _ in range(n_freq)])
        Y, A = permutation.apply(mixed, Y), permutation.apply(mixed, A, sources=2, freq=0)
        grid = Grid(frame_rate=31.25, bin_hz=8000 / (n_freq - 1))
        print(f"\n  3 sources, {n_freq} frequencies, 314 frames")
        candidates: dict[str, Callable[[], Any]] = {
            solver: lambda s=solver, Y=Y, A=A, g=grid: permutation.solve(Y, solver=s, A=A, grid=g)
            for solver in OURS
        }
        if find_spec("ssspy") is not None:
            candidates["ssspy, correlation"] = lambda Y=Y: ssspy_order(Y)
        compare(candidates, rounds=3)


def ssspy_order(Y: np.ndarray) -> np.ndarray:
    """Return the order (freq, sources) that ssspy's correlation-based solver finds."""
    from ssspy.algorithm.permutation_alignment import correlation_based_permutation_solver

    n_sources, n_freq, _ = Y.shape
    names = np.broadcast_to(np.arange(n_sources)[:, None], (n_freq, n_sources, 1)).copy()
    _, order = correlation_based_permutation_solver(Y.swapaxes(0, 1).copy(), names, overwrite=False)
    return order[..., 0]


def gains(mixture: RoomMixture, method: Any, n_fft: int, solvers: Sequence[str]) -> dict[str, float]:
    """Return the mean dSDR in dB of the outputs in the order each solver finds."""
    frontend = ssc.STFT(n_fft=n_fft)
    grid, n_samples = frontend.grid(mixture.sample_rate), mixture.mixture.shape[1]
    model = method.fit(frontend.analyze(mixture.mixture))
    Y, truth = model.reconstruct()[:, 0], frontend.analyze(mixture.images[:, 0])
    orders = {"as they come": np.tile(np.arange(len(Y)), (Y.shape[1], 1))}
    for solver in solvers:
        if solver == "ssspy":
            orders[solver] = ssspy_order(Y)
        else:
            options = {"truth": truth} if solver == "oracle" else {"A": model.A}
            orders[solver] = permutation.solve(Y, solver=solver, grid=grid, **options)
    return {
        name: float(gain(mixture, frontend.synthesize(permutation.apply(order, Y), n_samples)).mean())
        for name, order in orders.items()
    }


def quality(*, quick: bool) -> None:
    """Print gains of each solver and their share of the oracle's."""
    solvers = ("oracle", *OURS, *(("ssspy",) if find_spec("ssspy") is not None else ()))
    mixtures = development()[:: 4 if quick else 1]
    for title, (method, n_fft) in OUTPUTS.items():
        rows = [gains(mixture, method, n_fft, solvers) for mixture in mixtures]
        table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        print(
            f"\n  {title}: {len(mixtures)} mixtures, dSDR in dB   median    mean   share of the oracle, median"
        )
        for name, values in table.items():
            share = np.median(values / table["oracle"])
            print(f"  {name:<44} {np.median(values):8.2f} {values.mean():7.2f} {share:12.1%}", flush=True)


def main() -> None:
    """Print all tables."""
    peers = ["ssspy"] if find_spec("ssspy") is not None else []
    header("Permutation solvers", "scipy", "numba", *peers)
    if not peers:
        print("  ssspy is not installed: pip install ssspy")
    speed()
    try:
        quality(quick="--quick" in sys.argv)
    except (MissingRecordingError, ssc.SigsepError) as error:
        print(f"  no mixtures to measure on: {error}")


if __name__ == "__main__":
    main()
