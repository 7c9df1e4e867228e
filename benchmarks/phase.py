"""Griffin and Lim's iterations against librosa; what the mixture's phase costs, and what other phases win back.

python -m benchmarks.phase
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import compare, header

N_ITER = 16


def main() -> None:
    """Print times of Griffin-Lim, then SI-SDR of stems with every phase on three songs."""
    griffin_lim_times()
    for seed in (0, 1, 2):
        costs(seed)


def griffin_lim_times() -> None:
    """Print times of the fast iteration on 10 s of stereo and how far the results differ in double precision."""
    import librosa

    import sigsep_classic as ssc
    from sigsep_classic.phase import griffin_lim

    n = 861 * 512  # whole hops: librosa then has our frames
    frontend = ssc.STFT(n_fft=2048, hop=512)
    V = abs(frontend.analyze(ssc.synthesize("song", seconds=n / 44100).mixture))
    known = {"n_fft": 2048, "hop_length": 512, "init": None, "length": n}
    header(
        f"Griffin-Lim with momentum, {N_ITER} iterations, {n / 44100:.0f} s stereo float32",
        "librosa",
        "scipy",
    )
    compare(
        {
            "ours": lambda: griffin_lim(V, frontend, n, n_iter=N_ITER),
            "librosa.griffinlim": lambda: librosa.griffinlim(V, n_iter=N_ITER, **known),
        },
        rounds=5,
    )
    V = V.astype(float)[..., :200]
    known["length"] = n = 199 * 512
    theirs = librosa.griffinlim(V, n_iter=8, dtype=np.float64, **known)
    difference = abs(griffin_lim(V, frontend, n, n_iter=8) - theirs).max()
    print(f"  largest difference in float64, 8 iterations: {difference:.1e}")


def costs(seed: int) -> None:
    """Print the SI-SDR of each stem with each phase, from true magnitudes and from estimates."""
    import sigsep_classic as ssc
    from sigsep_classic.metrics import scores

    song = ssc.synthesize("song", seconds=12.0, seed=seed)
    half = song.mixture.shape[1] // 2
    x = song.mixture[:, half:]
    truth = {name: stem[:, half:] for name, stem in song.stems.items()}
    names = list(truth)
    print(f"\nSI-SDR in dB, song {seed}, 6 s{'':30}{''.join(f'{name:>9}' for name in names)}     mean")

    def row(label: str, stems: dict[str, np.ndarray]) -> None:
        found = scores(truth, stems, metrics=("si_sdr",), sample_rate=song.sample_rate)
        values = [float(np.mean(found[name]["si_sdr"])) for name in names]
        print(f"  {label:<46}{''.join(f'{v:9.2f}' for v in values)}{np.mean(values):9.2f}")

    frontend = ssc.STFT(n_fft=2048, hop=512)
    X = frontend.analyze(x)
    S = np.stack([frontend.analyze(stem) for stem in truth.values()])
    for label, call in ways(X, frontend, x.shape[1]).items():
        row(f"true magnitudes: {label}", dict(zip(names, call(abs(S)), strict=True)))
    examples = {name: stem[:, :half] for name, stem in song.stems.items()}
    sep = ssc.separate(x, song.sample_rate, method="nmf", examples=examples, n_components=40, mask="wiener")
    for phase in (None, "misi", "consistent_wiener", "unwrapped"):
        row(f"NMF by examples: {phase or 'mixture (Wiener filter)'}", dict(sep.regroup(phase=phase)))
    hpss = ssc.separate(x, song.sample_rate, method="hpss")
    stems = {"drums": truth["drums"], "the rest": x - truth["drums"]}
    print("  HPSS, drums and the rest:")
    for phase in (None, "misi", "consistent_wiener", "unwrapped"):
        other = hpss.regroup(phase=phase)
        found = scores(
            stems,
            {"drums": other["percussive"], "the rest": other["harmonic"]},
            metrics=("si_sdr",),
            sample_rate=song.sample_rate,
        )
        drums, rest = (float(np.mean(found[name]["si_sdr"])) for name in stems)
        print(f"    {phase or 'mixture':<44}{drums:9.2f}{rest:9.2f}")


def ways(X: np.ndarray, frontend: Any, n: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return functions from magnitudes of all sources to their signals, by name."""
    from sigsep_classic import masking, phase

    def mixed(V: np.ndarray) -> np.ndarray:
        return frontend.synthesize(phase.rounds.with_phases(V, X), n)

    return {
        "the mixture's phase": mixed,
        "Wiener filter": lambda V: frontend.synthesize(masking.wiener(V) * X, n),
        "MISI, 10 rounds": lambda V: phase.misi(V, X, frontend, n),
        "MISI, 50 rounds": lambda V: phase.misi(V, X, frontend, n, n_iter=50),
        "consistent Wiener, 10 steps": lambda V: phase.consistent_wiener(V, X, frontend, n, power=1).y,
        "consistent Wiener, 40 steps": lambda V: (
            phase.consistent_wiener(V, X, frontend, n, power=1, n_iter=40).y
        ),
        "sinusoids' phases": lambda V: frontend.synthesize(phase.unwrapped(V, X, frontend), n),
        "the same, then MISI, 10 rounds": lambda V: phase.misi(
            V, X, frontend, n, start=phase.unwrapped(V, X, frontend)
        ),
        "Griffin-Lim from the mixture's": lambda V: phase.griffin_lim(
            V, frontend, n, start=np.ascontiguousarray(np.broadcast_to(X, V.shape))
        ),
    }


if __name__ == "__main__":
    main()
