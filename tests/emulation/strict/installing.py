"""Put the stand-in where ``import cupy`` finds it, and take it away again."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from tests.emulation.compiling import compiler
from tests.emulation.emulator import Emulator
from tests.emulation.strict import arrays, devices, facts, functions, memory, refusals
from tests.emulation.strict.recorder import RECORD, Record


@dataclass(frozen=True)
class Gpu:
    """What a test sees of the stand-in.

    Parameters
    ----------
    cupy : module
        What ``import cupy`` gives.
    record : Record
        Transfers, launches and calls so far.
    pool : MemoryPool
        ``used``, ``held`` and ``peak`` in bytes.
    """

    cupy: Any
    record: Record
    pool: memory.MemoryPool


@contextmanager
def strict_cupy(*, memory_limit: int | None = None, emulator: Emulator | None = None) -> Iterator[Gpu]:
    """Let ``import cupy`` find the stand-in inside; skips the test where g++ is missing.

    Parameters
    ----------
    memory_limit : int, optional
        Bytes the device has; what is beyond raises ``cupy.cuda.memory.OutOfMemoryError``. Default: 80 GiB.
    emulator : Emulator, optional
        What runs the kernels.
    """
    if compiler() is None:
        import pytest

        pytest.skip("g++ not found: no CUDA emulation")
    modules = _modules(emulator or Emulator())
    before = {
        name: module for name, module in sys.modules.items() if name.partition(".")[0] in ("cupy", "cupyx")
    }
    for name in before:
        del sys.modules[name]
    sys.modules.update(modules)
    memory.POOL.begin(memory_limit)
    RECORD.clear()
    _forget()
    try:
        yield Gpu(modules["cupy"], RECORD, memory.POOL)
    finally:
        for name in modules:
            sys.modules.pop(name, None)
        sys.modules.update(before)
        memory.POOL.begin(None)
        _forget()


def _forget() -> None:
    """Make the package look again for a GPU, and compile again."""
    from sigsep_classic import backend
    from sigsep_classic.kernels import cuda as launcher

    backend.cuda_status.cache_clear()
    launcher._cupy_module.cache_clear()


def _modules(emulator: Emulator) -> dict[str, ModuleType]:
    """Return all modules of the stand-in by name."""
    made: dict[str, Any] = {
        path: functions.Namespace(path) for path in (*facts.MODULES, "cupyx.scipy", "cupy.lib")
    }
    cupy = made["cupy"]
    cupy.__version__ = facts.known()["version"]
    cupy.ndarray, cupy.RawModule, cupy.RawKernel = arrays.ndarray, devices.RawModule, devices.RawKernel
    cupy.cuda = made["cupy.cuda"] = devices.module(emulator)
    made["cupy.cuda.memory"], made["cupy.cuda.runtime"] = cupy.cuda.memory, cupy.cuda.runtime
    cupy.is_available = cupy.cuda.is_available
    cupy.get_default_memory_pool = lambda: memory.POOL
    cupy.get_default_pinned_memory_pool = memory.PinnedMemoryPool
    cupy.get_array_module = lambda *args: cupy if any(isinstance(a, arrays.ndarray) for a in args) else np
    cupy._called = functions.called
    functions.creation(cupy)
    _pinned(made["cupyx"])
    for path in facts.MODULES:
        if path.endswith(".fft"):
            _transforms(path, made[path])
    made["cupy.random"].default_rng = Generator
    for name, module in made.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(made[parent], child, module)
    return made


def _transforms(path: str, module: ModuleType) -> None:
    import scipy.fft

    for name in (
        "fft",
        "ifft",
        "rfft",
        "irfft",
        "fft2",
        "ifft2",
        "rfft2",
        "irfft2",
        "fftn",
        "ifftn",
        "dct",
        "idct",
    ):
        fact = facts.known()[path].get(name)
        if fact is not None:
            signature = inspect.signature(eval(f"lambda {fact[1:-1]}: 0"))
            setattr(module, name, refusals.transformed(name, signature, getattr(scipy.fft, name)))


def _pinned(module: ModuleType) -> None:
    """Put in arrays of page-locked host memory, which are plain NumPy arrays."""
    module.empty_pinned = lambda shape, dtype=float, order="C": np.empty(shape, dtype, order)
    module.zeros_pinned = lambda shape, dtype=float, order="C": np.zeros(shape, dtype, order)


class Generator:
    """``cupy.random.default_rng``: numbers of NumPy's generator, on the device without a transfer."""

    __module__ = "cupy.random._generator_api"

    def __init__(self, seed: Any = None) -> None:
        self._host = np.random.default_rng(seed)

    def random(self, size: Any = None, dtype: Any = float, out: Any = None) -> Any:
        return arrays.wrap(self._host.random(size, dtype))

    def standard_normal(self, size: Any = None, dtype: Any = float, out: Any = None) -> Any:
        return arrays.wrap(self._host.standard_normal(size, dtype))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = float) -> Any:
        return arrays.wrap(self._host.uniform(low, high, size).astype(dtype))

    def integers(self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64) -> Any:
        return arrays.wrap(self._host.integers(low, high, size, dtype))
