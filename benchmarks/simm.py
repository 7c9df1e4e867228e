"""One iteration of SIMM: its first run and its second, beside the matrix products they can't do without.

    python -m benchmarks.simm

The public code (separateLeadStereo, pyfasst) is Python 2 and does not run; the straightforward line of its papers,
written anew with whole matrices, stands for it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

import sigsep_classic as ssc
from benchmarks.timing import compare, header
from sigsep_classic import METHODS
from sigsep_classic.factorizers.pitch import voice_updates
from sigsep_classic.factorizers.pitch.voice_updates import FLOOR, Factors, Observed
from sigsep_classic.kernels.threads import single_threaded_blas


def textbook(seen: Observed, factors: Factors) -> Callable[[], None]:
    """Return an iteration with whole matrices, the model anew for each of five factors."""
    H_F0, H_P, H_M, H_G, W_M = (
        getattr(factors, name).copy() for name in ("H_F0", "H_P", "H_M", "H_G", "W_M")
    )
    V, W_F0, W_G = seen.V, seen.W_F0, seen.W_G

    def parts() -> tuple[np.ndarray, ...]:
        S, F = H_F0 @ W_F0.T, H_P @ (W_G @ H_G).T
        model = S * F + H_M @ W_M.T + V.dtype.type(FLOOR)
        return S, F, V / model**2, 1 / model

    def step() -> None:
        S, F, N, P = parts()
        H_F0[:] *= ((N * F) @ W_F0) / ((P * F) @ W_F0)
        S, F, N, P = parts()
        filters = W_G @ H_G
        H_P[:] *= ((N * S) @ filters) / ((P * S) @ filters)
        S, F, N, P = parts()
        H_M[:] *= (N @ W_M) / (P @ W_M)
        S, F, N, P = parts()
        H_G[:] *= (W_G.T @ ((N * S).T @ H_P)) / (W_G.T @ ((P * S).T @ H_P))
        S, F, N, P = parts()
        W_M[:] *= (N.T @ H_M) / (P.T @ H_M)

    return step


def bare_products(seen: Observed, factors: Factors) -> Callable[[], None]:
    """Return nothing but the products of an iteration: three with W_F0, six each with W_M and with the filters."""
    V, used = seen.V, np.flatnonzero((factors.H_F0 > 0).any(axis=0))
    W, H = np.ascontiguousarray(seen.W_F0[:, used]), np.ascontiguousarray(factors.H_F0[:, used])
    filters, H_P = np.ascontiguousarray(seen.W_G @ factors.H_G), factors.H_P.copy()
    pairs = ((factors.W_M.copy(), factors.H_M.copy()), (filters, H_P))
    large, sources = np.empty_like(V), np.empty_like(H)
    into = [(np.empty_like(left), np.empty_like(right)) for left, right in pairs]

    def step() -> None:
        np.matmul(H, W.T, out=large)
        for _ in range(2):
            np.matmul(V, W, out=sources)
            for (left, right), (above, below) in zip(pairs, into, strict=True):
                np.matmul(right, left.T, out=large)
                np.matmul(V, left, out=below)
                np.matmul(V.T, right, out=above)

    return step


def iteration(seen: Observed, factors: Factors) -> Callable[[], None]:
    """Return an iteration of ours on factors of its own."""
    own = copy.deepcopy(factors)
    return lambda: voice_updates.updated(seen, own) and None


def main() -> None:
    """Print the times of one iteration, all candidates and only those next to a melody."""
    song = ssc.synthesize("song")
    frontend = ssc.STFT(n_fft=4096, hop=1024)
    X, grid = frontend.analyze(song.mixture), frontend.grid(song.sample_rate)
    melody = 300 * 2 ** (np.sin(np.arange(X.shape[-1]) / 40) / 2)
    n_low = grid.bins_up_to(5000, X.shape[1])
    for title, data, f0 in (("first run, bins to 5 kHz", X[:, :n_low], None), ("second run", X, melody)):
        method = METHODS["simm"](grid=grid, f0=f0)
        seen = method.prepare(data)
        factors = method.init(seen).factors
        sizes = f"{seen.V.shape[0]} frames, {seen.V.shape[1]} bins, {seen.W_F0.shape[1]} sources"
        header(f"SIMM, one iteration of the {title} ({sizes})")
        with single_threaded_blas():
            compare(
                {
                    "ours": iteration(seen, factors),
                    "products alone": bare_products(seen, factors),
                    "whole matrices, factor by factor": textbook(seen, factors),
                },
                rounds=9,
            )


if __name__ == "__main__":
    main()
