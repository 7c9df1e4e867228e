"""What each method does on a GPU: kernels, and what crosses between host and device once the samples are there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from sigsep_classic import METHODS, STFT, synthesize
from sigsep_classic.backend import to_host
from sigsep_classic.pipeline import separate_array
from tests.conformance.quick import QUICK
from tests.emulation.strict import strict_cupy
from tests.quiet import only_errors

RATE, BEGIN, LENGTHS = 8000, 1600, (2400, 4800)
FRONTEND = STFT(n_fft=256, hop=64)
NEAR = 1e-4
"""How far stems may be from the CPU's in single precision, relative to the peak."""


@dataclass(frozen=True)
class Crossing:
    """Bytes that one place of the package moved, at both `LENGTHS`.

    Parameters
    ----------
    way : {"up", "down"}
    place : str
        ``file:function``.
    n_bytes : (int, int)
    largest : int
        Of one transfer at the longer length.
    """

    way: str
    place: str
    n_bytes: tuple[int, int]
    largest: int


@dataclass(frozen=True)
class Coverage:
    """What a method did.

    Parameters
    ----------
    kernels : tuple of str
        Operations with kernels of their own that were launched.
    crossings : tuple of Crossing
    spectrogram : (int, int)
        Bytes of the mixture's STFT at both lengths.
    """

    kernels: tuple[str, ...]
    crossings: tuple[Crossing, ...]
    spectrogram: tuple[int, int]

    def growth(self, crossing: Crossing) -> float:
        """Return bytes of a crossing per byte of the spectrogram, as both grow with the recording."""
        (a, b), (x, y) = crossing.n_bytes, self.spectrogram
        return max(0, b - a) / (y - x)


@cache
def coverage(name: str) -> Coverage:
    """Return what a method made quick does on the stand-in; its stems are compared with the CPU's.

    Raises
    ------
    AssertionError
        Stems are not on the device, or are not the CPU's.
    """
    method = METHODS[name](**QUICK.get(name, {}))
    song = synthesize("song", seconds=1.0, sample_rate=RATE).mixture[:, BEGIN:].astype(np.float32)
    kernels: set[str] = set()
    found: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, 0, 0])
    sizes = []
    for i, n_samples in enumerate(LENGTHS):
        x = song[:, :n_samples]
        sizes.append(FRONTEND.analyze(x).nbytes)
        with strict_cupy() as gpu, only_errors():  # such short signals are warned of
            on_device = gpu.cupy.asarray(x)
            gpu.record.clear()
            sep = separate_array(on_device, RATE, method, frontend=FRONTEND)
            for t in gpu.record.transfers:
                entry = found[t.way, f"{t.file}:{t.function}"]
                entry[i] += t.n_bytes
                entry[2] = max(entry[2], t.n_bytes)
            kernels |= {op for op, _ in gpu.record.launches}
            _check_stems(sep, method, x, first=i == 0)
    crossings = (Crossing(way, place, (a, b), top) for (way, place), (a, b, top) in sorted(found.items()))
    return Coverage(tuple(sorted(kernels)), tuple(crossings), (sizes[0], sizes[1]))


def _check_stems(sep: Any, method: Any, x: np.ndarray, *, first: bool) -> None:
    assert all(type(stem).__module__ == "cupy" for stem in sep.values())
    if not first:
        return
    expected = separate_array(x, RATE, method, frontend=FRONTEND)
    assert list(sep) == list(expected)
    for name, stem in expected.items():
        assert_allclose(to_host(sep[name]), stem, rtol=0, atol=NEAR * abs(x).max(), err_msg=name)
