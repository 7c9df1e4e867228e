"""``cupy.cuda`` of the stand-in: devices, streams, events and memory that do nothing but count, kernels that run."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from tests.emulation.emulator import Emulator
from tests.emulation.strict import arrays, memory
from tests.emulation.strict.recorder import RECORD

PROPERTIES = {
    "name": b"stand-in for a GPU",
    "major": 9,
    "minor": 0,
    "multiProcessorCount": 132,
    "sharedMemPerBlock": 49152,
    "l2CacheSize": 50 * 2**20,
    "maxThreadsPerBlock": 1024,
    "warpSize": 32,
    "memoryBusWidth": 5120,
    "memoryClockRate": 2619000,
    "clockRate": 1980000,
}


class Device:
    """The one device; a context manager."""

    __module__ = "cupy.cuda.device"

    def __init__(self, device: Any = 0) -> None:
        self.id = int(device)
        if self.id:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    compute_capability = "90"
    mem_info = property(lambda self: _mem_get_info())
    attributes = property(lambda self: {"MultiProcessorCount": PROPERTIES["multiProcessorCount"]})

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *args: Any) -> None:
        pass

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    def use(self) -> None:
        pass

    def synchronize(self) -> None:
        pass


class CUDARuntimeError(RuntimeError):
    """What the CUDA runtime refuses."""

    __module__ = "cupy_backends.cuda.api.runtime"


class Stream:
    """A queue of work; all is done when it is asked for."""

    __module__ = "cupy.cuda.stream"
    null: Stream
    current: ClassVar[list[Stream]] = []

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ):
        self.ptr = 0 if null else id(self)
        self.before: list[Any] = []

    done = property(lambda self: True)

    def __enter__(self) -> Stream:
        Stream.current.append(self)
        return self

    def __exit__(self, *args: Any) -> None:
        Stream.current.remove(self)

    def use(self) -> Stream:
        Stream.current.append(self)
        return self

    def synchronize(self) -> None:
        pass

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        if not isinstance(event, Event):
            raise TypeError("event must be an Event")

    def launch_host_func(self, callback: Any, arg: Any) -> None:
        callback(arg)


class ExternalStream(Stream):
    """A stream made elsewhere."""


Stream.null = Stream(null=True)


class Event:
    """A moment in a stream."""

    __module__ = "cupy.cuda.stream"

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.when = time.perf_counter()

    done = property(lambda self: True)

    def record(self, stream: Any = None) -> None:
        self.when = time.perf_counter()

    def synchronize(self) -> None:
        pass


def _mem_get_info() -> tuple[int, int]:
    return memory.POOL.device_bytes - memory.POOL.held, memory.POOL.device_bytes


class RawKernel:
    """A kernel of a CUDA text, run by the emulator."""

    __module__ = "cupy._core.raw"

    def __init__(
        self, code: str, name: str, options: Sequence[str] = (), backend: str = "nvrtc", **kwargs: Any
    ):
        self.kernel = RawModule(code=code, options=options, backend=backend, **kwargs).get_function(name)

    def __call__(self, grid: Any, block: Any, args: Any, **kwargs: Any) -> None:
        self.kernel(grid, block, args, **kwargs)


class RawModule:
    """A CUDA text and its options: what CuPy gives NVRTC goes to the emulator's compiler."""

    __module__ = "cupy._core.raw"

    def __init__(
        self,
        *,
        code: str | None = None,
        path: str | None = None,
        options: Sequence[str] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Any = None,
        jitify: bool = False,
    ) -> None:
        if (code is None) == (path is None):
            raise TypeError("Exactly one of code and path is to be given")
        if path is not None or name_expressions is not None:
            raise NotImplementedError("the stand-in compiles texts with extern C kernels")
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple of str")
        found = re.findall(r'^#line 1 "(\w+)\.cu"', code or "", flags=re.MULTILINE)
        self.op = found[-1] if found else "kernel"
        # the emulator has a standard of its own; without it, libraries are those that others compiled
        self.options = tuple(option for option in options if not option.startswith("-std="))
        self.code = code or ""

    def get_function(self, name: str) -> Any:
        module = EMULATOR.module(self.op, self.code, self.options)
        op = self.op

        def launch(grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: Any = None) -> None:
            if shared_mem:
                raise NotImplementedError("the emulator has no dynamic shared memory")
            RECORD.launches.append((op, name))
            module.run(name, tuple(grid), tuple(block), [_argument(a) for a in args])

        return launch


def _argument(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, arrays.ndarray):
        return value._host
    return np.float64(value) if isinstance(value, float) else np.int64(value) if type(value) is int else value


EMULATOR = Emulator()
"""What runs the kernels; `module` takes another."""


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    yield


def module(emulator: Emulator) -> ModuleType:
    """Return ``cupy.cuda``."""
    global EMULATOR
    EMULATOR = emulator
    made = ModuleType("cupy.cuda")
    made.__dict__.update(
        Device=Device,
        Stream=Stream,
        ExternalStream=ExternalStream,
        Event=Event,
        MemoryPool=memory.MemoryPool,
        PinnedMemoryPool=memory.PinnedMemoryPool,
        PinnedMemoryPointer=memory.PinnedMemoryPointer,
        alloc_pinned_memory=memory.as_pinned,
        set_allocator=lambda allocator=None: None,
        set_pinned_memory_allocator=lambda allocator=None: None,
        using_allocator=using_allocator,
        is_available=lambda: True,
        get_current_stream=lambda: Stream.current[-1] if Stream.current else Stream.null,
        get_elapsed_time=lambda start, end: 1000 * (end.when - start.when),
        get_device_id=lambda: 0,
        memory=SimpleNamespace(OutOfMemoryError=memory.OutOfMemoryError, MemoryPool=memory.MemoryPool),
        stream=SimpleNamespace(Stream=Stream, Event=Event),
        runtime=SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda device: {**PROPERTIES, "totalGlobalMem": memory.POOL.device_bytes},
            getDevice=lambda: 0,
            deviceSynchronize=lambda: None,
            memGetInfo=_mem_get_info,
            driverGetVersion=lambda: 12080,
            runtimeGetVersion=lambda: 12080,
            is_hip=False,
        ),
    )
    return made
