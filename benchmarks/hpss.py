"""HPSS end to end against librosa, medians against SciPy.

python -m benchmarks.hpss
"""

from __future__ import annotations

import numpy as np

from benchmarks.timing import compare, header


def main() -> None:
    """Print end-to-end and median times and how far the outputs differ."""
    import librosa
    from scipy.ndimage import median_filter

    import sigsep_classic as ssc
    from sigsep_classic.kernels.sliding_median import sliding_median

    mix = ssc.synthesize("song", seconds=2584 * 512 / 44100)  # whole hops: librosa then has our frames
    x = mix.mixture
    method = ssc.HPSS(harmonic_frames=31, percussive_bins=31)
    frontend = ssc.STFT(n_fft=2048, hop=512)

    def ours() -> ssc.Separation:
        return ssc.separate(x, mix.sample_rate, method=method, frontend=frontend, device="cpu")

    header(f"HPSS end to end, {x.shape[1] / 44100:.2f} s stereo float32, 31 by 31", "librosa", "scipy")
    compare({"ours": ours, "librosa.effects.hpss": lambda: librosa.effects.hpss(x)}, rounds=5)
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


if __name__ == "__main__":
    main()
