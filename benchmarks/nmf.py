"""NMF against scikit-learn and torchnmf: one iteration, time to an objective, the GEMM floor, threads, memory.

python -m benchmarks.nmf
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import header

F, T = 1025, 2580
LOSSES = {1.0: "kullback-leibler", 0.0: "itakura-saito", 2.0: "frobenius"}
UNITS = {1.0: 4, 0.0: 6}


def sklearn_solver(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: float, n_iter: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's factors after ``n_iter`` updates: ``mu``, for β = 2 ``cd``."""
    from sklearn.decomposition import non_negative_factorization

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return non_negative_factorization(
            V, W.copy(), H.copy(), init="custom", n_components=W.shape[1], solver="cd" if beta == 2 else "mu",
            beta_loss=LOSSES[beta], max_iter=n_iter, tol=0,
        )[:2]  # fmt: skip


def random_factors(K: int) -> tuple[np.ndarray, np.ndarray]:
    """Return W and H, the latter as the transpose of a C-contiguous array."""
    rng = np.random.default_rng(0)
    W, Ht = (rng.random(s).astype(np.float32) + np.float32(0.1) for s in ((F, K), (T, K)))
    return W, Ht.T


def our_updates(V: np.ndarray, K: int, beta: float, *, joint: bool = False) -> Callable[[], None]:
    """Return an iteration of ours on factors of its own."""
    from sigsep_classic.kernels.beta_nmf import joint_update, multiplicative_update

    W, H = random_factors(K)

    def alternating() -> None:
        for factor in "WH":
            multiplicative_update(V, W, H, factor=factor, beta=beta, exponent=1.0)

    return (lambda: joint_update(V, W, H, beta=beta)) if joint else alternating


def bare_products(V: np.ndarray, K: int, beta: float, *, joint: bool = False) -> Callable[[], None]:
    """Return nothing but the whole-matrix products of an iteration, into arrays that exist."""
    W, H = random_factors(K)
    Ht, Wt = H.T, np.ascontiguousarray(W.T)
    model, of_H, of_W = (
        np.empty((T, F), np.float32),
        np.empty((T, K), np.float32),
        np.empty((F, K), np.float32),
    )
    sums = 1 if beta == 1 else 2

    def products() -> None:
        np.dot(Ht, Wt, out=model)
        if not joint:
            np.dot(Ht, Wt, out=model)
        for _ in range(sums):
            np.dot(model, W, out=of_H)
            np.dot(model.T, Ht, out=of_W)

    return products


def per_iteration(V: np.ndarray, K: int, beta: float) -> None:
    """Print the time of one iteration of the same algorithm, peers' start-up cost removed by a difference."""
    V_c = np.ascontiguousarray(V)
    W, H = random_factors(K)

    def peer(n_iter: int) -> Callable[[], object]:
        return lambda: sklearn_solver(V_c, W, H, beta, n_iter)

    own = {
        "ours": our_updates(V, K, beta),
        "GEMMs": bare_products(V, K, beta),
        "joint": our_updates(V, K, beta, joint=True),
        "joint GEMMs": bare_products(V, K, beta, joint=True),
    }
    others = {"scikit-learn": peer}
    if K >= 32 and (torch := torch_peer(V_c, W, H, beta)) is not None:
        others["torchnmf"] = torch
    times: dict[str, list[float]] = {}
    for call in own.values():
        call()
    for make in others.values():
        make(1)()
    for _ in range(5):
        for name, call in own.items():
            times.setdefault(name, []).append(_seconds(lambda call=call: [call() for _ in range(3)]) / 3)
        for name, make in others.items():
            times.setdefault(name, []).append((_seconds(make(8)) - _seconds(make(2))) / 6)
    ms = {name: 1e3 * np.median(values) for name, values in times.items()}
    floor = 1e3 * UNITS[beta] * gemm_unit(K)
    print(f"  {LOSSES[beta]}, K = {K}; at the speed of a large square product {floor:.2f} ms")
    print(f"    ours {ms['ours']:6.2f} ms, {_ratio(times, 'ours', 'GEMMs'):.2f} x its bare products")
    print(f"    joint {ms['joint']:6.2f} ms, {_ratio(times, 'joint', 'joint GEMMs'):.2f} x its bare products")
    for name in others:
        print(f"    {name:<13} {ms[name]:6.2f} ms = {_ratio(times, name, 'ours'):.2f} x ours")


