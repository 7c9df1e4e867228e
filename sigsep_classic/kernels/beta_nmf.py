"""Multiplicative updates and divergence of V ≈ W H without ever forming W H.

One factor is updated block by block of its rows. For a block the model is computed tile by tile (a small GEMM),
turned into the ratios in place while it is in cache, and contracted at once (another small GEMM). V is read
where it lies. Blocks are independent, so threads never change a result, and extra memory is a tile or two.
"""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks, single_threaded_blas
from sigsep_classic.typing import Array

OUTER, INNER = 192, 256
_CUDA_TILE = 1 << 22
_SUM_TILE = 1 << 15
MODEL_FLOOR = 1e-12
"""Least value of W H, in units of the mean of V."""
DATA_FLOOR = 1e-10
"""Least value of V for β <= 0, where a zero costs infinitely much; in units of the mean of V."""
TINY = {"float32": 1e-16, "float64": 1e-30}
"""Factors below this (V at mean one) become 0: their products would be subnormal, which is slow, and mean nothing."""


def multiplicative_update(
    V: Array, W: Array, H: Array, *, factor: str, beta: float, exponent: float, gain: float = 1.0
) -> None:
    """Multiply one factor of V ≈ W H by its majorisation-minimisation ratio, in place.

    H ← H ⊙ [Wᵀ(V ⊙ V̂^(β−2)) / Wᵀ V̂^(β−1)]^γ with V̂ = W H, and likewise for W.

    Parameters
    ----------
    V : array (freq, frames)
        Non-negative data, float32 or float64, any order in memory (frame after frame is fastest).
    W : array (freq, components)
        C-contiguous.
    H : array (components, frames)
        The transpose of a C-contiguous array.
    factor : {"W", "H"}
        Which one to update.
    beta : float
        Divergence: 2 Euclidean, 1 Kullback-Leibler, 0 Itakura-Saito, any real number.
    exponent : float
        γ.
    gain : float
        V and H are multiplied by it inside, which changes nothing but the range of intermediate powers;
        1 / mean(V), rounded to a power of two, makes the result independent of the level of V.

    References
    ----------
    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011 (equation numbers not checked).
    """
    if beta == 2:
        _euclidean(V, W, H, factor, exponent)
    elif is_cuda(V):
        _gpu(V, W, H, factor, beta, exponent, gain)
    elif enabled():
        _cpu(V, W, H, factor, beta, exponent, gain)
    else:
        _numpy(V, W, H, factor, beta, exponent, gain)


