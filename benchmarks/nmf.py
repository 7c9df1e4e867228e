"""NMF against scikit-learn: time of an iteration, time to an objective, extra memory, and the GEMM floor.

python -m benchmarks.nmf
"""

from __future__ import annotations

import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import header

F, T = 1025, 2580
LOSSES = {1.0: "kullback-leibler", 0.0: "itakura-saito"}


def sklearn_solver(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: float, n_iter: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's factors after ``n_iter`` multiplicative updates."""
    from sklearn.decomposition import non_negative_factorization

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return non_negative_factorization(
            V, W.copy(), H.copy(), init="custom", n_components=W.shape[1], solver="mu", beta_loss=LOSSES[beta],
            max_iter=n_iter, tol=0,
        )[:2]  # fmt: skip


def per_iteration(V: np.ndarray, K: int, beta: float) -> None:
    """Print the time of one iteration of the same algorithm, start-up cost removed by a difference."""
    from sigsep_classic.kernels.beta_nmf import multiplicative_update

    rng = np.random.default_rng(0)
    W, H = (rng.random(s).astype(np.float32) + np.float32(0.1) for s in ((F, K), (K, T)))
    ours_W, ours_H = W.copy(), np.ascontiguousarray(H.T).T
    V_c = np.ascontiguousarray(V)

    def ours() -> None:
        for factor in "WH":
            multiplicative_update(V, ours_W, ours_H, factor=factor, beta=beta, exponent=1.0)

    def peer(n_iter: int) -> Callable[[], object]:
        return lambda: sklearn_solver(V_c, W, H, beta, n_iter)

    differences, own = [], []
    ours()
    peer(1)()
    for _ in range(7):
        own.append(_seconds(lambda: [ours() for _ in range(5)]) / 5)
        differences.append((_seconds(peer(12)) - _seconds(peer(2))) / 10)
    ours_ms, peer_ms = 1e3 * np.median(own), 1e3 * np.median(differences)
    units = 4 if beta == 1 else 6
    print(
        f"  {LOSSES[beta]:<17} K = {K:<3} ours {ours_ms:6.2f} ms   scikit-learn {peer_ms:6.2f} ms   "
        f"{np.median(np.divide(differences, own)):.2f} x   GEMM floor {1e3 * units * gemm_unit(K):6.2f} ms"
    )


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


def to_objective(V: np.ndarray, K: int, beta: float, *, seeds: int = 3) -> None:
    """Print how long each solver takes to what scikit-learn reaches in 200 iterations from the same start."""
    from sigsep_classic import NMF
    from sigsep_classic.kernels.beta_nmf import divergence

    V_c = np.ascontiguousarray(V)
    ratios: dict[str, list[float]] = {}
    counts: dict[str, list[int]] = {}
    peers = []
    for seed in range(seeds):
        start = NMF(n_components=K, beta=beta, seed=seed).init(V)
        began = time.perf_counter()
        W, H = sklearn_solver(V_c, start.W, np.ascontiguousarray(start.H), beta, 200)
        peers.append(time.perf_counter() - began)
        target = divergence(V, W, np.ascontiguousarray(H.T).T, beta=beta)
        for solver in ("mu", "me", "extrapolated"):
            method = NMF(n_components=K, beta=beta, solver=solver, n_iter=300, update_order="WH")
            n, seconds = time_to(method, V, start, target)
            ratios.setdefault(solver, []).append(peers[-1] / seconds)
            counts.setdefault(solver, []).append(n)
    print(f"  {LOSSES[beta]}, K = {K}: scikit-learn mu, 200 iterations {np.median(peers):.2f} s")
    for solver, values in ratios.items():
        print(
            f"    {solver:<14} {counts[solver]} iterations   {np.median(values):.2f} x faster (median of {seeds} seeds)"
        )


def time_to(method: Any, V: np.ndarray, start: Any, target: float) -> tuple[int, float]:
    """Return iterations and seconds until the loss is at most ``target``, looked at every ten iterations."""
    began = time.perf_counter()
    model = method.adopt(V, start)
    for n in range(1, method.n_iter + 1):
        model = method.step(V, model)
        if (model.value is not None or n % 10 == 0) and method.loss(V, model) <= target * (1 + 1e-6):
            break
    return n, time.perf_counter() - began


def memory(V: np.ndarray, K: int, beta: float) -> None:
    """Print extra memory of one step over V and the factors."""
    from sigsep_classic import NMF

    for solver in ("mu", "extrapolated"):
        nmf = NMF(n_components=K, beta=beta, solver=solver)
        model = nmf.step(V, nmf.init(V))
        held = V.nbytes + model.W.nbytes + model.H.nbytes
        second = 0 if model.W_before is None else model.W_before.nbytes + model.H_before.nbytes
        tracemalloc.start()
        nmf.step(V, model)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"  {LOSSES[beta]}, K = {K}, {solver}: {100 * (peak + second) / held:.1f} % of V + factors")


def main() -> None:
    """Print all tables."""
    from sigsep_classic import STFT, synthesize

    X = STFT().analyze(synthesize("song", seconds=30.0).mixture)
    V = np.sqrt((np.abs(X) ** 2).mean(axis=0))[:, :T] + np.float32(1e-6)
    header(f"NMF, {F} x {T} float32: one iteration (W then H)", "scikit-learn")
    for beta in LOSSES:
        for K in (8, 32, 64):
            per_iteration(V, K, beta)
    header("time to the objective of scikit-learn's 200 iterations", "scikit-learn")
    for beta in LOSSES:
        power = V if beta else V**2 / (V**2).mean() + np.float32(1e-4)  # scikit-learn's floor is absolute
        to_objective(power, 32, beta)
    header("extra memory of an iteration, one thread")
    for beta in LOSSES:
        memory(V, 32, beta)


if __name__ == "__main__":
    main()
