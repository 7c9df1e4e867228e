"""The elementwise half of an augmented-Lagrangian step of robust PCA, in one pass over memory."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

RUN = 1 << 12
THREADS, EACH = 256, 16


def shrinkage(
    D: Array,
    A: Array,
    M: Array,
    B: Array,
    *,
    growth: float,
    threshold: float,
    out: tuple[Array, Array] | None = None,
) -> tuple[Array, Array, float]:
    """Return what follows M and B once A has followed from M, and the squared residual.

    With D ≈ A + E and the multiplier Y = μ B, A is the low-rank matrix found near M = D − E + B. In one pass:

    * the multiplier of the next μ, ``growth`` times as large: B' = (M − A) / growth,
    * with W = D − A + B' the sparse matrix E' = sign(W) max(|W| − threshold, 0), and M' = D − E' + B',
    * the squared residual Σ (D − A − E')² = Σ (M' − A − B')².

    M' is computed as A + min(max(W, −threshold), threshold), which is the same and needs no E'.

    Parameters
    ----------
    D, A, M, B : array (rows, columns)
        C-contiguous, finite, same shape and dtype (float32 or float64), NumPy or CuPy.
    growth : float
        Greater than 0.
    threshold : float
        At least 0.
    out : tuple of array, optional
        Where M' and B' are written, M and B themselves if wanted. Default: new arrays.

    Returns
    -------
    M', B' : array (rows, columns)
    residual : float
        Accumulated in double precision, in an order that the number of threads does not change.

    Raises
    ------
    ParameterError
        ``growth`` or ``threshold`` is out of range.
    ShapeError
        Shapes differ.

    References
    ----------
    Z. Lin, M. Chen and Y. Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted
    low-rank matrices", arXiv:1009.5055, 2010: the inexact method, here rewritten for one pass.
    """
    if not growth > 0 or not threshold >= 0:
        raise ParameterError(
            f"growth is {growth} and threshold {threshold}; they must be positive and not negative"
        )
    if not D.shape == A.shape == M.shape == B.shape:
        raise ShapeError(f"D, A, M and B have shapes {D.shape}, {A.shape}, {M.shape}, {B.shape}; give one")
    M_out, B_out = (namespace(D).empty_like(D) for _ in "MB") if out is None else out
    run = _gpu if is_cuda(D) else _cpu if enabled() else _numpy
    d, a, m, b, m_out, b_out = (matrix.reshape(-1) for matrix in (D, A, M, B, M_out, B_out))
    return M_out, B_out, run(d, a, m, b, m_out, b_out, 1 / growth, threshold)


def _numpy(
    D: np.ndarray,
    A: np.ndarray,
    M: np.ndarray,
    B: np.ndarray,
    M_out: np.ndarray,
    B_out: np.ndarray,
    shrink: float,
    threshold: float,
) -> float:
    real = D.dtype.type
    np.multiply(M - A, real(shrink), out=B_out)
    np.clip(D - A + B_out, real(-threshold), real(threshold), out=M_out)
    residual = float(np.square(M_out - B_out, dtype=np.float64).sum())
    M_out += A
    return residual


def _cpu(
    D: np.ndarray,
    A: np.ndarray,
    M: np.ndarray,
    B: np.ndarray,
    M_out: np.ndarray,
    B_out: np.ndarray,
    shrink: float,
    threshold: float,
) -> float:
    n_blocks = -(-D.size // RUN)
    sums, real = np.zeros(n_blocks), D.dtype.type
    run_blocks(_pass, n_blocks, D, A, M, B, M_out, B_out, real(shrink), real(threshold), sums)
    return float(sums.sum())


@jit
def _pass(first, stop, D, A, M, B, M_out, B_out, shrink, threshold, sums):  # type: ignore[no-untyped-def]
    for block in range(first, stop):
        start, end = block * RUN, min((block + 1) * RUN, D.size)
        for i in range(start, end):
            a = A[i]
            b = (M[i] - a) * shrink
            w = D[i] - a + b
            B_out[i] = b
            M_out[i] = a + min(max(w, -threshold), threshold)
        sums[block] = _residual(A[start:end], M_out[start:end], B_out[start:end])


@jit(fastmath={"reassoc", "contract", "nsz"})
def _residual(A, M, B):  # type: ignore[no-untyped-def]
    """Return the sum of (M - A - B)²: apart from the writing, lest its order depend on where arrays lie."""
    total = 0.0
    for i in range(A.size):
        rest = float(M[i] - A[i] - B[i])
        total += rest * rest
    return total


def _gpu(
    D: Array, A: Array, M: Array, B: Array, M_out: Array, B_out: Array, shrink: float, threshold: float
) -> float:
    n_blocks = cuda.blocks_for(D.size, THREADS * EACH)
    sums = namespace(D).empty(n_blocks * THREADS, dtype=D.dtype)
    cuda.launch(
        "shrinkage",
        "shrinkage",
        grid=(n_blocks,),
        block=(THREADS,),
        args=(D, A, M, B, M_out, B_out, cuda.long(D.size), float(shrink), float(threshold), sums),
        real=D.dtype,
        EACH=EACH,
    )
    return float(sums.sum(dtype=np.float64))


CUDA_CONSTANTS = ({"EACH": EACH},)
"""What the sources are compiled with, for the test that compiles them."""
