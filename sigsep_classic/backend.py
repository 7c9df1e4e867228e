"""Where arrays live and how many threads work on them: the one place that tries to import CuPy.

Below the public edge the array decides: code says ``xp = namespace(X)`` and is written once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from sigsep_classic import devices
from sigsep_classic.devices import INSTALL_CUPY as INSTALL_CUPY
from sigsep_classic.errors import ArrayTypeError, DeviceError, ParameterError
from sigsep_classic.typing import Array

logger = logging.getLogger("sigsep_classic")

_NO_MEMORY = ("out of memory", "MemoryAllocation", "ALLOC_FAILED", "OUT_OF_MEMORY", "INSUFFICIENT_RESOURCES")
"""How CUDA, cuBLAS, cuSOLVER and cuFFT say so."""

_DLPACK_CUDA = 2
"""What DLPack calls a GPU of NVIDIA."""

_emulator: Any = None


def _is_cupy(x: Array) -> bool:
    return type(x).__module__.partition(".")[0] == "cupy"


def namespace(x: Array) -> ModuleType:
    """Return the array module, NumPy or CuPy, that ``x`` belongs to."""
    return sys.modules["cupy"] if _is_cupy(x) else np


def fft_namespace(x: Array) -> ModuleType:
    """Return ``scipy.fft`` or ``cupyx.scipy.fft``, whichever works on ``x``."""
    if _is_cupy(x):
        import cupyx.scipy.fft as cupy_fft

        return cupy_fft
    import scipy.fft

    return scipy.fft


def image_namespace(x: Array) -> ModuleType:
    """Return ``scipy.ndimage`` or ``cupyx.scipy.ndimage``, whichever works on ``x``."""
    if _is_cupy(x):
        import cupyx.scipy.ndimage as cupy_images

        return cupy_images
    import scipy.ndimage

    return scipy.ndimage


def fft_options(x: Array) -> dict[str, int]:
    """Return the options FFTs of ``x`` are called with: SciPy's take the number of threads, CuPy's none."""
    return {} if _is_cupy(x) else {"workers": n_threads()}


def real_like(like: Array, value: float) -> np.floating:
    """Return a number of an array's dtype, so that arithmetic with it does not widen the array."""
    return np.dtype(like.dtype).type(value)


def is_cuda(x: Array) -> bool:
    """Say whether kernels for ``x`` take their CUDA twin."""
    return _emulator is not None or _is_cupy(x)


@contextmanager
def emulated_cuda(emulator: Any) -> Iterator[None]:
    """Make dispatch take the CUDA twins on NumPy arrays; the hook of the test suite.

    Parameters
    ----------
    emulator : object
        Has ``module(op, source, options)`` and is used in place of CuPy's compiler; see
        ``sigsep_classic.kernels.cuda``.
    """
    global _emulator
    before, _emulator = _emulator, emulator
    try:
        yield
    finally:
        _emulator = before


def emulator() -> Any:
    """Return the emulator of `emulated_cuda` in force, or None."""
    return _emulator


@lru_cache(maxsize=16)
def cuda_status(index: int = 0) -> tuple[bool, str]:
    """Say whether a GPU can be used, and in one line what was found or why not; looked for once."""
    return devices.status(index)


def resolve_device(device: str | None) -> str:
    """Return ``"cpu"``, ``"cuda"`` or ``"cuda:N"`` for what the user asked.

    Parameters
    ----------
    device : str or None
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or None to read the environment variable
        ``SIGSEP_DEVICE`` and else take ``"auto"``.

    Raises
    ------
    DeviceError
        A GPU was asked for by name and none can be used.
    ParameterError
        The name is not one of the above.
    """
    typed = device or os.environ.get("SIGSEP_DEVICE") or "auto"
    said = f"device {typed!r}" if device else f"device {typed!r} of $SIGSEP_DEVICE"
    if not isinstance(typed, str):
        raise ParameterError(f"{said} is unknown; use auto, cpu, cuda or cuda:N")
    if typed == "cpu":
        return "cpu"
    kind, _, index = typed.partition(":")
    if typed != "auto" and (kind != "cuda" or (":" in typed and not index.isdigit())):
        raise ParameterError(f"{said} is unknown; use auto, cpu, cuda or cuda:N")
    number = int(index or 0)
    available, reason = cuda_status(number) if number else cuda_status()
    if typed == "auto":
        logger.info("device auto: %s (%s)", "cuda" if available else "cpu", reason)
        return "cuda" if available else "cpu"
    if not available:
        raise DeviceError(f"{said} asked for, but {reason}; use device='cpu' to go on without")
    return typed


def to_device(x: Array, device: str) -> Array:
    """Return ``x`` on ``device`` (a name `resolve_device` gave); no copy where it is there already."""
    if device == "cpu":
        return to_host(x)
    import cupy

    with cupy.cuda.Device(int(device.partition(":")[2] or 0)):
        return cupy.asarray(x)


