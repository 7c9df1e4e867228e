"""Many small NMF problems: `fit_many` on two threads against one after the other, and against torchnmf.

python -m benchmarks.nmf_batch
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import compare, header
from sigsep_classic.backend import threads

B, F, T, K, N_ITER = 64, 257, 160, 8, 30
THREADS = 2


def problems() -> list[np.ndarray]:
    """Return magnitudes of as many excerpts, (1, freq, frames) each, frame after frame in memory."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(B):
        M = rng.gamma(0.3, size=(T, K)) @ rng.gamma(0.3, size=(K, F))
        found.append((M * rng.gamma(2, 0.5, M.shape) + 1e-3).astype(np.float32).T[None])
    return found


def torch_peer(Xs: list[np.ndarray]) -> Callable[[], Any] | None:
    """Return torchnmf on all problems one after the other; None where it is not installed.

    On one thread: its products are so small that two make it several times as slow where other programs run.
    """
    try:
        import torch
        from torchnmf.nmf import NMF
    except ImportError:
        print("  (torchnmf is not installed)")
        return None
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    data = [torch.from_numpy(np.ascontiguousarray(X[0].T)) for X in Xs]
    starts = [
        (rng.random((F, K)).astype(np.float32) + 0.1, rng.random((T, K)).astype(np.float32) + 0.1) for _ in Xs
    ]

    def call() -> None:
        for V, (W, H) in zip(data, starts, strict=True):
            model = NMF(W=torch.from_numpy(W.copy()), H=torch.from_numpy(H.copy()))
            model.fit(V, beta=1, tol=0, max_iter=N_ITER)

    return call


def main() -> None:
    """Print the seconds of all problems, of the plain update and of the default solver."""
    from sigsep_classic import NMF

    Xs = problems()
    torch = torch_peer(Xs)
    for title, options in (("W and H in turn", {"solver": "mu"}), ("default solver", {})):
        method = NMF(n_components=K, n_iter=N_ITER, tol=0, initial="random", **options)
        header(
            f"{B} KL-NMF {F} x {T}, K = {K}, {N_ITER} iterations, float32, {THREADS} threads: {title}",
            "torchnmf",
        )

        def many(method: NMF = method) -> None:
            method.fit_many(Xs)

        def in_turn(method: NMF = method) -> None:
            for X in Xs:
                method.fit(X)

        def on_one_thread(method: NMF = method) -> None:
            with threads(1):
                in_turn(method)

        calls = {
            "fit_many": many,
            "fit, one after the other": in_turn,
            "the same on one thread": on_one_thread,
        }
        with threads(THREADS):
            compare(calls | ({"torchnmf, one thread": torch} if torch else {}), rounds=5, unit="s")


if __name__ == "__main__":
    main()
