"""Run the package's ``.cu`` files on the CPU: g++ compiles them through ``shim.h``, ctypes calls them.

An `Emulator` goes into ``backend.emulated_cuda``, so that the real launcher runs with NumPy arrays. What a
GPU would take without a word is an error here: arguments of the wrong number or type, launches beyond the
limits, divergent barriers, indices outside local or shared arrays, writes beyond an array's ends. Reads
beyond them give NaN (-1 in integers), as do shared memory and shuffled lanes that nobody has written.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SHIM = Path(__file__).with_name("shim.h")
FLAGS = (
    *("-std=c++17", "-O2", "-g0", "-w", "-fPIC", "-shared", "-fvisibility=hidden"),
    *("-ffp-contract=off", "-U_FORTIFY_SOURCE"),
    "-fsanitize=bounds,shift,integer-divide-by-zero,signed-integer-overflow",
)
GUARD = 4096  # bytes of NaN put on both sides of every array
GRID_LIMITS = (2**31 - 1, 65535, 65535)
BLOCK_LIMITS = (1024, 1024, 64)
_BOUNDS = r"(?:__launch_bounds__\s*\(([^()]*)\)\s*)?"
_KERNEL = re.compile(rf"__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(([^()]*)\)")


class EmulationError(AssertionError):
    """A kernel, or the way it was launched, would fail or be undefined on a GPU."""


def compiler() -> str | None:
    """Return the path of g++ (or of what ``CXX`` names), or None where there is none."""
    return shutil.which(os.environ.get("CXX", "g++"))


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
    """

    def __init__(self, *, backwards: bool = False) -> None:
        self.backwards = backwards
        self.launches: list[tuple[str, str]] = []

    def module(self, op: str, source: str, options: Sequence[str]) -> Launcher:
        """Return the compiled kernels of ``source``, ready to run."""
        return Launcher(self, op, _module(source, tuple(options)))


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

    def __init__(self, library: ctypes.CDLL, name: str, text: str) -> None:
        described = getattr(library, f"signature_{name}")
        described.restype = ctypes.c_char_p
        *self.types, bound = described().decode().split()
        self.max_threads = int(bound)
        parts = [part.strip() for part in text.split(",")]
        self.texts = parts if len(parts) == len(self.types) else self.types
        self.call = getattr(library, f"run_{name}")

    def check_launch(self, grid: Sequence[int], block: Sequence[int]) -> None:
        """Refuse sizes a GPU would refuse."""
        for what, sizes, limits in (("grid", grid, GRID_LIMITS), ("block", block, BLOCK_LIMITS)):
            _require(1 <= len(sizes) <= 3, f"{what} {tuple(sizes)} has {len(sizes)} sizes, expected 1 to 3")
            for axis, size, limit in zip("xyz", sizes, limits, strict=False):
                _require(1 <= size <= limit, f"{what}.{axis} is {size}, expected 1 to {limit}")
        n = int(np.prod(block))
        _require(
            n <= self.max_threads, f"block {tuple(block)} has {n} threads, at most {self.max_threads} fit"
        )

    def check_arguments(self, args: Sequence[Any]) -> None:
        """Refuse arguments that are not, to the byte, what the kernel's parameters are."""
        _require(len(args) == len(self.types), f"{len(args)} arguments for {len(self.types)} parameters")
        for i, (value, kind, text) in enumerate(zip(args, self.types, self.texts, strict=True)):
            where = f"argument {i} ({text})"
            _require(isinstance(value, (np.ndarray, np.generic)), f"{where} is a {type(value).__name__}")
            is_array = isinstance(value, np.ndarray)
            given = f"{'array' if is_array else 'scalar'} of {value.dtype}"
            _require(is_array == ("*" in kind), f"{where} got a {given}")
            code = f"{value.dtype.kind}{value.dtype.itemsize}"
            wanted = kind.removeprefix("const").removeprefix("*")
            _require(code == wanted or (code, wanted) == ("b1", "u1"), f"{where} is {wanted}, got a {given}")
            if is_array:
                _require(value.flags.c_contiguous, f"{where} got an array that is not C-contiguous")
                writes = not kind.startswith("const")
                _require(value.flags.writeable or not writes, f"{where} is written to, got a read-only array")

    def overlapping(self, args: Sequence[Any]) -> set[int]:
        """Return the arrays that share memory with another; refuse it where ``__restrict__`` denies it."""
        found: set[int] = set()
        arrays = [i for i, value in enumerate(args) if isinstance(value, np.ndarray)]
        for i in arrays:
            for j in arrays:
                if i == j or not np.may_share_memory(args[i], args[j]):
                    continue
                denied = "__restrict__" in self.texts[i] and not self.types[j].startswith("const")
                _require(not denied, f"argument {i} ({self.texts[i]}) shares memory with argument {j}")
                found.add(i)
        return found