def to_host(x: Array) -> np.ndarray:
    """Return ``x`` as a NumPy array; no copy where it is one already."""
    return sys.modules["cupy"].asnumpy(x) if _is_cupy(x) else np.asarray(x)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory, of the host or of a GPU, was asked for and is not there.

    CuPy's own error is a `MemoryError`; the CUDA runtime and its libraries say it in their words.
    """
    if isinstance(error, MemoryError):
        return True
    kind = type(error)
    ours = any(
        base.__module__.partition(".")[0] in ("cupy", "cupy_backends", "cupyx") for base in kind.__mro__
    )
    return ours and any(word in str(error) for word in _NO_MEMORY)


def free_device_memory() -> None:
    """Give back to the GPU what CuPy keeps of it for later: freed arrays and plans of transforms."""
    cupy = sys.modules.get("cupy")
    if cupy is None:
        return
    with contextlib.suppress(AttributeError):  # stand-ins need not have all of it
        cupy.fft.config.get_plan_cache().clear()
    with contextlib.suppress(AttributeError):
        cupy.get_default_memory_pool().free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()


def device_memory(device: str) -> int:
    """Return how many bytes of a GPU can be taken: free ones, and those CuPy has and does not use.

    Parameters
    ----------
    device : str
        ``"cuda"`` or ``"cuda:N"``, as `resolve_device` gave it.
    """
    cupy = _cupy()
    with cupy.cuda.Device(int(device.partition(":")[2] or 0)):
        free, _ = cupy.cuda.runtime.memGetInfo()
        pool = cupy.get_default_memory_pool()
        free += pool.free_bytes()
        limit = pool.get_limit()
        return int(min(free, limit - pool.used_bytes()) if limit else free)


def from_foreign(x: Any) -> Array:
    """Return ``x`` as a NumPy or CuPy array; what speaks DLPack (PyTorch, JAX …) comes through it without a copy."""
    if is_torch(x):
        x = x.detach()
    elif not _is_guest(x):
        return x
    try:
        return _cupy().from_dlpack(x) if lies_on_cuda(x) else np.from_dlpack(x)
    except ImportError:
        raise DeviceError(
            f"the samples are on a GPU, which needs CuPy; {INSTALL_CUPY}, or bring them to the host: x.cpu()"
        ) from None
    except (RuntimeError, BufferError, TypeError) as error:
        kind = f"tensor of {x.dtype}" if is_torch(x) else f"array of type {type(x).__name__}"
        way = "x.float()" if is_torch(x) else "numpy.asarray(x)"
        raise ArrayTypeError(f"{kind} can't be shared ({error}); pass {way}") from None


def to_foreign(x: Array, like: Any) -> Any:
    """Return ``x`` in the kind of array ``like`` is: PyTorch's, CuPy's, NumPy's, or one of the array API's others.

    What speaks DLPack and says no namespace (``__array_namespace__``) to go back to gets NumPy's or CuPy's.
    """
    if is_torch(like):
        import torch

        return torch.from_dlpack(x if like.is_cuda else to_host(x))
    if _is_guest(like):
        here = x if lies_on_cuda(like) else to_host(x)
        own = getattr(like, "__array_namespace__", None)
        return here if own is None else own().from_dlpack(here)
    return x if _is_cupy(like) else to_host(x)


def lies_on_cuda(x: Any) -> bool:
    """Say whether an array of anybody's is in the memory of an NVIDIA GPU."""
    if is_torch(x):
        return bool(x.is_cuda)
    return _is_cupy(x) or (_is_guest(x) and int(x.__dlpack_device__()[0]) == _DLPACK_CUDA)


def _is_guest(x: Any) -> bool:
    """Whether ``x`` is an array that speaks DLPack and is neither NumPy's nor CuPy's nor PyTorch's."""
    ours = isinstance(x, (np.ndarray, np.generic)) or _is_cupy(x) or is_torch(x)
    return not ours and hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")


def is_torch(x: Any) -> bool:
    """Say whether ``x`` is a PyTorch tensor, without importing PyTorch."""
    return type(x).__module__.partition(".")[0] == "torch"


def _cupy() -> Any:
    import cupy

    return cupy


@contextmanager
def device_of(x: Array) -> Iterator[None]:
    """Make the GPU that holds ``x`` the current one inside; nothing for arrays on the host."""
    if not _is_cupy(x):
        yield
        return
    with x.device:
        yield


def synchronize(x: Array) -> None:
    """Wait until everything that computes ``x`` is done (for timing)."""
    if _is_cupy(x):
        namespace(x).cuda.get_current_stream().synchronize()


_alone = threading.local()


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread inside, where this thread is one of several that each do work of their own."""
    before, _alone.inside = getattr(_alone, "inside", False), True
    try:
        yield
    finally:
        _alone.inside = before


def n_threads() -> int:
    """Return how many threads kernels and FFTs use.

    One inside `one_thread`; else ``SIGSEP_NUM_THREADS``, then ``OMP_NUM_THREADS``, then the processors this process
    may run on.
    """
    if getattr(_alone, "inside", False):
        return 1
    for name in ("SIGSEP_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let kernels and FFTs use ``n`` threads inside."""
    before = os.environ.get("SIGSEP_NUM_THREADS")
    os.environ["SIGSEP_NUM_THREADS"] = str(n)
    try:
        yield
    finally:
        os.environ.pop("SIGSEP_NUM_THREADS")
        if before is not None:
            os.environ["SIGSEP_NUM_THREADS"] = before
