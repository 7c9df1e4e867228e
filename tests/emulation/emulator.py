"""Run the package's ``.cu`` files on the CPU: g++ compiles them through ``shim.h``, ctypes calls them.

An `Emulator` goes into ``backend.emulated_cuda``, so that the real launcher runs with NumPy arrays. What a
GPU would take without a word is an error here: arguments of the wrong number or type, launches beyond the
limits, divergent barriers, indices outside local or shared arrays, writes beyond an array's ends. Reads
beyond them give NaN (-1 in integers), as do shared memory and shuffled lanes that nobody has written.

Mode ``"watched"`` looks at every access to memory (``watch.h``): reads outside an array are errors too, also far
outside and in shared memory, and so are races between threads and between blocks. Mode ``"address"`` compiles for
AddressSanitizer, which sees local arrays too and ends the process; its library must be loaded before Python.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from tests.emulation.compiling import EmulationError, build, compiler, kernels_of, require, with_lines

GUARD = 4096  # bytes of NaN put on both sides of every array
GRID_LIMITS = (2**31 - 1, 65535, 65535)
BLOCK_LIMITS = (1024, 1024, 64)
UNBOUNDED = (
    256  # threads of a block for which there are always registers, 255 each; more need __launch_bounds__
)


@contextmanager
def emulated(*, backwards: bool = False) -> Iterator[Emulator]:
    """Make dispatch take the CUDA twins on NumPy arrays; skips the test where g++ is missing."""
    import pytest

    from sigsep_classic import backend

    if compiler() is None:
        pytest.skip(f"g++ not found: {os.environ.get('CXX', 'g++')!r} is not on the path, no CUDA emulation")
    emulator = Emulator(backwards=backwards)
    with backend.emulated_cuda(emulator):
        yield emulator


class Emulator:
    """Stands in for CuPy's compiler.

    Parameters
    ----------
    backwards : bool
        Run blocks and threads from last to first. A kernel without races gives the same in both orders.
    mode : {"plain", "watched", "address"}, optional
        What is looked for. Default: what the environment variable ``EMULATION_MODE`` says, or ``"plain"``.
    """

    def __init__(self, *, backwards: bool = False, mode: str | None = None) -> None:
        self.backwards = backwards
        self.mode = mode or os.environ.get("EMULATION_MODE", "plain")
        self.launches: list[tuple[str, str]] = []

    def module(self, op: str, source: str, options: Sequence[str]) -> Launcher:
        """Return the compiled kernels of ``source``, ready to run."""
        return Launcher(self, op, _module(source, tuple(options), self.mode))


class Launcher:
    """The kernels of one operation under one emulator."""

    def __init__(self, emulator: Emulator, op: str, module: Module) -> None:
        self.emulator, self.op, self.compiled = emulator, op, module

    def run(self, name: str, grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
        """Run kernel ``name`` over ``grid`` blocks of ``block`` threads; arrays are changed in place."""
        self.emulator.launches.append((self.op, name))
        try:
            self.compiled.run(name, grid, block, args, backwards=self.emulator.backwards)
        except EmulationError as error:
            raise EmulationError(f"{self.op}.cu: {name}: {error}") from None


class Kernel:
    """One ``extern "C" __global__`` function: its parameter types as the compiler saw them."""

    def __init__(self, library: ctypes.CDLL, name: str, bounds: str, text: str) -> None:
        described = getattr(library, f"signature_{name}")
        described.restype = ctypes.c_char_p
        *self.types, bound = described().decode().split()
        self.max_threads = int(bound) if bounds else UNBOUNDED
        parts = [part.strip() for part in text.split(",")]
        self.texts = parts if len(parts) == len(self.types) else self.types
        self.call = getattr(library, f"run_{name}")

    def check_launch(self, grid: Sequence[int], block: Sequence[int]) -> None:
        """Refuse sizes a GPU would refuse."""
        for what, sizes, limits in (("grid", grid, GRID_LIMITS), ("block", block, BLOCK_LIMITS)):
            require(1 <= len(sizes) <= 3, f"{what} {tuple(sizes)} has {len(sizes)} sizes, expected 1 to 3")
            for axis, size, limit in zip("xyz", sizes, limits, strict=False):
                require(1 <= size <= limit, f"{what}.{axis} is {size}, expected 1 to {limit}")
        n = int(np.prod(block))
        require(
            n <= self.max_threads, f"block {tuple(block)} has {n} threads, at most {self.max_threads} fit"
        )

    def check_arguments(self, args: Sequence[Any]) -> None:
        """Refuse arguments that are not, to the byte, what the kernel's parameters are."""
        require(len(args) == len(self.types), f"{len(args)} arguments for {len(self.types)} parameters")
        for i, (value, kind, text) in enumerate(zip(args, self.types, self.texts, strict=True)):
            where = f"argument {i} ({text})"
            require(isinstance(value, (np.ndarray, np.generic)), f"{where} is a {type(value).__name__}")
            is_array = isinstance(value, np.ndarray)
            given = f"{'array' if is_array else 'scalar'} of {value.dtype}"
            require(is_array == ("*" in kind), f"{where} got a {given}")
            code = f"{value.dtype.kind}{value.dtype.itemsize}"
            wanted = kind.removeprefix("const").removeprefix("*")
            require(code == wanted or (code, wanted) == ("b1", "u1"), f"{where} is {wanted}, got a {given}")
            if is_array:
                require(value.flags.c_contiguous, f"{where} got an array that is not C-contiguous")
                writes = not kind.startswith("const")
                require(value.flags.writeable or not writes, f"{where} is written to, got a read-only array")

    def overlapping(self, args: Sequence[Any]) -> set[int]:
        """Return the arrays that share memory with another; refuse it where ``__restrict__`` denies it."""
        found: set[int] = set()
        arrays = [i for i, value in enumerate(args) if isinstance(value, np.ndarray)]
        for i in arrays:
            for j in arrays:
                if i == j or not np.may_share_memory(args[i], args[j]):
                    continue
                denied = "__restrict__" in self.texts[i] and not self.types[j].startswith("const")
                require(not denied, f"argument {i} ({self.texts[i]}) shares memory with argument {j}")
                found.add(i)
        return found


