"""One iteration of the voice-over-accompaniment model: frames in tiles, every factor by multiplicative updates.

Model of the power spectrogram, frame after frame: V̂ = (H_F0 W_F0ᵀ) ⊙ (H_Φ (W_Γ H_Γ)ᵀ) + H_M W_Mᵀ + ε. It is linear in
each factor with the others fixed, so the ratio of the two parts of the gradient of the Itakura-Saito divergence, to
the power 1, does not raise it. Factors that enter as a sum are updated from one look: H_Φ with H_M, H_Γ with W_M.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

FLOOR = 1e-8
"""ε, and what is added to the data, in units of their mean: -80 dB."""
TINY = {"float32": 1e-24, "float64": 1e-60}
SLOTS, TILE, DEVICE_TILE = 8, 1 << 17, 1 << 22


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What the model is fitted to.

    Parameters
    ----------
    V : array (frames, freq)
        Powers of mean one, plus `FLOOR`.
    W_F0 : array (freq, candidates)
        Spectra of the source.
    W_G : array (freq, bumps)
        Pieces of filters.
    pitches : ndarray (candidates,)
        Of the columns of W_F0, in Hz.
    level : float
        Mean power of X.
    """

    V: Array
    W_F0: Array
    W_G: Array
    pitches: np.ndarray
    level: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Factors:
    """What is fitted, frame after frame: H_F0 (frames, candidates), H_P (frames, filters), H_M (frames, components),

    H_G (bumps, filters) and W_M (freq, components); S is H_F0 W_F0ᵀ (frames, freq), kept from step to step.
    """

    H_F0: Array
    H_P: Array
    H_M: Array
    H_G: Array
    W_M: Array
    S: Array


def updated(seen: Observed, old: Factors) -> Factors:
    """Return the factors after an update of each, in the buffers of the old ones."""
    xp, V = namespace(seen.V), seen.V
    filters = seen.W_G @ old.H_G
    slots = list(_slots(V))
    sums = [xp.zeros((len(slots), 2, *A.shape), dtype=V.dtype) for A in (filters, old.W_M)]

    def work(first: int, stop: int) -> None:
        for i in range(first, stop):
            for tile in slots[i]:
                _tile(seen, old, tile, filters, sums[0][i], sums[1][i])

    with single_threaded_blas():
        if xp is np:
            run_blocks(work, len(slots))
        else:
            work(0, len(slots))
        G, M = (part.sum(axis=0) for part in sums)
        G = seen.W_G.T @ G
    _multiply(old.H_G, G[0], G[1])
    _multiply(old.W_M, M[0], M[1])
    return balanced(old)


def balanced(factors: Factors) -> Factors:
    """Return the same model with filters whose bumps sum to one, frames of filters too, and spectra W_M as well."""
    H_F0, H_P, H_M, H_G, W_M, S = (
        getattr(factors, name) for name in ("H_F0", "H_P", "H_M", "H_G", "W_M", "S")
    )
    xp = namespace(H_F0)
    for above, below, axis in ((H_G, H_P, 0), (W_M, H_M, 0)):
        total = above.sum(axis=axis)
        total = xp.where(total > 0, total, 1)
        above /= total
        below *= total
    total = H_P.sum(axis=1, keepdims=True)
    total = xp.where(total > 0, total, 1)
    H_P /= total
    H_F0 *= total
    S *= total
    return factors


def divergence(seen: Observed, factors: Factors) -> float:
    """Return the Itakura-Saito divergence of V from its model, summed over all entries."""
    xp, filters = namespace(seen.V), seen.W_G @ factors.H_G
    tiles = [tile for slot in _slots(seen.V) for tile in slot]
    sums = np.zeros(len(tiles))

    def work(first: int, stop: int) -> None:
        for i in range(first, stop):
            t = tiles[i]
            model = factors.S[t] * (factors.H_P[t] @ filters.T) + factors.H_M[t] @ factors.W_M.T
            ratio = seen.V[t] / (model + model.dtype.type(FLOOR))
            sums[i] = float((ratio - xp.log(ratio) - 1).sum(dtype=np.float64))

    with single_threaded_blas():
        if xp is np:
            run_blocks(work, len(tiles))
        else:
            work(0, len(tiles))
    return float(sums.sum())


def source(seen: Observed, H_F0: Array) -> Array:
    """Return H_F0 W_F0ᵀ, (frames, freq)."""
    S = namespace(H_F0).empty(seen.V.shape, dtype=H_F0.dtype)
    with single_threaded_blas():
        for slot in _slots(seen.V):
            for t in slot:
                used, spectra = _used(H_F0[t], seen.W_F0)
                S[t] = H_F0[t][:, used] @ spectra.T
    return S


def _slots(V: Array) -> Iterator[list[slice]]:
    """Yield the tiles of frames of each slot: what threads share, in a fixed order."""
    n_frames, on_host = len(V), namespace(V) is np
    rows = max(1, (TILE if on_host else DEVICE_TILE) // V.shape[1])
    tiles = [slice(t, min(t + rows, n_frames)) for t in range(0, n_frames, rows)]
    per_slot = -(-len(tiles) // SLOTS)
    for i in range(0, len(tiles), per_slot):
        yield tiles[i : i + per_slot]


def _used(H: Array, W: Array) -> tuple[slice | Array, Array]:
    """Return which candidates sound in a tile, and their spectra; after the melody is known they are few."""
    used = to_host((H > 0).any(axis=0)).nonzero()[0]
    if 2 * len(used) > W.shape[1]:
        return slice(None), W
    xp = namespace(W)
    used = xp.asarray(used)
    return used, xp.ascontiguousarray(W[:, used])


def _tile(seen: Observed, old: Factors, t: slice, filters: Array, sums_G: Array, sums_M: Array) -> None:
    """Update a tile of frames of H_Φ and H_M, then of H_F0, and add what filters and W_M need."""
    v, S, W_M = seen.V[t], old.S[t], old.W_M
    H_F0, H_P, H_M = old.H_F0[t], old.H_P[t], old.H_M[t]
    used, spectra = _used(H_F0, seen.W_F0)
    N, P = _ratios(v, S, H_P @ filters.T, H_M @ W_M.T)
    _multiply(H_M, N @ W_M, P @ W_M)
    N *= S
    P *= S
    _multiply(H_P, N @ filters, P @ filters)
    F, M = H_P @ filters.T, H_M @ W_M.T
    N, P = _ratios(v, S, F, M)
    N *= F
    P *= F
    sounding = H_F0[:, used]
    _multiply(sounding, N @ spectra, P @ spectra)
    if not isinstance(used, slice):
        H_F0[:, used] = sounding
    S[:] = sounding @ spectra.T
    N, P = _ratios(v, S, F, M)
    sums_M[0] += N.T @ H_M
    sums_M[1] += P.T @ H_M
    N *= S
    P *= S
    sums_G[0] += N.T @ H_P
    sums_G[1] += P.T @ H_P


def _ratios(v: Array, S: Array, F: Array, M: Array) -> tuple[Array, Array]:
    """Return v / V̂² and 1 / V̂ of V̂ = S F + M + ε."""
    xp = namespace(v)
    model = S * F
    model += M
    model += model.dtype.type(FLOOR)
    P = xp.divide(1, model, out=model)
    N = v * P
    N *= P
    return N, P


def _multiply(A: Array, above: Array, below: Array) -> None:
    """A ← A above / below in place; entries that no data see stay, those below any sound become 0."""
    xp = namespace(A)
    has = below > 0
    above /= xp.where(has, below, 1)
    A *= xp.where(has, above, 1)
    A[TINY[A.dtype.name] > A] = 0
