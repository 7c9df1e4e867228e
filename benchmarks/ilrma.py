"""ILRMA against pyroomacoustics and ssspy: time of an iteration, cost and gain from the same start.

python -m benchmarks.ilrma            # speed
python -m benchmarks.ilrma quality    # gain on the development mixtures too (minutes)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.timing import compare, header
from sigsep_classic import ILRMA, STFT, SubbandSplitting
from sigsep_classic.factorizers.demixing.ilrma import LowRankDemixing
from sigsep_classic.kernels.threads import single_threaded_blas

F, K, STEPS = 1025, 2, 10
FRAMES = {2: 251, 3: 314, 4: 314}
VARIANTS: dict[str, Any] = {
    "ilrma": ILRMA(),
    "ilrma, ME": ILRMA(updates="me"),
    "ilrma, IP2": ILRMA(rule="ip2"),
    "ilrma, ISS": ILRMA(rule="iss1"),
    "ilrma, Student's t": ILRMA(density="student"),
    "ilrma, generalized": ILRMA(density="generalized"),
    "ilrma, 6 shared components": ILRMA(partitioned=True, n_components=6),
    "ilrma, consistent": ILRMA(consistency=True),
    "subband, AuxIVA": SubbandSplitting(),
    "subband, ILRMA": SubbandSplitting(model="ilrma"),
}
PEERS = ("pyroomacoustics ilrma", "ssspy GaussILRMA")


def mixture(n: int) -> np.ndarray:
    """Return X (n, freq, frames) of sources with levels that change from cell to cell."""
    rng = np.random.default_rng(0)
    shape = (n, F, FRAMES[n])
    S = np.sqrt(rng.gamma(0.5, size=shape) + 1e-4) * (
        rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    )
    A = rng.standard_normal((F, n, n)) + 1j * rng.standard_normal((F, n, n))
    return np.ascontiguousarray((A @ S.swapaxes(0, 1)).swapaxes(0, 1))


def steps(X: np.ndarray) -> Callable[[], Any]:
    """Return a function that takes `STEPS` of our iterations on data prepared before."""
    method = ILRMA(n_components=K)
    data = method.prepare(X)
    first = method.step(data, method.init(data))

    def run() -> Any:
        state = first
        for _ in range(STEPS):
            state = method.step(data, state)
        return state

    return run


def speed(n: int) -> None:
    """Print the time of one iteration for n channels."""
    X = mixture(n)
    print(f"\n  {n} channels, {F} bins, {FRAMES[n]} frames, {K} templates each; one iteration")
    candidates = {"ours, float32": steps(X.astype("complex64")), "ours, float64": steps(X)}
    if find_spec("pyroomacoustics"):
        import pyroomacoustics

        Xp = X.transpose(2, 1, 0).copy()
        candidates["pyroomacoustics ilrma"] = lambda: pyroomacoustics.bss.ilrma(
            Xp, n_iter=STEPS, n_components=K, proj_back=False
        )
    if find_spec("ssspy"):
        candidates["ssspy GaussILRMA (IP1)"] = lambda: _ssspy(X, n_iter=STEPS, record_loss=False)
    compare(candidates, rounds=5, per_call=STEPS)


def _ssspy(X: np.ndarray, *, n_iter: int, record_loss: bool = True, **start: np.ndarray) -> Any:
    from ssspy.bss.ilrma import GaussILRMA

    method = GaussILRMA(
        n_basis=K,
        rng=np.random.default_rng(0),
        record_loss=record_loss,
        normalization=False,
        scale_restoration=False,
        flooring_fn=lambda x: np.maximum(x, 1e-30),
    )
    method(X, n_iter=n_iter, **start)
    return method


def parity() -> None:
    """Print how far costs are from ssspy's after 20 iterations from the same W, T and V."""
    X = mixture(2)[:, :129]
    X = X[np.argsort(-(abs(X) ** 2).sum(axis=(1, 2)))]
    rng = np.random.default_rng(1)
    n, freq, frames = X.shape
    T, V = rng.uniform(0.1, 1, (n, freq, K)), rng.uniform(0.1, 1, (n, K, frames))
    W = np.broadcast_to(np.eye(n, dtype=complex), (freq, n, n)).copy()
    start = LowRankDemixing(W=W, A=W, mixture=X, n_active=n, templates=T, activations=V)
    method = ILRMA(n_components=K, n_iter=20)
    data = method.prepare(X)
    costs = [method.loss(data, state) for state in method.iterate(X, start=start)]
    theirs = np.array(_ssspy(X, n_iter=20, basis=T, activation=V).loss)
    ours = np.array(costs) - 2 * np.linalg.slogdet(data.T)[1].sum()
    print(
        f"\n  cost against ssspy over 20 iterations: largest relative difference {abs(ours / theirs - 1).max():.1e}"
    )


def quality(n_fft: int = 2048) -> None:
    """Print dSDR on the development mixtures, 50 iterations, float32."""
    from benchmarks.room_peers import score
    from benchmarks.room_sets import RATE, development, gain
    from sigsep_classic.pipeline import separate_array

    mixtures = development("determined")
    print(f"\n  dSDR on {len(mixtures)} development mixtures, STFT {n_fft}: median, mean; CPU time of all")
    for name, method in VARIANTS.items():
        start, gains = time.process_time(), []
        stems = [
            separate_array(m.mixture.astype("float32"), RATE, method, frontend=STFT(n_fft=n_fft))
            for m in mixtures
        ]
        seconds = time.process_time() - start
        gains = [
            gain(m, np.stack([s[0] for s in found.values()])).mean()
            for m, found in zip(mixtures, stems, strict=True)
        ]
        print(f"  {name:<34} {np.median(gains):6.1f} {np.mean(gains):6.1f} dB {seconds:8.1f} s", flush=True)
    for name in PEERS:
        if find_spec(name.partition(" ")[0]):
            gains = [score(name, m, n_fft)[0] for m in mixtures]
            print(f"  {name:<34} {np.median(gains):6.1f} {np.mean(gains):6.1f} dB", flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    """Print all tables."""
    peers = [name for name in ("pyroomacoustics", "ssspy") if find_spec(name)]
    header("ILRMA", *peers)
    for name in {"pyroomacoustics", "ssspy"} - set(peers):
        print(f"  {name} is not installed: pip install {name}")
    with single_threaded_blas():
        for n in FRAMES:
            speed(n)
    if "ssspy" in peers:
        parity()
    if "quality" in arguments:
        quality()


if __name__ == "__main__":
    main(sys.argv[1:])
