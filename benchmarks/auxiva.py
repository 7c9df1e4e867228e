"""AuxIVA against pyroomacoustics and ssspy: time of an iteration on one thread, and how near it is to the memory's.

python -m benchmarks.auxiva
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.timing import compare, header

N_FREQ = 1025
SIZES = ((2, 251), (3, 314), (4, 314))
_ITERATIONS, _ROUNDS = 10, 7


def coefficients(n: int, frames: int, real: str, seed: int = 0) -> np.ndarray:
    """Return X (n, freq, frames), complex: sources of changing level, mixed bin by bin."""
    rng = np.random.default_rng(seed)
    S = rng.standard_normal((n, N_FREQ, frames)) + 1j * rng.standard_normal((n, N_FREQ, frames))
    S *= rng.gamma(0.3, size=(n, 1, frames))
    A = np.eye(n) + 0.4 * (rng.standard_normal((N_FREQ, n, n)) + 1j * rng.standard_normal((N_FREQ, n, n)))
    return np.einsum("fcn,nft->cft", A, S).astype(np.result_type(real, np.complex64))


def read_bandwidth() -> float:
    """Return bytes a second read by one thread from 256 MB of memory: the best of nine."""
    x = np.ones(1 << 25)
    best = np.inf
    for _ in range(9):
        start = time.perf_counter()
        x.max()
        best = min(best, time.perf_counter() - start)
    return x.nbytes / best


def iterations(method: Any, X: np.ndarray) -> Callable[[], Any]:
    """Return a function that runs iterations of one of our methods from where it stands."""
    data = method.prepare(X)
    held = [method.init(data)]

    def run() -> None:
        for _ in range(_ITERATIONS):
            held[0] = method.step(data, held[0])

    return run


def pyroomacoustics(X: np.ndarray) -> Callable[[], Any]:
    """Return the same of pyroomacoustics' AuxIVA; its preparation is next to nothing."""
    from pyroomacoustics.bss import auxiva

    Y = np.ascontiguousarray(X.transpose(2, 1, 0))
    return lambda: auxiva(Y, n_iter=_ITERATIONS, proj_back=False)


def ssspy(X: np.ndarray, rule: str) -> Callable[[], Any]:
    """Return the same of ssspy's AuxIVA, without its losses; its IP2 takes both orders of two sources."""
    from ssspy.bss.iva import AuxLaplaceIVA

    def run() -> None:
        method = AuxLaplaceIVA(spatial_algorithm=rule, scale_restoration=False, record_loss=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method(X, n_iter=_ITERATIONS)

    return run


def table(n: int, frames: int, bandwidth: float) -> None:
    """Print times for n channels, and their share of what reading the data at this many bytes a second takes."""
    from sigsep_classic import AuxIVA

    print(f"\n  {n} channels, {N_FREQ} frequencies, {frames} frames, Laplacian prior; time of an iteration")
    X = coefficients(n, frames, "float64")
    candidates: dict[str, Callable[[], Any]] = {
        f"ours, {rule}, {real}": iterations(AuxIVA(rule=rule), X.astype(np.result_type(real, np.complex64)))
        for rule in ("ip1", "iss1", "ip2")
        for real in ("float32", "float64")
    }
    if find_spec("pyroomacoustics"):
        candidates["pyroomacoustics auxiva, complex128"] = pyroomacoustics(X)
        candidates["pyroomacoustics auxiva, complex64"] = pyroomacoustics(X.astype(np.complex64))
    if find_spec("ssspy"):
        candidates |= {f"ssspy AuxIVA {rule}": ssspy(X, rule) for rule in ("IP1", "ISS1", "IP2")}
    medians = compare(candidates, rounds=_ROUNDS, per_call=_ITERATIONS)
    for real, size in (("float32", 4), ("float64", 8)):
        n_bytes = N_FREQ * frames * n * 2 * size
        bound = n_bytes / bandwidth
        shares = [f"{rule} {bound / medians[f'ours, {rule}, {real}']:.0%}" for rule in ("ip1", "iss1", "ip2")]
        print(
            f"  {real}: reading the data once takes {bound * 1e3:.2f} ms, which is {', '.join(shares)} of an iteration"
        )
    _bars(medians)


def _bars(medians: dict[str, float]) -> None:
    peer = medians.get("pyroomacoustics auxiva, complex128")
    for rule in ("ip1", "iss1"):
        for real, bar in (("float32", 15), ("float64", 8)):
            if peer:
                ratio = peer / medians[f"ours, {rule}, {real}"]
                print(f"  {rule} {real}: {ratio:.1f} x pyroomacoustics (bar {bar})")
    if "ssspy AuxIVA IP2" in medians:
        ratio = medians["ssspy AuxIVA IP2"] / medians["ours, ip2, float32"]
        print(f"  ip2 float32: {ratio:.1f} x ssspy (bar 30)")


def main() -> None:
    """Print all tables."""
    from sigsep_classic.kernels.threads import single_threaded_blas

    peers = [name for name in ("pyroomacoustics", "ssspy") if find_spec(name)]
    header("AuxIVA, one thread", "numba", *peers)
    for missing in sorted({"pyroomacoustics", "ssspy"} - set(peers)):
        print(f"  {missing} is not installed: pip install {missing}")
    os.environ["SIGSEP_NUM_THREADS"] = "1"
    bandwidth = read_bandwidth()
    print(f"  memory is read at {bandwidth / 1e9:.1f} GB/s")
    with single_threaded_blas():
        for n, frames in SIZES:
            table(n, frames, bandwidth)


if __name__ == "__main__":
    main()
