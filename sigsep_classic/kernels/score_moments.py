"""What one iteration of ICA needs of the data, in one pass: averages of y, g(y), g'(y) and G(y) with y = W x."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import is_cuda, namespace, to_host
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

CONTRASTS = ("logcosh", "exp", "cube")
MAX_ROWS = 64
CUDA_CONSTANTS = ({"N": 2, "TILE": 128}, {"N": 8, "TILE": 128}, {"N": 64, "TILE": 32})

_BLOCKS = 64
_TILE = 256
_LEAST = 1 << 13
_MAGIC = 1.5 * 2.0**52
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10


def score_moments(
    X: Array, W: np.ndarray, offset: np.ndarray, *, contrast: str = "logcosh"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the averages over samples of g(y) yᵀ, g'(y) and G(y), where y = W x - offset and g = G'.

    G(y) is log cosh y (``"logcosh"``), -exp(-y² / 2) (``"exp"``) or y⁴ / 4 (``"cube"``).

    Parameters
    ----------
    X : array (channels, samples)
        Real, float32 or float64, NumPy or CuPy, C-contiguous.
    W : float64 array (rows, channels)
        On the host; 1 … 64 rows.
    offset : float64 array (rows,)
        On the host.
    contrast : {"logcosh", "exp", "cube"}
        Which G.

    Returns
    -------
    S : float64 array (rows, rows)
        Average of g(y_i) y_j, on the host, as all results.
    slope : float64 array (rows,)
        Average of g'(y).
    value : float64 array (rows,)
        Average of G(y).

    Raises
    ------
    ParameterError
        The contrast is unknown.
    ShapeError
        X, W and offset do not fit together.

    Notes
    -----
    All is in double precision. Samples are cut into at most 64 blocks whose sums are added in order, so that the
    result has the same bits on any number of threads. No temporary is longer than 256 samples a row.
    """
    if contrast not in CONTRASTS:
        raise ParameterError(f"contrast is {contrast!r}; use one of {', '.join(CONTRASTS)}")
    rows = len(W)
    if X.ndim != 2 or W.shape[1:] != X.shape[:1] or offset.shape != (rows,) or not 1 <= rows <= MAX_ROWS:
        raise ShapeError(
            f"X {X.shape}, W {W.shape} and offset {offset.shape} do not fit; expected (channels, samples), "
            f"(rows, channels) and (rows,) with 1 … {MAX_ROWS} rows"
        )
    W, offset = np.ascontiguousarray(W, dtype=float), np.ascontiguousarray(offset, dtype=float)
    run = _gpu if is_cuda(X) else _cpu if enabled() else _numpy
    sums = run(X, W, offset, CONTRASTS.index(contrast)) / X.shape[1]
    return sums[: rows * rows].reshape(rows, rows), sums[rows * rows : -rows], sums[-rows:]


