"""Online IVA: real-time factor on one thread, latency, and what is gained as a stream goes on.

python -m benchmarks.online_iva
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.recordings import MissingRecordingError
from benchmarks.timing import header
from sigsep_classic import OnlineIVA, OnlineSeparator
from sigsep_classic.metrics import si_sdr

RATE, SECONDS = 16_000, 8
SPEEDS: dict[str, dict[str, Any]] = {
    "source steering": {},
    "iterative projection": {"rule": "ip"},
    "source steering, WPE of 5 taps": {"wpe_taps": 5},
}
METHODS: dict[str, dict[str, Any]] = {
    "source steering": {},
    "iterative projection": {"rule": "ip"},
    "Laplace": {"prior": "laplace"},
    "WPE of 4 taps": {"wpe_taps": 4},
    "two passes (not online)": {"n_passes": 2},
}


def speed(channels: int, sources: int, parameters: dict[str, Any]) -> None:
    """Print CPU time over duration: whole recordings, and streams of one hop at a time."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.gamma(0.4, size=(channels, 10 * SECONDS)), RATE // 10, axis=1)
    x *= rng.standard_normal(x.shape)
    method = OnlineIVA(n_sources=sources, **parameters)
    frontend = method.default_frontend(RATE)
    method = replace(method, grid=frontend.grid(RATE))
    whole, streamed = [], []
    for _ in range(4):
        begun = time.process_time()
        images = method.fit(frontend.analyze(x)).images
        frontend.synthesize(images, x.shape[1])
        whole.append(time.process_time() - begun)
        separator = OnlineSeparator(method, n_channels=channels, sample_rate=RATE)
        begun = time.process_time()
        for t in range(0, x.shape[1], frontend.step):
            separator.push(x[:, t : t + frontend.step])
        streamed.append(time.process_time() - begun)
    factors = [min(times[1:]) / SECONDS for times in (whole, streamed)]
    told = ", ".join(f"{key}={value}" for key, value in parameters.items()) or "defaults"
    print(f"  {sources} of {channels}, {told:<28} whole {factors[0]:.3f}   hop by hop {factors[1]:.3f}")


def gains(mixture: Any, parameters: dict[str, Any]) -> np.ndarray:
    """Return the SI-SDR gained at the first microphone in each third, mean over sources, in dB."""
    method = OnlineIVA(**parameters)
    frontend = method.default_frontend(RATE)
    x, truth = mixture.mixture, mixture.images[:, 0]
    images = replace(method, grid=frontend.grid(RATE)).fit(frontend.analyze(x)).images
    found = frontend.synthesize(images[:, 0], x.shape[1])
    thirds = [slice(i * x.shape[1] // 3, (i + 1) * x.shape[1] // 3) for i in range(3)]

    def score(order: tuple[int, ...], part: slice) -> float:
        return float(np.mean([si_sdr(s[part], found[n, part]) for s, n in zip(truth, order, strict=True)]))

    orders = itertools.permutations(range(len(truth)))
    best = max(orders, key=lambda order: score(order, slice(None)))  # one order for the whole stream
    before = [np.mean([si_sdr(s[part], x[0, part]) for s in truth]) for part in thirds]
    return np.array([score(best, part) for part in thirds]) - before


def main() -> None:
    """Print all tables."""
    os.environ["SIGSEP_NUM_THREADS"] = "1"
    header("Online IVA")
    separator = OnlineSeparator(OnlineIVA(), n_channels=2, sample_rate=RATE)
    window, hop = (1e3 * n / RATE for n in (separator.frontend.n_fft, separator.frontend.step))
    print(
        f"  latency at {RATE} Hz: {1e3 * separator.latency / RATE:.1f} ms (window {window:.0f}, hop {hop:.0f})"
    )
    print("\n  Real-time factor, one thread, CPU time: sources of channels")
    for channels, sources in ((2, 2), (3, 3), (3, 2)):
        for parameters in SPEEDS.values():
            speed(channels, sources, parameters)
    print(
        "\n  Speech in rooms, 2 voices on 2 microphones, 9 s (development set): SI-SDR gained in dB, first / second /"
    )
    print(
        "  last third, the order of sources chosen once for all; median over RT60 0.15, 0.3, 0.5 s, and by RT60"
    )
    try:
        from benchmarks.room_sets import development

        mixtures = development("2x2")
    except (ImportError, MissingRecordingError) as missing:
        print(f"  left out: {missing}")
        return
    times = sorted({mixture.meta["rt60_seconds"] for mixture in mixtures})
    for name, parameters in METHODS.items():
        found = np.array([gains(mixture, parameters) for mixture in mixtures])
        rooms = np.array([mixture.meta["rt60_seconds"] for mixture in mixtures])
        by_room = [np.round(found[rooms == t, 2].mean(), 1) for t in times]
        thirds = " / ".join(f"{value:5.1f}" for value in np.median(found, axis=0))
        told = ", ".join(f"{t:g} s: {value:.1f}" for t, value in zip(times, by_room, strict=True))
        print(f"  {name:<26} {thirds}   last third, mean at {told}")


if __name__ == "__main__":
    main()
