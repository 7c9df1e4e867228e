"""Which GPUs there are; or, in one sentence, why none can be used and what to do about it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

INSTALL_CUPY = 'pip install "sigsep-classic[cuda12]" (or [cuda13], by your driver)'

LIBRARIES = ("nvrtc", "cublas", "cufft", "cusolver")
"""Of CUDA, which CuPy loads when they are first used."""

LEAST_CAPABILITY = {12: (5, 0), 13: (7, 5)}
"""What the compiler of a CUDA version still compiles for."""

LEAST_FREE = 256 * 2**20
"""Bytes; CUDA itself and a few small arrays take as much."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU that the driver knows.

    Parameters
    ----------
    index : int
        N of ``cuda:N``.
    name : str
        As its maker has it.
    memory, free : int
        Bytes it has, and bytes that are free; -1 where that can't be told.
    compute_capability : str
        Such as ``"9.0"``.
    problem : str
        Why it can't be used; empty if it can.
    """

    index: int
    name: str
    memory: int
    free: int
    compute_capability: str
    problem: str = ""

    def __str__(self) -> str:
        free = f"{self.free / 1e9:.1f} of " if self.free >= 0 else ""
        room = f"{free}{self.memory / 1e9:.1f} GB{' free' if free else ''}"
        return f"{self.name}, {room}, compute capability {self.compute_capability}"


def status(index: int = 0) -> tuple[bool, str]:
    """Say whether a GPU can be used, and what was found or why not; a first small computation is tried."""
    why = _problem()
    if why:
        return False, why
    import cupy

    runtime = cupy.cuda.runtime
    if index >= runtime.getDeviceCount():
        count = runtime.getDeviceCount()
        return False, f"there {'is 1 GPU' if count == 1 else f'are {count} GPUs'}, counted from 0"
    gpu = _gpu(index)
    return not gpu.problem, gpu.problem or f"{gpu}; CuPy {cupy.__version__}, driver for {_driver(cupy)}"


def gpus() -> list[Gpu]:
    """Return all GPUs there are, each tried; none where `status` says why."""
    if _problem():
        return []
    import cupy

    return [_gpu(index) for index in range(cupy.cuda.runtime.getDeviceCount())]


def _problem() -> str:
    """Return why no GPU can be used, whichever it is; empty if there is no such reason."""
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            return _import_problem(error)
        return _not_installed(driver_version())
    except Exception as error:
        return _import_problem(error)
    return next((why for why in _problems(cupy) if why), "")


def _problems(cupy: Any) -> Iterator[str]:
    """Yield what may be wrong, or empty strings, in the order in which one thing needs the other."""
    runtime = cupy.cuda.runtime
    driver, made_for = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        yield (
            f"CuPy {cupy.__version__} is installed, but there is no NVIDIA driver; install that of your GPU, or start "
            "the container with --gpus all"
        )
    if driver // 1000 < made_for // 1000:
        yield _too_old(driver, made_for)
    try:
        count = runtime.getDeviceCount()
    except Exception as error:
        count = 0
        if "NoDevice" not in str(error):
            yield f"the NVIDIA driver refuses ({_line(error)}); see what nvidia-smi says"
    if count == 0:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        way = (
            "see what nvidia-smi lists" if hidden is None else f"CUDA_VISIBLE_DEVICES is {hidden!r}, unset it"
        )
        yield f"the NVIDIA driver (for {_driver(cupy)}) shows no GPU; {way}"
    yield _libraries(cupy, made_for)


def _not_installed(driver: int) -> str:
    if driver == 0:
        return f"CuPy is not installed, nor is an NVIDIA driver; a GPU needs its driver and {INSTALL_CUPY}"
    if driver < 12000:
        return f"CuPy is not installed and {_driver_needs_update(driver)}, then {INSTALL_CUPY}"
    return f"CuPy is not installed; {_install(driver)}"


def _import_problem(error: Exception) -> str:
    return f"CuPy does not import ({_line(error)}); pip uninstall it, then {INSTALL_CUPY}"


def _too_old(driver: int, made_for: int) -> str:
    major = made_for // 1000
    if driver < 12000:
        return _driver_needs_update(driver)
    return (
        f"the NVIDIA driver is for CUDA {_dotted(driver)} and this CuPy for CUDA {major}; update the driver, or "
        f"pip uninstall cupy-cuda{major}x and {_install(driver)}"
    )


def _driver_needs_update(driver: int) -> str:
    return f"the NVIDIA driver is for CUDA {_dotted(driver)}; update it to one for CUDA 12 or newer"


def _libraries(cupy: Any, made_for: int) -> str:
    """Return which libraries of CUDA are missing; the package of CuPy alone brings none."""
    missing = []
    for name in LIBRARIES:
        try:
            library = getattr(cupy.cuda, name)
            if name == "nvrtc":
                library.getVersion()
        except AttributeError:  # another CuPy keeps it elsewhere
            continue
        except Exception:
            missing.append(name)
    if not missing:
        return ""
    return f"CuPy {cupy.__version__} finds no {', '.join(missing)} of CUDA; {_install(made_for)}"


def _gpu(index: int) -> Gpu:
    """Return what there is to say about a GPU, after a first small computation on it."""
    import cupy

    found = cupy.cuda.runtime.getDeviceProperties(index)
    name, capability = found["name"].decode(), (found["major"], found["minor"])
    free, why = -1, _too_weak(capability, cupy.cuda.runtime.runtimeGetVersion())
    try:
        with cupy.cuda.Device(index):
            free = cupy.cuda.runtime.memGetInfo()[0]
            why = why or _full(free, found["totalGlobalMem"])
            if not why:
                _ = cupy.arange(4.0) * 2  # compiled by NVRTC, with CUDA's headers
                cupy.cuda.get_current_stream().synchronize()
    except Exception as error:
        why = why or _failed(error)
    return Gpu(
        index=index,
        name=name,
        memory=found["totalGlobalMem"],
        free=free,
        compute_capability="{}.{}".format(*capability),
        problem=f"cuda:{index} ({name}) {why}" if why else "",
    )


def _too_weak(capability: tuple[int, int], made_for: int) -> str:
    major = made_for // 1000
    least = LEAST_CAPABILITY.get(major, (0, 0))
    if capability >= least:
        return ""
    older = major - 1
    way = "use another GPU"
    if capability >= LEAST_CAPABILITY.get(older, (99, 0)):
        way = f"pip uninstall cupy-cuda{major}x and {_install(1000 * older)}"
    return f"has compute capability {_point(capability)} and CUDA {major} needs {_point(least)}; {way}"


def _full(free: int, memory: int) -> str:
    if free >= LEAST_FREE:
        return ""
    return (
        f"has {free / 1e9:.2f} of {memory / 1e9:.1f} GB free; end what fills it (nvidia-smi lists it), or use "
        "another GPU"
    )


def _failed(error: Exception) -> str:
    said = _line(error)
    if "MemoryAllocation" in said or "OutOfMemory" in type(error).__name__:
        return (
            "has no memory free for CUDA itself; end what fills it (nvidia-smi lists it), or use another GPU"
        )
    if "CUDA headers" in str(error) or "cannot open source file" in str(error):
        return f"can't be compiled for: CuPy finds no headers of CUDA; {_install(_made_for())}"
    if "DevicesUnavailable" in said:
        return "is taken by another process or switched to exclusive use; see what nvidia-smi says"
    return f"fails at a first computation ({said}); see what nvidia-smi says"


def _made_for() -> int:
    version: int = sys.modules["cupy"].cuda.runtime.runtimeGetVersion()
    return version


def driver_version() -> int:
    """Return the CUDA version the NVIDIA driver is for, 12080 for 12.8, without CuPy; 0 without a driver."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        version = ctypes.c_int(0)
        library.cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return 0
    return version.value


def _driver(cupy: Any) -> str:
    return f"CUDA {_dotted(cupy.cuda.runtime.driverGetVersion())}"


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _point(capability: tuple[int, int]) -> str:
    return "{}.{}".format(*capability)


def _install(version: int) -> str:
    """Return the command that installs CuPy, with CUDA's libraries, for a CUDA version."""
    return f'pip install "sigsep-classic[cuda{min(version // 1000, 13)}]"'


def _line(error: Exception) -> str:
    """Return the one line of an error that says what happened; CuPy frames that of imports in others."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =")]
    if "Original error:" in lines[:-1]:
        return lines[lines.index("Original error:") + 1]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
