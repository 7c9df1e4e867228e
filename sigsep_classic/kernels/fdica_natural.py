"""The natural gradient for the CPU, in the manner of `fdica_loops`."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import math

import numpy as np

from sigsep_classic.kernels.fdica_loops import add_determinant, fetch, look, scratch, store
from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.lanes import LANES, add, clear, take

TRIALS = 12
"""How often a step is halved before it is left out."""


@jit
def iterate_naturally(first, stop, Z, R, load, n_iter, exponent, floor, step_size, costs):
    """The same by steps along the natural gradient, halved in each bin until its cost does not rise."""
    frame, now, G, Q, L, V, cost = scratch(Z)
    trial, reached, waiting = np.zeros_like(now), np.zeros(LANES), np.ones(LANES)
    for group in range(first, stop):
        begin = group * LANES
        fetch(Z, R, begin, frame, now)
        for _ in range(n_iter):
            look(Z, begin, now, load, True, frame, V, cost, exponent, floor)
            add_determinant(begin, load, cost, now, Q, L)
            _relative_gradient(now, V, G, Q, step_size)
            for lane in range(LANES):
                waiting[lane] = 1.0 if begin + lane < len(Z) else 0.0
            for _ in range(TRIALS):
                _move(now, G, trial)
                look(Z, begin, trial, load, False, frame, V, reached, exponent, floor)
                add_determinant(begin, load, reached, trial, Q, L)
                if _accept(now, trial, G, cost, reached, waiting) == 0:
                    break
        look(Z, begin, now, load, False, frame, V, cost, exponent, floor)
        add_determinant(begin, load, cost, now, Q, L)
        store(R, begin, now, cost, costs)


@jit
def _relative_gradient(R, V, G, through, step_size):
    """Write mu G with rows g_n = e_n - r_n V_n Rᴴ; mu is the step size, less where G is larger than the identity."""
    dims = R.shape[1]
    for n in range(dims):
        for j in range(dims):
            clear(through, n, j)
            for i in range(dims):  # the lower triangle of V is given
                high, low = max(i, j), min(i, j)
                add(through, n, j, R, n, i, V[n], high, low, 1.0, 1.0 if i >= j else -1.0, 1.0)
        for m in range(dims):
            clear(G, n, m)
            for c in range(dims):
                add(G, n, m, through, n, c, R, m, c, 1.0, -1.0, -1.0)
        for lane in range(LANES):
            G[0, n, n, lane] += 1.0
    for lane in range(LANES):
        size = 0.0
        for n in range(dims):
            for m in range(dims):
                size += G[0, n, m, lane] * G[0, n, m, lane] + G[1, n, m, lane] * G[1, n, m, lane]
        mu = step_size / max(1.0, math.sqrt(size / dims))
        for n in range(dims):
            for m in range(dims):
                G[0, n, m, lane] *= mu
                G[1, n, m, lane] *= mu


@jit
def _move(R, G, trial):
    """Write (I + G) R."""
    dims = R.shape[1]
    for n in range(dims):
        for c in range(dims):
            take(trial, n, c, R, n, c, 1.0)
            for m in range(dims):
                add(trial, n, c, G, n, m, R, m, c, 1.0, 1.0, 1.0)


@jit
def _accept(R, trial, G, cost, reached, waiting):
    """Take the trial where it is no worse, halve G elsewhere; return how many bins still wait."""
    dims, left = R.shape[1], 0
    for lane in range(LANES):
        better = waiting[lane] > 0 and reached[lane] <= cost[lane]
        if better:
            waiting[lane] = 0.0
        if waiting[lane] > 0:
            left += 1
        factor = 0.5 * waiting[lane]
        for n in range(dims):
            for m in range(dims):
                for part in range(2):
                    G[part, n, m, lane] *= factor
                    if better:
                        R[part, n, m, lane] = trial[part, n, m, lane]
    return left
