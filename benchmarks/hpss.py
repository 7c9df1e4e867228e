"""HPSS end to end against librosa, medians against SciPy; peak memory of arrays, and of files of 1 to 60 minutes.

python -m benchmarks.hpss
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.memory import in_child, peak
from benchmarks.timing import compare, header

RATE = 44100


def child(kind: str, seconds: str) -> None:
    """Print the bytes of an input and the peak of one call on it beyond what was there before."""
    import sigsep_classic as ssc
    from sigsep_classic import audio, streaming

    method, rng = ssc.HPSS(), np.random.default_rng(0)
    short = rng.standard_normal((2, RATE), dtype=np.float32)
    streaming.separate_long(short, RATE, method)  # what is compiled and imported once is not counted
    n = int(float(seconds) * RATE)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "file":
            path = Path(folder) / "mix.wav"
            shape = {"sample_rate": RATE, "channels": 2, "n_samples": n}
            with audio.StemWriter([path], **shape) as out:
                for _ in range(0, n, RATE):
                    out.write({path: 0.1 * rng.standard_normal((2, RATE), dtype=np.float32)})
            audio.save_all({Path(folder) / "a.wav": short}, RATE)
            streaming.separate_file(Path(folder) / "a.wav", Path(folder) / "a", method)
            before = peak()
            streaming.separate_file(path, Path(folder) / "stems", method)
        else:
            before = peak()
            x = rng.standard_normal((2, n), dtype=np.float32)
            separate = {"whole": ssc.separate, "blocks": streaming.separate_long}[kind]
            separate(x, RATE, method=method)
    print(8 * n, peak() - before)


def memory() -> None:
    """Print peak memory relative to the input; the input itself is counted for arrays."""
    header("peak memory of HPSS, float32 stereo")
    for kind, label in (("whole", "separate(x)"), ("blocks", "streaming.separate_long(x)")):
        size, most = in_child("benchmarks.hpss", kind, 30)
        print(f"  {label:<34} 30 s: {most / size:.1f} x the input, itself included")
    for minutes in (1, 10, 60):
        size, most = in_child("benchmarks.hpss", "file", 60 * minutes)
        print(
            f"  {'streaming.separate_file':<34} {minutes} min: {most / 1e6:.0f} MB (input {size / 1e6:.0f} MB)"
        )


def main() -> None:
    """Print end-to-end and median times and how far the outputs differ."""
    import librosa
    from scipy.ndimage import median_filter

    import sigsep_classic as ssc
    from sigsep_classic import streaming
    from sigsep_classic.kernels.sliding_median import sliding_median

    mix = ssc.synthesize("song", seconds=2584 * 512 / 44100)  # whole hops: librosa then has our frames
    x = mix.mixture
    method = ssc.HPSS(harmonic_frames=31, percussive_bins=31)
    frontend = ssc.STFT(n_fft=2048, hop=512)

    def blocks() -> dict[str, np.ndarray]:
        return streaming.separate_long(x, mix.sample_rate, method, frontend=frontend)

    def ours() -> ssc.Separation:
        return ssc.separate(x, mix.sample_rate, method=method, frontend=frontend, device="cpu")

    header(f"HPSS end to end, {x.shape[1] / 44100:.2f} s stereo float32, 31 by 31", "librosa", "scipy")
    peers = {"ours, in blocks": blocks, "librosa.effects.hpss": lambda: librosa.effects.hpss(x)}
    compare({"ours": ours, **peers}, rounds=5)
    X = frontend.analyze(x)
    compare(
        {
            "transforms alone (the floor)": lambda: frontend.synthesize(frontend.analyze(x), x.shape[1]),
            "medians": lambda: [sliding_median(abs(X), 31, axis=axis) for axis in (-1, -2)],
        },
        rounds=5,
    )
    sep, (harmonic, percussive) = ours(), librosa.effects.hpss(x)
    print(f"  largest difference: harmonic {np.abs(sep['harmonic'] - harmonic).max():.1e}", end="")
    print(f", percussive {np.abs(sep['percussive'] - percussive).max():.1e}")

    V = np.abs(frontend.analyze(x)[0])
    for size in (17, 31, 101):
        for axis, name in ((-1, "time"), (-2, "frequency")):
            shape = (1, size) if axis == -1 else (size, 1)
            header(f"median of {size} along {name}, {V.shape[0]} x {V.shape[1]} float32", "scipy")
            compare(
                {
                    "ours": lambda size=size, axis=axis: sliding_median(V, size, axis=axis),
                    "scipy.ndimage.median_filter": lambda shape=shape: median_filter(V, size=shape),
                },
                rounds=3,
            )
            same = np.array_equal(sliding_median(V, size, axis=axis), median_filter(V, size=shape))
            print(f"  bit-identical: {same}")
    memory()


if __name__ == "__main__":
    child(*sys.argv[1:]) if len(sys.argv) > 1 else main()
