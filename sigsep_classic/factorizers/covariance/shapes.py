"""Small Hermitian matrices at every point: shapes kept away from singular ones, and systems solved entry by entry."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array


def inverse_roots(S: Array, *, condition: float) -> Array:
    """Return K with Kᴴ K = B⁻¹ and det K = 1, where B minimises log det B + tr(B⁻¹ S) for any factor on S.

    Among all Hermitian B whose largest eigenvalue is at most ``condition`` times the smallest: B is S where S is
    such a matrix, else it has the eigenvalues of S clipped to the best interval.

    Parameters
    ----------
    S : complex128 array (..., dims, dims)
        Hermitian, non-negative; zero gives the identity.
    condition : float
        At least 1.

    Returns
    -------
    K : complex128 array (..., dims, dims)
        Lower triangular, with a positive diagonal.

    References
    ----------
    J.-H. Won, J. Lim, S.-J. Kim and B. Rajaratnam, "Condition-number-regularized covariance estimation", Journal
    of the Royal Statistical Society B 75(3), 2013 (equation numbers not checked).
    """
    xp, dims = namespace(S), S.shape[-1]
    flat = S.reshape(-1, dims, dims)
    trace = xp.einsum("kii->k", flat).real
    B = (
        xp.where((trace > 0)[:, None, None], flat, xp.eye(dims))
        / xp.where(trace > 0, trace / dims, 1)[:, None, None]
    )
    K, sound = _inverse_cholesky(B)
    # The condition number is at most tr B tr B⁻¹, and tr B = dims.
    suspect = ~sound | ~(dims * (abs(K) ** 2).sum(axis=(1, 2)) <= condition)
    if bool(suspect.any()):
        values, E = xp.linalg.eigh(B[suspect])
        values = _clipped(xp.maximum(values, 0), condition)
        K[suspect] = _inverse_cholesky((E * values[:, None]) @ E.conj().swapaxes(1, 2))[0]
    K /= xp.exp(xp.log(xp.einsum("kii->ki", K).real).mean(axis=1))[:, None, None]
    return K.reshape(S.shape)


def solve_hermitian(lower: list[list[Array]], z: Array) -> Array:
    """Return C⁻¹ z for a Hermitian positive C at each point: LDLᴴ, entry by entry for all points at once.

    Parameters
    ----------
    lower : list of list of array (freq, frames)
        Row i holds the entries (i, 0) … (i, i) of C.
    z : complex array (freq, dims, frames)
        Right-hand sides.

    Returns
    -------
    complex array (freq, dims, frames)
    """
    xp, dims = namespace(z), z.shape[1]
    L: list[list[Array]] = []
    D: list[Array] = []
    y: list[Array] = []
    for i in range(dims):
        row: list[Array] = []
        for j in range(i):
            rest = sum((row[k] * D[k] * L[j][k].conj() for k in range(j)), start=0)
            row.append((lower[i][j] - rest) / D[j])
        D.append(lower[i][i].real - sum((abs(row[k]) ** 2 * D[k] for k in range(i)), start=0))
        y.append(z[:, i] - sum((row[k] * y[k] for k in range(i)), start=0))
        L.append(row)
    x = [y[i] / D[i] for i in range(dims)]
    for i in reversed(range(dims)):
        for k in range(i + 1, dims):
            x[i] = x[i] - L[k][i].conj() * x[k]
    return xp.stack(x, axis=1)


def _clipped(values: Array, condition: float) -> Array:
    """Return eigenvalues (matrices, dims) clipped to [u, u condition] with the u that costs least.

    The best u is, for some number of the smallest values clipped from below and of the largest from above,
    u = (sum of the small ones + sum of the large ones / condition) / (how many they are).
    """
    xp, dims = namespace(values), values.shape[1]
    candidates = [values]
    for low in range(dims + 1):
        for high in range(dims + 1 - low):
            if low + high:
                clipped = values[:, :low].sum(axis=1) + values[:, dims - high :].sum(axis=1) / condition
                u = (clipped / (low + high))[:, None]
                candidates.append(xp.clip(values, u, u * condition))
    B = xp.stack(candidates)
    allowed = (B.min(axis=2) > 0) & (B.max(axis=2) <= condition * (1 + 1e-12) * B.min(axis=2))
    safe = xp.where(B > 0, B, 1)
    cost = xp.where(allowed, (xp.log(safe) + values / safe).sum(axis=2), xp.inf)
    return xp.take_along_axis(B, cost.argmin(axis=0)[None, :, None], axis=0)[0]


def _inverse_cholesky(B: Array) -> tuple[Array, Array]:
    """Return L⁻¹ of B = L Lᴴ (matrices, dims, dims), and where no pivot was too small: entry by entry, all at once."""
    xp, dims = namespace(B), B.shape[1]
    L, K = xp.zeros_like(B), xp.zeros_like(B)
    sound = xp.ones(len(B), dtype=bool)
    for i in range(dims):
        for j in range(i):
            L[:, i, j] = (B[:, i, j] - (L[:, i, :j] * L[:, j, :j].conj()).sum(axis=1)) * K[:, j, j].real
        pivot = B[:, i, i].real - (abs(L[:, i, :i]) ** 2).sum(axis=1)
        sound &= pivot > 1e-14
        root = 1 / xp.sqrt(xp.where(pivot > 1e-14, pivot, 1))
        K[:, i, i] = root
        for j in range(i):
            K[:, i, j] = -root * (L[:, i, j:i] * K[:, j:i, j]).sum(axis=1)
    return K, sound
