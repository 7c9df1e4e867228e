"""REPET-SIM, spectrogram to mask, against the loops of the public NumPy code; masks under ``compat`` are compared.

The public code (REPET-Python, one file on GitHub) is not on PyPI and does not run on SciPy since 1.13; what runs here
is its algorithm written anew (`tests.reference.repet_python`), with its loops over frames and Python's ``all``.

python -m benchmarks.repet_sim
"""

from __future__ import annotations

import numpy as np

from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from benchmarks.timing import compare, header
from sigsep_classic.typing import Grid
from tests.reference import repet_python


def songs() -> list[tuple[str, np.ndarray, int]]:
    """Return names, 25 s of stereo and sample rates: a synthetic song, and a real one over and over."""
    import sigsep_classic as ssc

    mix = ssc.synthesize("song", seconds=25.0)
    found = [("synthetic song", mix.mixture, mix.sample_rate)]
    try:
        real = musdb_excerpt()
        again = np.tile(real.mixture, (1, 5))[:, : 25 * real.sample_rate]
        noise = 1e-4 * np.random.default_rng(0).standard_normal(again.shape)  # no two frames are quite alike
        found.append(("real excerpt, repeated", again + noise.astype(again.dtype), real.sample_rate))
    except MissingRecordingError as reason:
        print(f"no real song: {reason}")
    return found


def main() -> None:
    """Print times, their ratio, and whether the masks are identical."""
    import sigsep_classic as ssc

    for name, x, rate in songs():
        frontend = ssc.REPETSIM(compat="repet-python").default_frontend(rate)
        grid = frontend.grid(rate)
        method = ssc.REPETSIM(compat="repet-python", distance=1.0, grid=grid)
        for dtype in (np.float64, np.float32):
            X = frontend.analyze(x.astype(dtype))
            V = np.abs(X)

            def peer(V: np.ndarray = V, grid: Grid = grid) -> np.ndarray:
                return repet_python.sim(V, frame_rate=grid.frame_rate, bin_hz=grid.bin_hz)

            def ours(X: np.ndarray = X, method: ssc.REPETSIM = method) -> np.ndarray:
                return method.fit(X).masks[0]

            header(f"REPET-SIM, 25 s stereo {np.dtype(dtype)}, {V.shape[-1]} frames, {name}")
            compare({"ours": ours, "the public NumPy loops": peer}, rounds=3)
            a, b = ours(), peer()
            print(f"  identical masks: {np.array_equal(a, b)}; largest difference {abs(a - b).max():.1e}")


if __name__ == "__main__":
    main()