def divergence(V: Array, W: Array, H: Array, *, beta: float, gain: float = 1.0) -> float:
    """Return the β-divergence of V from W H, summed over all entries, in units of ``gain * V``.

    Parameters
    ----------
    V, W, H : array
        As in `multiplicative_update`.
    beta : float
        Any real number.
    gain : float
        As there; the result is ``gain**beta`` times the divergence itself.

    Returns
    -------
    float
        At least 0, up to rounding.
    """
    if beta in (0, 1) and V.dtype == np.float32 and enabled() and namespace(V) is np and not is_cuda(V):
        return _divergence_float32(V, W, H, beta, gain)
    xp, Vt, Ht = namespace(V), V.T, H.T
    rows = max(1, (_SUM_TILE if xp is np else _CUDA_TILE) // V.shape[0])
    n_tiles = -(-len(Vt) // rows)
    sums = np.zeros(n_tiles)

    def work(first: int, stop: int) -> None:
        for i in range(first, stop):
            tile = slice(i * rows, (i + 1) * rows)
            sums[i] = _divergence_tile(Vt[tile] * _real(V, gain), (Ht[tile] * _real(V, gain)) @ W.T, beta)

    if xp is np:
        with single_threaded_blas():
            run_blocks(work, n_tiles)
    else:
        work(0, n_tiles)
    return float(sums.sum())


def _divergence_tile(v: Array, m: Array, beta: float) -> float:
    """Sum of d(v | m); overwrites its arguments."""
    xp = namespace(v)
    if beta == 2:
        v -= m
        v *= v
        return 0.5 * _total(v)
    xp.maximum(m, _real(m, MODEL_FLOOR), out=m)
    if beta <= 0:
        xp.maximum(v, _real(v, DATA_FLOOR), out=v)
    if beta == 0:
        v /= m
        return _total(v) - _total(xp.log(v, out=m)) - v.size
    if beta == 1:
        excess = _total(m) - _total(v)
        ratio = xp.divide(v, m, out=m)
        xp.maximum(ratio, _real(m, 1e-37), out=ratio)  # 0 log 0 = 0
        xp.log(ratio, out=ratio)
        ratio *= v
        return _total(ratio) + excess
    powers = _total(v**beta) + (beta - 1) * _total(m**beta)
    v *= m ** _real(m, beta - 1)
    return (powers - beta * _total(v)) / (beta * (beta - 1))


def _total(values: Array) -> float:
    """Sum in float64; NumPy's pairwise sum is near enough for the small tiles of the CPU."""
    return float(values.sum() if namespace(values) is np else values.sum(dtype=np.float64))


def _divergence_float32(V: np.ndarray, W: np.ndarray, H: np.ndarray, beta: float, gain: float) -> float:
    n_blocks = -(-V.shape[1] // OUTER)
    sums = np.zeros(n_blocks)
    numbers = tuple(np.float32(number) for number in (gain, MODEL_FLOOR, DATA_FLOOR))
    with single_threaded_blas():
        run_blocks(_divergence_blocks, n_blocks, V.T, W, H.T, beta == 1, numbers, sums)
    return float(sums.sum())


@jit(error_model="numpy")
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


@jit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
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


@jit(error_model="numpy")
def _divergence_blocks(first, stop, V, W, H, kl, numbers, sums):  # type: ignore[no-untyped-def]
    """Sum over frame blocks of V (frames, freq); H is (frames, components)."""
    gain, floor, least = numbers
    buffer = np.empty(OUTER * INNER, V.dtype)
    for block in range(first, stop):
        t0, t1 = block * OUTER, min((block + 1) * OUTER, H.shape[0])
        activations = H[t0:t1] * gain
        for f0 in range(0, W.shape[0], INNER):
            f1 = min(f0 + INNER, W.shape[0])
            model = buffer[: (t1 - t0) * (f1 - f0)].reshape(t1 - t0, f1 - f0)
            np.dot(activations, W[f0:f1].T, model)
            for t in range(t1 - t0):
                sums[block] += _divergence_row(V[t0 + t, f0:f1], model[t], kl, gain, floor, least)


def _real(like: Array, value: float) -> np.floating:
    return np.dtype(like.dtype).type(value)


def _kind(beta: float) -> int:
    return {1.0: 1, 0.0: 0, 0.5: 3, 1.5: 4}.get(float(beta), 2)


def _euclidean(V: Array, W: Array, H: Array, factor: str, exponent: float) -> None:
    A, B, data = (H.T, W, V.T) if factor == "H" else (W, H.T, V)
    with single_threaded_blas():  # the same bits whatever the number of threads
        numerator = data @ B
        denominator = A @ (B.T @ B)
    _multiply(A, numerator, denominator, exponent, 0.0)


def _multiply(A: Array, numerator: Array, denominator: Array, exponent: float, tiny: float) -> None:
    """A ← A (numerator / denominator)^exponent in place; entries without denominator stay."""
    xp = namespace(A)
    has = denominator > 0
    numerator /= xp.where(has, denominator, 1)
    if exponent != 1:
        numerator **= _real(A, exponent)
    A *= xp.where(has, numerator, 1)
    if tiny:
        A[tiny > A] = 0


def _tiny(V: Array, factor: str, gain: float) -> float:
    """Smallest value kept: H carries the level of V, W does not."""
    tiny = TINY[np.dtype(V.dtype).name]
    return tiny / gain if factor == "H" else tiny


def _numpy(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, factor: str, beta: float, exponent: float, gain: float
) -> None:
    g = _real(V, gain)
    v = V * g
    if beta <= 0:
        v = np.maximum(v, _real(V, DATA_FLOOR))
    m = np.maximum(W @ (H * g), _real(V, MODEL_FLOOR))
    P = m ** _real(V, beta - 1)
    N = v * P / m
    B, A = (W, H.T) if factor == "H" else ((H * g).T, W)
    N, P = (N.T, P.T) if factor == "H" else (N, P)
    _multiply(A, N @ B, P @ B, exponent, _tiny(V, factor, gain))


def _cpu(
    V: np.ndarray, W: np.ndarray, H: np.ndarray, factor: str, beta: float, exponent: float, gain: float
) -> None:
    real = V.dtype.type
    W, H = (
        M if M.flags.writeable else M.copy(order="K") for M in (W, H)
    )  # numba types read-only arrays apart
    A = H.T if factor == "H" else W
    tiny = real(max(_tiny(V, factor, gain), float(np.finfo(real).tiny)))
    numbers = (real(beta), real(exponent), real(gain), real(MODEL_FLOOR), real(DATA_FLOOR), tiny)
    with single_threaded_blas():
        run_blocks(_update_blocks, -(-len(A) // OUTER), V.T, W, H.T, factor == "H", _kind(beta), numbers)


@jit(error_model="numpy")
def _ratios(V, t0, f0, N, P, kind, numbers):  # type: ignore[no-untyped-def]
    """Turn the model in P into V̂^(β−1) there and V V̂^(β−2) in N; for β = 1 N is P and only the ratio is wanted."""
    beta, _, gain, floor, least, _ = numbers
    one = V.dtype.type(1)
    for j in range(N.shape[0]):
        v, n, p = V[t0 + j, f0 : f0 + N.shape[1]], N[j], P[j]
        if kind == 1:
            for f in range(n.size):
                p[f] = v[f] * gain / max(p[f], floor)
        elif kind == 0:
            for f in range(n.size):
                inverse = one / max(p[f], floor)
                n[f] = max(v[f] * gain, least) * inverse * inverse
                p[f] = inverse
        elif kind == 3:
            for f in range(n.size):
                inverse = one / max(p[f], floor)
                power = math.sqrt(inverse)
                n[f] = v[f] * gain * inverse * power
                p[f] = power
        elif kind == 4:
            for f in range(n.size):
                power = math.sqrt(max(p[f], floor))
                n[f] = v[f] * gain / power
                p[f] = power
        else:
            for f in range(n.size):
                model = max(p[f], floor)
                power = model ** (beta - one)
                value = v[f] * gain
                if beta < 0:
                    value = max(value, least)
                n[f] = value * power / model
                p[f] = power


@jit(error_model="numpy")
def _update_blocks(first, stop, V, W, H, of_H, kind, numbers):  # type: ignore[no-untyped-def]
    """Update row blocks of H (frames, components) or W; V is (frames, freq)."""
    _, exponent, gain, _, _, tiny = numbers
    A = H if of_H else W
    n_inner = W.shape[0] if of_H else H.shape[0]
    n_k = W.shape[1]
    model = np.empty(OUTER * INNER, V.dtype)
    ratio = model if kind == 1 else np.empty(OUTER * INNER, V.dtype)
    scaled = np.empty((OUTER if of_H else INNER, n_k), V.dtype)
    part = np.empty((OUTER, n_k), V.dtype)
    for block in range(first, stop):
        a0, a1 = block * OUTER, min((block + 1) * OUTER, A.shape[0])
        numerator = np.zeros((a1 - a0, n_k), V.dtype)
        denominator = np.zeros((a1 - a0, n_k), V.dtype)
        out = part[: a1 - a0]
        for b0 in range(0, n_inner, INNER):
            b1 = min(b0 + INNER, n_inner)
            t0, t1, f0, f1 = (a0, a1, b0, b1) if of_H else (b0, b1, a0, a1)
            templates = W[f0:f1]
            activations = scaled[: t1 - t0]
            for t in range(t1 - t0):
                for k in range(n_k):
                    activations[t, k] = H[t0 + t, k] * gain
            size = (t1 - t0) * (f1 - f0)
            P = model[:size].reshape(t1 - t0, f1 - f0)
            N = ratio[:size].reshape(t1 - t0, f1 - f0)
            np.dot(activations, templates.T, P)
            _ratios(V, t0, f0, N, P, kind, numbers)
            if of_H:
                np.dot(N, templates, out)
            else:
                np.dot(N.T, activations, out)
            numerator += out
            if kind == 1:
                other = templates if of_H else activations
                for b in range(other.shape[0]):
                    for k in range(n_k):
                        denominator[0, k] += other[b, k]
                continue
            if of_H:
                np.dot(P, templates, out)
            else:
                np.dot(P.T, activations, out)
            denominator += out
        for a in range(a1 - a0):
            for k in range(n_k):
                below = denominator[0 if kind == 1 else a, k]
                if below > 0:
                    share = numerator[a, k] / below
                    value = A[a0 + a, k] * (share if exponent == 1 else share**exponent)
                    A[a0 + a, k] = value if value >= tiny else value - value


def _gpu(V: Array, W: Array, H: Array, factor: str, beta: float, exponent: float, gain: float) -> None:
    xp, Ht = namespace(V), H.T
    g = _real(V, gain)
    Vt = xp.ascontiguousarray(V.T)
    A = Ht if factor == "H" else W
    numerator, denominator = xp.zeros_like(A), xp.zeros_like(A)
    rows = max(1, _CUDA_TILE // V.shape[0])
    for t in range(0, len(Vt), rows):
        tile = slice(t, t + rows)
        activations = Ht[tile] * g
        P = activations @ W.T
        N = xp.empty_like(P)
        cuda.launch(
            "beta_nmf",
            "ratios",
            grid=(cuda.blocks_for(P.size, 256),),
            block=(256,),
            args=(
                Vt[tile],
                N,
                P,
                cuda.long(P.size),
                _kind(beta),
                float(beta),
                float(gain),
                MODEL_FLOOR,
                DATA_FLOOR,
            ),
            real=V.dtype,
        )
        if factor == "H":
            numerator[tile], denominator[tile] = N @ W, P @ W
        else:
            numerator += N.T @ activations
            denominator += P.T @ activations
    _multiply(A, numerator, denominator, exponent, _tiny(V, factor, gain))
