"""Sparse shift-invariant coding against sporco and alphacsc: time to the same objective, sparse and dense codes.

python -m benchmarks.sparse_coding
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import header
from sigsep_classic.factorizers.convolutive import codes, shifts

N, K, L = 22_050, 16, 512


def problem(kind: str, *, n: int = N, n_k: int = K, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a signal (1, samples) of sixty events in noise, and its atoms: noise, or decaying tones (alike)."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((n_k, L))
    if kind == "tones":
        lags, pitch = np.arange(L), rng.uniform(0.005, 0.2, (n_k, 1))
        D = np.sin(2 * np.pi * pitch * lags) * np.exp(-lags / rng.uniform(60, 200, (n_k, 1)))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Z = np.zeros((n_k, n - L + 1))
    Z.flat[rng.choice(Z.size, 60 * n // N, replace=False)] = rng.standard_normal(60 * n // N)
    y = sum(np.convolve(z, d) for z, d in zip(Z, D, strict=True))
    return (y + 0.02 * rng.standard_normal(n))[None], D[:, None]


def sporco_codes(D: np.ndarray, y: np.ndarray, penalty: float, n_iter: int) -> np.ndarray:
    """Return sporco's codes by PGM with the best constant step, for atoms that may hang over either end.

    Its signals wrap around, so it is given one with zeros behind, of a length that FFTs are quick at.
    """
    from sporco.pgm.cbpdn import ConvBPDN

    n = shifts.fast_length(len(y) + L - 1)
    lipschitz = float((abs(np.fft.rfft(D[:, 0], n, axis=-1)) ** 2).sum(axis=0).max())
    options = ConvBPDN.Options(
        {"Verbose": False, "MaxMainIter": n_iter, "RelStopTol": 0.0, "L": lipschitz, "FastSolve": True}
    )
    padded = np.pad(y, (0, n - len(y)))
    Z = ConvBPDN(D[:, 0].T, padded, penalty, options, dimK=0, dimN=1).solve().squeeze().T
    return np.roll(Z, L - 1, axis=1)[:, : len(y) + L - 1]


def to_objective(target: float, solve: Callable[[int], float], *, most: int = 800) -> int:
    """Return the number of iterations, found by doubling and halving, that bring the objective to ``target``."""
    n = 25
    while n < most and solve(n) > target:
        n *= 2
    low, high = n // 2, n
    while high - low > max(5, low // 10):
        middle = (low + high) // 2
        low, high = (low, middle) if solve(middle) <= target else (middle, high)
    return high


def timed(candidates: dict[str, Callable[[], Any]], *, rounds: int = 3) -> None:
    """Print median times of calls made in turn, and their ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    ours = next(iter(times))
    for name, values in times.items():
        ratios = [b / a for a, b in zip(times[ours], values, strict=True)]
        print(
            f"    {name:<34} {1e3 * statistics.median(values):9.1f} ms   {statistics.median(ratios):7.1f} x ours"
        )


def against_sporco(kind: str, ratio: float, *, slack: float = 1e-4) -> None:
    """Print the time to an objective within ``slack`` of the minimum, on the problem sporco solves.

    Atoms may begin before the signal and end after it: we get zeros on both sides.
    """
    Y, D = problem(kind)
    y, Y = Y[0], np.pad(Y, ((0, 0), (L - 1, L - 1)))
    penalty = ratio * float(abs(shifts.correlate(D, Y)).max())
    least = codes.solve(D, Y, penalty=penalty, tol=1e-5)
    lowest = codes.objective(D, Y, least.Z, penalty)
    gap = codes.duality_gap(D, Y, least.Z, penalty)
    print(
        f"  {kind}, λ = {ratio} λ_max: {np.count_nonzero(least.Z)} nonzero codes, objective {lowest:.6f} "
        f"(at most {gap / lowest:.0e} above the minimum)"
    )
    target = lowest * (1 + slack)
    tol = next(
        t
        for t in (0.1, 0.03, 0.01, 1e-3, 1e-4)
        if codes.objective(D, Y, codes.solve(D, Y, penalty=penalty, tol=t).Z, penalty) <= target
    )

    def theirs(n_iter: int) -> float:
        Z = sporco_codes(D, y, penalty, n_iter)
        return codes.objective(D, Y, Z, penalty)

    def fista(n_iter: int) -> float:
        Z = codes.solve(D, Y, penalty=penalty, solver="fista", limit=n_iter, tol=0).Z
        return codes.objective(D, Y, Z, penalty)

    n, m = to_objective(target, theirs), to_objective(target, fista)
    print(f"    sporco after {n} iterations {theirs(n):.6f}, our FISTA after {m} {fista(m):.6f}")
    timed(
        {
            f"lgcd, tol = {tol}": lambda: codes.solve(D, Y, penalty=penalty, tol=tol),
            "lgcd, tol = 1e-4": lambda: codes.solve(D, Y, penalty=penalty, tol=1e-4),
            f"our FISTA, {m} iterations": lambda: fista(m),
            f"sporco PGM, {n} iterations": lambda: sporco_codes(D, y, penalty, n),
        }
    )


