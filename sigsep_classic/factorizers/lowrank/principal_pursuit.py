"""Principal component pursuit: a matrix as low rank plus sparse, by an inexact augmented Lagrangian.

The textbook takes a full singular value decomposition in every step. Here a subspace follows the leading singular
vectors from step to step, and grows with the rank that the threshold leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.errors import NumericalError
from sigsep_classic.kernels.shrinkage import shrinkage
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

GROWTH = 1.5
"""Factor on the penalty μ from step to step, as in the authors' code."""
SPARE = 20
"""Singular vectors followed beyond the rank of the last step, at least."""
_PARTS = 8


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A matrix taken apart.

    Parameters
    ----------
    low_rank, sparse : array (rows, columns)
        Their sum is the matrix but for the last residual.
    rank : int
        Of the low-rank part.
    residuals : tuple of (int, float)
        Step, and Frobenius norm of what the two do not explain, relative to the matrix.
    """

    low_rank: Array
    sparse: Array
    rank: int
    residuals: tuple[tuple[int, float], ...]


def principal_component_pursuit(
    D: Array,
    *,
    weight: float,
    tol: float = 1e-5,
    n_iter: int = 100,
    seed: int = 0,
    callback: Callable[[int, Any], bool | None] | None = None,
) -> Parts:
    """Return A and E that minimise ‖A‖_* + ``weight`` ‖E‖_1 with A + E = D.

    Parameters
    ----------
    D : array (rows, columns)
        C-contiguous, finite, float32 or float64, NumPy or CuPy; not all zero.
    weight : float
        Greater than 0.
    tol : float
        Stop when the Frobenius norm of D - A - E is less than this share of that of D.
    n_iter : int
        Most steps, at least 1.
    seed : int
        Of the random vectors that the subspace is begun and extended with.
    callback : callable, optional
        Called as ``callback(step, residual)``; returning True stops.

    Returns
    -------
    Parts

    Raises
    ------
    NumericalError
        ``D`` is not finite.

    References
    ----------
    E. J. Candès, X. Li, Y. Ma and J. Wright, "Robust principal component analysis?", Journal of the ACM 58(3),
    2011: the problem.

    Z. Lin, M. Chen and Y. Ma, "The augmented Lagrange multiplier method for exact recovery of corrupted
    low-rank matrices", arXiv:1009.5055, 2010: the inexact method, its start and its penalties; a predicted rank
    (algorithm numbers not checked).

    N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53(2), 2011: the
    subspace iteration.
    """
    xp, real = namespace(D), D.dtype.type
    with single_threaded_blas():
        size = float(xp.sqrt((D * D).sum(dtype=np.float64)))
        norm = _spectral_norm(D)
        if not math.isfinite(size) or not math.isfinite(norm):
            raise NumericalError(f"the matrix has norm {size}; give finite data")
        penalty = 1.25 / norm
        # The multiplier over the penalty; it starts at D scaled to lie on the edge of what is dual feasible.
        B = D * real(1 / (penalty * max(norm, float(D.max()) / weight)))
        M = xp.clip(D + B, real(-weight / penalty), real(weight / penalty))
        subspace = _Subspace(D, seed)
        residuals: list[tuple[int, float]] = []
        for i in range(1, n_iter + 1):
            A = subspace.thresholded(M, 1 / penalty)
            penalty *= GROWTH
            M, B, squared = shrinkage(D, A, M, B, growth=GROWTH, threshold=weight / penalty, out=(M, B))
            residuals.append((i, math.sqrt(squared) / size))
            stop = callback is not None and callback(i, residuals[-1][1])
            if stop or residuals[-1][1] < tol:
                break
    E = D - A + B  # of the last residual; subtracted so that zeros are exact
    E -= xp.clip(E, real(-weight / penalty), real(weight / penalty))
    return Parts(low_rank=A, sparse=E, rank=subspace.rank, residuals=tuple(residuals))


class _Subspace:
    """The leading right singular vectors of a matrix that changes little from step to step."""

    def __init__(self, like: Array, seed: int) -> None:
        self.limit = min(like.shape)
        self.rng = np.random.default_rng(seed)
        self.basis = self._random(like, min(SPARE, self.limit))
        self.rank = 0

    def _random(self, like: Array, n: int) -> Array:
        vectors = self.rng.standard_normal((like.shape[1], n))
        return namespace(like).asarray(vectors, dtype=like.dtype)

    def thresholded(self, M: Array, threshold: float) -> Array:
        """Return M with its singular values lowered by ``threshold``, those below it left out."""
        xp = namespace(M)
        basis = xp.linalg.qr(_product(M.T, _product(M, self.basis)))[0]
        P = _product(M, basis)
        # Squares of singular values span twice their range. The sums have the precision of M, single or double;
        # double keeps the decomposition from adding to their error.
        squares, turn = xp.linalg.eigh(_product(P.T, P).astype(np.float64))
        values, turn = xp.sqrt(xp.maximum(squares[::-1], 0)), turn[:, ::-1]
        self.rank = int((values > threshold).sum())
        kept = turn[:, : self.rank]
        gains = 1 - threshold / values[: self.rank]
        A = _product(P @ (kept * gains).astype(M.dtype), (basis @ kept.astype(M.dtype)).T)
        wanted = min(self.rank + max(SPARE, self.rank // 4), self.limit)
        basis = basis @ turn[:, :wanted].astype(M.dtype)
        if wanted > basis.shape[1]:
            basis = xp.concatenate([basis, self._random(M, wanted - basis.shape[1])], axis=1)
        self.basis = basis
        return A


def _product(A: Array, B: Array) -> Array:
    """Return A @ B, its rows shared among our threads in parts that do not depend on how many there are."""
    if namespace(A) is not np:
        return A @ B
    out = np.empty((A.shape[0], B.shape[1]), dtype=A.dtype)
    parts = min(_PARTS, A.shape[0])
    edges = [A.shape[0] * i // parts for i in range(parts + 1)]

    def multiply(first: int, stop: int) -> None:
        for i in range(first, stop):
            np.dot(A[edges[i] : edges[i + 1]], B, out=out[edges[i] : edges[i + 1]])

    run_blocks(multiply, parts)
    return out


def _spectral_norm(D: Array) -> float:
    """Return the largest singular value by twenty steps of the power method; D is near non-negative."""
    xp = namespace(D)
    v = xp.ones(D.shape[1], dtype=D.dtype)
    for _ in range(20):
        v = D.T @ (D @ v)
        v /= xp.sqrt((v * v).sum())
    u = D @ v
    return float(xp.sqrt((u * u).sum(dtype=np.float64)))
