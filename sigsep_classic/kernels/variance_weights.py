"""What a density says of powers P under variances R of low rank: how much each cell weighs in the demixing.

With p = c P and r = floor + sum over k of t_k v_k, a cell costs G(p / r) + log r, and weighs G'(p / r) / r.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

DENSITIES = ("gauss", "student", "generalized")
FLOOR, LEAST = 1e-12, 1e-10

_BLOCKS = 32
_TILE = 512
_THREADS = 128


def variance_weights(
    P: Array, scales: Array, T: Array, V: Array, share: Array, *, density: str = "gauss", shape: float = 2.0
) -> Array:
    """Return share G'(p / r) / r with p = c P, at least 0, and r = 1e-12 + sum over k of T V.

    G(x) is x (``"gauss"``), (1 + nu / 2) log(1 + 2 x / nu) (``"student"``) or x^(shape / 2) (``"generalized"``, with
    the slope at 1e-10 below that).

    Parameters
    ----------
    P : array (sources, freq, frames)
        float32 or float64, C-contiguous, NumPy or CuPy; all other arrays in its dtype.
    scales : array (sources, freq)
        c.
    T : array (sources, freq, components)
        Templates.
    V : array (sources or 1, components, frames)
        Activations, one set for all sources or one each.
    share : array (freq,)
        A factor for each bin.
    density : {"gauss", "student", "generalized"}
        Which G.
    shape : float
        nu > 0, or the exponent in (0, 2].

    Returns
    -------
    array (sources, freq, frames)

    Raises
    ------
    ParameterError
        The density is unknown.
    ShapeError
        The arrays do not fit together.
    """
    exponents = checked(P, scales, T, V, density, shape)
    run = _gpu if is_cuda(P) else _cpu if enabled() else _numpy
    return run(P, scales, T, V, share, DENSITIES.index(density), exponents)


def checked(P: Array, scales: Array, T: Array, V: Array, density: str, shape: float) -> tuple[float, float]:
    """Return the shape and the exponent of G' as numbers; refuse arrays that do not fit."""
    if density not in DENSITIES:
        raise ParameterError(f"density is {density!r}; use one of {', '.join(DENSITIES)}")
    n, freq, frames = P.shape
    fits = scales.shape == T.shape[:2] == (n, freq)
    if not fits or len(V) not in (1, n) or V.shape[1:] != (T.shape[2], frames):
        raise ShapeError(
            f"P {P.shape}, scales {scales.shape}, T {T.shape} and V {V.shape} do not fit; expected (sources, freq, "
            "frames), (sources, freq), (sources, freq, components) and (sources or 1, components, frames)"
        )
    return float(shape), float(shape) / 2 - 1


def variances(T: Array, V: Array, n: int, bins: slice) -> Array:
    """Return r of source n in some bins, (bins, frames)."""
    return T[n, bins] @ V[n % len(V)] + T.dtype.type(FLOOR)


def powers_in(P: Array, scales: Array, n: int, bins: slice) -> Array:
    """Return p of source n in some bins, (bins, frames); 0 for negative ones."""
    return scales[n, bins, None] * namespace(P).maximum(P[n, bins], 0)


def slopes(x: Array, kind: int, shape: float) -> Array:
    """Return G'(x)."""
    if kind == 0:
        return namespace(x).ones_like(x)
    real = x.dtype.type
    if kind == 1:
        return real(shape + 2) / (real(shape) + 2 * x)
    return real(shape / 2) * namespace(x).maximum(x, real(LEAST)) ** real(shape / 2 - 1)


def contrasts(x: Array, kind: int, shape: float) -> Array:
    """Return G(x), in double precision."""
    xp = namespace(x)
    x = x.astype(float)
    if kind == 0:
        return x
    if kind == 1:
        return (1 + shape / 2) * xp.log1p(x * (2 / shape))
    slope = shape / 2 * LEAST ** (shape / 2 - 1)
    return xp.where(
        x < LEAST, LEAST ** (shape / 2) + slope * (x - LEAST), xp.maximum(x, LEAST) ** (shape / 2)
    )