def _ratio(times: dict[str, list[float]], above: str, below: str) -> float:
    return float(np.median(np.divide(times[above], times[below])))


def torch_peer(V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: float) -> Callable[[int], Any] | None:
    """Return ``make(n_iter)`` for torchnmf on one thread, or None where it is not installed."""
    try:
        import torch
        from torchnmf.nmf import NMF
    except ImportError:
        print("  (torchnmf is not installed)")
        return None
    torch.set_num_threads(1)
    data = torch.from_numpy(V.T.copy())  # (frames, freq) ≈ H W

    def make(n_iter: int) -> Callable[[], object]:
        def call() -> None:
            model = NMF(W=torch.from_numpy(W.copy()), H=torch.from_numpy(H.T.copy()))
            model.fit(data, beta=beta, tol=0, max_iter=n_iter)

        return call

    return make


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def gemm_unit(K: int) -> float:
    """Return the seconds 2 F K T operations take at the speed of a large square GEMM."""
    a = np.ones((1024, 1024), np.float32)
    out = np.empty_like(a)
    best = min(_seconds(lambda: np.dot(a, a, out=out)) for _ in range(5))
    return best * F * K * T / 1024**3


def to_objective(V: np.ndarray, K: int, beta: float, solver: str, *, seeds: int = 5) -> None:
    """Print how long we take to what scikit-learn reaches in 200 iterations; both begin from the same random W, H.

    Our time contains everything after drawing them, the start on pooled frames too.
    """
    from sigsep_classic import NMF
    from sigsep_classic.kernels.beta_divergence import divergence

    V_c = np.ascontiguousarray(V)
    ratios, counts, peers = [], [], []
    for seed in range(seeds):
        start = NMF(n_components=K, beta=beta, seed=seed, initial="random").init(V)
        began = time.perf_counter()
        W, H = sklearn_solver(V_c, start.W, np.ascontiguousarray(start.H), beta, 200)
        peers.append(time.perf_counter() - began)
        target = divergence(V, W, np.ascontiguousarray(H.T).T, beta=beta)
        method = NMF(n_components=K, beta=beta, solver=solver, seed=seed, n_iter=200)
        n, seconds = time_to(method, V, target)
        ratios.append(peers[-1] / seconds if n else 0.0)
        counts.append(str(n or "not in 200"))
    print(f"  {LOSSES[beta]}, K = {K}: scikit-learn, 200 iterations {np.median(peers):.2f} s")
    each = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    print(
        f"    {solver}: {np.median(ratios):.2f} x faster, median of {seeds} seeds ({each}); steps {', '.join(counts)}"
    )


def time_to(method: Any, V: np.ndarray, target: float) -> tuple[int, float]:
    """Return steps (0: not reached) and seconds until the loss is at most ``target``, looked at every five steps."""
    method.step(V, method.init(V))  # compiled before it is timed
    began = time.perf_counter()
    model = method.init(V)
    for n in range(1, method.n_iter + 1):
        model = method.step(V, model)
        if n % 5 == 0 and method.loss(V, model) <= target * (1 + 1e-6):
            return n, time.perf_counter() - began
    return 0, time.perf_counter() - began


def threads(V: np.ndarray) -> None:
    """Print what a second thread brings to our iterations, and to the bare products."""
    found = {}
    for n in (1, 2):
        environment = {**os.environ, "BENCH_THREADS": str(n)}
        child = [sys.executable, "-m", "benchmarks.nmf", "--child"]
        lines = subprocess.run(child, env=environment, capture_output=True, text=True, check=True).stdout
        found[n] = dict(line.rsplit(" ", 1) for line in lines.splitlines() if line)
    for name in found[1]:
        print(f"  {name}: {float(found[1][name]) / float(found[2][name]):.2f} x")


