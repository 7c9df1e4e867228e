"""Locally greedy coordinate descent for sparse codes of shifted atoms (Moreau, Oudre & Vayatis 2018).

The time axis is cut in windows so far apart that what one changes does not reach the next: they can be worked on
side by side without a thread changing a result. Four sets of windows, each moved by half of one, cover all edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sigsep_classic.backend import is_cuda, namespace
from sigsep_classic.kernels import cuda
from sigsep_classic.kernels.jit import enabled, jit
from sigsep_classic.kernels.threads import run_blocks
from sigsep_classic.typing import Array

BLOCK = 64
"""Shifts of one row whose longest move is kept as one number."""
PATIENCE = 0.5
"""A sweep ends where no move is longer than this share of the longest one before it."""
COLOURS = (0, 2, 1, 3)
GREEDY, LISTED, PASSES, POLISHES = 32, 512, 100, 64
POLISH = 0.1
_THREADS = 128
CUDA_CONSTANTS = (
    {
        "BLOCK": BLOCK,
        "GREEDY": GREEDY,
        "LISTED": LISTED,
        "PASSES": PASSES,
        "POLISHES": POLISHES,
        "THREADS": _THREADS,
    },
)


def greedy_descent(
    Z: Array, beta: Array, G: Array, *, penalty: float, signed: bool, tol: float, max_updates: int
) -> tuple[Array, Array, float, int]:
    """Return sparse codes that minimise ½‖y − Σ_k d_k * z_k‖² + penalty ‖Z‖₁, coordinate by coordinate.

    The best value of one coordinate with all others fixed is soft(β + z, penalty). In each window the coordinate
    that moves farthest is set to it and β is brought up to date, until no move in the window is longer than a
    bound, which is lowered from sweep to sweep down to ``tol * penalty``. A window that takes long first moves
    its nonzero codes alone, among which an update costs next to nothing, and then updates β for all of them.

    Parameters
    ----------
    Z : array (components, shifts)
        Codes to start from, float32 or float64, NumPy or CuPy.
    beta : array (components, shifts)
        Correlation of each shifted atom with the residual y − Σ_k d_k * z_k of those codes.
    G : array (components, components, 2 * length - 1)
        Correlations of the atoms, each of norm one: ``G[k, j, length - 1 + s]`` is the product of atom j moved
        by s with atom k.
    penalty : float
        λ, more than 0.
    signed : bool
        Codes may be negative.
    tol : float
        Longest move that may be left, in units of λ. Where rounding is coarser, moves up to 16 roundings of the
        largest correlation or code may be left instead.
    max_updates : int
        No sweep is begun once ``n_updates`` is as large; one that was begun is finished.

    Returns
    -------
    Z, beta : array (components, shifts)
        New arrays.
    largest : float
        The longest move left, at most ``tol * penalty`` unless rounding or ``max_updates`` came before; NaN or
        anything else where the data are not finite.
    n_updates : int
        Coordinates set, a pass over the nonzero ones of a window counted as one.

    References
    ----------
    T. Moreau, L. Oudre and N. Vayatis, "DICOD: distributed convolutional coordinate descent for convolutional
    sparse coding", Proc. ICML, 2018: greedy within segments, segments side by side. The windows that take turns,
    the falling bound and the passes over nonzero codes are ours.
    """
    xp = namespace(Z)
    n_k, n_shifts = Z.shape
    half = max(1, -(-(G.shape[2] // 2) // BLOCK)) * BLOCK
    # Whole blocks; what is past the last shift stays zero.
    padded = xp.zeros((2, n_k, -(-n_shifts // half) * half), dtype=Z.dtype)
    padded[0, :, :n_shifts], padded[1, :, :n_shifts] = Z, beta
    real = Z.dtype.type
    scale = max(float(abs(beta).max()), float(abs(Z).max()))
    least = max(tol * penalty, 16 * float(np.finfo(Z.dtype).eps) * scale)
    numbers = (real(penalty), real(penalty if signed else math.inf))
    run = _gpu if is_cuda(Z) else _cpu if enabled() else _numpy
    G = xp.ascontiguousarray(G)
    largest, n_updates = run(padded[0], padded[1], n_shifts, G, half, numbers, real(least), max_updates)
    return padded[0, :, :n_shifts], padded[1, :, :n_shifts], largest, n_updates


def _descend(
    sweep: Callable[..., None], peaks: Array, counts: Array, least: float, max_updates: int
) -> tuple[float, int]:
    """Sweep over the four sets of windows with a falling bound until no move is longer than ``least``.

    A sweep that sets nothing is the last: there is something in the data that can't be compared.
    """
    before = -1
    while True:
        largest, n_updates = float(peaks.max()), int(counts.sum())
        if not largest > least or n_updates >= max_updates or n_updates == before:
            return largest, n_updates
        bound, before = max(least, peaks.dtype.type(PATIENCE * largest)), n_updates
        for colour in COLOURS:
            sweep(colour, bound)


def _n_windows(n_halves: int, colour: int) -> int:
    return max(0, n_halves - colour + 3) // 4


def _numpy(Z, beta, n, G, half, numbers, least, max_updates):  # type: ignore[no-untyped-def]
    """Greedy moves alone."""
    penalty, negative = numbers
    reach, n_halves = G.shape[2] // 2, Z.shape[1] // half
    peaks, counts = np.empty(n_halves, Z.dtype), np.zeros(n_halves, np.int64)

    def moves(a, e):  # type: ignore[no-untyped-def]
        u = beta[:, a:e] + Z[:, a:e]
        return np.abs(beta[:, a:e] - np.minimum(np.maximum(u, -negative), penalty))

    def settle(k, t):  # type: ignore[no-untyped-def]
        u = beta[k, t] + Z[k, t]
        best = u - np.minimum(np.maximum(u, -negative), penalty)
        a, e = max(0, t - reach), min(n, t + reach + 1)
        beta[:, a:e] -= (best - Z[k, t]) * G[k, :, a - t + reach : e - t + reach]
        Z[k, t] = best

    def sweep(colour, bound):  # type: ignore[no-untyped-def]
        for s in range(colour, n_halves, 4):
            for _ in range(GREEDY * POLISHES):
                step = moves(s * half, (s + 2) * half)
                k, i = np.unravel_index(step.argmax(), step.shape)
                if step[k, i] <= bound:
                    break
                settle(k, s * half + i)
                counts[s] += 1
        refresh()

    def refresh():  # type: ignore[no-untyped-def]
        peaks[:] = moves(0, None).reshape(len(Z), n_halves, half).max(axis=(0, 2))

    refresh()
    return _descend(sweep, peaks, counts, least, max_updates)


def _cpu(Z, beta, n, G, half, numbers, least, max_updates):  # type: ignore[no-untyped-def]
    n_halves = Z.shape[1] // half
    peaks = np.zeros((Z.shape[0], Z.shape[1] // BLOCK), Z.dtype)
    bits = peaks.view(f"i{Z.itemsize}")  # numbers that are not negative have the order of their bits
    counts = np.zeros(n_halves, np.int64)
    run_blocks(_all_peaks, n_halves, Z, beta, numbers, half // BLOCK, bits)

    def sweep(colour, bound):  # type: ignore[no-untyped-def]
        bounds = (bound, bound.view(bits.dtype), Z.dtype.type(POLISH) * bound)
        args = (colour, bounds, Z, beta, n, G, half, numbers, bits, counts)
        if colour < n_halves:
            run_blocks(_sweep, _n_windows(n_halves, colour), *args)

    return _descend(sweep, peaks, counts, least, max_updates)


@jit(fastmath={"nnan", "nsz"})
def _moves(beta, z, penalty, negative, out):  # type: ignore[no-untyped-def]
    """Write the moves |soft(β + z) − z| = |β − clip(β + z)| of a run of one row."""
    for i in range(beta.size):
        u = beta[i] + z[i]
        u = u if u > -negative else -negative
        u = u if u < penalty else penalty
        out[i] = abs(beta[i] - u)


@jit
def _top(bits):  # type: ignore[no-untyped-def]
    """Largest integer: the compiler does many at a time, which it does not for floating maxima."""
    top = bits[0]
    for i in range(1, bits.size):
        if bits[i] > top:
            top = bits[i]
    return top


@jit(fastmath={"nnan", "nsz", "contract"})
def _subtract(beta, change, g):  # type: ignore[no-untyped-def]
    for i in range(beta.size):
        beta[i] -= change * g[i]


@jit
def _refresh(a, e, Z, beta, n, numbers, peaks, moves):  # type: ignore[no-untyped-def]
    """Find the longest moves of the blocks anew that shifts a … e - 1 lie in."""
    penalty, negative = numbers
    b0, b1 = max(0, a) // BLOCK, (min(e, n) - 1) // BLOCK + 1
    bits = moves.view(peaks.dtype)
    for k in range(Z.shape[0]):
        t0, t1 = b0 * BLOCK, b1 * BLOCK
        _moves(beta[k, t0:t1], Z[k, t0:t1], penalty, negative, moves)
        for c in range(b1 - b0):
            peaks[k, b0 + c] = _top(bits[c * BLOCK : (c + 1) * BLOCK])


@jit
def _all_peaks(first, stop, Z, beta, numbers, n_blocks, peaks):  # type: ignore[no-untyped-def]
    width = n_blocks * BLOCK
    moves = np.empty(width, Z.dtype)
    for s in range(first, stop):
        _refresh(s * width, (s + 1) * width, Z, beta, Z.shape[1], numbers, peaks, moves)


@jit
def _farthest(own, least):  # type: ignore[no-untyped-def]
    """Row and block of the longest move, row -1 where none is longer than ``least``."""
    best, k = least, -1
    for j in range(own.shape[0]):
        top = _top(own[j])
        if top > best:
            best, k = top, j
    if k >= 0:
        for c in range(own.shape[1]):
            if own[k, c] == best:
                return k, c
    return k, 0


@jit
def _change(k, t, change, beta, n, G):  # type: ignore[no-untyped-def]
    """Bring β up to date after one code has moved."""
    reach = G.shape[2] // 2
    a, e = max(0, t - reach), min(n, t + reach + 1)
    for j in range(beta.shape[0]):
        _subtract(beta[j, a:e], change, G[k, j, a - t + reach : e - t + reach])


@jit
def _settle(k, start, Z, beta, n, G, numbers, peaks, moves):  # type: ignore[no-untyped-def]
    """Set the code of one block that moves farthest."""
    penalty, negative = numbers
    run = moves[:BLOCK]
    _moves(beta[k, start : start + BLOCK], Z[k, start : start + BLOCK], penalty, negative, run)
    t = start + np.argmax(run)
    u = beta[k, t] + Z[k, t]
    best = u - min(max(u, -negative), penalty)
    change = best - Z[k, t]
    Z[k, t] = best
    _change(k, t, change, beta, n, G)
    reach = G.shape[2] // 2
    _refresh(t - reach, t + reach + 1, Z, beta, n, numbers, peaks, moves)


@jit
def _polish(t0, t1, bound, Z, beta, n, G, numbers, work):  # type: ignore[no-untyped-def]
    """Move the nonzero codes of a window alone, ``LISTED`` at a time."""
    rows, times, z, b, _ = work
    count = 0
    for start in range(t0, t1, BLOCK):
        for k in range(Z.shape[0]):
            for t in range(start, start + BLOCK):
                if Z[k, t] != 0:
                    rows[count], times[count], z[count], b[count] = k, t, Z[k, t], beta[k, t]
                    count += 1
                    if count == rows.size:
                        _polish_list(count, bound, Z, beta, n, G, numbers, work)
                        count = 0
    _polish_list(count, bound, Z, beta, n, G, numbers, work)


@jit
def _polish_list(count, bound, Z, beta, n, G, numbers, work):  # type: ignore[no-untyped-def]
    """Move listed codes until none moves by more than the bound; then bring β up to date."""
    penalty, negative = numbers
    rows, times, z, b, Q = work
    reach = G.shape[2] // 2
    for i in range(count):
        for j in range(count):
            s = times[j] - times[i]
            Q[i, j] = G[rows[i], rows[j], s + reach] if abs(s) <= reach else 0
    for _ in range(PASSES):
        far = bound - bound
        for i in range(count):
            u = b[i] + z[i]
            best = u - min(max(u, -negative), penalty)
            change = best - z[i]
            if change != 0:
                z[i] = best
                _subtract(b[:count], change, Q[i, :count])
                far = max(far, abs(change))
        if far <= bound:
            break
    for i in range(count):
        change = z[i] - Z[rows[i], times[i]]
        if change != 0:
            Z[rows[i], times[i]] = z[i]
            _change(rows[i], times[i], change, beta, n, G)


@jit
def _sweep(  # type: ignore[no-untyped-def]
    first, stop, colour, bounds, Z, beta, n, G, half, numbers, peaks, counts
):
    """Work through the windows of one colour until no move in them is longer than the bound."""
    reach, real = G.shape[2] // 2, Z.dtype
    moves = np.empty(4 * half + 2 * BLOCK, real)
    places = np.empty((2, LISTED), np.int64)
    values = np.empty((2, LISTED), real)
    work = (places[0], places[1], values[0], values[1], np.empty((LISTED, LISTED), real))
    for window in range(first, stop):
        start = (4 * window + colour) * half
        end = min(start + 2 * half, Z.shape[1])
        own = peaks[:, start // BLOCK : end // BLOCK]
        tries = polishes = count = 0
        while polishes < POLISHES:
            k, c = _farthest(own, bounds[1])
            if k < 0:
                break
            count += 1
            if tries < GREEDY:
                _settle(k, start + c * BLOCK, Z, beta, n, G, numbers, peaks, moves)
                tries += 1
            else:
                _polish(start, end, bounds[2], Z, beta, n, G, numbers, work)
                _refresh(start - reach, end + reach, Z, beta, n, numbers, peaks, moves)
                tries = 0
                polishes += 1
        counts[4 * window + colour] += count


def _gpu(Z, beta, n, G, half, numbers, least, max_updates):  # type: ignore[no-untyped-def]
    xp, (n_k, width) = namespace(Z), Z.shape
    penalty, negative = numbers
    peaks = xp.empty((n_k, width // BLOCK), dtype=Z.dtype)
    counts = xp.zeros(width // half, dtype=xp.int32)
    constants = {"real": Z.dtype, **CUDA_CONSTANTS[0]}
    cuda.launch(
        "greedy_descent",
        "all_peaks",
        grid=(cuda.blocks_for(peaks.size, _THREADS),),
        block=(_THREADS,),
        args=(Z, beta, peaks, cuda.long(peaks.size), penalty, negative),
        **constants,
    )

    def sweep(colour, bound):  # type: ignore[no-untyped-def]
        cuda.launch(
            "greedy_descent",
            "sweep",
            grid=(_n_windows(width // half, colour),),
            block=(_THREADS,),
            args=(
                *(Z, beta, G, peaks, counts, n_k, n, width, G.shape[2] // 2, half, colour, penalty, negative),
                *(bound, Z.dtype.type(POLISH) * bound),
            ),
            **constants,
        )

    return _descend(sweep, peaks, counts, least, max_updates)
