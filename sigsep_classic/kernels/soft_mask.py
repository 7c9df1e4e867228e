"""Share of one magnitude in two: a^p / (a^p + (m b)^p), safe from overflow and at zero."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.backend import is_cuda
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.layout import dense_alike, empty_alike, flat
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

RUN = 1 << 14


def soft_mask(A: Array, B: Array, *, power: float = 2.0, margin: float = 1.0) -> Array:
    """Return ``A**p / (A**p + (margin * B)**p)`` for each pair of elements.

    Parameters
    ----------
    A, B : array (..., freq, frames)
        Non-negative, finite, same shape and dtype (float32 or float64), NumPy or CuPy.
    power : float
        Exponent p > 0; ``math.inf`` gives a binary mask, 1 where ``A > margin * B``.
    margin : float
        Factor on ``B``, at least 0.

    Returns
    -------
    array
        Gains in [0, 1]. Where both sides are zero: 1/2 with margin 1 (the two shares sum to one), else 0.

    Raises
    ------
    ParameterError
        ``power`` is not positive or ``margin`` is negative.
    """
    if not power > 0:
        raise ParameterError(f"mask power is {power}; it must be positive (inf for a binary mask)")
    if not margin >= 0:
        raise ParameterError(f"mask margin is {margin}; it must not be negative")
    split = 0.5 if margin == 1 else 0.0
    A, B = dense_alike(A, B)
    out = empty_alike(A)
    run = _gpu if is_cuda(A) else _cpu if enabled() else _numpy
    run(flat(A), flat(B), flat(out), power, margin, split)
    return out


def _numpy(A: np.ndarray, B: np.ndarray, out: np.ndarray, power: float, margin: float, split: float) -> None:
    B = A.dtype.type(margin) * B
    if math.isinf(power):
        out[:] = np.where((A == 0) & (B == 0), split, A > B)
        return
    top = np.maximum(A, B)
    silent = top == 0
    top = np.where(silent, 1, top)
    a, b = (A / top) ** power, (B / top) ** power
    out[:] = np.where(silent, split, a / np.where(silent, 1, a + b))


def _cpu(A: np.ndarray, B: np.ndarray, out: np.ndarray, power: float, margin: float, split: float) -> None:
    real = A.dtype.type
    run_blocks(_shares, -(-A.size // RUN), A, B, out, real(power), real(margin), real(split))


@jit
def _shares(first, stop, A, B, out, power, margin, split):  # type: ignore[no-untyped-def]
    one = A.dtype.type(1)
    low, high = first * RUN, min(stop * RUN, A.size)
    if power == 2:  # without a branch, so that it runs through the vector unit
        for i in range(low, high):
            a, b = A[i], margin * B[i]
            top = max(a, b)
            r = min(a, b) / top
            large = one / (one + r * r)
            share = large if a > b else one - large
            out[i] = share if top > 0 else split
        return
    for i in range(low, high):
        a, b = A[i], margin * B[i]
        top = max(a, b)
        if top == 0:
            out[i] = split
        elif power == 1:
            u, v = a / top, b / top
            out[i] = u / (u + v)
        elif np.isinf(power):
            out[i] = one if a > b else one - one
        else:
            u, v = (a / top) ** power, (b / top) ** power
            out[i] = u / (u + v)


def _gpu(A: Array, B: Array, out: Array, power: float, margin: float, split: float) -> None:
    kind = 0 if math.isinf(power) else int(power) if power in (1, 2) else 3
    cuda.launch(
        "soft_mask",
        "soft_mask",
        grid=(cuda.blocks_for(A.size, 256),),
        block=(256,),
        args=(A, B, out, cuda.long(A.size), kind, float(power), float(margin), split),
        real=A.dtype,
    )