class Module:
    """A shared library made of one CUDA text and its options."""

    def __init__(self, source: str, options: tuple[str, ...]) -> None:
        found = _kernels(source)
        self.library = ctypes.CDLL(str(_build(source, options, found)))
        self.kernels = {name: Kernel(self.library, name, text) for name, (_, text) in found.items()}
        self.lock = threading.Lock()

    def run(
        self, name: str, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, backwards: bool
    ) -> None:
        """Check the launch, run it, and check that nothing was written beside the arrays."""
        _require(name in self.kernels, f"no such kernel among {sorted(self.kernels)}")
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
        with self.lock:
            failed = kernel.call(*sizes, pointers, int(backwards), message, ctypes.c_size_t(len(message)))
        _require(not failed, message.value.decode())
        for i, (value, buffer) in enumerate(zip(args, buffers, strict=True)):
            if isinstance(value, np.ndarray) and i not in shared:
                _require(_guards_hold(buffer), f"wrote outside argument {i} ({kernel.texts[i]})")
                if not kernel.types[i].startswith("const"):
                    value[...] = buffer


def _require(holds: Any, otherwise: str) -> None:
    if not holds:
        raise EmulationError(otherwise)


def _guarded(array: np.ndarray) -> np.ndarray:
    """Return a copy of ``array`` that lies between two guards of 0xFF bytes (NaN, -1)."""
    around = np.full(array.nbytes + 2 * GUARD, 0xFF, np.uint8)
    inside = around[GUARD : GUARD + array.nbytes].view(array.dtype).reshape(array.shape)
    inside[...] = array
    return inside


def _guards_hold(inside: np.ndarray) -> bool:
    around = inside
    while isinstance(around.base, np.ndarray):
        around = around.base
    return bool((around[:GUARD] == 0xFF).all() and (around[GUARD + inside.nbytes :] == 0xFF).all())


def _kernels(source: str) -> dict[str, tuple[str, str]]:
    """Return ``{name: (launch bounds, parameters)}`` of the kernels in a CUDA text."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)
    found = {m[3]: (m[1] or m[2] or "", " ".join(m[4].split())) for m in _KERNEL.finditer(text)}
    _require(found, 'no extern "C" __global__ void function in the source')
    return found


@functools.cache
def _module(source: str, options: tuple[str, ...]) -> Module:
    return Module(source, options)


@functools.lru_cache(maxsize=1)
def _compiler_version(path: str) -> str:
    asked = [path, "-dumpfullversion", "-dumpmachine"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def _cache_folder() -> Path:
    """Return this user's folder of compiled kernels; a private one each time if it is not safely theirs."""
    user = getattr(os, "getuid", lambda: 0)()
    folder = Path(tempfile.gettempdir()) / f"sigsep_classic-emulation-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != user:
        return Path(tempfile.mkdtemp(prefix="sigsep_classic-emulation-"))
    return folder


def _build(source: str, options: tuple[str, ...], kernels: dict[str, tuple[str, str]]) -> Path:
    """Compile ``source``, unless that was done before, and return the library's path."""
    path = compiler()
    if path is None:
        raise EmulationError("g++ not found")
    exports = "".join(
        f"EMULATED_KERNEL({', '.join(filter(None, (n, b)))})\n" for n, (b, _) in kernels.items()
    )
    text = f'#include "shim.h"\n#line 1 "source.cu"\n{source}\n{exports}'
    parts = (text, *options, *FLAGS, SHIM.read_text(), _compiler_version(path))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    target = _cache_folder() / f"{digest[:32]}.so"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch, "kernels.so")
        command = [path, *FLAGS, *options, f"-I{SHIM.parent}", "-x", "c++", "-", "-o", str(made)]
        result = subprocess.run(command, input=text, capture_output=True, text=True)
        _require(result.returncode == 0, f"g++ refused the source:\n{result.stderr[:4000]}")
        os.replace(made, target)
    return target
