"""Complex NMF against textbook NumPy: time, memory, and what phases of their own gain over masks.

python -m benchmarks.complex_nmf
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from benchmarks.timing import compare, header

WORST = -10.0
"""Gain in dB of a stem that no component was grouped into."""


def textbook(
    Y: np.ndarray, W: np.ndarray, H: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return W, H and u after one iteration as the paper writes it, vectorised over (components, freq, frames)."""
    for factor in "HW":
        parts = W.T[:, :, None] * H[:, None, :]
        beta = parts / parts.sum(axis=0)
        parts = parts * u
        bar = parts + beta * (Y - parts.sum(axis=0))
        size = np.abs(bar)
        u = bar / size
        if factor == "H":
            inverse = W.T[:, :, None] / beta
            H = (inverse * size).sum(axis=1) / (inverse * W.T[:, :, None]).sum(axis=1)
        else:
            inverse = H[:, None, :] / beta
            W = ((inverse * size).sum(axis=2) / (inverse * H[:, None, :]).sum(axis=2)).T
    return W, H, u


def problem(n_freq: int, n_frames: int, n_components: int, n_phases: int | None, channels: int = 1) -> Any:
    """Return method, data and start for noise of this size, complex64."""
    from sigsep_classic import ComplexNMF

    rng = np.random.default_rng(0)
    X = np.empty((channels, n_frames, n_freq), np.complex64).swapaxes(-1, -2)
    X.real, X.imag = (rng.standard_normal(X.shape, np.float32) for _ in range(2))
    method = ComplexNMF(n_components=n_components, n_phases=n_phases, sparsity=0.0, n_iter=2, tol=0)
    data = method.prepare(X)
    return method, data, method.init(data)


def per_iteration(n_freq: int, n_frames: int, n_components: int, n_phases: int | None) -> None:
    """Print the time of an iteration of both from the same start, and that they find the same."""
    method, data, start = problem(n_freq, n_frames, n_components, n_phases)
    Y = np.ascontiguousarray(data.Y[0].T) * np.float32(data.level)
    owners = np.repeat(np.arange(len(start.starts) - 1), np.diff(start.starts))
    u = np.stack([start.phases(j)[0] for j in owners])
    W, H = start.W.copy(), np.ascontiguousarray(start.H)
    model = method.step(data, method.copy(start))
    if n_phases is None:
        difference = abs(textbook(Y, W, H, u)[1] - model.H).max() / model.H.max()
        print(f"  largest difference of H after one iteration: {difference:.1e} of its largest value")
    name = f"{n_freq} x {n_frames}, K = {n_components}, " + (
        f"J = {n_phases}" if n_phases else "phases of each"
    )
    entries = n_freq * n_frames * n_components
    candidates = {
        name: lambda: method.step(data, model),
        "textbook NumPy, phases of each": lambda: textbook(Y, W, H, u),
    }
    times = compare(candidates, rounds=5)
    print(
        "  ns per component and coefficient: " + ", ".join(f"{1e9 * t / entries:.2f}" for t in times.values())
    )


def extra_memory(n_components: int, n_phases: int | None) -> None:
    """Print what an iteration, and what all of a fit, takes at its peak, in units of the phases."""
    method, data, model = problem(1025, 2585, n_components, n_phases, channels=2)
    X = data.Y.swapaxes(-1, -2)

    def peak(call: Callable[[], object]) -> float:
        tracemalloc.start()
        call()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found / model.planes.nbytes

    step = 1 + peak(lambda: (method.step(data, model), method.loss(data, model)))
    label = f"K = {n_components}, " + (f"J = {n_phases}" if n_phases else "phases of each")
    print(f"  {label:<24} iteration {step:.3f} x the phases, whole fit {peak(lambda: method.fit(X)):.3f} x")


def long_stereo(n_iter: int = 20) -> None:
    """Print peak memory and time of 30 s of stereo at 44.1 kHz, K = 64, phases of four sources."""
    import resource

    from sigsep_classic import ComplexNMF, separate, synthesize

    song = synthesize("stereo2x2", seconds=30.0, sample_rate=44100)
    method = ComplexNMF(n_components=64, n_phases=4, n_iter=n_iter, tol=0)
    began = time.perf_counter()
    sep = separate(song.mixture, song.sample_rate, method=method, device="cpu")
    seconds = time.perf_counter() - began
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    planes = sep.model.planes
    print(
        f"  {planes.shape[0]} frames, {planes.shape[3] // 2} bins, 2 channels: phases {planes.nbytes / 1e9:.2f} GB, "
        f"process {kilobytes / 1e6:.2f} GB at its peak; {n_iter} iterations and synthesis {seconds:.1f} s",
        flush=True,
    )