def against_alphacsc(kind: str, ratio: float) -> None:
    """Print the time of locally greedy coordinate descent in alphacsc's problem: codes not negative."""
    from alphacsc.update_z_multi import update_z_multi

    Y, D = problem(kind)
    penalty = ratio * float(shifts.correlate(D, Y).max())
    options = {"solver": "lgcd", "solver_kwargs": {"tol": 1e-4 * penalty, "max_iter": 10**7}}

    def theirs() -> np.ndarray:
        return update_z_multi(Y[None], D, penalty, **options)[0][0]

    def ours() -> np.ndarray:
        return codes.solve(D, Y, penalty=penalty, signed=False, tol=1e-4).Z

    values = [codes.objective(D, Y, Z, penalty) for Z in (ours(), theirs())]
    print(
        f"  {kind}, λ = {ratio} λ_max, Z >= 0: objectives {values[0]:.7f} (ours), {values[1]:.7f} (alphacsc)"
    )
    timed({"lgcd, tol = 1e-4": ours, "alphacsc lgcd, tol = 1e-4": theirs})


def sweep() -> None:
    """Print how time grows with the length of the signal and the number of atoms."""
    for n, n_k in ((N, 8), (N, 16), (N, 32), (4 * N, 16), (16 * N, 16)):
        Y, D = problem("tones", n=n, n_k=n_k)
        penalty = 0.1 * float(abs(shifts.correlate(D, Y)).max())
        start = time.perf_counter()
        found = codes.solve(D, Y, penalty=penalty, tol=1e-2)
        seconds = time.perf_counter() - start
        print(
            f"    {n:7d} samples, {n_k:2d} atoms: {1e3 * seconds:7.1f} ms, {np.count_nonzero(found.Z)} codes"
        )


def learning() -> None:
    """Print what a dictionary learnt from a song's waveform separates, grouped by the truth (an upper bound)."""
    import sigsep_classic as ssc
    from sigsep_classic.grouping import by_reference
    from sigsep_classic.metrics import si_sdr

    song = ssc.synthesize("song", seconds=6.0, sample_rate=16_000)
    truth = np.stack(list(song.stems.values()))
    for label, frontend, options in (
        ("waveform", ssc.Waveform(), {"seconds": 0.064}),
        ("spectrogram", ssc.STFT(n_fft=1024), {"seconds": 0.256}),
    ):
        references = {name: frontend.analyze(stem) for name, stem in song.stems.items()}
        start = time.perf_counter()
        sep = ssc.separate(
            song.mixture, song.sample_rate, method="sparse_coding", n_components=24, frontend=frontend,
            groups=lambda model, refs=references: by_reference(model, refs), **options,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        before = si_sdr(truth, np.stack([song.mixture] * len(truth)))
        after = si_sdr(truth, np.stack([sep[name] for name in song.stems]))
        parts = ", ".join(
            f"{name} {a:.1f} -> {b:.1f}" for name, a, b in zip(song.stems, before, after, strict=True)
        )
        print(f"    {label:<11} {seconds:5.1f} s   SI-SDR in dB: {parts}")


def main() -> None:
    """Print all tables."""
    warnings.simplefilter("ignore")
    Y, D = problem("noise")
    codes.solve(D, Y, penalty=1.0)  # compiles
    try:
        header(f"{N} samples, {K} atoms x {L}: to within 1e-4 of the least objective", "sporco")
        for kind, ratio in (("noise", 0.1), ("tones", 0.1), ("tones", 0.01), ("noise", 0.01)):
            against_sporco(kind, ratio)
    except ImportError as error:
        print(f"  left out: {error}; pip install sporco")
    try:
        header("locally greedy coordinate descent", "alphacsc")
        for kind in ("noise", "tones"):
            against_alphacsc(kind, 0.1)
    except ImportError as error:
        print(f"  left out: {error}; pip install alphacsc")
    header("sweep, λ = 0.1 λ_max, tol = 1e-2")
    sweep()
    header("dictionary learning on a synthetic song, 24 atoms, components grouped by the truth")
    learning()


if __name__ == "__main__":
    main()