def _numpy(
    P: Array, scales: Array, T: Array, V: Array, share: Array, kind: int, shape: tuple[float, float]
) -> Array:
    weights = np.empty_like(P)
    for n in range(len(P)):
        for start in range(0, P.shape[1], 64):
            bins = slice(start, start + 64)
            r = variances(T, V, n, bins)
            g = slopes(powers_in(P, scales, n, bins) / r, kind, shape[0])
            weights[n, bins] = share[bins, None] * g / r
    return weights


def _cpu(
    P: Array, scales: Array, T: Array, V: Array, share: Array, kind: int, shape: tuple[float, float]
) -> Array:
    weights = np.empty_like(P)
    constants = in_dtype(P, shape)
    run_blocks(_weigh, min(_BLOCKS, P.shape[1]), P, scales, T, V, share, kind, constants, weights)
    return weights


def in_dtype(P: Array, shape: tuple[float, float]) -> Array:
    """Return what the loops need as numbers of P's dtype: literals of another would change theirs."""
    return np.array([0, 1, 2, FLOOR, LEAST, shape[0], shape[0] / 2, shape[1]], dtype=P.dtype)


_REORDER = {"reassoc", "contract", "nsz"}


@jit(fastmath=_REORDER)
def variance_row(T, V, floor, start, size, r):  # type: ignore[no-untyped-def]
    """Write r of one bin and one source to ``r``; two components at a time."""
    components = T.shape[0]
    for t in range(size):
        r[t] = floor
    for k in range(0, components - 1, 2):
        one, other = T[k], T[k + 1]
        v, w = V[k, start : start + size], V[k + 1, start : start + size]
        for t in range(size):
            r[t] += one * v[t] + other * w[t]
    if components % 2 == 1:
        last = T[components - 1]
        v = V[components - 1, start : start + size]
        for t in range(size):
            r[t] += last * v[t]


@jit(fastmath=_REORDER)
def slope_row(x, kind, constants, size, g):  # type: ignore[no-untyped-def]
    """Write G'(x) to ``g``."""
    one, two = constants[1], constants[2]
    least, shape, half, exponent = constants[4], constants[5], constants[6], constants[7]
    if kind == 1:
        for t in range(size):
            g[t] = (shape + two) / (shape + two * x[t])
    elif shape == one:  # the usual choice needs no power
        for t in range(size):
            g[t] = half / np.sqrt(max(x[t], least))
    else:
        for t in range(size):
            g[t] = half * max(x[t], least) ** exponent


@jit(fastmath=_REORDER)
def _weigh(first, stop, P, scales, T, V, share, kind, constants, weights):  # type: ignore[no-untyped-def]
    n_sources, n_freq, n_frames = P.shape
    zero, floor = constants[0], constants[3]
    n_blocks = min(_BLOCKS, n_freq)
    r, x, g = np.empty(_TILE, P.dtype), np.empty(_TILE, P.dtype), np.empty(_TILE, P.dtype)
    for f in range(n_freq * first // n_blocks, n_freq * stop // n_blocks):
        for n in range(n_sources):
            c, factor = scales[n, f], share[f]
            for start in range(0, n_frames, _TILE):
                size = min(_TILE, n_frames - start)
                out = weights[n, f, start : start + size]
                variance_row(T[n, f], V[n % V.shape[0]], floor, start, size, r)
                if kind == 0:
                    for t in range(size):
                        out[t] = factor / r[t]
                else:
                    p = P[n, f, start : start + size]
                    for t in range(size):
                        x[t] = c * max(p[t], zero) / r[t]
                    slope_row(x, kind, constants, size, g)
                    for t in range(size):
                        out[t] = factor * g[t] / r[t]


def _gpu(
    P: Array, scales: Array, T: Array, V: Array, share: Array, kind: int, shape: tuple[float, float]
) -> Array:
    weights = namespace(P).empty_like(P)
    tiles = cuda.blocks_for(P.shape[2], _THREADS)
    cuda.launch(
        "variance_weights",
        "variance_weights",
        grid=(tiles * len(P) * P.shape[1],),
        block=(_THREADS,),
        args=(P, scales, T, V, share, weights, *dimensions(P, T, V), tiles, kind, *shape, LEAST, FLOOR),
        real=P.dtype,
    )
    return weights


def dimensions(P: Array, T: Array, V: Array) -> tuple[int, int, int, int, int]:
    """Return sources, bins, frames, components and sets of activations: what every kernel is told."""
    return (*P.shape, T.shape[2], len(V))
