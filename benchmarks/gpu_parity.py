"""The CUDA twins of kernels, and methods on the GPU, beside the CPU: each with its error, time and memory.

The GPU's part runs in a process of its own, which may crash or hang; what the CPU gives is computed in others
meanwhile, as most of it is numba's compilation.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.gpu_worker import one_line

LIMIT = 1e-4
"""How far single precision may be from the CPU's, relative to the largest value."""

WIDER: dict[str, float] = {}
"""Limits of items that need another, each with its reason beside it."""

SAMPLE_RATE, SKIPPED, SAMPLES = 8000, 1600, 2400


Row = dict[str, Any]
Runner = Callable[[str, str], tuple[dict[str, np.ndarray], Row]]


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where the twins run.

    Parameters
    ----------
    put : callable
        Brings a NumPy array there; a copy.
    context : callable
        Context manager inside which it is the GPU that computes.
    settle : callable
        Waits until all is computed.
    forget : callable
        Gives memory back that nothing uses.
    held : callable
        Bytes of device memory in the pool.
    """

    put: Callable[[np.ndarray], Any]
    context: Callable[[], Any]
    settle: Callable[[], None]
    forget: Callable[[], None]
    held: Callable[[], int]


@cache
def cuda_device() -> Device:
    """Return the first GPU."""
    import cupy

    pool = cupy.get_default_memory_pool()

    @contextmanager
    def context() -> Iterator[None]:
        with cupy.cuda.Device(0):
            yield

    return Device(
        put=cupy.array,
        context=context,
        settle=cupy.cuda.runtime.deviceSynchronize,
        forget=pool.free_all_blocks,
        held=pool.total_bytes,
    )


def emulated_device() -> Device:
    """Return the stand-in for CuPy of the test suite, whose kernels are run on the CPU.

    Raises
    ------
    RuntimeError
        There is no g++.
    """
    from tests.emulation.emulator import compiler
    from tests.emulation.strict import strict_cupy

    if compiler() is None:
        raise RuntimeError("g++ not found; --emulated compiles the kernels with it")
    return Device(
        put=lambda x: sys.modules["cupy"].array(x),
        context=strict_cupy,
        settle=lambda: sys.modules["cupy"].cuda.runtime.deviceSynchronize(),
        forget=lambda: None,
        held=lambda: 0,
    )


def kernel(name: str, put: Callable[[np.ndarray], Any]) -> dict[str, np.ndarray]:
    """Return what a problem of `gpu_kernels` gives, on the host."""
    from benchmarks.gpu_kernels import CASES

    return {str(i): array for i, array in enumerate(_flat(CASES[name](put)))}


def method(name: str, put: Callable[[np.ndarray], Any]) -> dict[str, np.ndarray]:
    """Return the stems of a short stereo song by a method made quick, on the host, and its last loss if it has one."""
    from sigsep_classic import METHODS, STFT, synthesize
    from sigsep_classic.backend import to_host
    from sigsep_classic.pipeline import separate_array
    from tests.conformance.quick import QUICK

    logging.getLogger("sigsep_classic").setLevel(logging.ERROR)  # such short signals are warned of
    x = synthesize("song", seconds=1.0, sample_rate=SAMPLE_RATE).mixture
    x = x[:, SKIPPED : SKIPPED + SAMPLES].astype(np.float32)
    made = METHODS[name](**QUICK.get(name, {}))
    sep = separate_array(put(x), SAMPLE_RATE, made, frontend=STFT(n_fft=256, hop=64))
    found = {stem: to_host(samples) for stem, samples in sep.items()}
    losses: Any = getattr(sep.model, "losses", ())
    return found | ({"loss": np.array(losses[-1][1])} if len(losses) else {})


KINDS: dict[str, Callable[[str, Callable[[np.ndarray], Any]], dict[str, np.ndarray]]] = {
    "kernel": kernel,
    "method": method,
}


def items() -> list[tuple[str, str]]:
    """Return (kind, name) of all there is to compare; operations without a problem are there too, to fail."""
    from benchmarks.gpu_kernels import CASES
    from sigsep_classic import METHODS
    from sigsep_classic.kernels import cuda

    known = {name.partition(":")[0] for name in CASES}
    names = [*CASES, *(op for op in cuda.sources() if op not in known)]
    return [("kernel", name) for name in names] + [("method", name) for name in METHODS.built_in]


def on_cpu(kind: str, name: str) -> tuple[dict[str, np.ndarray], float]:
    """Return what the CPU gives and the seconds it took, compilation among them."""
    began = time.perf_counter()
    found = KINDS[kind](name, np.array)
    return found, time.perf_counter() - began


def differences(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the largest difference of each array relative to the largest value; of whole numbers, the share.

    Stems are relative to the loudest. Raises ValueError if names or shapes are not the same.
    """
    if {k: v.shape for k, v in ours.items()} != {k: v.shape for k, v in theirs.items()}:
        raise ValueError(f"the GPU gives {_described(ours)}, the CPU {_described(theirs)}")
    stems = [float(abs(a).max(initial=0)) for name, a in theirs.items() if a.ndim == 2 and not name.isdigit()]
    errors = {}
    for name, mine in ours.items():
        other = theirs[name]
        if mine.dtype.kind in "iub":
            errors[name] = float((mine != other).mean()) if mine.size else 0.0
            continue
        scale = float(abs(other).max(initial=0)) if name.isdigit() or name == "loss" else max(stems)
        gap = float(abs(mine - other).max(initial=0))
        errors[name] = gap / scale if scale > 0 else gap
    return errors


