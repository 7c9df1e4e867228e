"""Constant-Q analysis and synthesis against librosa: time, and how much of the signal comes back.

python -m benchmarks.constant_q
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.timing import compare, header

RATE, SECONDS, LOWEST, BINS = 44100, 30, 32.7032, 9 * 24
HOPS = (512, 64)
"""librosa's hop is free: its default, and the shortest it takes for 9 octaves. Ours follows from the widest row."""


def residual_db(x: np.ndarray, y: np.ndarray) -> float:
    """Return the energy of what is missing relative to the signal, in dB."""
    n = min(x.shape[-1], y.shape[-1])
    error = ((x[..., :n] - y[..., :n]).astype(float) ** 2).sum() / (x[..., :n].astype(float) ** 2).sum()
    return 10 * np.log10(max(error, 1e-300))


def peers(x: np.ndarray, hop: int) -> tuple[Any, Any]:
    """Return librosa's analysis and synthesis of 9 octaves of 24, one channel."""
    import librosa

    options: dict[str, Any] = {"sr": RATE, "hop_length": hop, "fmin": LOWEST, "bins_per_octave": 24}

    def analyze() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return librosa.cqt(x[0], n_bins=BINS, **options)

    def synthesize(C: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return librosa.icqt(C, length=x.shape[-1], **options)[None]

    return analyze, synthesize


def main() -> None:
    """Print both tables."""
    from sigsep_classic import ConstantQ, synthesize

    x = synthesize("song", seconds=float(SECONDS), sample_rate=RATE).mixture[:1].astype(np.float32)
    header(f"Constant-Q of {SECONDS} s mono at {RATE} Hz, float32, 24 bins an octave from C1", "librosa")
    everything, cheap = ConstantQ(sample_rate=RATE), ConstantQ(sample_rate=RATE, f_max=5000)
    theirs = {hop: peers(x, hop) for hop in HOPS}
    for transform in (everything, cheap):
        rows, hop = transform.n_bins, transform.step
        print(f"  ours, {rows} rows, hop {hop}: {transform.redundancy:.1f} complex numbers a sample")
    X, Y, C = everything.analyze(x), cheap.analyze(x), {hop: theirs[hop][0]() for hop in HOPS}
    for hop in HOPS:
        print(f"  librosa, {BINS} rows, hop {hop}: {C[hop].size / x.size:.1f} complex numbers a sample")
    compare(
        {
            "analysis, to Nyquist": lambda: everything.analyze(x),
            "analysis, f_max=5000": lambda: cheap.analyze(x),
            **{f"librosa.cqt, hop {hop}": theirs[hop][0] for hop in HOPS},
        },
        rounds=5,
    )
    compare(
        {
            "synthesis, to Nyquist": lambda: everything.synthesize(X, x.shape[-1]),
            "synthesis, f_max=5000": lambda: cheap.synthesize(Y, x.shape[-1]),
            **{f"librosa.icqt, hop {hop}": lambda hop=hop: theirs[hop][1](C[hop]) for hop in HOPS},  # type: ignore[misc]
        },
        rounds=5,
    )
    print("  energy of the error of synthesis after analysis, relative to the signal:")
    print(f"    ours, float32                {residual_db(x, everything.synthesize(X, x.shape[-1])):8.1f} dB")
    x64 = x.astype(float)
    exact = everything.synthesize(everything.analyze(x64), x.shape[-1])
    print(f"    ours, float64                {residual_db(x64, exact):8.1f} dB")
    for hop in HOPS:
        print(f"    librosa cqt, icqt, hop {hop:<4}  {residual_db(x, theirs[hop][1](C[hop])):8.1f} dB")


if __name__ == "__main__":
    main()
