"""Device memory of the stand-in: a pool that counts, and refuses what is beyond a limit, as CuPy's does."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any

import numpy as np

UNIT = 512  # bytes: CuPy's pool rounds up to it
TOTAL = 80 * 2**30  # bytes of a device without a limit


class OutOfMemoryError(MemoryError):
    """No memory is left on the device."""

    __module__ = "cupy.cuda.memory"

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        text = f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes"
        super().__init__(text + (f", limit set to: {limit:,} bytes)." if limit else ")."))


class Buffer:
    """One allocation, alive as long as an array refers to it."""

    def __init__(self, root: np.ndarray, pool: MemoryPool) -> None:
        self.root, self.size = root, -(-root.nbytes // UNIT) * UNIT
        pool.allocate(self.size)
        weakref.finalize(self, pool.give_back, self.size, pool.beginnings)


class MemoryPool:
    """Counts bytes in use and held; ``peak`` is the most that was in use at once."""

    __module__ = "cupy.cuda.memory"

    def __init__(self, allocator: Any = None, *, device_bytes: int = TOTAL) -> None:
        self.device_bytes, self.limit = device_bytes, 0
        self.used = self.held = self.peak = self.beginnings = 0
        self.buffers: weakref.WeakValueDictionary[int, Buffer] = weakref.WeakValueDictionary()
        self.lock = threading.RLock()

    def buffer_of(self, host: np.ndarray) -> Buffer:
        """Return the allocation an array lies in: that of the array it is a view of, or a new one."""
        root = root_of(host)
        with self.lock:
            found = self.buffers.get(id(root))
            if found is None or found.root is not root:
                found = self.buffers[id(root)] = Buffer(root, self)
        return found

    def allocate(self, size: int) -> None:
        """Take ``size`` bytes, from blocks that are free if it can."""
        with self.lock:
            if self.used + size > self._top():
                self.held = self.used
                raise OutOfMemoryError(size, self.used, self.limit)
            self.used += size
            self.held, self.peak = max(self.held, self.used), max(self.peak, self.used)

    def give_back(self, size: int, since: int) -> None:
        """Make ``size`` bytes free, if they were taken since the pool began to count; it holds them."""
        with self.lock:
            self.used -= size if since == self.beginnings else 0

    def begin(self, device_bytes: int | None) -> None:
        """Count anew, on a device of so many bytes."""
        with self.lock:
            self.device_bytes, self.limit = device_bytes or TOTAL, 0
            self.used = self.held = self.peak = 0
            self.beginnings += 1
            self.buffers.clear()

    def _top(self) -> int:
        return min(self.device_bytes, self.limit or self.device_bytes)

    def used_bytes(self) -> int:
        return self.used

    def free_bytes(self) -> int:
        return self.held - self.used

    def total_bytes(self) -> int:
        return self.held

    def n_free_blocks(self) -> int:
        return int(self.held > self.used)

    def free_all_blocks(self, stream: Any = None) -> None:
        self.held = self.used

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if size is not None and fraction is not None:
            raise ValueError("size and fraction cannot be specified at one time")
        self.limit = (
            int(size if fraction is None else fraction * self.device_bytes) if size or fraction else 0
        )

    def get_limit(self) -> int:
        return self.limit


class PinnedMemoryPool:
    """The default pool of page-locked host memory; nothing is held back."""

    __module__ = "cupy.cuda.pinned_memory"

    def free_all_blocks(self) -> None:
        pass

    def n_free_blocks(self) -> int:
        return 0


class PinnedMemoryPointer(bytearray):
    """Page-locked host memory: what ``numpy.frombuffer`` takes, at an address of its own."""

    __module__ = "cupy.cuda.pinned_memory"

    @property
    def ptr(self) -> int:
        return np.frombuffer(self, np.uint8).ctypes.data

    def size(self) -> int:
        return len(self)


def root_of(host: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory a view looks into."""
    while isinstance(host.base, np.ndarray):
        host = host.base
    return host


POOL = MemoryPool()
"""The default pool."""


def as_pinned(n_bytes: int) -> PinnedMemoryPointer:
    """Return page-locked memory of ``n_bytes``; ``cupy.cuda.alloc_pinned_memory``."""
    return PinnedMemoryPointer(n_bytes)


def current() -> Any:
    """Return the module that stands in for CuPy."""
    return sys.modules["cupy"]
