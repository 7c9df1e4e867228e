"""Updates of variances y_m(f, t) = Σ_n g_nm Σ_k w_nfk h_nkt to powers p_m(f, t), bin by bin: y is not kept.

All lower Σ [p_m / y_m + log y_m], the Itakura-Saito divergence, by majorisation-minimisation: each entry is
multiplied by the square root of what pulls it up over what pulls it down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.fast_mnmf_loops import (
    LEAST,
    LINE,
    QUAD,
    ROWS,
    sum_gains,
    sum_spectra,
    write_precisions,
)
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

CUDA_CONSTANTS = ({"SOURCES": 1, "DIMS": 1}, {"SOURCES": 4, "DIMS": 4}, {"SOURCES": 6, "DIMS": 8})

_BLOCKS = 16
_THREADS, _BINS = 128, 4


def update_spectra(
    P: Array, ridge: Array, U: Array, W: Array, H: Array, G: Array, *, level: float = 1.0
) -> tuple[Array, Array]:
    """Return W, then H, after one update each.

    Parameters
    ----------
    P : real array (dims, freq, at least frames)
        Powers p, float32 or float64, NumPy or CuPy, C-contiguous; what is beyond ``frames`` is not looked at.
    ridge : array (dims, freq)
        What is added to P.
    U : array (dims, freq, at least frames)
        ``level`` / y of these W, H and G, see `precisions`.
    W : array (sources, freq, components)
        Positive, as all factors.
    H : array (sources, components, frames)
    G : array (1 or freq, sources, dims)
        The same in all bins, or each bin its own.
    level : float
        What U is multiplied by.

    Returns
    -------
    W, H : arrays
        Of the same shapes and dtype.
    """
    return _line(P)("spectra", P, ridge, U, W, H, G, level)


def update_gains(P: Array, ridge: Array, W: Array, H: Array, G: Array) -> Array:
    """Return G after one update; parameters as `update_spectra`."""
    return _line(P)("gains", P, ridge, None, W, H, G, 1.0)


def precisions(W: Array, H: Array, G: Array, *, pad: int = 0, level: float = 1.0) -> Array:
    """Return ``level`` / y (dims, freq, frames + pad); where it is padded, its sum over the frames of the bin.

    Parameters
    ----------
    W, H, G : arrays
        As in `update_spectra`.
    pad : int
        Number of entries after the last frame.
    level : float
        Greater than 0.
    """
    return _line(W)("precisions", None, None, None, W, H, G, level, pad)


def _line(like: Array) -> Callable[..., Any]:
    return _gpu if is_cuda(like) else _cpu if enabled() else _numpy


# ---- on the GPU: what a cell needs stays in registers, matrices are contracted by cuBLAS


def _gpu(
    what: str, P: Any, ridge: Any, U: Any, W: Array, H: Array, G: Array, level: float, pad: int = 0
) -> Any:
    xp, (sources, freq, components), frames, dims = namespace(W), W.shape, H.shape[2], G.shape[2]
    local = int(len(G) > 1)
    if what == "precisions":
        U = xp.empty((dims, freq, frames + pad), dtype=W.dtype)
        _launch(what, (freq,), G, W, H, G, U, freq, frames, components, local, pad, float(level))
        return U
    sizes = (freq, frames, components, P.shape[2], local)
    if what == "gains":
        found = xp.empty((2, freq, sources, dims), dtype=xp.float64)
        _launch(what, (freq,), G, P, ridge, W, H, G, found, *sizes)
        if not local:
            found = found.sum(axis=1, keepdims=True)
        return _updated(G.astype(xp.float64), found[0], found[1]).astype(G.dtype)
    pulls = xp.empty((2, sources, freq, frames), dtype=W.dtype)
    grid = (cuda.blocks_for(frames, _THREADS), min(cuda.blocks_for(freq, _BINS), cuda.MAX_GRID_Y))
    for factor in ("W", "H"):
        _launch("pulls", grid, G, P, ridge, W, H, G, pulls, *sizes)
        if factor == "W":
            W = _updated(W, *(pull @ H.swapaxes(1, 2) for pull in pulls))
        else:
            H = _updated(H, *(W.swapaxes(1, 2) @ pull for pull in pulls))
    return W, H


def _launch(name: str, grid: tuple[int, ...], G: Array, *args: Any) -> None:
    _, sources, dims = G.shape
    cuda.launch(
        "fast_mnmf",
        name,
        grid=grid,
        block=(_THREADS,),
        args=tuple(namespace(G).ascontiguousarray(a) if hasattr(a, "flags") else a for a in args),
        real=G.dtype,
        SOURCES=sources,
        DIMS=dims,
    )


# ---- all cells at once, in products of matrices: what the loops are compared with


def _numpy(
    what: str, P: Any, ridge: Any, U: Any, W: Array, H: Array, G: Array, level: float, pad: int = 0
) -> Any:
    with single_threaded_blas():
        if what == "precisions":
            U = _terms(None, None, W @ H, G)
            return _padded(U * U.dtype.type(level), pad)
        if what == "gains":
            power = W @ H
            up, down = _terms(P, ridge, power, G)
            return _updated(G, _contracted(power, up, len(G)), _contracted(power, down, len(G)))
        for factor in ("W", "H"):
            up, down = _terms(P, ridge, W @ H, G)
            up, down = _through(G, up), _through(G, down)
            if factor == "W":
                W = _updated(W, up @ H.swapaxes(1, 2), down @ H.swapaxes(1, 2))
            else:
                H = _updated(H, W.swapaxes(1, 2) @ up, W.swapaxes(1, 2) @ down)
        return W, H


def _updated(A: Array, up: Array, down: Array) -> Array:
    xp = namespace(A)
    return xp.maximum(A * xp.sqrt(up / down), A.dtype.type(LEAST))


def _padded(U: Array, pad: int) -> Array:
    if not pad:
        return U
    xp = namespace(U)
    total = U.sum(axis=2, dtype=xp.float64).astype(U.dtype)[:, :, None]
    return xp.concatenate([U, xp.repeat(total, pad, axis=2)], axis=2)


def _through(G: Array, terms: Array) -> Array:
    """Return Σ_m g_nm terms_m, (sources, freq, frames)."""
    xp = namespace(G)
    return xp.ascontiguousarray((G @ terms.swapaxes(0, 1)).swapaxes(0, 1))


def _contracted(power: Array, terms: Array, n: int) -> Array:
    """Return Σ_t power_n terms_m, (freq, sources, dims), or its sum over freq where G is one for all."""
    found = power.swapaxes(0, 1) @ terms.transpose(1, 2, 0)
    return found if n > 1 else found.sum(axis=0, keepdims=True)


def _terms(P: Any, ridge: Any, power: Array, G: Array) -> Any:
    """Return p / y² and 1 / y, (dims, freq, frames); without P, 1 / y alone."""
    xp = namespace(G)
    down = 1 / xp.ascontiguousarray((G.swapaxes(1, 2) @ power.swapaxes(0, 1)).swapaxes(0, 1))
    if P is None:
        return down
    return (P[:, :, : power.shape[2]] + ridge[:, :, None]) * down * down, down


# ---- bin by bin


def _cpu(
    what: str, P: Any, ridge: Any, U: Any, W: Array, H: Array, G: Array, level: float, pad: int = 0
) -> Any:
    (sources, freq, components), frames, dims = W.shape, H.shape[2], G.shape[2]
    blocks = min(_BLOCKS, -(-freq // ROWS))
    W, H = _filled(W, (1, 1, QUAD)), _filled(H, (1, QUAD, LINE))
    if what == "precisions":
        U = np.empty((dims, freq, frames + pad), W.dtype)
        run_blocks(write_precisions, blocks, blocks, W, H, G, frames, W.dtype.type(level), U)
        return U
    if what == "gains":
        sums = np.zeros((freq if len(G) > 1 else blocks, 2, -(-sources // QUAD) * QUAD, dims))
        run_blocks(sum_gains, blocks, blocks, P, ridge, W, H, G, frames, sums)
        sums = sums[:, :, :sources] if len(G) > 1 else sums[:, :, :sources].sum(axis=0, keepdims=True)
        return _updated(G.astype(float), sums[:, 0], sums[:, 1]).astype(G.dtype)
    sums = _aligned((blocks, 2 * sources, *H.shape[1:]), H.dtype)
    back, share = np.ascontiguousarray(G.swapaxes(1, 2)), W.dtype.type(1 / level)
    run_blocks(sum_spectra, blocks, P, ridge, U, W, H, G, back, (components, frames), share, sums)
    total = sums.sum(axis=0)[:, :components, :frames]
    H = _updated(H[:, :components, :frames], total[:sources], total[sources:])
    return np.ascontiguousarray(W[:, :, :components]), H


def _filled(A: np.ndarray, multiples: tuple[int, ...]) -> np.ndarray:
    """Return a copy with zeros after the last entries, each axis a multiple; it begins where a line of cache does."""
    shape = tuple(-(-size // multiple) * multiple for size, multiple in zip(A.shape, multiples, strict=True))
    filled = _aligned(shape, A.dtype)
    filled[tuple(slice(size) for size in A.shape)] = A
    return filled


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Return zeros that begin where a line of cache does: rows that straddle lines take a fifth longer."""
    size, line = int(np.prod(shape)), 64 // dtype.itemsize
    room = np.zeros(size + line, dtype)
    first = -room.ctypes.data % 64 // dtype.itemsize
    return room[first : first + size].reshape(shape)
