"""ICA against scikit-learn's FastICA and python-picard: time to the same optimum, and how near it is to the truth.

python -m benchmarks.ica
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from benchmarks.timing import compare, header

SECONDS, RATE = 10, 44_100


def amari(W: np.ndarray, A: np.ndarray) -> float:
    """Return the Amari distance of W A from a scaled permutation: 0 for a perfect unmixing, at most 1.

    Parameters
    ----------
    W : array (sources, channels)
        Demixing matrix.
    A : array (channels, sources)
        Mixing matrix.

    References
    ----------
    S. Amari, A. Cichocki and H. H. Yang, "A new learning algorithm for blind signal separation", Proc. NIPS, 1996.
    """
    P = abs(W @ A)
    P /= P.max(axis=1, keepdims=True)  # the scale of W's rows means nothing
    n = len(P)
    if n == 1:
        return 0.0
    rows = P.sum() - n
    columns = (P / P.max(axis=0, keepdims=True)).sum() - n
    return float((rows + columns) / (2 * n * (n - 1)))


def mixture(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a mixing matrix and x (n, samples): Laplacian sources with slowly changing levels, as speech has."""
    rng = np.random.default_rng(seed)
    samples = SECONDS * RATE
    levels = np.repeat(rng.gamma(1.0, size=(n, samples // 2205 + 1)), 2205, axis=1)[:, :samples]
    A = rng.standard_normal((n, n)) + np.eye(n)
    return A, A @ (rng.laplace(size=(n, samples)) * levels)


def _fastica(x: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import FastICA

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The change of W between iterations that leaves a relative gradient of about 1e-7.
        model = FastICA(whiten="unit-variance", max_iter=500, tol=1e-10, random_state=0).fit(x.T)
    return model.components_


def _picard(x: np.ndarray, *, ortho: bool) -> np.ndarray:
    from picard import picard

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        K, W, _ = picard(x, ortho=ortho, extended=ortho, tol=1e-7, max_iter=500, random_state=0)
    return W @ K


def _ours(x: np.ndarray, solver: str) -> np.ndarray:
    from sigsep_classic import ICA

    return ICA(solver=solver, tol=1e-7, n_iter=500).fit(x[:, None]).W[0]


def table(n: int, peers: bool) -> None:
    """Print time and distance to the truth for n channels, the orthogonal solvers and those of the likelihood."""
    A, x = mixture(n)
    orthogonal: dict[str, Callable[[], np.ndarray]] = {
        "ours, picard_o": lambda: _ours(x, "picard_o"),
        "ours, fastica": lambda: _ours(x, "fastica"),
        "scikit-learn FastICA": lambda: _fastica(x),
    }
    likelihood: dict[str, Callable[[], np.ndarray]] = {"ours, picard": lambda: _ours(x, "picard")}
    if peers:
        orthogonal["python-picard, ortho=True"] = lambda: _picard(x, ortho=True)
        likelihood["python-picard, ortho=False"] = lambda: _picard(x, ortho=False)
    for title, candidates in (("rotations", orthogonal), ("likelihood", likelihood)):
        print(f"\n  {n} channels, {SECONDS} s at {RATE} Hz, {title}")
        found = {name: call() for name, call in candidates.items()}
        first = next(iter(found.values()))
        compare(candidates, rounds=3)
        for name, W in found.items():
            print(
                f"  {name:<34} Amari to the truth {amari(W, A):.2e}, to ours {amari(W, np.linalg.inv(first)):.0e}"
            )


def main() -> None:
    """Print all tables."""
    peers = find_spec("picard") is not None
    header("ICA to a relative gradient of 1e-7", "scikit-learn", *(["python-picard"] if peers else []))
    if not peers:
        print("  python-picard is not installed: pip install python-picard")
    for n in (2, 4, 8):
        table(n, peers)


if __name__ == "__main__":
    main()