def child(V: np.ndarray) -> None:
    """Print the seconds of an iteration with the threads of this process, least of several."""
    K = 32
    for beta in UNITS:
        calls = {
            "alternating": our_updates(V, K, beta),
            "joint": our_updates(V, K, beta, joint=True),
            "bare products": bare_products(V, K, beta),
        }
        for name, call in calls.items():
            call()
            print(f"{LOSSES[beta]} {name} {min(_seconds(call) for _ in range(15))}")


def memory(V: np.ndarray, K: int, beta: float) -> None:
    """Print extra memory of one step over V and the factors."""
    from sigsep_classic import NMF

    for solver in ("me", "extrapolated"):
        nmf = NMF(n_components=K, beta=beta, solver=solver, initial="random")
        model = nmf.step(V, nmf.init(V))
        held = V.nbytes + model.W.nbytes + model.H.nbytes
        tracemalloc.start()
        nmf.step(V, model)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"  {LOSSES[beta]}, K = {K}, {solver}: {100 * peak / held:.1f} % of V + factors")


def as_transformers(V: np.ndarray, K: int) -> None:
    """Print the time of scikit-learn's NMF and of ours in its manners, and the error each leaves."""
    from sklearn.decomposition import NMF

    from sigsep_classic.sklearn import NMFTransformer

    X = np.ascontiguousarray(V.T)
    shared = {"n_components": K, "beta_loss": "kullback-leibler", "random_state": 0}
    made = {
        "scikit-learn": NMF(solver="mu", init="random", **shared),
        "ours, mu": NMFTransformer(solver="mu", init="random", **shared),
        "ours": NMFTransformer(**shared),
        "ours, 40": NMFTransformer(max_iter=40, **shared),
    }
    made["ours, mu"].fit(X[:64])  # compiled before it is timed
    made["ours"].fit(X[:64])
    times: dict[str, list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            for name, each in made.items():
                times.setdefault(name, []).append(_seconds(lambda each=each: each.fit_transform(X)))
    for name, each in made.items():
        seconds, error = np.median(times[name]), each.reconstruction_err_
        ratio = _ratio(times, "scikit-learn", name)
        print(f"  {name:<13} {seconds:6.2f} s, {ratio:4.1f} x; {each.n_iter_} iterations, error {error:.4g}")


def data() -> np.ndarray:
    """Return the magnitudes of thirty seconds of a synthetic song, frame after frame."""
    from sigsep_classic import STFT, synthesize

    X = STFT().analyze(synthesize("song", seconds=30.0).mixture)
    return np.sqrt((np.abs(X) ** 2).mean(axis=0))[:, :T] + np.float32(1e-6)


def main() -> None:
    """Print all tables."""
    V = data()
    if "--child" in sys.argv:
        child(V)
        return
    header(f"NMF, {F} x {T} float32: one iteration (W then H), one thread", "scikit-learn", "torchnmf")
    for beta in UNITS:
        for K in (8, 32, 64):
            per_iteration(V, K, beta)
    header("time to the objective of scikit-learn's 200 iterations", "scikit-learn")
    for beta, solver in ((1.0, "extrapolated"), (0.0, "extrapolated"), (2.0, "hals")):
        power = V if beta else V**2 / (V**2).mean() + np.float32(1e-4)  # scikit-learn's floor is absolute
        to_objective(power, 32, beta, solver)
    header("fit_transform as a transformer, K = 32, Kullback-Leibler, tol as it comes", "scikit-learn")
    as_transformers(V, 32)
    header("two threads against one, K = 32")
    threads(V)
    header("extra memory of an iteration, one thread")
    for beta in UNITS:
        memory(V, 32, beta)


if __name__ == "__main__":
    main()
