"""Compile and launch the ``.cu`` files of this folder.

A source is plain CUDA C++ in which ``real`` is the floating type; ``common.cuh`` is put before it. The same
text and the same `launch` run under CuPy and, in the test suite, under the CPU emulation, so that grid
sizes, dtypes and contiguity are exercised without a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic import backend

FOLDER = Path(__file__).parent
MAX_GRID_Y = 65_535
REALS = {"float32": "float", "float64": "double"}


def sources() -> list[str]:
    """Return the names of the operations that have a ``.cu`` file."""
    return sorted(path.stem for path in FOLDER.glob("*.cu"))


def source(op: str) -> str:
    """Return the full text handed to the compiler for operation ``op``, ``#include "….cuh"`` of this folder put in."""
    text = (FOLDER / f"{op}.cu").read_text()
    text = re.sub(r'#include "(\w+\.cuh)"\n', lambda found: (FOLDER / found[1]).read_text(), text)
    return (FOLDER / "common.cuh").read_text() + f'#line 1 "{op}.cu"\n' + text


def defines(real: str, constants: Mapping[str, int]) -> tuple[str, ...]:
    """Return compiler options that fix the floating type and the compile-time integers."""
    return (f"-DREAL={REALS[real]}", *(f"-D{name}={value}" for name, value in sorted(constants.items())))


@lru_cache(maxsize=256)
def _cupy_module(op: str, options: tuple[str, ...]) -> Any:
    import cupy

    return cupy.RawModule(code=source(op), options=("-std=c++17", *options))


@lru_cache(maxsize=1024)
def _cupy_function(op: str, options: tuple[str, ...], name: str, device: int) -> Any:
    """Return a kernel on a device; asking the module for it at each launch costs as much as the launch."""
    return _cupy_module(op, options).get_function(name)


def launch(
    op: str,
    name: str,
    *,
    grid: tuple[int, ...],
    block: tuple[int, ...],
    args: tuple[Any, ...],
    real: np.dtype,
    **constants: int,
) -> None:
    """Run kernel ``name`` of ``op.cu`` over ``grid`` blocks of ``block`` threads.

    Parameters
    ----------
    op, name : str
        The file (without ``.cu``) and the ``extern "C"`` kernel in it.
    grid, block : tuple of int
        Up to three sizes each. An empty grid runs nothing.
    args : tuple
        Arrays go as pointers and must be C-contiguous; ints become ``int`` (`long` ``long long``), floats ``real``.
    real : dtype
        float32 or float64: what ``real`` means in the source.
    **constants : int
        Compile-time integers (``-DNAME=value``).
    """
    if 0 in grid:
        return
    options = defines(np.dtype(real).name, constants)
    packed = tuple(_argument(a, np.dtype(real)) for a in args)
    emulator = backend.emulator()
    if emulator is not None:
        emulator.module(op, source(op), options).run(name, grid, block, packed)
    else:
        from cupy.cuda.runtime import getDevice

        _cupy_function(op, options, name, getDevice())(grid, block, packed)


def long(value: int) -> np.int64:
    """Mark an integer argument as ``long long`` (sizes that may pass 2**31)."""
    return np.int64(value)


def _argument(value: Any, real: np.dtype) -> Any:
    if isinstance(value, np.int64):
        return value
    if isinstance(value, (bool, int, np.integer)):
        assert -(2**31) <= value < 2**31, f"integer argument {value} does not fit int"
        return np.int32(value)
    if isinstance(value, (float, np.floating)):
        return real.type(value)
    assert value.flags.c_contiguous, "kernel arguments must be C-contiguous"
    return value


def blocks_for(n: int, threads: int) -> int:
    """Return how many blocks of ``threads`` cover ``n`` items."""
    return -(-n // threads)
