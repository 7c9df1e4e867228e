"""Coordinate descent on rows of non-negative least squares: the inner loop of HALS."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

ROWS = 64
"""Rows worked on together: vectors of them in first-level cache."""


def hals_update(
    A: Array, gram: Array, cross: Array, *, n_sweeps: int = 1, l1: float = 0.0, tol: float = 0.0
) -> None:
    """Lower ½‖data − A Bᵀ‖² + l1 Σ A over A ≥ 0, one component after the other, in place.

    a_k ← max(0, a_k + (cross_k − l1 − A gram_k) / gram_kk) for k = 0, 1, … K − 1, ``n_sweeps`` times. Each
    such step is exact in a_k, so the objective never rises.

    Parameters
    ----------
    A : array (rows, components)
        C-contiguous, float32 or float64, NumPy or CuPy. Rows are independent problems.
    gram : array (components, components)
        Bᵀ B. Components whose ``gram_kk`` is 0 stay as they are.
    cross : array (rows, components)
        data · B.
    n_sweeps : int
        Passes over the components, at least 1. More of them make use of a ``cross`` that was dear to compute.
    l1 : float
        Cost of a unit of A, at least 0.
    tol : float
        A block of 64 rows rests once a sweep changes it by less than this share of its first sweep (ℓ2 norms).

    References
    ----------
    A. Cichocki and A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor
    factorizations", IEICE Trans. Fundamentals E92-A(3), 2009: HALS.

    N. Gillis and F. Glineur, "Accelerated multiplicative updates and hierarchical ALS algorithms for nonnegative
    matrix factorization", Neural Computation 24(4), 2012: several sweeps for one cross product, and when to stop.
    """
    run = _gpu if is_cuda(A) else _cpu if enabled() else _numpy
    run(A, gram, cross, n_sweeps, l1, tol)


def products(V: Array, W: Array, H: Array, *, factor: str) -> tuple[Array, Array]:
    """Return ``gram`` and ``cross`` of `hals_update` for one factor of V ≈ W H.

    Parameters
    ----------
    V : array (freq, frames)
    W : array (freq, components)
    H : array (components, frames)
        The transpose of a C-contiguous array, as W is one.
    factor : {"W", "H"}
        Which one is to be updated: A is W, or the transpose of H.

    Returns
    -------
    gram : array (components, components)
    cross : array (freq or frames, components)
    """
    B, data = (W, V.T) if factor == "H" else (H.T, V)
    if namespace(V) is not np:
        return B.T @ B, data @ B
    cross = np.empty((len(data), B.shape[1]), V.dtype)
    rows = max(64, -(-len(data) // 8))

    def work(first: int, stop: int) -> None:
        for i in range(first, stop):
            part = slice(i * rows, (i + 1) * rows)
            np.dot(data[part], B, out=cross[part])

    with single_threaded_blas():  # the same bits whatever the number of threads
        gram = B.T @ B
        run_blocks(work, -(-len(data) // rows))
    return gram, cross


def _numpy(A: np.ndarray, gram: np.ndarray, cross: np.ndarray, n_sweeps: int, l1: float, tol: float) -> None:
    real = A.dtype.type
    for r in range(0, len(A), ROWS):
        block, target = A[r : r + ROWS], cross[r : r + ROWS] - real(l1)
        first = 0.0
        for sweep in range(n_sweeps):
            before = block.copy()
            for k in np.flatnonzero(gram.diagonal() > 0):
                step = (target[:, k] - block @ gram[k]) / gram[k, k]
                block[:, k] = np.maximum(block[:, k] + step, 0)
            change = float(((block - before) ** 2).sum())
            first = change if sweep == 0 else first
            if change <= tol * tol * first:
                break


def _cpu(A: np.ndarray, gram: np.ndarray, cross: np.ndarray, n_sweeps: int, l1: float, tol: float) -> None:
    real = A.dtype.type
    gram, cross = (np.require(M, real, ("C", "W")) for M in (gram, cross))
    numbers = (real(l1), real(tol * tol))
    run_blocks(_row_blocks, -(-len(A) // ROWS), A, gram, cross, n_sweeps, numbers)


@jit(fastmath={"contract"})
def _subtract(out, x, a, b, c, d):  # type: ignore[no-untyped-def]
    """``out -= a x[0] + b x[1] + c x[2] + d x[3]``."""
    for r in range(out.size):
        out[r] -= a * x[0, r] + b * x[1, r] + c * x[2, r] + d * x[3, r]


@jit(fastmath={"contract"})
def _row_blocks(first, stop, A, gram, cross, n_sweeps, numbers):  # type: ignore[no-untyped-def]
    l1, least = numbers
    zero = l1 - l1
    n_k = gram.shape[0]
    whole = n_k // 4 * 4
    held = np.zeros((n_k, ROWS), A.dtype)  # one component of all rows after the other
    wanted = np.zeros((n_k, ROWS), A.dtype)
    rest = np.empty(ROWS, A.dtype)
    for block in range(first, stop):
        r0 = block * ROWS
        n = min(ROWS, A.shape[0] - r0)
        for r in range(n):
            for k in range(n_k):
                held[k, r] = A[r0 + r, k]
                wanted[k, r] = cross[r0 + r, k] - l1
        held[:, n:] = zero
        wanted[:, n:] = zero
        start = zero
        for sweep in range(n_sweeps):
            change = zero
            for k in range(n_k):
                if gram[k, k] <= 0:
                    continue
                rest[:] = wanted[k]
                for j in range(0, whole, 4):
                    _subtract(
                        rest, held[j : j + 4], gram[k, j], gram[k, j + 1], gram[k, j + 2], gram[k, j + 3]
                    )
                for j in range(whole, n_k):
                    for r in range(ROWS):
                        rest[r] -= gram[k, j] * held[j, r]
                scale = (l1 - l1 + 1) / gram[k, k]
                for r in range(ROWS):
                    moved = max(held[k, r] + rest[r] * scale, zero)
                    rest[r] = moved - held[k, r]
                    held[k, r] = moved
                for r in range(ROWS):
                    change += rest[r] * rest[r]
            if sweep == 0:
                start = change
            if change <= least * start:
                break
        for r in range(n):
            for k in range(n_k):
                A[r0 + r, k] = held[k, r]


def _gpu(A: Array, gram: Array, cross: Array, n_sweeps: int, l1: float, tol: float) -> None:
    xp = namespace(A)
    n_rows, n_k = A.shape
    held, wanted = xp.ascontiguousarray(A.T), xp.ascontiguousarray(cross.T, dtype=A.dtype)
    cuda.launch(
        "hals",
        "hals",
        grid=(cuda.blocks_for(n_rows, ROWS),),
        block=(ROWS,),
        args=(held, xp.ascontiguousarray(gram, dtype=A.dtype), wanted, n_rows, n_k, n_sweeps, float(l1),
              float(tol * tol)),
        real=A.dtype,
    )  # fmt: skip
    A[:] = held.T
