"""One iteration of complex NMF, without β or Ȳ: beside the phases there are only rows of one frame (Kameoka 2009).

With β = w h / X, the model's own shares, the auxiliary variables of the paper cancel out of its updates: what is
left is one complex number a coefficient, E = (Y − F) / X, from which phases and both ratios follow.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sigsep_classic.backend import is_cuda, namespace, real_like
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.complex_nmf_loops import SLOTS, error_blocks, iterate_blocks
from sigsep_classic.kernels.jit import enabled
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

FLOOR = 1e-12
"""Smallest model that is divided by, where the mixture has the level one (a silent part of the model, as it were)."""

TINY = 1e-18
"""Activations below this become 0."""

CUDA_TILE = 1 << 22
"""Coefficients whose errors are held at once on a GPU."""

THREADS = 128
"""Threads of a block on a GPU."""

CUDA_CONSTANTS = ({"HELD": 8}, {"HELD": 32})

_FEWEST_HELD, _SHARED_BYTES, _BLOCKS = 8, 48 << 10, 1024


def complex_nmf(
    Y: Array,
    B: Array,
    Ht: Array,
    U: Array,
    starts: tuple[int, ...],
    *,
    gain: float = 1.0,
    penalty: Array | None = None,
    exponent: float = 1.0,
    learn: bool = True,
) -> tuple[Array, Array]:
    """Update H and the phases in place, and return the two sums whose ratio updates the templates.

    For each frame: F = Σ_k b_k h_k u_j(k), X = Σ_k b_k h_k, E = (gain Y − F) / X, z_j = u_j + E, then
    u_j ← z_j / |z_j| and h_k ← h_k Σ_r b_k X |z_j| / (Σ_r b_k X + penalty_k p h_k^(p−1)). Then F, X, E and z once
    more: u_j ← z_j / |z_j|, and the sums Σ_t h_k X |z_j| and Σ_t h_k X.

    Parameters
    ----------
    Y : array (channels, frames, freq)
        Mixture, complex, C-contiguous, any level.
    B : array (components, rows)
        Non-negative templates, one row a channel and frequency, C-contiguous.
    Ht : array (frames, components)
        Non-negative activations for the level ``gain * Y``, C-contiguous. Changed in place.
    U : array (frames, sources, 2, rows)
        Cosine and sine of the phases. Changed in place; a phase without evidence stays.
    starts : tuple of int
        Source j has the components starts[j] … starts[j + 1] − 1.
    gain : float
        Brings Y to the level one.
    penalty : array (components,), optional
        Weight of Σ h^p; None is 0.
    exponent : float
        p, more than 0 and at most 2.
    learn : bool
        False: leave out the second half, and return zeros.

    Returns
    -------
    numerator, denominator : array (components, rows)
        Sums over the frames.

    References
    ----------
    H. Kameoka, N. Ono, K. Kashino and S. Sagayama, "Complex NMF: a new sparse representation for acoustic
    signals", Proc. ICASSP, 2009 (equation numbers not checked).
    """
    xp = namespace(Y)
    if penalty is None and not is_cuda(Y):
        penalty = xp.zeros(len(B), B.dtype)
    sums = xp.zeros((2, *B.shape), B.dtype)
    run = _gpu if is_cuda(Y) else _cpu if enabled() else _numpy
    run(Y, B, Ht, U, starts, gain, penalty, exponent, learn, sums)
    return sums[0], sums[1]


def squared_error(
    Y: Array, B: Array, Ht: Array, U: Array, starts: tuple[int, ...], *, gain: float = 1.0
) -> float:
    """Return Σ |gain Y − F|² over all coefficients; the arguments are those of `complex_nmf`."""
    if is_cuda(Y):
        return _gpu_error(Y, B, Ht, U, starts, gain)
    if enabled():
        partial = np.zeros(_n_slots(Y))
        args = (_planes(Y), B, Ht, U, np.array(starts), B.dtype.type(gain))
        run_blocks(error_blocks, len(partial), *args, partial)
        return float(partial.sum())
    return sum(float((abs(D) ** 2).sum(dtype=float)) for D, _, _ in _frames(Y, B, Ht, U, starts, gain))


def _n_slots(Y: np.ndarray) -> int:
    return min(SLOTS, Y.shape[1])


def _planes(Y: np.ndarray) -> np.ndarray:
    """Return Y as real numbers, (channels, frames, 2 freq)."""
    return Y.view(Y.real.dtype)


# ---- NumPy


def _frames(Y, B, Ht, U, starts, gain, tile=64):  # type: ignore[no-untyped-def]
    """Yield gain Y − F and X, (frames, rows), of runs of frames, with the slice they are of."""
    for t in range(0, Y.shape[1], tile):
        run = slice(t, t + tile)
        D = (Y[:, run].transpose(1, 0, 2) * real_like(B, gain)).reshape(-1, B.shape[1])
        X = np.zeros(D.shape, B.dtype)
        for j, (a, b) in enumerate(pairwise(starts)):
            P = Ht[run, a:b] @ B[a:b]
            X += P
            D -= P * (U[run, j, 0] + 1j * U[run, j, 1])
        yield D, X, run


def _numpy(Y, B, Ht, U, starts, gain, penalty, exponent, learn, sums):  # type: ignore[no-untyped-def]
    for half in "HW" if learn else "H":
        for D, X, run in _frames(Y, B, Ht, U, starts, gain):
            np.maximum(X, real_like(B, FLOOR), out=X)
            E = D / X
            below = X @ B.T
            above = np.empty_like(below)
            for j, (a, b) in enumerate(pairwise(starts)):
                V = _turned(U[run, j], E) * X
                if half == "H":
                    above[:, a:b] = V @ B[a:b].T
                else:
                    sums[0, a:b] += Ht[run, a:b].T @ V
            if half == "H":
                Ht[run] = multiplied(Ht[run], above, below, penalty, exponent)
            else:
                sums[1] += Ht[run].T @ X


def _turned(U, E):  # type: ignore[no-untyped-def]
    """Turn the phases (frames, 2, rows) towards u + E in place and return |u + E|."""
    z = U[:, 0] + 1j * U[:, 1] + E
    a = abs(z)
    moved = a * a > np.finfo(a.dtype).tiny
    safe = np.where(moved, a, 1)
    U[:, 0] = np.where(moved, z.real / safe, U[:, 0])
    U[:, 1] = np.where(moved, z.imag / safe, U[:, 1])
    return np.where(moved, a, 0)


def multiplied(H: Array, above: Array, below: Array, penalty: Array | None, exponent: float) -> Array:
    """Return H above / (below + penalty p H^(p−1)), 0 where H is next to nothing and H where nothing is below."""
    xp = namespace(H)
    active = real_like(H, TINY) < H
    if penalty is not None and (is_cuda(H) or float(penalty.max()) > 0):  # a GPU need not wait
        powers = xp.where(active, H, 1) ** real_like(H, exponent - 1)
        below = below + penalty * real_like(H, exponent) * powers
    has = below > 0
    ratio = xp.where(has, above / xp.where(has, below, 1), 1)
    return xp.where(active, H * ratio, 0)


# ---- numba


def _cpu(Y, B, Ht, U, starts, gain, penalty, exponent, learn, sums):  # type: ignore[no-untyped-def]
    real = B.dtype.type
    numbers = (real(gain), real(FLOOR), real(TINY), real(exponent), np.finfo(real).tiny)
    slots = np.zeros((_n_slots(Y) if learn else 1, *sums.shape), B.dtype)
    args = (_planes(Y), B, Ht, U, np.array(starts), numbers, penalty, learn, slots)
    run_blocks(iterate_blocks, _n_slots(Y), *args)
    for slot in slots:
        sums += slot


# ---- CUDA


def _gpu(Y, B, Ht, U, starts, gain, penalty, exponent, learn, sums):  # type: ignore[no-untyped-def]
    xp = namespace(Y)
    K, rows = B.shape
    held = _held(K, B.dtype)
    blocks = cuda.blocks_for(rows, THREADS)
    bounds = xp.asarray(starts, dtype=np.int32)
    for run, X in _gpu_tiles(Y, B):
        h, u, data = Ht[run], U[run], xp.ascontiguousarray(Y[:, run])
        for half in "HW" if learn else "H":
            if half == "W" and not held:
                _gpu_templates(data, B, h, u, starts, gain, X, sums)
                continue
            high = min(len(h), cuda.MAX_GRID_Y if half == "H" else max(1, _BLOCKS // blocks))
            parts = xp.empty((*h.shape, 4 * blocks) if half == "H" else (high, K, rows), B.dtype)
            name = "half_activations" if half == "H" else "half_templates"
            _gpu_half(name, (blocks, high), (data, B, h, u, bounds, gain), X, parts, held)
            if half == "H":
                h[:] = multiplied(h, parts.sum(axis=-1), X @ B.T, penalty, exponent)
            else:
                sums[0] += parts.sum(axis=0)
                sums[1] += h.T @ X


def _held(components: int, real: np.dtype) -> int:
    """Return for how many components sums of each row fit shared memory, of few sizes; 0: too many."""
    size = 1 << max(3, (components - 1).bit_length())
    return size if size * THREADS * real.itemsize <= _SHARED_BYTES else 0


def _gpu_half(name, grid, problem, X, parts, held):  # type: ignore[no-untyped-def]
    data, B, h, u, bounds, gain = problem
    real, tiny = B.dtype, float(np.finfo(B.dtype).tiny)
    sizes = (len(h), data.shape[2], B.shape[1], len(B), u.shape[1])
    args = (data.view(real), B, h, u, bounds, X, parts, *sizes, float(gain), FLOOR, tiny)
    cuda.launch(
        "complex_nmf", name, grid=grid, block=(THREADS,), args=args, real=real, HELD=held or _FEWEST_HELD
    )


def _gpu_templates(data, B, h, u, starts, gain, X, sums):  # type: ignore[no-untyped-def]
    """Half a step in three launches, for more components than shared memory has sums for."""
    xp = namespace(B)
    (K, rows), J = B.shape, u.shape[1]
    owners = xp.asarray(np.repeat(np.arange(J), np.diff(starts)), dtype=np.int32)
    D = xp.empty((len(h), 2, rows), B.dtype)
    _gpu_model(data, B, h, u, starts, gain, D, X)
    args = (h, u, owners, D, X, sums[0], sums[1], len(h), rows, K, J)
    _launch("template_sums", (cuda.blocks_for(rows, THREADS), K), THREADS, args, B)
    grid = (cuda.blocks_for(rows, THREADS), min(len(h) * J, cuda.MAX_GRID_Y))
    _launch("turn_phases", grid, THREADS, (u, D, len(h), rows, J, float(np.finfo(B.dtype).tiny)), B)


def _gpu_error(Y, B, Ht, U, starts, gain):  # type: ignore[no-untyped-def]
    xp, totals = namespace(Y), []
    for run, X in _gpu_tiles(Y, B):
        D = xp.empty((len(X), 2, B.shape[1]), B.dtype)
        _gpu_model(Y[:, run], B, Ht[run], U[run], starts, gain, D, X, divide=False)
        totals.append((D * D).sum(dtype=float))
    return float(sum(totals))  # the host waits here, once


def _gpu_tiles(Y, B):  # type: ignore[no-untyped-def]
    """Yield runs of frames, with room for their X."""
    xp, rows = namespace(Y), B.shape[1]
    length = max(1, min(CUDA_TILE // rows, cuda.MAX_GRID_Y))
    for t in range(0, Y.shape[1], length):
        n = min(length, Y.shape[1] - t)
        yield slice(t, t + n), xp.empty((n, rows), B.dtype)


def _gpu_model(Y, B, h, u, starts, gain, D, X, divide=True):  # type: ignore[no-untyped-def]
    xp = namespace(Y)
    data = xp.ascontiguousarray(Y).view(B.dtype)
    bounds = xp.asarray(starts, dtype=np.int32)
    (K, rows), J = B.shape, u.shape[1]
    args = (data, B, h, u, bounds, D, X, len(h), Y.shape[2], rows, K, J, int(divide), float(gain), FLOOR)
    _launch("model", (cuda.blocks_for(rows, THREADS), len(h)), THREADS, args, B)


def _launch(name, grid, threads, args, B):  # type: ignore[no-untyped-def]
    cuda.launch("complex_nmf", name, grid=grid, block=(threads,), args=args, real=B.dtype, HELD=_FEWEST_HELD)
