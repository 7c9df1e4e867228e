"""Our methods set as the other packages' of `benchmarks.room_peers` are: the same model, rule, start and iterations.

What differs is then the code, not the choice of settings. Random starts are those the package draws where it lets us
know them (ILRMA), else our own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigsep_classic import CACGMM, FDICA, ILRMA, AuxIVA, FastMNMF2
from sigsep_classic.factorizers.demixing.ilrma import LowRankDemixing
from sigsep_classic.typing import Array

Twin = Callable[[np.ndarray, int], Array]
"""X (channels, freq, frames) and a number of sources to images at microphone 1, (sources, freq, frames)."""


def _auxiva(prior: str, rule: str, n_iter: int) -> Twin:
    def separate(X: np.ndarray, n_sources: int) -> Array:
        return AuxIVA(prior=prior, rule=rule, n_iter=n_iter, n_sources=n_sources).fit(X).reconstruct()[:, 0]

    return separate


def _ilrma(package: str, rule: str, n_iter: int) -> Twin:
    def separate(X: np.ndarray, n_sources: int) -> Array:
        T, V = _drawn(package, n_sources, X.shape[1], X.shape[2])
        unit = np.broadcast_to(np.eye(n_sources, dtype=X.dtype), (X.shape[1], n_sources, n_sources))
        start = LowRankDemixing(
            W=unit, A=unit, mixture=X, n_active=n_sources, templates=T, activations=V
        )  # fmt: skip
        return ILRMA(n_components=2, rule=rule, n_iter=n_iter).fit(X, start=start).reconstruct()[:, 0]

    return separate


def _drawn(package: str, sources: int, freq: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the random factors a package starts from, (sources, freq, 2) and (sources, 2, frames)."""
    if package == "pyroomacoustics":
        legacy = np.random.RandomState(0)
        T = 0.1 + 0.9 * legacy.rand(sources, freq, 2)
        return T, (0.1 + 0.9 * legacy.rand(sources, frames, 2)).swapaxes(1, 2).copy()
    rng = np.random.default_rng(0)
    return rng.random((sources, freq, 2)), rng.random((sources, 2, frames))


def _fdica(X: np.ndarray, n_sources: int) -> Array:
    return FDICA(n_iter=100, n_sources=n_sources, reestimate=0).fit(X).reconstruct()[:, 0]


def _cacgmm(X: np.ndarray, n_sources: int) -> Array:
    return CACGMM(n_sources=n_sources, n_iter=100, tol=0).fit(X).reconstruct()[:, 0]


def _fastmnmf2(X: np.ndarray, n_sources: int) -> Array:
    method = FastMNMF2(n_sources=n_sources, n_components=8, n_iter=30, initial="diagonal")
    return method.fit(X).reconstruct()[:, 0]


TWINS: dict[str, Twin] = {
    "pyroomacoustics auxiva laplace": _auxiva("laplace", "ip1", 50),
    "pyroomacoustics auxiva gauss": _auxiva("gauss", "ip1", 50),
    "pyroomacoustics ilrma": _ilrma("pyroomacoustics", "ip1", 50),
    "ssspy AuxLaplaceIVA": _auxiva("laplace", "ip1", 100),
    "ssspy AuxGaussIVA": _auxiva("gauss", "ip1", 100),
    "ssspy GaussILRMA": _ilrma("ssspy", "ip1", 100),
    "ssspy AuxLaplaceFDICA": _fdica,
    "torchiva AuxIVA_IP laplace": _auxiva("laplace", "ip1", 50),
    "torchiva T_ISS laplace": _auxiva("laplace", "iss1", 50),
    "torchiva T_ISS gauss": _auxiva("gauss", "iss1", 50),
    "torchiva T_ISS nmf": _ilrma("torchiva", "iss1", 50),
    "ssspy CACGMM": _cacgmm,
    "pyroomacoustics fastmnmf2": _fastmnmf2,
}
"""Name of a peer to our method with its settings; FDICA orders its bins by our solver, without re-estimation."""
