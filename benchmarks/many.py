"""100 short clips through `separate_many` against a loop over `separate`: arrays and FLAC files, on the CPU and a GPU.

python -m benchmarks.many
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import compare, header

RATE = 16000
CLIPS = 100
METHODS: dict[str, dict[str, Any]] = {
    "hpss": {},
    "nmf, 8 components, 30 iterations": {"method": "nmf", "n_components": 8, "n_iter": 30, "tol": 0},
}


def looped(sources: Sequence[Any], rate: int | None, **options: Any) -> None:
    """Separate one after the other."""
    import sigsep_classic as ssc

    for source in sources:
        ssc.separate(source, rate, **options)


def together(sources: Sequence[Any], rate: int | None, **options: Any) -> None:
    """Separate them in one go, and keep none."""
    import sigsep_classic as ssc

    for _ in ssc.separate_many(sources, rate, **options):
        pass


def main() -> None:
    """Print the time of each way, for each method, kind of source and device."""
    import sigsep_classic as ssc
    from sigsep_classic.backend import cuda_status
    from sigsep_classic.factorizers import METHODS as KINDS
    from sigsep_classic.pipeline import batches

    song = ssc.synthesize("song", seconds=4.0, sample_rate=RATE).mixture
    rng = np.random.default_rng(0)
    clips = [
        song[:, start : start + length]
        for start, length in zip(
            rng.integers(0, RATE, CLIPS), rng.integers(RATE, 2 * RATE, CLIPS), strict=True
        )
    ]
    devices = ["cpu", *(["cuda"] if cuda_status()[0] else [])]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{n}.flac" for n in range(CLIPS)]
        for path, clip in zip(files, clips, strict=True):
            ssc.save(path, clip, RATE)
        for name, options in METHODS.items():
            batch = batches(KINDS[options.get("method", "hpss")]())
            for device in devices:
                header(f"{name}, {CLIPS} stereo clips of 1 to 2 s at {RATE} Hz, {device}")
                for what, sources, rate in (("arrays", clips, RATE), ("FLAC files", files, None)):
                    given = {**options, "device": device}
                    ways: dict[str, Callable[[], None]] = {
                        f"separate_many, {what}": lambda s=sources, r=rate, o=given: together(s, r, **o),
                        f"separate in a loop, {what}": lambda s=sources, r=rate, o=given: looped(s, r, **o),
                    }
                    if batch:
                        ways[f"separate_many, batch=16, {what}"] = lambda s=sources, r=rate, o=given: (
                            together(s, r, batch=16, **o)
                        )
                    compare(ways, rounds=5, unit="s")
    if devices == ["cpu"]:
        print(f"\n  no row for a GPU: {cuda_status()[1]}")


if __name__ == "__main__":
    main()
