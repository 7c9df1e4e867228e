"""The Cholesky factor of a block Toeplitz matrix in the time it takes to write it: the generalised Schur algorithm.

A matrix T of blocks R(k − l) differs from itself moved down the diagonal by a block only in its first block row and
column, so that ``T − Z T Zᵀ = A Aᵀ − B Bᵀ`` with A and B one block column wide. A is the first block column of the
factor; hyperbolic rotations of (Z A, B) that clear the top of B give each next one. The rotations are applied one
half after the other (mixed downdating), which keeps the residual near that of the usual algorithm.
"""

from __future__ import annotations

import numpy as np


def schur_factor(lags: np.ndarray) -> np.ndarray | None:
    """Return U with ``Uᵀ U`` the matrix of all channels at all delays, delay-major, or None if it is not definite.

    Parameters
    ----------
    lags : array (channels, channels, 2 taps − 1), float64
        Correlations Σ r_i(t) r_j(t + k), lag 0 in the middle.

    Returns
    -------
    array (taps · channels, taps · channels), float64, or None
        Row-major; what is below the diagonal is undefined.

    References
    ----------
    T. Kailath, A. H. Sayed, "Displacement structure: theory and applications", SIAM Review, vol. 37, no. 3, 1995.
    M. Stewart, P. Van Dooren, "Stability issues in the factorization of structured matrices", SIAM Journal on Matrix
    Analysis and Applications, vol. 18, no. 1, 1997.
    """
    p, taps = len(lags), (lags.shape[-1] + 1) // 2
    n = p * taps
    forward = lags[..., taps - 1 :]
    U = np.zeros((n, n))
    try:
        top = np.linalg.cholesky(forward[..., 0])
        U[:p] = np.linalg.solve(top, forward.transpose(1, 2, 0).reshape(p, n))
        B = U[:p, p:].copy()
        for k in range(1, taps):
            rows, columns = slice(k * p, (k + 1) * p), slice((k - 1) * p, n - p)
            A, B_k = U[rows.start - p : rows.start, columns], B[:, columns]
            _rotated(A, B_k, U[rows, rows.start :])
    except np.linalg.LinAlgError:
        return None
    return U


def _rotated(A: np.ndarray, B: np.ndarray, out: np.ndarray) -> None:
    """Clear the first block of B (channels, rest) against that of A, both transposed; A's successor goes to out."""
    p = len(A)
    K = np.linalg.solve(A[:, :p].T, B[:, :p].T)
    identity = np.eye(p)
    left, right = np.linalg.cholesky(identity - K @ K.T), np.linalg.cholesky(identity - K.T @ K)
    inverse = np.linalg.inv(left)
    out[:] = inverse @ A
    out -= (inverse @ K) @ B
    B[:] = right.T @ B - (np.linalg.solve(right, K.T) @ left) @ out
