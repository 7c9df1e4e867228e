"""RPCA of a 30-s spectrogram against the textbook algorithm: time to the same residual, objective, rank.

    python -m benchmarks.rpca

The textbook takes a full singular value decomposition a step (`tests/reference/robust_pca.py`, in the precision of
the data). Between the two stand the same steps with the eigenvectors of the smaller Gram matrix, which are exact too,
in double precision since squares of singular values span twice the range, and with scikit-learn's randomised
decomposition at the predicted rank.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from benchmarks.timing import header
from tests.reference.robust_pca import objective, robust_pca

Thresholded = Callable[[np.ndarray, float], np.ndarray]
STEPS = 60


def by_gram(M: np.ndarray, threshold: float) -> np.ndarray:
    """Return M with its singular values lowered, by the eigenvectors of MᵀM."""
    squares, V = np.linalg.eigh(M.T.astype(float) @ M.astype(float))
    kept = squares > threshold**2
    basis = V[:, kept].astype(M.dtype)
    gains = (1 - threshold / np.sqrt(squares[kept])).astype(M.dtype)
    return (M @ (basis * gains)) @ basis.T


class Randomized:
    """Singular values lowered by scikit-learn's randomised decomposition, its rank predicted as Lin et al. do."""

    def __init__(self) -> None:
        self.wanted = 10

    def __call__(self, M: np.ndarray, threshold: float) -> np.ndarray:
        """Return M with its singular values lowered."""
        from sklearn.utils.extmath import randomized_svd

        U, values, Vt = randomized_svd(M, self.wanted, random_state=0)
        rank, least = int((values > threshold).sum()), min(M.shape)
        grown = rank + (1 if rank < self.wanted else round(0.05 * least))
        self.wanted = min(grown, least)
        return (U[:, :rank] * (values[:rank] - threshold)) @ Vt[:rank]


def inexact(
    D: np.ndarray, thresholded: Thresholded, weight: float, tol: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what `robust_pca` does with another way to lower singular values."""
    norm, size = float(np.linalg.norm(D, 2)), float(np.linalg.norm(D))
    Y, A, penalty = D / max(norm, float(D.max()) / weight), np.zeros_like(D), 1.25 / norm
    steps = 0
    while steps < STEPS:
        steps += 1
        E = D - A + Y / penalty
        E = np.sign(E) * np.maximum(np.abs(E) - weight / penalty, 0)
        A = thresholded(D - E + Y / penalty, 1 / penalty)
        rest = D - A - E
        Y, penalty = Y + penalty * rest, penalty * 1.5
        if np.linalg.norm(rest) < tol * size:
            break
    return A, E, steps


def compare_at(D: np.ndarray, tol: float) -> None:
    """Print a row for each way to the residual ``tol``."""
    from sigsep_classic.factorizers.lowrank.principal_pursuit import principal_component_pursuit

    weight = 1 / math.sqrt(max(D.shape))
    print(f"  relative residual {tol:g}")

    def ours() -> tuple[np.ndarray, np.ndarray, int]:
        parts = principal_component_pursuit(D, weight=weight, tol=tol)
        return parts.low_rank, parts.sparse, len(parts.residuals)

    candidates = {
        "ours": ours,
        "textbook, full SVD": lambda: robust_pca(D, weight=weight, tol=tol),
        "eigenvectors of the Gram matrix": lambda: inexact(D, by_gram, weight, tol),
        "scikit-learn randomized_svd": lambda: inexact(D, Randomized(), weight, tol),
    }
    ours()
    seconds: dict[str, float] = {}
    for name, solve in candidates.items():
        rounds = 3 if name == "ours" else 1
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            A, E, steps = solve()
            times.append(time.perf_counter() - began)
        seconds[name] = sorted(times)[rounds // 2]
        left = np.linalg.norm(D - A - E) / np.linalg.norm(D)
        print(
            f"    {name:<33} {seconds[name]:7.2f} s  {seconds[name] / seconds['ours']:5.1f} x ours   {steps} steps, "
            f"residual {left:.1e}, rank {np.linalg.matrix_rank(A.astype(float), tol=1e-6 * np.linalg.norm(D))}, "
            f"objective {objective(A, E, weight):.1f}"
        )


def step_alone(D: np.ndarray) -> None:
    """Print the time of the elementwise half of a step, fused and in NumPy."""
    from sigsep_classic.kernels import shrinkage as op

    rng = np.random.default_rng(0)
    A, M, B = (D * rng.random(D.shape, dtype=np.float32) for _ in range(3))
    flat = [a.reshape(-1) for a in (D, A, M, B, M, B)]
    ways = {
        "one pass": lambda: op.shrinkage(D, A, M, B, growth=1.5, threshold=0.1, out=(M, B)),
        "NumPy": lambda: op._numpy(*flat, 1 / 1.5, 0.1),
    }
    best = dict.fromkeys(ways, math.inf)
    for _ in range(9):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - began)
    fused, plain = best.values()
    print(
        f"  elementwise half of a step: {1e3 * fused:.1f} ms; in NumPy {1e3 * plain:.1f} ms, {plain / fused:.1f} x"
    )


def main() -> None:
    """Print the table."""
    from sigsep_classic import STFT, synthesize

    X = STFT().analyze(synthesize("song", seconds=30.0).mixture)
    D = np.ascontiguousarray(np.sqrt((np.abs(X) ** 2).mean(axis=0)).T)
    header(f"RPCA of 30 s, {D.shape[1]} x {D.shape[0]} {D.dtype}, weight 1/√max", "scikit-learn", "scipy")
    for tol in (1e-4, 1e-5):
        compare_at(D, tol)
    step_alone(D)


if __name__ == "__main__":
    main()