class Array(ctypes.Structure):
    """What ``watch.h`` is told of an array argument."""

    _fields_ = (
        ("begin", ctypes.c_void_p),
        ("bytes", ctypes.c_size_t),
        ("item", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
    )


class Module:
    """A shared library made of one CUDA text and its options."""

    def __init__(self, source: str, options: tuple[str, ...], mode: str) -> None:
        found = kernels_of(source)
        self.path = build(source, options, found, mode)
        self.library = ctypes.CDLL(str(self.path))
        self.mode = mode
        self.kernels = {name: Kernel(self.library, name, *texts) for name, texts in found.items()}
        self.lock = threading.Lock()

    def run(
        self, name: str, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, backwards: bool
    ) -> None:
        """Check the launch, run it, and check that nothing was written beside the arrays."""
        require(name in self.kernels, f"no such kernel among {sorted(self.kernels)}")
        kernel = self.kernels[name]
        kernel.check_launch(grid, block)
        kernel.check_arguments(args)
        shared = kernel.overlapping(args)
        buffers = [np.asarray(a) if i in shared else _guarded(np.asarray(a)) for i, a in enumerate(args)]
        addresses = [ctypes.c_void_p(buffer.ctypes.data) for buffer in buffers]
        pointers = (ctypes.c_void_p * (len(args) + 1))()  # one more, as C has no empty arrays
        for i, (value, address) in enumerate(zip(args, addresses, strict=True)):
            pointers[i] = ctypes.addressof(address) if isinstance(value, np.ndarray) else address.value
        message = ctypes.create_string_buffer(1000)
        sizes = [(ctypes.c_uint * 3)(*dims, *(1,) * (3 - len(dims))) for dims in (grid, block)]
        guards = [b for i, b in enumerate(buffers) if i not in shared and isinstance(args[i], np.ndarray)]
        with self.lock, _poisoned(guards) if self.mode == "address" else nullcontext():
            if self.mode == "watched":
                arrays = _arrays(buffers, kernel.texts)
                self.library.emulation_watch((Array * len(arrays))(*arrays), len(arrays))
            failed = kernel.call(*sizes, pointers, int(backwards), message, ctypes.c_size_t(len(message)))
        require(not failed, with_lines(message.value.decode(), self.path) if failed else "")
        for i, (value, buffer) in enumerate(zip(args, buffers, strict=True)):
            if isinstance(value, np.ndarray) and i not in shared:
                require(_guards_hold(buffer), f"wrote outside argument {i} ({kernel.texts[i]})")
                if not kernel.types[i].startswith("const"):
                    value[...] = buffer


def _guarded(array: np.ndarray) -> np.ndarray:
    """Return a copy of ``array`` that lies between two guards of 0xFF bytes (NaN, -1)."""
    around = np.full(array.nbytes + 2 * GUARD, 0xFF, np.uint8)
    inside = around[GUARD : GUARD + array.nbytes].view(array.dtype).reshape(array.shape)
    inside[...] = array
    return inside


def _around(inside: np.ndarray) -> np.ndarray:
    """Return the bytes of a guarded array and its guards."""
    around = inside
    while isinstance(around.base, np.ndarray):
        around = around.base
    return around


@contextmanager
def _poisoned(arrays: Sequence[np.ndarray]) -> Iterator[None]:
    """Tell AddressSanitizer that nobody may touch the guards."""
    sanitizer = ctypes.CDLL(None)
    places = [ctypes.c_void_p(array.ctypes.data - GUARD) for array in arrays]
    places += [ctypes.c_void_p(array.ctypes.data + array.nbytes) for array in arrays]
    for place in places:
        sanitizer.__asan_poison_memory_region(place, ctypes.c_size_t(GUARD))
    try:
        yield
    finally:
        for place in places:
            sanitizer.__asan_unpoison_memory_region(place, ctypes.c_size_t(GUARD))


def _guards_hold(inside: np.ndarray) -> bool:
    around = _around(inside)
    return bool((around[:GUARD] == 0xFF).all() and (around[GUARD + inside.nbytes :] == 0xFF).all())


def _arrays(buffers: Sequence[np.ndarray], texts: Sequence[str]) -> list[Array]:
    """Return where the array arguments lie; those that share memory are taken as one."""
    found: list[Array] = []
    named = [
        (b, re.split(r"[\s*]+", text)[-1]) for b, text in zip(buffers, texts, strict=True) if "*" in text
    ]
    for buffer, name in sorted(named, key=lambda one: one[0].ctypes.data):
        begin, last = buffer.ctypes.data, found[-1] if found else None
        if last is not None and begin < last.begin + last.bytes:
            last.bytes = max(last.bytes, begin + buffer.nbytes - last.begin)
            last.item, last.name = min(last.item, buffer.itemsize), last.name + b" or " + name.encode()
        else:
            found.append(Array(begin, buffer.nbytes, buffer.itemsize, name.encode()))
    return found


@functools.cache
def _module(source: str, options: tuple[str, ...], mode: str) -> Module:
    return Module(source, options, mode)
