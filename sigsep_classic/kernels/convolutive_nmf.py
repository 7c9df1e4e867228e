"""Multiplicative updates and divergence of V ≈ W ∗ H, templates in time and frequency, without forming W ∗ H.

The convolution is a matrix product: the row of a frame holds the activations of the last frames one after the
other, the row of a bin the templates of the bins below it. Such rows are copied out for a tile, multiplied,
turned into the ratios of NMF and contracted while they are in cache; what was one row after the other is added
back in a fixed order. Nothing of size freq × frames × lags exists, and V is read once a factor.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigsep_classic.backend import is_cuda, namespace, real_like
from sigsep_classic.kernels import convolutive_stacks
from sigsep_classic.kernels.beta_divergence import _divergence_tile
from sigsep_classic.kernels.beta_nmf import multiply
from sigsep_classic.kernels.beta_sweep import tiny_of
from sigsep_classic.kernels.betas import DATA_FLOOR, MODEL_FLOOR, kind_of, snapped
from sigsep_classic.kernels.convolutive_tiles import INNER, OUTER, even_size, multiply_entries, tile_sums
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

_SUM_TILE, _MODEL_TILE = 1 << 15, 1 << 22


def multiplicative_update(
    V: Array,
    W: Array,
    H: Array,
    *,
    factor: str,
    beta: float,
    exponent: float,
    gain: float = 1.0,
    penalty: Array | None = None,
) -> None:
    """Multiply one factor of V ≈ W ∗ H by its majorisation-minimisation ratio, in place.

    V̂[f, t] = Σ_k Σ_φ Σ_l W[f−φ, k, l] H[k, φ, t−l]; a factor is multiplied by [N / (P + penalty)]^γ, where N is
    V ⊙ V̂^(β−2) and P is V̂^(β−1), each correlated with the other factor over the entries that V has.

    Parameters
    ----------
    V : array (freq, frames)
        Non-negative data, float32 or float64; frame after frame in memory is not copied.
    W : array (bins, components, lags)
        Templates, C-contiguous; bins <= freq and lags <= frames. Bins the data have beyond are 0.
    H : array (components, activation frames) or (components, shifts, activation frames)
        Activations, frame after frame in memory; activation frames <= frames and shifts <= freq.
    factor : {"W", "H"}
        Which one to update.
    beta, exponent, gain : float
        As in `sigsep_classic.kernels.beta_nmf.multiplicative_update`.
    penalty : array, optional
        Slope of a penalty on the factor, in units of ``gain``: broadcast against (bins, components, lags) for
        W and (activation frames, components, shifts) for H.

    References
    ----------
    P. Smaragdis, "Non-negative matrix factor deconvolution; extraction of multiple sound sources from
    monophonic inputs", Proc. ICA, 2004 (one shift, Kullback-Leibler; equation numbers not checked).

    M. N. Schmidt and M. Mørup, "Nonnegative matrix factor 2-D deconvolution for blind single channel source
    separation", Proc. ICA, 2006 (shifts in time and frequency; equation numbers not checked).
    """
    A = _factor(W, H, factor)
    numerator, denominator = statistics(V, W, H, factor=factor, beta=beta, gain=gain)
    if penalty is not None:
        denominator += penalty
    tiny = tiny_of(V.dtype, factor, gain)
    if is_cuda(V):
        convolutive_stacks.multiply(A, numerator, denominator, exponent, tiny)
    elif not enabled():
        multiply(A, numerator, denominator, exponent, tiny)
    else:
        assert A.flags.c_contiguous
        flat = (np.ascontiguousarray(array).reshape(-1) for array in (A, numerator, denominator))
        multiply_entries(*flat, *(real_like(V, number) for number in (exponent, tiny)))


def statistics(
    V: Array, W: Array, H: Array, *, factor: str, beta: float, gain: float = 1.0
) -> tuple[Array, Array]:
    """Return N and P of `multiplicative_update`, new arrays.

    Returns
    -------
    numerator, denominator : array
        (bins, components, lags) for W, (activation frames, components, shifts) for H: those of the problem
        ``gain * V ≈ W ∗ (gain * H)``.
    """
    A, B, n_a, n_b = _roles(V.shape, W, H, factor, gain)
    J = B.shape[2]
    if is_cuda(V):
        sums = _gpu(V, A, B, n_a, n_b, factor == "H", beta, gain)
    elif enabled():
        sums = _cpu(V, A, B, n_a, n_b, factor == "H", beta, gain)
    else:
        sums = _numpy(V, A, B, n_a, n_b, factor == "H", beta, gain)
    kept = slice(J - 1, J - 1 + _factor(W, H, factor).shape[0])
    if beta == 1:
        return sums[0][kept], _sums_in_range(A, B, kept.stop - kept.start, n_a, n_b)
    return sums[0][kept], sums[1][kept]


def divergence(V: Array, W: Array, H: Array, *, beta: float, gain: float = 1.0) -> float:
    """Return the β-divergence of V from W ∗ H, summed over all entries, in units of ``gain * V``."""
    if is_cuda(V):
        roles = _roles(V.shape, W, H, "H", gain)
        return convolutive_stacks.divergence(V, *roles, True, snapped(beta), gain)
    g, Vt = real_like(V, gain), V.T
    sums = np.zeros(len(Vt))

    def work(tile: slice, model: Array) -> None:
        sums[tile.start] = _divergence_tile(Vt[tile] * g, model, beta)

    _each_tile(work, W, H * g, V.shape, _SUM_TILE)
    return float(sums.sum())


def convolved(W: Array, H: Array, shape: tuple[int, int]) -> Array:
    """Return W ∗ H of ``shape`` (freq, frames), frame after frame in memory.

    Parameters
    ----------
    W, H : array
        As in `multiplicative_update`.
    shape : tuple of int
        Bins and frames of the result; what the convolution has beyond is left out.
    """
    out = namespace(W).empty(shape[::-1], dtype=W.dtype)
    if is_cuda(W):
        convolutive_stacks.model_into(out, *_roles(shape, W, H, "H", 1.0))
        return out.T

    def work(tile: slice, model: Array) -> None:
        out[tile] = model

    _each_tile(work, W, H, shape, _MODEL_TILE)
    return out.T


def rows_of(H: Array) -> Array:
    """Return activations (components, [shifts,] frames) as (frames, components, shifts), a view."""
    return H.T[:, :, None] if H.ndim == 2 else H.transpose(2, 0, 1)


def _factor(W: Array, H: Array, factor: str) -> Array:
    return W if factor == "W" else rows_of(H)


def _roles(
    shape: tuple[int, int], W: Array, H: Array, factor: str, gain: float
) -> tuple[Array, Array, int, int]:
    """Return the factor to update (rows, k, i) and the other (rows, k, j), padded by zeros, and V's extents.

    V̂[a, b] = Σ A[a−j, k, i] B[b−i, k, j]: the two factors are alike, each short along the other's long axis.
    """
    n_f, n_t = shape
    rows = rows_of(H)
    I, J = (rows.shape[2], W.shape[2]) if factor == "H" else (W.shape[2], rows.shape[2])
    assert max(len(W), rows.shape[2]) <= n_f
    assert max(len(rows), W.shape[2]) <= n_t
    n_a, n_b = (n_t, n_f) if factor == "H" else (n_f, n_t)
    A, B = (rows, W) if factor == "H" else (W, rows)
    A, B = _padded(A, J - 1, n_a), _padded(B, I - 1, n_b)
    scaled = A if factor == "H" else B
    scaled *= real_like(scaled, gain)
    return A, B, n_a, n_b


def _padded(A: Array, before: int, length: int) -> Array:
    out = namespace(A).zeros((before + length, *A.shape[1:]), dtype=A.dtype)
    out[before : before + len(A)] = A
    return out


def _sums_in_range(A: Array, B: Array, rows: int, n_a: int, n_b: int) -> Array:
    """Return P of β = 1, where V̂^(β−1) is 1: sums of B over the shifts that fall into V, (rows, k, i)."""
    xp, I, J = namespace(A), A.shape[2], B.shape[2]
    sums = B[n_b - 1 : n_b + I - 1].astype(np.float64)
    sums[0] = B[:n_b].sum(axis=0, dtype=np.float64)  # of shift I - 1; each smaller one sees a row more
    upto = xp.cumsum(xp.cumsum(sums, axis=0)[::-1], axis=2).transpose(2, 1, 0)
    seen = xp.minimum(J - 1, n_a - 1 - xp.arange(rows))  # fewer where V ends
    return upto[seen].astype(A.dtype)


def _each_tile(
    work: Callable[[slice, Array], None], W: Array, H: Array, shape: tuple[int, int], size: int
) -> None:
    """Call ``work(frames, model)`` with the model (frames, freq) of one tile of frames after the other."""
    A, B, n_t, n_f = _roles(shape, W, H, "H", 1.0)
    right = _windows(B, A.shape[2], slice(0, n_f))
    width = max(right.shape)
    rows = max(1, size // width)

    def run(first: int, stop: int) -> None:
        for i in range(first, stop):
            tile = slice(i * rows, min((i + 1) * rows, n_t))
            work(tile, _lags(A, B.shape[2], tile) @ right.T)

    with single_threaded_blas():
        run_blocks(run, -(-n_t // rows))


def _windows(B: Array, I: int, tile: slice) -> Array:
    """Return for each b the rows b − I + 1 … b of B one after the other, (b, I k j)."""
    xp = namespace(B)
    index = xp.arange(tile.start, tile.stop)[:, None] + xp.arange(I)
    return B[index].reshape(tile.stop - tile.start, -1)


def _lags(A: Array, J: int, tile: slice) -> Array:
    """Return for each a the rows a … a − J + 1 of A in the order of `_windows`, (a, I k J)."""
    xp = namespace(A)
    index = xp.arange(tile.start, tile.stop)[:, None] + xp.arange(J - 1, -1, -1)
    stacked = A[index][:, :, :, ::-1].transpose(0, 3, 2, 1)
    return xp.ascontiguousarray(stacked).reshape(tile.stop - tile.start, -1)


def _added(total: Array, part: Array, start: int, J: int) -> None:
    """Add (a, I k J) back to the rows of A that `_lags` copied; ``total`` is (rows of A, k, I)."""
    n, (_, K, I) = len(part), total.shape
    part = part.reshape(n, I, K, J)[:, ::-1].transpose(3, 0, 2, 1)
    for j in range(J):
        total[start + J - 1 - j : start + J - 1 - j + n] += part[j]


def _cpu(
    V: np.ndarray, A: np.ndarray, B: np.ndarray, n_a: int, n_b: int, of_H: bool, beta: float, gain: float
) -> tuple[np.ndarray, ...]:
    real, J = V.dtype.type, B.shape[2]
    Vt = np.require(V.T, real, ("C", "W"))
    rows = even_size(n_a, OUTER, pairs=True)
    n_blocks = -(-n_a // rows)
    parts = np.empty((1 if beta == 1 else 2, n_blocks, rows + J - 1, *A.shape[1:]), real)
    numbers = (real(beta), real(gain), real(MODEL_FLOOR), real(DATA_FLOOR))
    sizes = (n_a, n_b, rows, even_size(n_b, INNER))
    with single_threaded_blas():
        run_blocks(tile_sums, n_blocks, Vt, A, B, sizes, of_H, kind_of(beta), numbers, parts)
    if J == 1:
        return tuple(blocks.reshape(-1, *A.shape[1:]) for blocks in parts)
    sums = np.zeros((len(parts), n_blocks * rows + J - 1, *A.shape[1:]), real)
    for total, blocks in zip(sums, parts, strict=True):
        for i, block in enumerate(blocks):
            total[i * rows : i * rows + len(block)] += block
    return tuple(sums)


def _numpy(
    V: np.ndarray, A: np.ndarray, B: np.ndarray, n_a: int, n_b: int, of_H: bool, beta: float, gain: float
) -> tuple[np.ndarray, ...]:
    I, J = A.shape[2], B.shape[2]
    Vt = np.ascontiguousarray(V.T)
    left, right = _lags(A, J, slice(0, n_a)), _windows(B, I, slice(0, n_b))
    M = left @ right.T if of_H else right @ left.T
    v = np.maximum(Vt * real_like(V, gain), real_like(V, DATA_FLOOR if beta <= 0 else 0))
    M = np.maximum(M, real_like(M, MODEL_FLOOR))
    P = M ** real_like(M, beta - 1)
    sums = tuple(np.zeros_like(A) for _ in range(1 if beta == 1 else 2))
    for total, R in zip(sums, (v * P / M, P), strict=False):
        _added(total, R @ right if of_H else R.T @ right, 0, J)
    return sums


def _gpu(
    V: Array, A: Array, B: Array, n_a: int, n_b: int, of_H: bool, beta: float, gain: float
) -> tuple[Array, ...]:
    return convolutive_stacks.sums(V, A, B, n_a, n_b, of_H, beta, gain)
