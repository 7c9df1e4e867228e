"""Estimates of sources of the local Gaussian model: ratio masks, then steps of v_n, R_n and the filter they make."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.kernels.wiener_loops import LANES, iterate
from sigsep_classic.typing import Array

CUDA_CONSTANTS = ({"CHANNELS": 1}, {"CHANNELS": 2}, {"CHANNELS": 3}, {"CHANNELS": 8})

UNROLLED = 2
"""For so many channels the loops over them are compiled each on its own; for more, one for all, which is slower."""

_HELD_BYTES = 1 << 26
_CELLS = 1 << 16


def wiener(
    X: Array,
    *,
    V: Array | None = None,
    Y: Array | None = None,
    squared: bool = False,
    eps: float = 0.0,
    n_iter: int = 1,
    relative: float = 1e-6,
    absolute: float = 0.0,
    weight: float = 0.0,
    whole: bool = True,
) -> Array:
    """Return estimates of sources by ``n_iter`` steps of the local Gaussian model.

    A step sets v_n(f, t) = |y_n|^2 / channels and R_n(f) = sum_t y_n y_n^H / sum_t v_n, then
    y_n = v_n R_n (sum over m of v_m R_m + load)^-1 x.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        Mixture, complex64 or complex128, NumPy or CuPy.
    V : array (sources, channels or 1, freq, frames), optional
        Non-negative, of X's precision: the first estimates are the shares V_n / (eps + sum V) of X.
    Y : complex array (sources, channels, freq, frames), optional
        The first estimates themselves; give V or Y. Not written to.
    squared : bool
        Shares of V^2 in place of V.
    eps : float
        With 0 the shares sum to one, and are equal where V is 0 for all sources.
    n_iter : int
        At least 0; 0 gives the first estimates.
    relative, absolute : float
        The load is this share of the mean eigenvalue, at least so much; added to the diagonal.
    weight : float
        Added to sum_t v_n.
    whole : bool
        Give back what the load took, in equal shares, so that the estimates sum to X.

    Returns
    -------
    complex array (sources, channels, freq, frames)
        In the dtype of X, in memory frame after frame.

    Raises
    ------
    ShapeError
        The arrays do not fit together.
    """
    given: Any = V if Y is None else Y
    if X.ndim != 3 or given is None or not _fits(given, X, Y is None):
        shape = None if given is None else given.shape
        raise ShapeError(
            f"X has shape {X.shape}, models {shape}; expected (channels, freq, frames) and "
            "(sources, channels or 1, freq, frames)"
        )
    xp = namespace(X)
    X_ctf = xp.ascontiguousarray(X.swapaxes(-1, -2))
    V_nctf = None if V is None or Y is not None else xp.ascontiguousarray(V.swapaxes(-1, -2))
    out = xp.empty((len(given), *X_ctf.shape), dtype=X.dtype)
    if Y is not None:
        out[:] = Y.swapaxes(-1, -2)
    tiny = float(xp.finfo(X.dtype).tiny)
    load = (relative, max(absolute, tiny**0.5), weight, tiny, float(whole))
    run = _gpu if is_cuda(X) else _cpu if enabled() else _numpy
    run(X_ctf, V_nctf, out, squared, eps, n_iter, load)
    return out.swapaxes(-1, -2)


def _fits(models: Array, X: Array, shared: bool) -> bool:
    channels = (1, len(X)) if shared else (len(X),)
    return models.ndim == 4 and models.shape[1] in channels and models.shape[2:] == X.shape[1:]


def _numpy(
    X: np.ndarray,
    V: np.ndarray | None,
    Y: np.ndarray,
    squared: bool,
    eps: float,
    n_iter: int,
    load: tuple[float, ...],
) -> None:
    if V is not None:
        _shared_out(X, V, Y, squared, eps)
    unit = np.eye(len(X))
    size = max(1, _CELLS // X.shape[1])
    for f in range(0, X.shape[2] if n_iter else 0, size):
        x = X[..., f : f + size].transpose(2, 1, 0).astype(complex)
        y = Y[..., f : f + size].transpose(0, 3, 2, 1).astype(complex)  # (sources, freq, frames, channels)
        for _ in range(n_iter):
            v = (abs(y) ** 2).mean(axis=-1)
            total = np.maximum(v.sum(axis=-1) + load[2], load[3])[..., None, None]
            R = y.swapaxes(-1, -2) @ y.conj() / total
            C = np.einsum("nft,nfcd->ftcd", v, R)
            extra = np.maximum(load[0] * np.trace(C, axis1=-2, axis2=-1).real / len(X), load[1])[..., None]
            z = np.linalg.solve(C + extra[..., None] * unit, x[..., None])[..., 0]
            y = v[..., None] * (z @ R.swapaxes(-1, -2)) + load[4] / len(Y) * extra * z
        Y[..., f : f + size] = y.transpose(0, 3, 2, 1)


def _shared_out(X: np.ndarray, V: np.ndarray, Y: np.ndarray, squared: bool, eps: float) -> None:
    """Write the shares of X, frame by frame."""
    for t in range(X.shape[1]):
        v = V[:, :, t].astype(float)
        top = v.max(axis=0)
        scale = 1 / np.where(top > 0, top, 1)
        v = (v * scale) ** (2 if squared else 1)
        total = v.sum(axis=0) + eps * scale ** (2 if squared else 1)
        gains = np.where(top > 0, v / np.where(total > 0, total, 1), 0 if eps else 1 / len(V))
        Y[:, :, t] = gains * X[:, t]


def _cpu(
    X: np.ndarray,
    V: np.ndarray | None,
    Y: np.ndarray,
    squared: bool,
    eps: float,
    n_iter: int,
    load: tuple[float, ...],
) -> None:
    real = X.real.dtype
    frames, bins = X.shape[1:]
    together = max(1, _HELD_BYTES // (len(Y) * frames * LANES * real.itemsize))
    given = np.empty((0, 1, frames, bins), real) if V is None else V
    groups = -(-bins // LANES)
    dims: Any = (0,) * len(X) if len(X) <= UNROLLED else np.zeros(len(X), np.int8)
    args = (dims, given, _pairs(X), _pairs(Y), squared, float(eps), n_iter, np.array(load))
    run_blocks(iterate, groups, min(together, groups), *args)


def _pairs(X: Array) -> Array:
    """Return a view of complex numbers as pairs of real ones on a last axis."""
    return X.view(X.real.dtype).reshape(*X.shape, 2)


def _gpu(
    X: Array, V: Array | None, Y: Array, squared: bool, eps: float, n_iter: int, load: tuple[float, ...]
) -> None:
    xp, real = namespace(X), np.dtype(X.dtype.type(0).real.dtype)
    channels, frames, bins = X.shape
    sources, cells = len(Y), frames * bins
    if V is not None:
        cuda.launch(
            "wiener",
            "wiener_shares",
            grid=(cuda.blocks_for(cells, 256),),
            block=(256,),
            args=(
                _pairs(X),
                V,
                _pairs(Y),
                cuda.long(cells),
                sources,
                V.shape[1],
                int(squared),
                xp.asarray([float(eps)]),
            ),
            real=real,
            CHANNELS=channels,
        )
    S = xp.empty((sources, channels, channels, 2, bins), dtype=float)
    numbers = xp.asarray(load)
    for _ in range(n_iter):
        cuda.launch(
            "wiener",
            "wiener_sums",
            grid=(cuda.blocks_for(bins, 32), sources, channels * (channels + 1) // 2),
            block=(32, 8),
            args=(_pairs(Y), S, frames, bins),
            real=real,
            CHANNELS=channels,
        )
        cuda.launch(
            "wiener",
            "wiener_filter",
            grid=(cuda.blocks_for(cells, 128),),
            block=(128,),
            args=(_pairs(X), S, _pairs(Y), numbers, cuda.long(cells), sources, bins),
            real=real,
            CHANNELS=channels,
        )
