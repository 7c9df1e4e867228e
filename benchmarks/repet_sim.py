"""REPET-SIM against a straightforward NumPy version of the paper.

python -m benchmarks.repet_sim
"""

from __future__ import annotations

import numpy as np

from benchmarks.timing import compare, header


def straightforward(V: np.ndarray, *, number: int, distance: int) -> np.ndarray:
    """Return the repeating spectrogram of V (channels, freq, frames) by loops over frames, as the paper reads."""
    mean = V.mean(axis=0)
    unit = mean / np.maximum(np.sqrt((mean**2).sum(axis=0)), np.finfo(V.dtype).tiny)
    similarity = unit.T @ unit
    n_frames = V.shape[-1]
    model = np.empty_like(V)
    for t in range(n_frames):
        row = similarity[t]
        peaks = [
            i
            for i in range(n_frames)
            if row[i] >= 0
            and (row[i] > row[max(0, i - distance) : i]).all()
            and (row[i] > row[i + 1 : i + distance + 1]).all()
        ]
        peaks = sorted(peaks, key=lambda i, row=row: -row[i])[:number] or [t]
        model[..., t] = np.median(V[..., peaks], axis=-1)
    return model


def main() -> None:
    """Print times and whether the masks are identical."""
    import sigsep_classic as ssc

    mix = ssc.synthesize("song", seconds=25.0)
    frontend = ssc.STFT(n_fft=2048, hop=1024)
    for dtype in (np.float64, np.float32):
        X = frontend.analyze(mix.mixture.astype(dtype))
        grid = frontend.grid(mix.sample_rate)
        method = ssc.REPETSIM(grid=grid, cutoff=0)
        V = np.abs(X)
        distance = round(grid.frame_rate)

        def peer(V: np.ndarray = V, distance: int = distance, method: ssc.REPETSIM = method) -> np.ndarray:
            repeating = straightforward(V, number=method.n_similar, distance=distance)
            return np.where(V > 0, np.minimum(V, repeating) / np.where(V > 0, V, 1), 1)

        def ours(X: np.ndarray = X, method: ssc.REPETSIM = method) -> np.ndarray:
            return method.fit(X).masks[0]

        header(f"REPET-SIM, spectrogram to mask, 25 s stereo {np.dtype(dtype)}, {V.shape[-1]} frames")
        compare({"ours": ours, "straightforward NumPy": peer}, rounds=3)
        a, b = ours()[:, 1:], peer()[:, 1:]
        print(f"  identical masks: {np.array_equal(a, b)} ({(a != b).mean():.1e} of the values differ)")


if __name__ == "__main__":
    main()
