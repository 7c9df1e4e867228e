"""FDICA: time of an iteration against ssspy, and the real-time factor of the chain that stands on it, step by step.

python -m benchmarks.fdica
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.timing import compare, header

SECONDS, RATE = 10, 16_000
ITERATIONS = 10


def coefficients(dims: int, freq: int, frames: int, dtype: str) -> np.ndarray:
    """Return X (dims, freq, frames) of sources that come and go, mixed at random in each bin."""
    rng = np.random.default_rng(0)
    S = rng.gamma(0.3, size=(dims, 1, frames)) * rng.standard_normal((2, dims, freq, frames))
    A = rng.standard_normal((2, freq, dims, dims))
    X = np.einsum("fcn,nft->cft", A[0] + 1j * A[1], S[0] + 1j * S[1])
    return X.astype(dtype)


def recording(dims: int) -> np.ndarray:
    """Return x (dims, samples) float32: noise bursts through echoes that differ from channel to channel."""
    rng = np.random.default_rng(0)
    samples = SECONDS * RATE
    levels = np.repeat(rng.gamma(0.4, size=(dims, samples // 1600)), 1600, axis=1)
    s = levels * rng.standard_normal((dims, samples))
    echoes = rng.standard_normal((dims, dims, 800)) * np.exp(-np.arange(800) / 120)
    size = 2 * samples
    mixed = np.einsum("mnf,nf->mf", np.fft.rfft(echoes, size), np.fft.rfft(s, size))
    return np.fft.irfft(mixed, size)[:, :samples].astype(np.float32)


def iterations(dims: int, dtype: str) -> None:
    """Print the time of an iteration of ours and of ssspy's, and how many operations a second ours does."""
    from sigsep_classic.factorizers.bins import bins
    from sigsep_classic.kernels.fdica import fdica

    freq, frames = 1025, 251 if dims == 2 else 314
    X = coefficients(dims, freq, frames, dtype)
    data = bins(X)
    start = np.broadcast_to(np.eye(dims, dtype=complex), (freq, dims, dims))
    candidates: dict[str, Callable[[], Any]] = {
        "ours, auxiliary": lambda: fdica(data.Z, start, n_iter=ITERATIONS, load=data.load),
        "ours, natural": lambda: fdica(data.Z, start, n_iter=ITERATIONS, solver="natural", load=data.load),
    }
    if find_spec("ssspy"):
        from ssspy.bss.fdica import AuxLaplaceFDICA

        def peer() -> None:
            AuxLaplaceFDICA(scale_restoration=False, record_loss=False)(X, n_iter=ITERATIONS)

        candidates["ssspy AuxLaplaceFDICA, with loss off"] = peer
    print(f"\n  {dims} channels, {freq} bins, {frames} frames, {dtype}: one iteration")
    ours = compare(candidates, rounds=5, per_call=ITERATIONS)["ours, auxiliary"]
    # y: 8 N², phi: 8 N, and N covariances from the N² products: 2 N³.
    operations = freq * frames * (8 * dims**2 + 8 * dims + 2 * dims**3)
    print(f"  ours: {operations / ours / 1e9:.1f} GFLOP/s")


def chain(dims: int, n_fft: int, hop: int, **options: Any) -> None:
    """Print CPU time of each step from samples to stems, and the sum as a share of the signal's duration."""
    from sigsep_classic import FDICA, STFT
    from sigsep_classic.factorizers.demixing.reestimation import ordered, reestimated

    x, frontend = recording(dims), STFT(n_fft=n_fft, hop=hop)
    grid = frontend.grid(RATE)
    method = FDICA(grid=grid, permutation=None, **options)
    rounds = []
    for _ in range(4):
        marks = [time.process_time()]
        X = frontend.analyze(x)
        marks.append(time.process_time())
        data = method.prepare(X)
        marks.append(time.process_time())
        R = method.advanced(data, method.init(data).R, method.n_iter).R
        marks.append(time.process_time())
        R = ordered(data, R, "kernel", grid)
        marks.append(time.process_time())
        R = reestimated(data, R, grid)
        marks.append(time.process_time())
        sources = method.begin(data, R).model.sources
        marks.append(time.process_time())
        frontend.synthesize(sources, x.shape[1])
        marks.append(time.process_time())
        rounds.append(np.diff(marks))
    steps = np.min(rounds[1:], axis=0)
    names = (
        "analysis",
        "whitening",
        f"FDICA x {method.n_iter}",
        "order",
        "re-estimation x 5",
        "demixing",
        "synthesis",
    )
    told = ", ".join(f"{name} {1e3 * s:.0f}" for name, s in zip(names, steps, strict=True))
    print(f"  {dims} channels, {n_fft}/{hop}: real-time factor {steps.sum() / SECONDS:.4f}   (ms: {told})")


def main() -> None:
    """Print all tables."""
    peer = find_spec("ssspy") is not None
    header("FDICA", *(["ssspy"] if peer else []))
    if not peer:
        print("  ssspy is not installed: pip install ssspy")
    for dims in (2, 3, 4):
        for dtype in ("complex64", "complex128"):
            iterations(dims, dtype)
    print(f"\n  {SECONDS} s at {RATE} Hz, float32, CPU time: the whole chain")
    for dims in (2, 3, 4):
        for n_fft, hop in ((8192, 1024), (4096, 1024)):
            chain(dims, n_fft, hop)
    chain(2, 4096, 1024, n_iter=20)


if __name__ == "__main__":
    main()
