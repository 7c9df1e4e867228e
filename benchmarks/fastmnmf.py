"""FastMNMF2 against pyroomacoustics: time of an iteration, memory of a large mixture, gain in simulated rooms.

python -m benchmarks.fastmnmf
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.timing import header
from sigsep_classic import STFT, FastMNMF2
from sigsep_classic.kernels.demixing import sweep

N_COMPONENTS, FREQ, FRAMES, ROUNDS = 8, 1025, 300, 5
CHANNELS, SECONDS, RATE = 12, 24, 16_000


def coefficients(channels: int, kind: type) -> np.ndarray:
    """Return noise (channels, freq, frames) whose level changes from point to point."""
    rng = np.random.default_rng(0)
    shape = (channels, FREQ, FRAMES)
    levels = rng.gamma(0.3, size=(1, FREQ, FRAMES))
    return ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) * levels).astype(kind)


def our_step(channels: int, kind: type) -> Callable[[], Any]:
    """Return a function that does one iteration of ours."""
    method = FastMNMF2(n_components=N_COMPONENTS, initial="diagonal")
    data = method.prepare(coefficients(channels, kind))
    state = method.step(data, method.init(data))
    return lambda: method.step(data, state)


def our_sweep(channels: int, kind: type) -> Callable[[], Any]:
    """Return a function that does the update of Q alone."""
    method = FastMNMF2(n_components=N_COMPONENTS, initial="diagonal")
    data = method.prepare(coefficients(channels, kind))
    state = method.step(data, method.init(data))
    return lambda: sweep(data.Z, state.R, state.U, rule="ip1")


def peer_run(channels: int, kind: type, n_iter: int) -> Callable[[], Any]:
    """Return a function that does some iterations of pyroomacoustics, from its start and to its images."""
    import pyroomacoustics as pra

    X = coefficients(channels, kind).T
    options = {"n_src": channels, "n_iter": n_iter, "n_components": N_COMPONENTS}
    return lambda: pra.bss.fastmnmf2(X.copy(), **options)


def spent(function: Callable[[], Any]) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    function()
    return time.process_time() - start


def speed() -> None:
    """Print processor time of an iteration; candidates take turns, the least of all rounds counts.

    An iteration of pyroomacoustics is a third of what four take longer than one: it starts and filters in the same
    call. The least time of each is found before they are subtracted. It computes in double precision, but for some
    products when its input is in single precision; the ratios are to the faster of the two.
    """
    kinds = {"float32": np.complex64, "float64": np.complex128}
    peers = kinds if find_spec("pyroomacoustics") else {}
    for channels in (2, 3, 4):
        steps = {f"ours {name}": our_step(channels, kind) for name, kind in kinds.items()}
        steps["of which Q, float32"] = our_sweep(channels, np.complex64)
        runs = {(name, n): peer_run(channels, peers[name], n) for name in peers for n in (1, 4)}
        least: dict[Any, float] = dict.fromkeys((*steps, *runs), np.inf)
        for _ in range(ROUNDS):
            for name, step in steps.items():
                least[name] = min(least[name], *(spent(step) for _ in range(5)))
            for key, run in runs.items():
                least[key] = min(least[key], spent(run))
        theirs = {name: (least[name, 4] - least[name, 1]) / 3 for name in peers}
        print(
            f"\n  {channels} channels, {channels} sources, {FREQ} bins, {FRAMES} frames, K = {N_COMPONENTS}"
        )
        for name in steps:
            ratio = f"   {min(theirs.values()) / least[name]:5.1f} x faster than theirs" if theirs else ""
            print(f"  {name:<30} {least[name] * 1e3:8.2f} ms{ratio}")
        for name, seconds in theirs.items():
            print(f"  pyroomacoustics, {name} in    {seconds * 1e3:8.2f} ms")


def large() -> None:
    """Fit a mixture of 24 s and 12 channels and make all images; print the peak of resident memory."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((CHANNELS, SECONDS * RATE)).astype(np.float32)
    x *= np.repeat(rng.gamma(0.3, size=(1, 10 * SECONDS)), RATE // 10, axis=1).astype(np.float32)
    X = STFT(n_fft=1024, hop=256).analyze(x)
    Y = FastMNMF2(n_sources=CHANNELS, n_components=N_COMPONENTS, n_iter=3).fit(X).reconstruct()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  {len(Y)} sources, X of {X.nbytes / 2**20:.0f} MiB, images of {Y.nbytes / 2**20:.0f} MiB")
    print(f"  peak of resident memory {peak:.2f} GiB (at most 1.86 GiB, 2 GB)")


def memory() -> None:
    """Run `large` in a process of its own."""
    print(f"\n  {SECONDS} s, {CHANNELS} channels, {RATE} Hz, 1024/256, float32")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "benchmarks.fastmnmf", "large"], check=True)


def rooms() -> None:
    """Print the median dSDR on the development mixtures: from the peer's start, from our own, and the peer's."""
    from benchmarks.room_peers import score
    from benchmarks.room_sets import development, gain

    stft = STFT(n_fft=2048)
    for kind in ("2x2", "3x3", "over", "under"):
        mixtures = development(kind)
        found: dict[str, list[float]] = {"diagonal": [], "demixing": [], "pyroomacoustics fastmnmf2": []}
        for mixture in mixtures:
            X = stft.analyze(mixture.mixture.astype(np.float32))
            for initial in ("diagonal", "demixing"):
                # As many components and iterations as pyroomacoustics has by default, from its start.
                options: dict[str, Any] = {"n_components": 8, "n_iter": 100} if initial == "diagonal" else {}
                method = FastMNMF2(n_sources=len(mixture.images), initial=initial, **options)
                Y = method.fit(X).reconstruct()
                heard = np.stack([stft.synthesize(y[:1], mixture.mixture.shape[1])[0] for y in Y])
                found[initial].append(float(gain(mixture, heard).mean()))
            if find_spec("pyroomacoustics"):
                found["pyroomacoustics fastmnmf2"].append(
                    score("pyroomacoustics fastmnmf2", mixture, 2048)[0]
                )
        print(f"\n  {kind}: {len(mixtures)} mixtures, 2048/512, dSDR in dB")
        for name, values in found.items():
            if values:
                print(f"  {name:<28} median {np.median(values):6.2f}   mean {np.mean(values):6.2f}")


def main() -> None:
    """Print all tables."""
    peers = ["pyroomacoustics"] if find_spec("pyroomacoustics") else []
    header("FastMNMF2: processor time of an iteration, one thread", *peers)
    if not peers:
        print("  pyroomacoustics is not installed: pip install pyroomacoustics")
    speed()
    memory()
    if peers:
        rooms()


if __name__ == "__main__":
    large() if sys.argv[1:] == ["large"] else main()
