"""Iterations of spatial and convolutive methods on the GPU beside the bytes or products they can't do without.

Sizes are those of a minute of four channels at 16 kHz, window 4096 and hop 1024, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gpu_speed import Row, bandwidth, on_device, products, torch_row

FREQ, FRAMES, CHANNELS = 2049, 938, 4


def nmfd(F: int, T: int, K: int, lags: int) -> Row:
    """Return an iteration of Kullback-Leibler NMFD beside its four products, rows stacked."""
    import cupy

    from sigsep_classic.kernels.convolutive_nmf import multiplicative_update

    rng = cupy.random.default_rng(0)
    V, W, H = (rng.random(size, dtype=cupy.float32) for size in ((T, F), (F, K, lags), (T, K, 1)))

    def ours() -> None:
        for factor in "WH":
            multiplicative_update(V.T, W, H.transpose(1, 2, 0), factor=factor, beta=1.0, exponent=1.0)

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    given = pool.used_bytes()
    seconds, held = on_device(ours), pool.total_bytes() - given
    floor = on_device(products(F, T, K * lags, joint=False))
    return {"seconds": seconds, "peak_bytes": held, "floor_seconds": floor, "floor": "its products by cuBLAS"}


def scene() -> tuple[Any, Any]:
    """Return data (freq, channels, 2, frames) of changing level and demixing near the identity, on the device."""
    import cupy

    rng = np.random.default_rng(0)
    levels = rng.gamma(0.5, size=FRAMES).astype(np.float32)
    Z = levels * rng.standard_normal((FREQ, CHANNELS, 2, FRAMES), dtype=np.float32)
    R = np.eye(CHANNELS) + 0.1 * rng.standard_normal((FREQ, CHANNELS, CHANNELS))
    return cupy.asarray(Z), cupy.asarray(R.astype(complex))


def beside_bytes(call: Callable[[], object], cells: int, floor: str) -> Row:
    """Return the time of a call beside moving so many single-precision numbers a cell of time and frequency."""
    seconds = on_device(call)
    return {
        "seconds": seconds, "floor_seconds": 4 * cells * FREQ * FRAMES / bandwidth(), "floor": floor
    }  # fmt: skip


def auxiva() -> Row:
    """Return a sweep of iterative projection beside reading the data twice, and beside the same in PyTorch."""
    import cupy

    from sigsep_classic.kernels.demixing import sweep

    Z, R = scene()
    weights = cupy.ones((CHANNELS, FRAMES), cupy.float32)
    row = beside_bytes(lambda: sweep(Z, R, weights), 4 * CHANNELS, "the data read twice")
    return row | torch_auxiva(Z)


def ilrma() -> Row:
    """Return a sweep of ILRMA beside reading the data twice, writing the powers and reading them twice."""
    import cupy

    from sigsep_classic.kernels.low_rank_sweep import low_rank_sweep

    (Z, R), rng, K = scene(), cupy.random.default_rng(0), 2
    T, V = (
        rng.random(size, dtype=cupy.float32) + cupy.float32(0.1)
        for size in ((CHANNELS, FREQ, K), (CHANNELS, K, FRAMES))
    )
    share = cupy.ones(FREQ, cupy.float32)
    return beside_bytes(
        lambda: low_rank_sweep(Z, R, T, V, share, exponent=0.5),
        7 * CHANNELS,
        "data read twice, powers written once and read twice",
    )


def fastmnmf(K: int) -> Row:
    """Return an iteration of FastMNMF2 beside data read twice, powers written and read three times, weights twice."""
    import cupy

    from sigsep_classic.kernels.demixing import powers, sweep
    from sigsep_classic.kernels.fast_mnmf import precisions, update_gains, update_spectra

    (Z, R), rng = scene(), cupy.random.default_rng(0)
    W, H, G = (
        rng.random(size, dtype=cupy.float32) + cupy.float32(0.1)
        for size in ((CHANNELS, FREQ, K), (CHANNELS, K, FRAMES), (1, CHANNELS, CHANNELS))
    )
    ridge = cupy.full((CHANNELS, FREQ), 1e-3, cupy.float32)
    U, P = precisions(W, H, G), powers(Z, R, summed=False)

    def ours() -> None:
        W1, H1 = update_spectra(P, ridge, U, W, H, G)
        G1 = update_gains(P, ridge, W1, H1, G)
        sweep(Z, R, precisions(W1, H1, G1))

    return beside_bytes(ours, 10 * CHANNELS, "data read twice, powers moved four times, weights twice")


def wiener(sources: int, channels: int, frames: int, freq: int) -> Row:
    """Return an iteration of the multichannel Wiener filter beside images read twice and written once."""
    import cupy

    from sigsep_classic.kernels.wiener import wiener as op

    rng = cupy.random.default_rng(0)
    X = cupy.empty((channels, freq, frames), cupy.complex64)
    X.real, X.imag = (rng.standard_normal(X.shape, dtype=cupy.float32) for _ in range(2))
    V = rng.random((sources, 1, freq, frames), dtype=cupy.float32)
    many, few = (on_device(partial(op, X, V=V, n_iter=n, squared=True), rounds=3) for n in (5, 1))
    moved = (3 * sources + 1) * X.nbytes
    return {
        "seconds": (many - few) / 4,
        "floor_seconds": moved / bandwidth(),
        "floor": "images read twice and written once, mixture read once",
    }


def torch_auxiva(Z: Any) -> Row:
    """Return the same sweep written in PyTorch with batched products and solves; nothing where it can't run."""
    try:
        import torch

        if not torch.cuda.is_available():
            return {"torch": "no CUDA in this PyTorch"}
    except ImportError:
        return {"torch": "not installed"}
    pairs = torch.from_dlpack(Z)
    X = torch.complex(pairs[:, :, 0].contiguous(), pairs[:, :, 1].contiguous())
    W = torch.eye(CHANNELS, dtype=X.dtype, device=X.device).repeat(FREQ, 1, 1)
    unit = torch.eye(CHANNELS, dtype=X.dtype, device=X.device)

    def step() -> None:
        power = (W @ X).abs().square().sum(dim=0)
        weights = 1 / power.sqrt().clamp(min=1e-6)
        for n in range(CHANNELS):
            V = (X * weights[n]) @ X.mH / FRAMES
            w = torch.linalg.solve(W @ V, unit[:, n : n + 1].expand(FREQ, -1, -1))
            size = (w.mH @ V @ w).real.clamp(min=1e-12).sqrt()
            W[:, n : n + 1] = (w / size).mH

    return torch_row(step)
