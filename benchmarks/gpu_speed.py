"""What the GPU takes: iterations beside the least that arithmetic or memory allow, recordings beside our CPU path.

Floors are measured in the same run: products of the same matrices by cuBLAS, bytes at the speed of a copy.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.gpu_worker import Worker, WorkerError
from sigsep_classic.backend import threads

CPU_THREADS = 2
ROUNDS = 7
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to time.

    Parameters
    ----------
    call : callable
        Returns the row: ``seconds``, and what it is beside.
    reserve : float
        Seconds it is thought to take in all; left out where there is less, given up after three times it.
    memory : float
        GB of device memory it needs.
    target : str
        What is hoped for on an H100.
    """

    call: Callable[[], Row]
    reserve: float
    memory: float = 4.0
    target: str = ""


def on_device(call: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """Return the median seconds between events around a call, after two calls that are not counted."""
    import cupy

    for _ in range(2):
        call()
    times = []
    for _ in range(rounds):
        start, stop = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        call()
        stop.record()
        stop.synchronize()
        times.append(1e-3 * cupy.cuda.get_elapsed_time(start, stop))
    return statistics.median(times)


def end_to_end(call: Callable[[], object], *, rounds: int = 3, warm: bool = True) -> float:
    """Return the median wall seconds of a call whose result is on the host."""
    if warm:
        call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


@cache
def bandwidth() -> float:
    """Return bytes a second, read and written, of copying 512 MB on the device."""
    import cupy

    x = cupy.ones(1 << 27, dtype=cupy.float32)
    y = cupy.empty_like(x)
    return 2 * x.nbytes / on_device(lambda: cupy.copyto(y, x))


def factors(F: int, T: int, K: int) -> tuple[Any, Any, Any]:
    """Return V of positive noise, frame after frame in memory, W and H of that order, on the device."""
    import cupy

    rng = cupy.random.default_rng(0)
    V, W, H = (rng.random(size, dtype=cupy.float32) + cupy.float32(0.1) for size in ((T, F), (F, K), (T, K)))
    return V.T, W, H.T


def kl_nmf(F: int, T: int, K: int, *, joint: bool = False) -> Row:
    """Return an iteration of KL-NMF beside its products alone, and beside the same in PyTorch."""
    import cupy

    from sigsep_classic.kernels.beta_nmf import joint_update, multiplicative_update

    V, W, H = factors(F, T, K)

    def ours() -> None:
        if joint:
            joint_update(V, W, H, beta=1.0)
        else:
            for factor in "WH":
                multiplicative_update(V, W, H, factor=factor, beta=1.0, exponent=1.0)

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    given = pool.used_bytes()
    seconds, held = on_device(ours), pool.total_bytes() - given
    row: Row = {"seconds": seconds, "peak_bytes": held}
    row |= {"floor_seconds": on_device(products(F, T, K, joint=joint)), "floor": "its products by cuBLAS"}
    pool.free_all_blocks()
    return row | ({} if joint else torch_times(F, T, K))


def products(F: int, T: int, K: int, *, joint: bool) -> Callable[[], None]:
    """Return the whole-matrix products of an iteration, into arrays that exist."""
    import cupy

    model, W, Ht = (cupy.ones(size, dtype=cupy.float32) for size in ((T, F), (F, K), (T, K)))
    of_H, of_W, Wt = cupy.empty_like(Ht), cupy.empty_like(W), cupy.ascontiguousarray(W.T)

    def run() -> None:
        for _ in range(1 if joint else 2):
            cupy.matmul(Ht, Wt, out=model)
        cupy.matmul(model, W, out=of_H)
        cupy.matmul(model.T, Ht, out=of_W)

    return run


def torch_row(step: Callable[[], None]) -> Row:
    """Return the median seconds of a step in PyTorch between events, after two that are not counted."""
    import torch

    with torch.no_grad():
        for _ in range(2):
            step()
        times = []
        for _ in range(ROUNDS):
            start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            step()
            stop.record()
            stop.synchronize()
            times.append(1e-3 * start.elapsed_time(stop))
    torch.cuda.empty_cache()
    return {"torch_seconds": statistics.median(times), "torch": torch.__version__}


def torch_times(F: int, T: int, K: int) -> Row:
    """Return the same iteration written in PyTorch, whole matrices as torchnmf has them; nothing where it can't run."""
    try:
        import torch

        if not torch.cuda.is_available():
            return {"torch": "no CUDA in this PyTorch"}
    except ImportError:
        return {"torch": "not installed"}
    V, W, H = (torch.rand(size, device="cuda") + 0.1 for size in ((F, T), (F, K), (K, T)))

    def step() -> None:
        nonlocal W, H
        H = H * (W.T @ (V / (W @ H + 1e-8))) / W.sum(dim=0)[:, None]
        W = W * ((V / (W @ H + 1e-8)) @ H.T) / H.sum(dim=1)

    return torch_row(step)


def batched_nmf(*, joint: bool = False) -> Row:
    """Return an iteration of 64 KL-NMF problems as a batch, beside its products and one problem after the other."""
    import cupy

    from sigsep_classic.kernels import beta_tiles
    from sigsep_classic.kernels.beta_nmf import joint_update, multiplicative_update

    B, F, T, K = 64, 1025, 2580, 32
    rng = cupy.random.default_rng(0)
    sizes = ((B * T, F), (B, F, K), (B, beta_tiles.padded_frames(T), K))
    V, W, H = (rng.random(size, dtype=cupy.float32) + cupy.float32(0.1) for size in sizes)
    H[:, T:] = 0
    bounds = cupy.stack([cupy.arange(0, B * T, T), cupy.full(B, T)], axis=1)
    data = beta_tiles.Frames(V=V, bounds=bounds, beta=1.0)

    def ours() -> None:
        if joint:
            beta_tiles.update_both(data, W, H, exponent=1.0, tiny=(1e-16, 1e-16))
        else:
            beta_tiles.update_W(data, W, H, exponent=1.0, tiny=1e-16)
            beta_tiles.update_H(data, W, H, exponent=1.0, tiny=1e-16)

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    given = pool.used_bytes()
    row: Row = {"seconds": on_device(ours)}
    row["peak_bytes"] = pool.total_bytes() - given
    problems = [(V[b * T : (b + 1) * T].T, W[b], cupy.ascontiguousarray(H[b, :T]).T) for b in range(B)]

    def one_by_one() -> None:
        for V_own, W_own, H_own in problems:
            if joint:
                joint_update(V_own, W_own, H_own, beta=1.0)
            else:
                for factor in "WH":
                    multiplicative_update(V_own, W_own, H_own, factor=factor, beta=1.0, exponent=1.0)

    row["one_by_one_seconds"] = on_device(one_by_one, rounds=3)
    return row | {
        "floor_seconds": on_device(batched_products(B, F, T, K, joint=joint)), "floor": "batched products by cuBLAS"
    }  # fmt: skip


def batched_products(B: int, F: int, T: int, K: int, *, joint: bool) -> Callable[[], None]:
    """Return the products of an iteration as batched ones, into arrays that exist."""
    import cupy

    sizes = ((B, T, F), (B, F, K), (B, T, K))
    model, W, Ht = (cupy.ones(size, dtype=cupy.float32) for size in sizes)
    of_H, of_W, Wt = (
        cupy.empty_like(Ht),
        cupy.empty((B, K, F), cupy.float32),
        cupy.ascontiguousarray(W.swapaxes(1, 2)),
    )
    H = cupy.ascontiguousarray(Ht.swapaxes(1, 2))

    def run() -> None:
        for _ in range(1 if joint else 2):
            cupy.matmul(Ht, Wt, out=model)
        cupy.matmul(model, W, out=of_H)
        cupy.matmul(H, model, out=of_W)  # not the transpose: CuPy copies transposed batches

    return run


def complex_nmf(F: int, T: int, K: int) -> Row:
    """Return half an iteration of complex NMF, phases of each component, beside reading and writing the phases once."""
    import cupy

    from sigsep_classic.kernels.complex_nmf import complex_nmf as op

    rng = cupy.random.default_rng(0)
    Y, U = cupy.empty((1, T, F), cupy.complex64), cupy.empty((T, K, 2, F), cupy.float32)
    Y.real, Y.imag = (rng.standard_normal((1, T, F), dtype=cupy.float32) for _ in range(2))
    phases = rng.random((T, K, F), dtype=cupy.float32) * cupy.float32(2 * np.pi)
    U[:, :, 0], U[:, :, 1] = cupy.cos(phases), cupy.sin(phases)
    del phases
    B, Ht = (rng.random(size, dtype=cupy.float32) + cupy.float32(0.1) for size in ((K, F), (T, K)))
    starts = tuple(range(K + 1))
    seconds = on_device(lambda: op(Y, B, Ht, U, starts)) / 2
    return {
        "seconds": seconds, "floor_seconds": 2 * U.nbytes / bandwidth(), "floor": "phases read and written once"
    }  # fmt: skip


def transforms(seconds: float) -> Row:
    """Return an STFT and its inverse of stereo on the device beside the CPU's, and beside moving X four times."""
    import cupy

    from sigsep_classic import STFT

    frontend, x = STFT(n_fft=2048, hop=512), noise(2, seconds, 44100)
    on_gpu = cupy.asarray(x)

    def both(samples: Any) -> Any:
        return frontend.synthesize(frontend.analyze(samples), samples.shape[1])

    row = {"seconds": on_device(lambda: both(on_gpu))}
    moved = 4 * frontend.analyze(on_gpu).nbytes
    with threads(CPU_THREADS):
        row["cpu_seconds"] = end_to_end(lambda: both(x), rounds=1)
    row["error"] = float(abs(cupy.asnumpy(both(on_gpu)) - both(x)).max() / abs(x).max())
    return row | {
        "floor_seconds": moved / bandwidth(), "floor": "X moved four times", "real_time": seconds / row["seconds"]
    }  # fmt: skip


def noise(channels: int, seconds: float, rate: int) -> np.ndarray:
    """Return channels of noise of changing level, mixed at random, float32."""
    rng, n = np.random.default_rng(0), int(seconds * rate)
    levels = np.repeat(rng.gamma(0.5, size=(channels, n // 1000 + 1)), 1000, axis=1)[:, :n].astype(np.float32)
    sources = levels * rng.standard_normal((channels, n), dtype=np.float32)
    return (
        np.float32(0.1)
        * (np.eye(channels) + 0.4 * rng.standard_normal((channels, channels))).astype(np.float32)
        @ sources
    )


def recording(method: str, channels: int, seconds: float, rate: int, n_fft: int, **parameters: Any) -> Row:
    """Return `separate` from host array to host array, transfers included, on the GPU and on the CPU."""
    from sigsep_classic import STFT, separate

    x = noise(channels, seconds, rate)
    frontend = STFT(n_fft=n_fft, hop=n_fft // 4)

    def run(device: str, samples: np.ndarray = x) -> Any:
        return separate(samples, rate, method=method, frontend=frontend, device=device, **parameters)

    row: Row = {"seconds": end_to_end(partial(run, "cuda"))}
    row["real_time"] = seconds / row["seconds"]
    with threads(CPU_THREADS):
        run("cpu", x[:, : 2 * rate])  # compiles
        row["cpu_seconds"] = end_to_end(partial(run, "cpu"), rounds=1, warm=False)
    return row


def spatial(name: str, *sizes: int) -> Row:
    """Return a row of `benchmarks.gpu_spatial`."""
    from benchmarks import gpu_spatial

    row: Row = getattr(gpu_spatial, name)(*sizes)
    return row


ITEMS: dict[str, Item] = {
    "KL-NMF 2049 x 100000, K 64, an iteration": Item(
        call=partial(kl_nmf, 2049, 100_000, 64), reserve=15, memory=6, target="2.2 ms"
    ),
    "the same, joint": Item(call=partial(kl_nmf, 2049, 100_000, 64, joint=True), reserve=10, memory=6),
    "KL-NMF 1025 x 2580, K 32, an iteration": Item(call=partial(kl_nmf, 1025, 2580, 32), reserve=5, memory=1),
    "64 KL-NMF 1025 x 2580, K 32": Item(call=batched_nmf, reserve=10, memory=4, target="1.5 ms"),
    "64 KL-NMF 1025 x 2580, K 32, joint": Item(call=partial(batched_nmf, joint=True), reserve=10, memory=4),
    "ComplexNMF 1025 x 2580, K 32, half an iteration": Item(
        call=partial(complex_nmf, 1025, 2580, 32), reserve=10, memory=3, target="1.5 x its floor"
    ),
    "NMFD 1025 x 2580, K 10 of 20 frames, an iteration": Item(
        call=partial(spatial, "nmfd", 1025, 2580, 10, 20), reserve=8, memory=1
    ),
    "AuxIVA, 60 s of 4 channels, a sweep": Item(call=partial(spatial, "auxiva"), reserve=10, memory=1),
    "ILRMA, 60 s of 4 channels, a sweep": Item(call=partial(spatial, "ilrma"), reserve=8, memory=1),
    "FastMNMF2, 60 s of 4 channels, K 8, an iteration": Item(
        call=partial(spatial, "fastmnmf", 8), reserve=10, memory=1
    ),
    "Wiener filter, 4 sources, 2 min stereo, an iteration": Item(
        call=partial(spatial, "wiener", 4, 2, 10_336, 1025), reserve=8, memory=3
    ),
    "STFT and inverse, 60 s stereo, 2048/512": Item(call=partial(transforms, 60), reserve=10, memory=2),
    "AuxIVA, 60 s of 4 channels, 4096, 20 iterations": Item(
        call=partial(recording, "auxiva", 4, 60, 16000, 4096, n_iter=20, tol=0),
        reserve=40,
        target="50 x the CPU",
    ),
    "FDICA, 60 s of 4 channels, 4096, 20 iterations": Item(
        call=partial(recording, "fdica", 4, 60, 16000, 4096, n_iter=20, tol=0),
        reserve=40,
        target="50 x the CPU",
    ),
    "ILRMA, 60 s of 4 channels, 4096, 20 iterations": Item(
        call=partial(recording, "ilrma", 4, 60, 16000, 4096, n_iter=20, tol=0),
        reserve=60,
        target="50 x the CPU",
    ),
    "HPSS, 10 min stereo": Item(
        call=partial(recording, "hpss", 2, 600, 44100, 2048), reserve=60, memory=8, target="30 x the CPU"
    ),
}
"""What is timed, in this order."""


def timed(name: str) -> Row:
    """Return the row of one item, in the process that is asked."""
    import cupy

    item = ITEMS[name]
    free = 1e-9 * cupy.cuda.runtime.memGetInfo()[0]
    if free < item.memory:
        return {"left_out": f"{free:.1f} GB free on the device, {item.memory:g} GB needed"}
    row = item.call()
    cupy.get_default_memory_pool().free_all_blocks()
    return row


def measure(worker: Worker, until: float) -> Iterator[Row]:
    """Yield a row for each item; one that fails, or for which time or memory lack, is a row with the reason.

    Parameters
    ----------
    worker : Worker
        The process to time in.
    until : float
        Of ``time.monotonic``.
    """
    for name, item in ITEMS.items():
        row: Row = {"name": name, "target": item.target}
        left = until - time.monotonic()
        if left < item.reserve:
            yield row | {"left_out": f"{max(left, 0):.0f} s left, {item.reserve:.0f} s needed"}
            continue
        try:
            yield row | worker.ask(timed, name, timeout=min(left, 3 * item.reserve))
        except WorkerError as error:
            yield row | {"failed": str(error)}
