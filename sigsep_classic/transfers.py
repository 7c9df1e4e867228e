"""Samples to a GPU and stems back while it computes: page-locked memory and a stream for either way.

CuPy gives memory that Python let go to the next array that is made on the same stream, at once, whether other streams
are done with it or not. So what one stream made and another one uses is kept until an event says that it is through:
samples until the stems made of them are on the host, stems until they are. On the CPU the same calls do nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from sigsep_classic.backend import lies_on_cuda
from sigsep_classic.typing import Array


@dataclass(frozen=True)
class Moving:
    """Arrays on their way.

    Parameters
    ----------
    arrays : dict of str to array
        Where they come from, or go to, on the device; on the host alone, themselves.
    buffers : dict of str to ndarray
        Page-locked copies.
    arrived : Event, optional
        Of the stream that moves them; None where nothing moves.
    """

    arrays: dict[str, Array]
    buffers: dict[str, np.ndarray] = field(default_factory=dict)
    arrived: Any = None


class Transfers:
    """Between the host and itself: nothing moves."""

    overlap = False
    """Whether there is anything that goes on while Python does something else."""

    @contextmanager
    def working(self) -> Iterator[None]:
        """Make the device, and the stream that computes there, those of this thread inside."""
        yield

    def send(self, x: np.ndarray) -> Moving:
        """Begin to move samples (channels, samples) to the device; the array may change after."""
        return Moving({"x": x})

    def received(self, sent: Moving) -> Array:
        """Return samples on the device; what is computed of them from here on waits until they are there."""
        return sent.arrays["x"]

    def fetch(self, arrays: Mapping[str, Array]) -> Moving:
        """Begin to move arrays to the host, once what has been asked for up to here is computed."""
        return Moving(dict(arrays))

    def fetched(self, moving: Moving) -> dict[str, Any]:
        """Return arrays on the host; waits until they are there."""
        return moving.arrays

    def settle(self) -> None:
        """Wait until nothing moves."""


class CudaTransfers(Transfers):
    """To and from a GPU; one thread sends, one computes and fetches.

    Parameters
    ----------
    device : str
        ``"cuda"`` or ``"cuda:N"``. The stream that is current there in this thread computes.
    """

    overlap = True

    def __init__(self, device: str) -> None:
        import cupy

        self._cupy = cupy
        index = int(device.partition(":")[2] or 0)
        self._device = cupy.cuda.Device(index)
        with self._device:
            self._computes = cupy.cuda.get_current_stream()
        self._upward, self._downward = _streams(index)
        self._up, self._down = deque[Moving](), deque[Moving]()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Make the device, and the stream that computes there, those of this thread inside."""
        with self._device, self._computes:
            yield

    def send(self, x: np.ndarray) -> Moving:
        """Begin to move samples (channels, samples) to the device; the array may change after."""
        with self._device, self._upward:
            buffer = self._page_locked(x.shape, x.dtype)
            buffer[...] = x
            there = self._cupy.empty(x.shape, x.dtype)
            there.set(buffer, stream=self._upward)
            moving = Moving({"x": there}, {"x": buffer}, self._event(self._upward))
            return self._on_its_way(self._up, moving)

    def received(self, sent: Moving) -> Array:
        """Return samples on the device; what is computed of them from here on waits until they are there."""
        self._computes.wait_event(sent.arrived)
        return sent.arrays["x"]

    def fetch(self, arrays: Mapping[str, Array]) -> Moving:
        """Begin to move arrays to the host, once what has been asked for up to here is computed."""
        with self.working():
            whole = {name: self._cupy.ascontiguousarray(array) for name, array in arrays.items()}
            buffers = {name: self._page_locked(array.shape, array.dtype) for name, array in whole.items()}
            self._downward.wait_event(self._event(self._computes))
            for name, array in whole.items():
                array.get(stream=self._downward, out=buffers[name], blocking=False)
            return self._on_its_way(self._down, Moving(whole, buffers, self._event(self._downward)))

    def fetched(self, moving: Moving) -> dict[str, Any]:
        """Return arrays on the host; waits until they are there."""
        moving.arrived.synchronize()
        # Page-locked memory is scarce: it goes back, and what users keep is memory like any other.
        return {name: buffer.copy() for name, buffer in moving.buffers.items()}

    def settle(self) -> None:
        """Wait until nothing moves."""
        for way in (self._up, self._down):
            while way:
                way.popleft().arrived.synchronize()

    def _on_its_way(self, way: deque[Moving], moving: Moving) -> Moving:
        """Keep what moves, whether anybody still wants it or not, until it has arrived."""
        while way and way[0].arrived.done:
            way.popleft()
        way.append(moving)
        return moving

    def _event(self, stream: Any) -> Any:
        """Return an event that is reached when all that was asked of a stream is done; who waits for it sleeps."""
        event = self._cupy.cuda.Event(block=True, disable_timing=True)
        event.record(stream)
        return event

    def _page_locked(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Return an array in page-locked memory of few sizes, as CuPy keeps what is let go for the same size."""
        size = int(np.prod(shape))
        n_bytes = max(512, 1 << (size * np.dtype(dtype).itemsize - 1).bit_length()) if size else 512
        memory = self._cupy.cuda.alloc_pinned_memory(n_bytes)
        return np.frombuffer(memory, dtype, size).reshape(shape)


@lru_cache(maxsize=16)
def _streams(index: int) -> tuple[Any, Any]:
    """Return the streams to and from a GPU: the same ones each time, as CuPy keeps free memory for each apart."""
    import cupy

    with cupy.cuda.Device(index):
        # Those that are not "non-blocking" would wait for the default stream, and it for them.
        return cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)


def transfers(device: str) -> Transfers:
    """Return how arrays get to a device (a name `backend.resolve_device` gave) and back."""
    return Transfers() if device == "cpu" else CudaTransfers(device)


def is_resident(x: Any) -> bool:
    """Say whether an array (CuPy's, or anybody's on a GPU) is on a GPU already."""
    return lies_on_cuda(x)
