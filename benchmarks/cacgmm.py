"""Mixtures of directions against ssspy: time of an iteration, and gain on speech in rooms.

python -m benchmarks.cacgmm [set ...]

Sets are those to develop on (`benchmarks.room_sets`): three voices on two microphones by default. pb_bss,
which has such models too, could not be installed and is left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from benchmarks.recordings import MissingRecordingError
from benchmarks.room_peers import score
from benchmarks.room_sets import development, gain
from benchmarks.timing import compare, header
from sigsep_classic import CACGMM, CWMM, STFT, Separation, separate
from sigsep_classic.datasets.rooms import RoomMixture
from sigsep_classic.factorizers.covariance.direction_mixture import DirectionMixture

SIZES = (2048, 4096)
STEPS = 10
METHODS: dict[str, DirectionMixture] = {
    "cacgmm": CACGMM(),
    "cacgmm, bins on their own": CACGMM(n_refine=0),
    "cwmm": CWMM(),
}


def estimates(found: Separation) -> np.ndarray:
    """Return the stems at the first microphone, (sources, samples)."""
    return np.stack([stem[0] for stem in found.values()])


def masked(found: Separation, n_fft: int) -> np.ndarray:
    """Return what masks in place of the Wiener filter give, (sources, samples)."""
    Y = replace(found.model, extraction="mask").reconstruct()[:, 0]
    return np.stack([STFT(n_fft=n_fft).synthesize(y, found.mixture.shape[1]) for y in Y])


def table(kind: str, mixtures: list[RoomMixture], n_fft: int, peer: bool) -> None:
    """Print median and mean dSDR of a set, and mean CPU seconds of a mixture."""
    print(f"\n  {kind}, {len(mixtures)} mixtures, window {n_fft}: dSDR median, mean, CPU s of a mixture")
    rows: dict[str, list[tuple[float, float]]] = {}
    for mixture in mixtures:
        for label, method in METHODS.items():
            start = time.process_time()
            method = replace(method, n_sources=len(mixture.images))
            found = separate(mixture.mixture, mixture.sample_rate, method=method, frontend=STFT(n_fft=n_fft))
            seconds = time.process_time() - start
            rows.setdefault(label, []).append((float(gain(mixture, estimates(found)).mean()), seconds))
            if label == "cacgmm":
                value = float(gain(mixture, masked(found, n_fft)).mean())
                rows.setdefault("cacgmm, masks", []).append((value, seconds))
        if peer:
            rows.setdefault("ssspy CACGMM, 100 iterations", []).append(score("ssspy CACGMM", mixture, n_fft))
    for label, pairs in rows.items():
        gains, times = np.array(pairs).T
        print(f"  {label:<32} {np.median(gains):6.2f} {gains.mean():6.2f}   {times.mean():6.2f}", flush=True)


def _theirs(X: np.ndarray, n_sources: int) -> Callable[[], object]:
    from ssspy.bss.cacgmm import CACGMM as Peer

    method = Peer(
        n_sources=n_sources, rng=np.random.default_rng(0), record_loss=False, permutation_alignment=False
    )
    return lambda: method(X, n_iter=STEPS)


def _ours(X: np.ndarray, n_sources: int) -> Callable[[], object]:
    method = CACGMM(n_sources=n_sources)
    data = method.prepare(X)
    first = method.init(data)

    def steps() -> object:
        state = first
        for _ in range(STEPS):
            state = method.step(data, state)
        return state

    return steps


def speed(channels: int, n_sources: int, peer: bool) -> None:
    """Print the time of an iteration on 1025 bins and 314 frames."""
    rng = np.random.default_rng(0)
    shape = (channels, 1025, 314)
    X = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    print(f"\n  {n_sources} sources on {channels} microphones, 1025 bins, 314 frames, one iteration")
    candidates = {
        "ours, float32": _ours(X.astype(np.complex64), n_sources),
        "ours, float64": _ours(X, n_sources),
    }
    if peer:
        candidates["ssspy CACGMM"] = _theirs(X, n_sources)
    compare(candidates, rounds=3, per_call=STEPS)


def main(arguments: list[str] | None = None) -> None:
    """Print all tables."""
    peer = find_spec("ssspy") is not None
    header("Mixtures of directions", *(["ssspy"] if peer else []))
    if not peer:
        print("  ssspy is not installed: pip install ssspy")
    for channels, n_sources in ((2, 2), (2, 3), (3, 3)):
        speed(channels, n_sources, peer)
    try:
        for kind in arguments or ["under"]:
            for n_fft in SIZES:
                table(kind, development(kind), n_fft, peer)
    except MissingRecordingError as error:
        print(f"  rooms left out: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