def judged(name: str, errors: Mapping[str, float]) -> Row:
    """Return error, what it is of, the limit, and whether it passes.

    Where stems differ by more than the limit, a method that tells its loss is judged by that: iterations may multiply
    rounding without end, and then only the objective can be compared.
    """
    limit, loss = WIDER.get(name, LIMIT), errors.get("loss")
    error = float(np.max([e for what, e in errors.items() if what != "loss"]))  # NaN, where there is one
    row = {"error": error, "of": "result", "limit": limit, "passed": bool(error <= limit)}
    if not row["passed"] and loss is not None:
        row |= {"error": loss, "of": "objective", "passed": bool(loss <= limit), "error_of_stems": error}
    return row


def run(kind: str, name: str, device: Device) -> tuple[dict[str, np.ndarray], Row]:
    """Return what a device gives, and the seconds, memory and operations it took."""
    device.forget()
    began, launched = time.perf_counter(), set[str]()
    with device.context(), _noting_launches(launched):
        found = KINDS[kind](name, device.put)
        device.settle()
    seconds = time.perf_counter() - began
    return found, {"seconds": seconds, "peak_bytes": device.held(), "kernels": sorted(launched)}


def on_gpu(kind: str, name: str) -> tuple[dict[str, np.ndarray], Row]:
    """Return what the first GPU gives; see `run`."""
    return run(kind, name, cuda_device())


def on_emulation(kind: str, name: str) -> tuple[dict[str, np.ndarray], Row]:
    """Return what the emulation gives; see `run`."""
    return run(kind, name, emulated_device())


def compare(
    chosen: list[tuple[str, str]], ask: Runner, *, workers: int, until: float, at_once: int = 0
) -> Iterator[Row]:
    """Yield a row for each item; what fails is a row too, and so is what time does not allow.

    Parameters
    ----------
    chosen : list of (kind, name)
        Of `items`.
    ask : callable
        Returns what the GPU or its emulation gives for one of them; see `run`.
    workers : int
        Processes for the CPU's part; 0 computes it in this one.
    until : float
        Of ``time.monotonic``: items are not begun after it.
    at_once : int
        Threads that ask; 0 asks in this one. What takes long is compilation, so seconds are told apart from speed.
    """
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers else None
    threads = ThreadPoolExecutor(at_once) if at_once else None
    try:
        waiting = {item: pool.submit(on_cpu, *item) for item in chosen} if pool else {}
        asked = {item: threads.submit(ask, *item) for item in chosen} if threads else {}
        for kind, name in chosen:
            row, item = {"kind": kind, "name": name}, (kind, name)
            if time.monotonic() > until and not (item in asked and asked[item].done()):
                yield row | {"passed": None, "why": "no time left"}
                continue
            try:
                ours = asked[item].result(timeout=_left(until)) if item in asked else ask(kind, name)
                theirs = waiting[item].result(timeout=_left(until)) if item in waiting else on_cpu(kind, name)
                yield row | _compared(kind, name, ours, theirs)
            except Exception as error:
                yield row | {"passed": False, "why": one_line(error)}
    finally:
        for executor in filter(None, (threads, pool)):
            executor.shutdown(wait=executor is pool, cancel_futures=True)


def _left(until: float) -> float:
    return max(1.0, until + 20 - time.monotonic())


def _compared(kind: str, name: str, ours: tuple[Any, Row], theirs: tuple[Any, float]) -> Row:
    (found, told), (expected, cpu_seconds) = ours, theirs
    op = name.partition(":")[0]
    if kind == "kernel" and op not in told["kernels"]:
        raise AssertionError(f"{op}.cu was not launched, but {told['kernels'] or 'nothing'}")
    return judged(name, differences(found, expected)) | told | {"cpu_seconds": cpu_seconds}


@contextmanager
def _noting_launches(into: set[str]) -> Iterator[None]:
    from sigsep_classic.kernels import cuda

    launch = cuda.launch

    def noting(op: str, name: str, **options: Any) -> None:
        into.add(op)
        launch(op, name, **options)

    cuda.launch = noting
    try:
        yield
    finally:
        cuda.launch = launch


def _flat(found: Any) -> Iterator[np.ndarray]:
    from sigsep_classic.backend import to_host

    if isinstance(found, (tuple, list)):
        for part in found:
            yield from _flat(part)
    else:
        yield to_host(found)


def _described(found: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in found.items())
