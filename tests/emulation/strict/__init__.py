"""A strict stand-in for CuPy on machines without a GPU: `strict_cupy`.

``backend.emulated_cuda`` runs kernels on NumPy arrays, so it cannot see array code that CuPy would refuse. Here arrays
are of a class of their own that no NumPy function takes, only what CuPy has exists, and every byte between host and
device is noted with who asked for it::

    with strict_cupy() as gpu:
        x = gpu.cupy.asarray(samples)
        separate(x, sample_rate, method="nmf")
        print(gpu.record.n_bytes("down"), gpu.record.launches)

Names, parameters and dtypes are those of the CuPy in ``facts.json``; further refusals were read in its sources
(`refusals`). A ``memory_limit`` makes allocations fail as on a device of so many bytes.
"""

from __future__ import annotations

from tests.emulation.strict.installing import Gpu, strict_cupy
from tests.emulation.strict.recorder import Record, Transfer

__all__ = ["Gpu", "Record", "Transfer", "strict_cupy"]
