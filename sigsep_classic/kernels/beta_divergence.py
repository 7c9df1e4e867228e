"""β-divergence of V from W H, summed tile by tile without ever forming W H."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace, real_like
from sigsep_classic.kernels.beta_tiles import divergences, of_one
from sigsep_classic.kernels.betas import DATA_FLOOR, MODEL_FLOOR, snapped
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

_TILE = 1 << 17
_SUM_TILE = 1 << 15


def divergence(
    V: Array, W: Array, H: Array, *, beta: float, gain: float = 1.0, weights: Array | None = None
) -> float:
    """Return the β-divergence of V from W H, summed over all entries, in units of ``gain * V``.

    Parameters
    ----------
    V, W, H : array
        As in `sigsep_classic.kernels.beta_nmf.multiplicative_update`.
    beta : float
        Any real number; within a millionth of 0 or 1 it is 0 or 1.
    gain : float
        As there; the result is ``gain**beta`` times the divergence itself.
    weights : array (freq, frames), optional
        Factor on the divergence of each entry, at least 0; where it is 0 V is not looked at.

    Returns
    -------
    float
        At least 0, up to rounding.
    """
    beta = snapped(beta)
    if is_cuda(V):
        return float(_gpu(V, W, H, beta, gain, weights))
    plain = weights is None and V.dtype == np.float32
    if beta in (0, 1) and plain and enabled():
        return _divergence_float32(V, W, H, beta, gain)
    Vt, Ht = V.T, H.T
    Mt = None if weights is None else weights.T
    rows = max(1, _SUM_TILE // V.shape[0])
    n_tiles = -(-len(Vt) // rows)
    sums = np.zeros(n_tiles)

    def work(first: int, stop: int) -> None:
        for i in range(first, stop):
            tile = slice(i * rows, (i + 1) * rows)
            v, m = Vt[tile] * real_like(V, gain), (Ht[tile] * real_like(V, gain)) @ W.T
            if Mt is None:
                sums[i] = _divergence_tile(v, m, beta)
            else:
                weight = Mt[tile].astype(v.dtype)
                np.copyto(v, 1, where=weight == 0)
                sums[i] = float((weight * _divergence_entries(v, m, beta)).sum(dtype=np.float64))

    with single_threaded_blas():
        run_blocks(work, n_tiles)
    return float(sums.sum())


def _gpu(V: Array, W: Array, H: Array, beta: float, gain: float, weights: Array | None) -> np.floating:
    batch = (namespace(V).ascontiguousarray(A)[None] for A in (W, H.T))
    found: np.floating = divergences(of_one(V, beta, gain, weights), *batch)[0]
    return found


def _divergence_entries(v: Array, m: Array, beta: float) -> Array:
    """Return d(v | m) of each entry; overwrites m and, where β <= 0, v."""
    xp, beta = namespace(v), snapped(beta)
    xp.maximum(m, real_like(m, MODEL_FLOOR if beta != 2 else 0), out=m)
    if beta <= 0:
        xp.maximum(v, real_like(v, DATA_FLOOR), out=v)
    if beta == 2:
        return real_like(m, 0.5) * (v - m) ** 2
    if beta == 0:
        ratio = v / m
        return ratio - xp.log(ratio) - 1
    if beta == 1:
        return v * xp.log(xp.maximum(v / m, real_like(m, 1e-37))) - v + m  # 0 log 0 = 0
    return _general(v, m, beta)


def _general(v: Array, m: Array, beta: float) -> Array:
    """Return d(v | m) of each entry for any β but 0 and 1, in float64.

    With x = v / m and δ = β − 1 it is m^β (x (x^δ − 1) / δ − x + 1) / β, and also m^β ((x^β − 1) / β − x + 1) / δ.
    The first loses no digits near β = 1, the second none near β = 0.
    """
    xp = namespace(v)
    v, m = v.astype(np.float64), m.astype(np.float64)
    near_one, delta = beta > 0.5, beta - 1
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what is not finite raises above
        x, scale = v / m, m**beta
        logs = xp.log(xp.maximum(x, 1e-300) if near_one else x)
        inner = x * xp.expm1(delta * logs) / delta if near_one else xp.expm1(beta * logs) / beta
        return scale * (inner - x + 1) / (beta if near_one else delta)


def _divergence_tile(v: Array, m: Array, beta: float) -> float:
    """Sum of d(v | m); overwrites its arguments."""
    xp, beta = namespace(v), snapped(beta)
    if beta == 2:
        v -= m
        v *= v
        return 0.5 * _total(v)
    xp.maximum(m, real_like(m, MODEL_FLOOR), out=m)
    if beta <= 0:
        xp.maximum(v, real_like(v, DATA_FLOOR), out=v)
    if beta == 0:
        v /= m
        return _total(v) - _total(xp.log(v, out=m)) - v.size
    if beta == 1:
        excess = _total(m) - _total(v)
        ratio = xp.divide(v, m, out=m)
        xp.maximum(ratio, real_like(m, 1e-37), out=ratio)  # 0 log 0 = 0
        xp.log(ratio, out=ratio)
        ratio *= v
        return _total(ratio) + excess
    return _total(_general(v, m, beta))


def _total(values: Array) -> float:
    """Sum in float64; NumPy's pairwise sum is near enough for the small tiles of the CPU."""
    return float(values.sum() if namespace(values) is np else values.sum(dtype=np.float64))