def in_a_process_of_its_own(call: Callable[[], None]) -> None:
    """Run a function in a fresh Python, so that its peak of memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=call)
    process.start()
    process.join()
    if process.exitcode:
        print(f"  failed with exit code {process.exitcode}")


def quality(
    title: str, examples: dict[str, Any], mixture: np.ndarray, truth: dict[str, Any], rate: int
) -> None:
    """Print the mean gain in SI-SDR over the mixture of both methods, known templates or truth for grouping."""
    from sigsep_classic import NMF, STFT, ComplexNMF
    from sigsep_classic.grouping import by_reference
    from sigsep_classic.metrics import si_sdr
    from sigsep_classic.pipeline import separate_array

    stft = STFT(n_fft=2 ** round(math.log2(0.0464 * rate)))
    spectra = {name: stft.analyze(x) for name, x in examples.items()}
    references = {name: stft.analyze(x) for name, x in truth.items()}
    methods: dict[str, Callable[[int], Any]] = {
        "NMF, KL": lambda k: NMF(n_components=k),
        "NMF, Euclidean": lambda k: NMF(n_components=k, beta=2.0, solver="me"),
        "complex NMF": lambda k: ComplexNMF(n_components=k),
        "complex NMF, no sparsity": lambda k: ComplexNMF(n_components=k, sparsity=0.0),
        "complex NMF, random phases": lambda k: ComplexNMF(n_components=k, phase_spread=1.0),
    }
    print(f"  {title}: mean gain in SI-SDR over the mixture (a stem that nothing fits counts {WORST:.0f} dB)")
    for name, make in methods.items():
        gains = []
        for groups, method in (
            (None, make(0).with_examples(spectra)),
            (lambda model: by_reference(model, references), make(24)),
        ):
            sep = separate_array(mixture, rate, method, frontend=stft, groups=groups)
            found = [np.mean(si_sdr(truth[n], sep[n]) - si_sdr(truth[n], mixture)) for n in truth]
            gains.append(np.maximum(found, WORST).mean())
        print(
            f"    {name:<28} templates by example {gains[0]:6.2f} dB   blind, grouped by truth {gains[1]:6.2f} dB"
        )


def halves(stems: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the stems' first half, to learn from, and their second."""
    n = next(iter(stems.values())).shape[-1] // 2
    return {k: x[:, :n] for k, x in stems.items()}, {k: x[:, n:] for k, x in stems.items()}


def main() -> None:
    """Print all tables."""
    before = dict(os.environ)
    os.environ["SIGSEP_NUM_THREADS"] = "1"
    try:
        tables()
    finally:
        os.environ.clear()
        os.environ.update(before)


def tables() -> None:
    """Print all tables, with the threads there are."""
    from sigsep_classic import synthesize

    header("complex NMF: one iteration, complex64, one thread")
    per_iteration(513, 513, 16, None)
    per_iteration(1025, 600, 32, None)
    per_iteration(1025, 600, 32, 4)
    header("peak of memory beside the mixture, 30 s of stereo at 1025 bins")
    for n_components, n_phases in ((16, None), (64, 8), (64, 4)):
        extra_memory(n_components, n_phases)
    header("30 s of stereo, K = 64, phases of four sources")
    in_a_process_of_its_own(long_stereo)
    header("what phases gain: the first half of the stems is learnt from, the second is separated")
    song = synthesize("song", seconds=12.0, sample_rate=16000)
    examples, truth = halves(song.stems)
    quality("a song of ours, 6 s", examples, sum(truth.values()), truth, song.sample_rate)
    try:
        excerpt = musdb_excerpt()
    except MissingRecordingError as missing:
        print(f"  a recording: not installed ({missing})")
        return
    examples, truth = halves({n: x.mean(axis=0, keepdims=True) for n, x in excerpt.stems.items()})
    quality("a recording, 3 s, mono", examples, sum(truth.values()), truth, excerpt.sample_rate)


if __name__ == "__main__":
    main()
