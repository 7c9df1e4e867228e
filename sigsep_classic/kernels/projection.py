"""Spectrograms with the magnitudes of one array and the phases of another, which may run ahead of a third."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.layout import dense_alike, empty_alike, flat
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

RUN = 1 << 14


def projection(
    V: Array, C: Array, *, before: Array | None = None, ahead: float = 0.0, threads: bool = True
) -> Array:
    """Return ``V D / |D|`` with ``D = C - ahead * before``; V where D is 0.

    Parameters
    ----------
    V : array (..., freq, frames)
        Non-negative, float32 or float64, NumPy or CuPy.
    C : complex array (..., freq, frames)
        Of the shape and precision of V.
    before : complex array, optional
        Like C.
    ahead : float
        Factor of ``before``.
    threads : bool
        False where one of our threads calls: the work is then done in it.

    Returns
    -------
    complex array (..., freq, frames)
        In the dtype and the order in memory of C.

    Raises
    ------
    ShapeError
        The arrays are not of one shape.
    """
    if V.shape != C.shape or (before is not None and before.shape != C.shape):
        raise ShapeError(f"V has shape {V.shape}, C {C.shape}; they must be alike")
    arrays = dense_alike(C, V, C if before is None else before)
    out = empty_alike(arrays[0])
    C_flat, V_flat, B_flat, out_flat = (flat(A) for A in (*arrays, out))
    run = _gpu if is_cuda(C) else _cpu if enabled() else _numpy
    if run is _cpu and not threads:
        run = _here
    run(V_flat, _pairs(C_flat), _pairs(B_flat), float(ahead if before is not None else 0), _pairs(out_flat))
    return out


def _pairs(X: Array) -> Array:
    return X.view(X.real.dtype).reshape(-1, 2)


def _numpy(V: np.ndarray, C: np.ndarray, B: np.ndarray, ahead: float, out: np.ndarray) -> None:
    D = C - V.dtype.type(ahead) * B
    size = np.hypot(D[:, 0], D[:, 1])
    here = size > 0
    np.divide(D, size[:, None], out=out, where=here[:, None])
    out[~here] = (1, 0)
    out *= V[:, None]


def _cpu(V: np.ndarray, C: np.ndarray, B: np.ndarray, ahead: float, out: np.ndarray) -> None:
    run_blocks(_project, -(-V.size // RUN), V, C, B, ahead, out)


def _here(V: np.ndarray, C: np.ndarray, B: np.ndarray, ahead: float, out: np.ndarray) -> None:
    _project(0, -(-V.size // RUN), V, C, B, ahead, out)


@jit
def _project(first, stop, V, C, B, ahead, out):  # type: ignore[no-untyped-def]
    begin, end = first * RUN, min(stop * RUN, V.size)
    v = V[begin:end]
    c, before, to = C[begin:end].reshape(-1), B[begin:end].reshape(-1), out[begin:end].reshape(-1)
    for i in range(v.size):
        a = c[2 * i] - ahead * before[2 * i]  # in double precision: squares do not underflow
        b = c[2 * i + 1] - ahead * before[2 * i + 1]
        squared = a * a + b * b
        none = 1.0 if squared == 0 else 0.0
        scale = v[i] / np.sqrt(squared + none)
        to[2 * i] = scale * (a + none)
        to[2 * i + 1] = scale * b


def _gpu(V: Array, C: Array, B: Array, ahead: float, out: Array) -> None:
    cuda.launch(
        "projection",
        "projection",
        grid=(cuda.blocks_for(V.size, 256),),
        block=(256,),
        args=(V, C, B, float(ahead), out, cuda.long(V.size)),
        real=V.dtype,
    )