def _scores(y: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return g, g' and G of y."""
    if kind == 0:
        g, e = np.tanh(y), np.exp(-2 * abs(y))
        return g, 1 - g * g, abs(y) + np.log1p(e) - math.log(2)
    if kind == 1:
        e = np.exp(-y * y / 2)
        return y * e, (1 - y * y) * e, -e
    return y * y * y, 3 * y * y, y * y * y * y / 4


def _numpy(X: np.ndarray, W: np.ndarray, offset: np.ndarray, kind: int) -> np.ndarray:
    total = np.zeros(len(W) * (len(W) + 2))
    for start in range(0, X.shape[1], 1 << 14):
        y = W @ X[:, start : start + (1 << 14)].astype(float) - offset[:, None]
        g, slope, value = _scores(y, kind)
        total += np.concatenate([(g @ y.T).ravel(), slope.sum(axis=1), value.sum(axis=1)])
    return total


def _cpu(X: np.ndarray, W: np.ndarray, offset: np.ndarray, kind: int) -> np.ndarray:
    blocks = max(1, min(_BLOCKS, X.shape[1] // _LEAST))  # fewer than a thread is worth waking for
    sums = np.zeros((blocks, len(W) * (len(W) + 2)))
    run_blocks(_accumulate, blocks, X, W, offset, kind, sums)
    return sums.sum(axis=0)


# Sums may be taken in any order (several at once in one register); NaN and infinity stay what they are.
_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER)
def _accumulate(first, stop, X, W, offset, kind, sums):  # type: ignore[no-untyped-def]
    n_rows, n_channels = W.shape
    n_blocks, n_samples = sums.shape[0], X.shape[1]
    y = np.empty((n_rows, _TILE))
    g = np.empty((n_rows, _TILE))
    power = np.empty(_TILE)
    bits = power.view(np.int64)
    for block in range(first, stop):
        begin, end = n_samples * block // n_blocks, n_samples * (block + 1) // n_blocks
        out = sums[block]
        for start in range(begin, end, _TILE):
            size = min(_TILE, end - start)
            for n in range(n_rows):
                row = y[n]
                for t in range(size):
                    row[t] = -offset[n]
                for c in range(n_channels):
                    weight = W[n, c]
                    x = X[c, start : start + size]
                    for t in range(size):
                        row[t] += weight * x[t]
                if kind == 0:
                    slope, value = _logcosh(row, g[n], power, bits, size)
                elif kind == 1:
                    slope, value = _gauss(row, g[n], power, bits, size)
                else:
                    slope, value = _cube(row, g[n], size)
                out[n_rows * n_rows + n] += slope
                out[n_rows * n_rows + n_rows + n] += value
            for i in range(n_rows):
                for j in range(n_rows):
                    s = 0.0
                    for t in range(size):
                        s += g[i, t] * y[j, t]
                    out[i * n_rows + j] += s


@jit(fastmath={"contract"})  # in order: x + _MAGIC - _MAGIC is not x
def _exponentials(a, out, power, bits, size):  # type: ignore[no-untyped-def]
    """Write exp(a) for a <= 0 to out: 2^k times a polynomial, in loops the compiler turns into vectors."""
    for t in range(size):
        x = max(a[t], -700.0)
        shifted = x * _LOG2_E + _MAGIC  # its last bits are k, the nearest whole number
        power[t] = shifted
        out[t] = x
    for t in range(size):
        k = power[t] - _MAGIC
        r = (out[t] - k * _LN2_HIGH) - k * _LN2_LOW
        p = 1 / 6227020800.0
        p = p * r + 1 / 479001600.0
        p = p * r + 1 / 39916800.0
        p = p * r + 1 / 3628800.0
        p = p * r + 1 / 362880.0
        p = p * r + 1 / 40320.0
        p = p * r + 1 / 5040.0
        p = p * r + 1 / 720.0
        p = p * r + 1 / 120.0
        p = p * r + 1 / 24.0
        p = p * r + 1 / 6.0
        p = p * r + 0.5
        p = p * r + 1.0
        out[t] = p * r + 1.0
    for t in range(size):
        bits[t] = (bits[t] + 1023) << 52
    for t in range(size):
        out[t] *= power[t]


@jit(fastmath=_REORDER)
def _logcosh(y, g, power, bits, size):  # type: ignore[no-untyped-def]
    for t in range(size):
        g[t] = -2 * abs(y[t])
    _exponentials(g, g, power, bits, size)
    slope, total, product = 0.0, 0.0, 1.0
    for t in range(size):
        e = g[t]
        total += abs(y[t])
        product *= 1 + e  # at most 2^256: one logarithm for all
        positive = (1 - e) / (1 + e)
        slope += positive * positive
        g[t] = positive if y[t] >= 0 else -positive
    return size - slope, total + math.log(product) - size * 0.6931471805599453


@jit(fastmath=_REORDER)
def _gauss(y, g, power, bits, size):  # type: ignore[no-untyped-def]
    for t in range(size):
        g[t] = -0.5 * y[t] * y[t]
    _exponentials(g, g, power, bits, size)
    slope, value = 0.0, 0.0
    for t in range(size):
        e = g[t]
        value -= e
        slope += (1 - y[t] * y[t]) * e
        g[t] = y[t] * e
    return slope, value


@jit(fastmath=_REORDER)
def _cube(y, g, size):  # type: ignore[no-untyped-def]
    slope, value = 0.0, 0.0
    for t in range(size):
        square = y[t] * y[t]
        slope += 3 * square
        value += 0.25 * square * square
        g[t] = y[t] * square
    return slope, value


def _gpu(X: Array, W: np.ndarray, offset: np.ndarray, kind: int) -> np.ndarray:
    xp, rows = namespace(X), len(W)
    tile = 128 if rows <= 16 else 32
    blocks = min(1024, cuda.blocks_for(X.shape[1], tile))
    sums = xp.empty((blocks, rows * (rows + 2)), dtype=xp.float64)
    cuda.launch(
        "score_moments",
        "score_moments",
        grid=(blocks,),
        block=(tile,),
        args=(X, xp.asarray(W), xp.asarray(offset), sums, len(X), cuda.long(X.shape[1]), kind),
        real=X.dtype,
        N=rows,
        TILE=tile,
    )
    return to_host(sums.sum(axis=0))