def _divergence_float32(V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: float, gain: float) -> float:
    rows = min(256, max(16, _TILE // V.shape[0]))  # whole rows: V is read in order
    n_blocks = -(-V.shape[1] // rows)
    sums = np.zeros(n_blocks)
    numbers = tuple(np.float32(number) for number in (gain, MODEL_FLOOR, DATA_FLOOR))
    with single_threaded_blas():
        run_blocks(_divergence_blocks, n_blocks, rows, V.T, W, H.T, beta == 1, numbers, sums)
    return float(sums.sum())


@jit
def _log32(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a normal positive float32, to 1.2e-7: exponent bits, then 2 artanh of the rest.

    Unlike a call into the C library it becomes part of the loop around it, sixteen at a time.
    """
    one = np.float32(1)
    bits = np.float32(x).view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    m = np.int32(bits - (exponent << np.int32(23))).view(np.float32)
    s = (m - one) / (m + one)
    z = s * s
    series = one + z * (
        np.float32(1 / 3) + z * (np.float32(1 / 5) + z * (np.float32(1 / 7) + z * np.float32(1 / 9)))
    )
    return np.float32(exponent) * np.float32(0.6931471805599453) + np.float32(2) * s * series


@jit(fastmath={"reassoc", "contract", "nsz"})
def _divergence_row(v, m, kl, gain, floor, least):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    one = np.float32(1)
    if kl:
        for f in range(v.size):
            model, value = max(m[f], floor), v[f] * gain
            ratio = max(value / model, np.float32(1e-37))  # 0 log 0 = 0
            total += value * _log32(ratio) - value + model
    else:
        for f in range(v.size):
            ratio = max(v[f] * gain, least) / max(m[f], floor)
            total += ratio - _log32(ratio) - one
    return total


@jit
def _divergence_blocks(first, stop, rows, V, W, H, kl, numbers, sums):  # type: ignore[no-untyped-def]
    """Sum over frame blocks of V (frames, freq); H is (frames, components)."""
    gain, floor, least = numbers
    n_freq = W.shape[0]
    buffer = np.empty(rows * n_freq, V.dtype)
    for block in range(first, stop):
        t0, t1 = block * rows, min((block + 1) * rows, H.shape[0])
        model = buffer[: (t1 - t0) * n_freq].reshape(t1 - t0, n_freq)
        np.dot(H[t0:t1] * gain, W.T, model)
        for t in range(t1 - t0):
            for f in range(0, n_freq, 256):  # float32 sums of a stretch, float64 of stretches
                part = slice(f, min(f + 256, n_freq))
                sums[block] += _divergence_row(V[t0 + t, part], model[t, part], kl, gain, floor, least)
