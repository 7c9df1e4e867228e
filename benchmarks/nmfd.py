"""NMFD against torchnmf: time of an iteration, equality, memory; long templates; drums told apart.

python -m benchmarks.nmfd
"""

from __future__ import annotations

import dataclasses
import os
import time
import tracemalloc
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from benchmarks.timing import header

F, T, K, L = 513, 858, 8, 20
Stems = Mapping[str, np.ndarray]


def problem(lags: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return V (freq, frames) of a song, and W and H to start from; all templates end within V."""
    from sigsep_classic import STFT, synthesize

    X = STFT(n_fft=1024, hop=256).analyze(synthesize("song", seconds=10.0).mixture[:1])
    V = np.abs(X[0])[:, :T] + np.float32(1e-6)
    rng = np.random.default_rng(0)
    W, H = (rng.random(s).astype(np.float32) + np.float32(0.1) for s in ((F, K, lags), (T - lags + 1, K)))
    return V, W, H.T * np.float32(V.mean() / (0.36 * F * K * lags / F))


def per_iteration(rounds: int = 9) -> None:
    """Print the time of one iteration of the same algorithm, and how far both are apart after twenty."""
    import torch
    from torchnmf.nmf import NMFD as Peer

    from sigsep_classic.kernels.convolutive_nmf import multiplicative_update
    from sigsep_classic.kernels.threads import single_threaded_blas

    torch.set_num_threads(1)
    V, W, H = problem(L)
    V_torch = torch.from_numpy(np.ascontiguousarray(V))[None]
    net = Peer(W=torch.from_numpy(W.copy()), H=torch.from_numpy(np.ascontiguousarray(H))[None])

    def ours(n_iter: int) -> None:
        with single_threaded_blas():
            for _ in range(n_iter):
                for factor in "WH":
                    multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=1.0)

    def peer(n_iter: int) -> None:
        net.fit(V_torch, beta=1, tol=0, max_iter=n_iter)

    ours(20)
    peer(20)
    apart = max(_distance(W, net.W.detach().numpy()), _distance(H, net.H[0].detach().numpy()))
    own, other = [], []
    for _ in range(rounds):
        own.append(_seconds(lambda: ours(20)) / 20)
        other.append((_seconds(lambda: peer(22)) - _seconds(lambda: peer(2))) / 20)
    floor = 1e3 * 4 * gemm_seconds(2.0 * F * T * K * L)
    print(
        f"  ours {1e3 * np.median(own):.2f} ms   torchnmf {1e3 * np.median(other):.2f} ms   "
        f"{np.median(np.divide(other, own)):.2f} x   GEMM floor {floor:.2f} ms   "
        f"least of {rounds}: {1e3 * min(own):.2f} and {1e3 * min(other):.2f} ms"
    )
    print(
        f"  after 20 iterations from one start W and H are {apart:.1e} apart, relative to the largest entry"
    )


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def _seconds(call: Callable[[], object]) -> float:
    """Return the processor time of a call: other work on the machine adds little to it."""
    start = time.process_time()
    call()
    return time.process_time() - start


def gemm_seconds(operations: float) -> float:
    """Return how long so many operations take at the speed of a large square GEMM."""
    a = np.ones((1024, 1024), np.float32)
    out = np.empty_like(a)
    return min(_seconds(lambda: np.dot(a, a, out=out)) for _ in range(5)) * operations / (2 * 1024**3)


def long_templates() -> None:
    """Print an iteration of ours beside one by fast Fourier transforms, for longer and longer templates."""
    from sigsep_classic.kernels.convolutive_nmf import multiplicative_update

    for lags in (16, 64, 256):
        V, W, H = problem(lags)

        def ours() -> None:
            for factor in "WH":
                multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=1.0)  # noqa: B023

        times = [(ours, []), (lambda: fft_iteration(V, W, H), [])]  # noqa: B023
        for _ in range(3):
            for call, seconds in times:
                seconds.append(_seconds(call))
        stacked, fast = (1e3 * min(seconds) for _, seconds in times)
        print(f"  {lags:4d} lags   stacked products {stacked:7.1f} ms   by FFT {fast:7.1f} ms")


def fft_iteration(V: np.ndarray, W: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numerators of W and H at β = 1, convolutions along time by FFT; the rest costs little beside them."""
    import scipy.fft

    n, lags = scipy.fft.next_fast_len(V.shape[1] + W.shape[2], real=True), W.shape[2]
    H_w = scipy.fft.rfft(H, n)
    found = []
    for factor in "WH":
        W_w = scipy.fft.rfft(W, n)
        model = scipy.fft.irfft(np.einsum("fkw,kw->fw", W_w, H_w), n)[:, : V.shape[1]]
        R_w = scipy.fft.rfft(V / np.maximum(model, 1e-9), n)
        if factor == "W":
            found.append(scipy.fft.irfft(R_w[:, None] * H_w.conj(), n)[:, :, :lags])
        else:
            found.append(scipy.fft.irfft(np.einsum("fkw,fw->kw", W_w.conj(), R_w), n)[:, : H.shape[1]])
    return found[0], found[1]


def memory() -> None:
    """Print extra memory of one step over V and the factors."""
    from sigsep_classic import NMFD

    V, _, _ = problem(L)
    for solver in ("mu", "extrapolated"):
        method = NMFD(n_components=K, n_lags=L, solver=solver)
        model = method.step(V, method.init(V))
        held = V.nbytes + model.W.nbytes + model.H.nbytes
        second = 0 if model.W_before is None else model.W_before.nbytes + model.H_before.nbytes
        tracemalloc.start()
        method.step(V, model)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"  {solver}: {(peak + second) / 2**20:.1f} MiB; V and factors {held / 2**20:.1f} MiB, freq x frames x "
              f"lags would be {4 * F * T * L / 2**20:.0f} MiB")  # fmt: skip


