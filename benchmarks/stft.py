"""STFT and inverse of 30 s of stereo against librosa and SciPy; the floor is the FFT of the frames alone.

python -m benchmarks.stft
BENCH_THREADS=2 python -m benchmarks.stft
"""

from __future__ import annotations

import numpy as np

from benchmarks.timing import compare, header


def main() -> None:
    """Print analysis and synthesis times, float32, 2048 by 512."""
    import librosa
    from scipy.fft import irfft, rfft
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    from sigsep_classic import STFT
    from sigsep_classic.backend import n_threads

    x = np.random.default_rng(0).standard_normal((2, 30 * 44100)).astype(np.float32)
    n = x.shape[1]
    ours, theirs = STFT(), ShortTimeFFT(hann(2048, sym=False).astype(np.float32), 512, 1)
    X, L, S = ours.analyze(x), librosa.stft(x), theirs.stft(x)
    frames = np.lib.stride_tricks.sliding_window_view(x, 2048, axis=1)[:, ::512]
    spectra = np.ascontiguousarray(X.swapaxes(1, 2))
    print(f"{n_threads()} threads")
    header("STFT analysis, 30 s stereo float32", "librosa", "scipy")
    compare(
        {
            "ours": lambda: ours.analyze(x),
            "librosa.stft": lambda: librosa.stft(x),
            "scipy ShortTimeFFT.stft": lambda: theirs.stft(x),
            "scipy.fft.rfft of the frames": lambda: rfft(frames, workers=n_threads()),
        }
    )
    header("STFT synthesis", "librosa", "scipy")
    compare(
        {
            "ours": lambda: ours.synthesize(X, n),
            "librosa.istft": lambda: librosa.istft(L, length=n),
            "scipy ShortTimeFFT.istft": lambda: theirs.istft(S, k1=n),
            "scipy.fft.irfft of the spectra": lambda: irfft(spectra, workers=n_threads()),
        }
    )
    for dtype in (np.float32, np.float64):
        y = x.astype(dtype)
        error = np.abs(ours.synthesize(ours.analyze(y), n) - y).max() / np.abs(y).max()
        print(f"  reconstruction, {np.dtype(dtype)}: {error:.1e} of the peak")


if __name__ == "__main__":
    main()
