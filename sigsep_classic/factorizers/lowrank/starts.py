"""Starting points of W and H: seeded noise, or the singular vectors of V."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.base import brought_to, coefficients
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

FILL = 0.1
"""What zeros of the singular vectors become, in units of their mean: multiplicative updates never leave a zero."""


def adopted(
    start: Any, X: Array, *, power: float, shapes: Mapping[str, tuple[int, ...]], kind: str
) -> dict[str, Array]:
    """Return the factors of a user's start, copied, in the dtype and on the device of X.

    Parameters
    ----------
    start : object
        Has the factors and ``power`` as attributes.
    X : array
        What is to be factorized.
    power : float
        Of the method.
    shapes : mapping of str to tuple of int
        What each factor must have; H comes as the transpose of a C-contiguous array.
    kind : str
        A start as one would write it, for the message.

    Raises
    ------
    ParameterError
        ``start`` is something else, has another power, or entries that are negative or not finite.
    ShapeError
        A factor does not fit.
    """
    if not all(hasattr(start, name) for name in (*shapes, "power")):
        raise ParameterError(f"start is a {type(start).__name__}; give {kind}")
    given = {name: np.shape(getattr(start, name)) for name in shapes}
    if given != dict(shapes):
        has, needs = (
            " and ".join(f"{n} {tuple(s)}" for n, s in wanted.items()) for wanted in (given, shapes)
        )
        raise ShapeError(f"start has {has}; V {X.shape} and the number of components need {needs}")
    if start.power != power:
        raise ParameterError(
            f"start is of magnitude to the power {start.power}; this method has power={power}"
        )
    factors = {name: _copied(getattr(start, name), X, turned=name == "H") for name in shapes}
    if not all(float(A.min()) >= 0 and math.isfinite(float(A.max())) for A in factors.values()):
        raise ParameterError("start has negative or infinite entries; no factor is negative")
    return factors


def _copied(A: Array, like: Array, *, turned: bool) -> Array:
    A = brought_to(like, A)
    copy = namespace(like).array(A.T if turned else A, order="C", copy=True)
    return copy.T if turned else copy


def beyond_range(V: Array, beta: float) -> str:
    """Return what to do about a loss that is not finite."""
    if not bool(namespace(V).isfinite(V).all()):
        return "give finite, non-negative data"
    way_out = "use float64" if V.dtype == np.float32 else "use a β nearer to 1"
    return f"β = {beta:g} leaves the range of {V.dtype}; {way_out}"


def broadcast_weights(weights: Array, V: Array) -> Array:
    """Return weights in the shape, dtype and on the device of V (freq, frames), frame after frame in memory.

    Raises
    ------
    ShapeError
        They do not fit.
    ParameterError
        One is negative or not finite.
    """
    xp = namespace(V)
    given = brought_to(V, weights)
    if given.ndim > 2 or any(a not in (1, b) for a, b in zip(given.shape[::-1], V.shape[::-1], strict=False)):
        raise ShapeError(f"weights have shape {given.shape}; V has (freq, frames) = {V.shape}")
    if not (float(given.min()) >= 0 and math.isfinite(float(given.max()))):
        raise ParameterError("weights has negative or infinite entries; 0 marks a missing one")
    return xp.ascontiguousarray(xp.broadcast_to(given, V.shape).T).T


def looked_at(X: Array, weights: Array) -> Array:
    """Return X (channels, freq, frames) with 0 where weights are, whatever it is there; for errors see above."""
    X = coefficients(X, finite=False)
    return namespace(X).where(broadcast_weights(weights, X[0].real) > 0, X, 0)


def scaled_to(mean: float, W: Array, Ht: Array) -> Array:
    """Return Hᵀ times what gives W H this mean."""
    now = float(to_host(W.mean(axis=0) @ Ht.mean(axis=0)))
    return Ht * (mean / now) if now > 0 else Ht


def balanced(W: Array, Ht: Array, gain: float) -> tuple[Array, Array]:
    """Return factors of the same product of which those of a component, H times gain, have the same sum."""
    xp = namespace(W)
    wide, loud = W.sum(axis=0), gain * Ht.sum(axis=0)
    heard = (wide > 0) & (loud > 0)
    balance = xp.where(heard, xp.sqrt(loud / xp.where(heard, wide, 1)), 1)
    return W * balance, Ht / balance


def random_start(V: Array, n_components: int, *, seed: int, mean: float) -> tuple[Array, Array]:
    """Return W and Hᵀ drawn from |N(0, 1)| + 0.1, scaled so that W H has the mean of V.

    Parameters
    ----------
    V : array (freq, frames)
        Says shapes, dtype and device.
    n_components : int
        K.
    seed : int
        Of the random numbers, which are drawn on the host.
    mean : float
        Mean of V.

    Returns
    -------
    W, Ht : array (freq, components), (frames, components)
        Columns of W sum to one.
    """
    xp = namespace(V)
    rng = np.random.default_rng(seed)
    W = np.abs(rng.standard_normal((V.shape[0], n_components))) + 0.1
    Ht = np.abs(rng.standard_normal((V.shape[1], n_components))) + 0.1
    W /= W.sum(axis=0)
    Ht *= mean / (W.mean(axis=0) @ Ht.mean(axis=0)) if mean > 0 else 0.0
    return xp.asarray(W, dtype=V.dtype), xp.asarray(Ht, dtype=V.dtype)


def svd_start(V: Array, n_components: int, *, seed: int, mean: float) -> tuple[Array, Array]:
    """Return W and Hᵀ from the leading singular vectors of V, each one's stronger sign (NNDSVD), zeros filled.

    Parameters
    ----------
    V, n_components, seed, mean
        As in `random_start`; components beyond the rank of V are random.

    References
    ----------
    C. Boutsidis and E. Gallopoulos, "SVD based initialization: a head start for nonnegative matrix
    factorization", Pattern Recognition 41(4), 2008 (here with every zero filled by a share of the mean).

    N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness: probabilistic algorithms for
    constructing approximate matrix decompositions", SIAM Review 53(2), 2011: the partial SVD.
    """
    xp = namespace(V)
    W, Ht = random_start(V, n_components, seed=seed, mean=mean)
    if mean <= 0:
        return W, Ht
    U, s, Vt = _leading(V, min(n_components, *V.shape), seed)
    for k in range(len(s)):
        u, v = U[:, k], Vt[k]
        parts = [(xp.maximum(sign * u, 0), xp.maximum(sign * v, 0)) for sign in (1, -1)]
        sizes = [float((a * a).sum() * (b * b).sum()) ** 0.5 for a, b in parts]
        best = int(sizes[1] > sizes[0])
        if s[k] <= 1e-6 * s[0] or sizes[best] == 0:
            break
        w, h = parts[best]
        share = float(s[k]) * sizes[best]
        w, h = w / w.sum(), h * (w.sum() * share / sizes[best])
        W[:, k] = xp.maximum(w, FILL * w.mean())
        Ht[:, k] = xp.maximum(h, FILL * h.mean())
    return W, scaled_to(mean, W, Ht)


def _leading(V: Array, n: int, seed: int) -> tuple[Array, Array, Array]:
    """Return the leading singular triplets of V by a randomized range finder, the same bits on any threads."""
    xp = namespace(V)
    rng = np.random.default_rng(seed)
    width = min(n + 10, *V.shape)
    with single_threaded_blas():
        scaled = V / xp.maximum(V.max(), np.finfo(V.dtype).tiny)
        Q = scaled @ xp.asarray(rng.standard_normal((V.shape[1], width)), dtype=V.dtype)
        for _ in range(4):
            Q = xp.linalg.qr(Q)[0]
            Q = xp.linalg.qr(scaled.T @ Q)[0]
            Q = scaled @ Q
        Q = xp.linalg.qr(Q)[0]
        U, s, Vt = xp.linalg.svd(Q.T @ scaled, full_matrices=False)
        return (Q @ U)[:, :n], s[:n] * V.max(), Vt[:n]