def drum_loop(
    rate: int = 44100, *, bars: int = 4, seed: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the stems (1, samples) of kick, snare and hi-hat, and one hit of each (1, samples)."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(0.3 * rate)) / rate
    hiss = np.diff(rng.standard_normal((2, t.size + 1)), axis=1)
    hits = {
        "kick": np.sin(2 * np.pi * (50 * t + 5 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08),
        "snare": 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.05) + 0.25 * hiss[0] * np.exp(-t / 0.07),
        "hat": 0.15 * np.diff(hiss[1], prepend=0) * np.exp(-t / 0.02),
    }
    beats = {"kick": (0, 1.5, 2), "snare": (1, 3), "hat": np.arange(8) / 2}
    stems = {}
    for name, hit in hits.items():
        stems[name] = np.zeros((1, round((4 * bars * 0.4 + 0.5) * rate)), np.float32)
        for bar in range(bars):
            for beat in beats[name]:
                start = round((4 * bar + beat) * 0.4 * rate)
                stems[name][0, start : start + t.size] += rng.uniform(0.6, 1) * hit
    return stems, {name: hit[None].astype(np.float32) for name, hit in hits.items()}


def row(label: str, truth: Stems, estimates: Stems, rate: int, seconds: float | None = None) -> None:
    """Print the SI-SDR of each stem."""
    from sigsep_classic.metrics import scores

    result = scores(truth, estimates, metrics=("si_sdr",), sample_rate=rate)
    cells = "  ".join(f"{name} {v['si_sdr']:6.2f}" for name, v in result.items())
    print(f"    {label:<44} {cells}" + (f"   {seconds:.1f} s" if seconds is not None else ""))


def by_truth(mixture: np.ndarray, truth: Stems, rate: int, method: str, **options: object) -> None:
    """Print a method with its components assigned by the true stems."""
    import sigsep_classic as ssc
    from sigsep_classic.grouping import by_reference

    frontend = ssc.METHODS[method]().default_frontend(rate)
    references = {name: frontend.analyze(stem) for name, stem in truth.items()}
    start = time.perf_counter()
    found = ssc.separate(
        mixture, rate, method=method, groups=lambda model: by_reference(model, references), **options
    )
    row(f"{method} {options}, components by the truth", truth, found, rate, time.perf_counter() - start)


def quality() -> None:
    """Print how well drums come apart: a loop by itself, drums in a song, drums in a recording."""
    import sigsep_classic as ssc
    from sigsep_classic.oracle import ideal_ratio_mask
    from sigsep_classic.pipeline import separate_array

    rate = 44100
    stems, hits = drum_loop(rate)
    mixture = np.sum(list(stems.values()), axis=0)
    print("  a drum loop, SI-SDR in dB")
    row("mixture", stems, dict.fromkeys(stems, mixture), rate)
    for method in ("nmf", "nmfd"):
        for n in (3, 12):
            by_truth(mixture, stems, rate, method, n_components=n)
    frontend = ssc.NMFD().default_frontend(rate)
    taught = ssc.NMFD(n_components=0, grid=frontend.grid(rate))
    taught = taught.with_examples({name: frontend.analyze(hit) for name, hit in hits.items()})
    for label, options in {
        "held": {},
        "adapted from iteration 20": {"adapt_templates": True, "hold_iter": 20},
    }.items():
        found = separate_array(mixture, rate, dataclasses.replace(taught, **options))
        row(f"nmfd from one hit of each, {label}", stems, found, rate)
    row("oracle: ideal ratio mask", stems, ideal_ratio_mask(mixture, stems), rate)
    songs = {"a synthetic song": ssc.synthesize("song")}
    try:
        songs["MUSDB18 excerpt"] = musdb_excerpt()
    except MissingRecordingError as missing:
        print(f"  MUSDB18 excerpt left out: {missing}")
    for title, mix in songs.items():
        print(f"  drums of {title}")
        truth = {"drums": mix.stems["drums"], "rest": mix.mixture - mix.stems["drums"]}
        row("mixture", truth, dict.fromkeys(truth, mix.mixture), mix.sample_rate)
        for method in ("nmf", "nmfd"):
            by_truth(mix.mixture, truth, mix.sample_rate, method, n_components=12)
        row("oracle: ideal ratio mask", truth, ideal_ratio_mask(mix.mixture, truth), mix.sample_rate)


def main() -> None:
    """Print all tables."""
    threads = os.environ.get("SIGSEP_NUM_THREADS")
    os.environ["SIGSEP_NUM_THREADS"] = "1"
    try:
        title = f"NMFD, {F} x {T} float32, K = {K}, L = {L}, one thread: an iteration (W then H)"
        try:
            header(title, "torch", "torchnmf")
            per_iteration()
        except ImportError as missing:
            print(f"  left out ({missing}): pip install torch torchnmf")
        header("extra memory of an iteration, one thread")
        memory()
        header(f"long templates, {F} x {T} float32, K = {K}, one thread: an iteration", "scipy")
        long_templates()
    finally:
        os.environ.pop("SIGSEP_NUM_THREADS")
        if threads is not None:
            os.environ["SIGSEP_NUM_THREADS"] = threads
    header("quality")
    quality()


if __name__ == "__main__":
    main()
