"""Compiled loops of `permutation_sweep`: levels of units, merging, sweeps, the Hungarian algorithm.

A level is four arrays: ``left`` and ``right`` (units, scales or 1, sources, dims), a unit's rows summed with the
weights they have at its first and after its last frequency; ``span`` (units, scales), the decay through a unit;
``gap`` (units, scales), the decay from a unit to the next one. At the finest level ``left`` and ``right`` are the
rows themselves, alike for all scales, and the second axis has length 1.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit

LEAST = 1e-5
"""Moves that gain less than this share of the largest product are rounding."""

# Sums may be taken in any order (several at once in one register); NaN and infinity stay what they are.
_REORDER = {"reassoc", "contract", "nsz"}


@jit
def assign(S, best, rows):  # type: ignore[no-untyped-def]
    """Write to ``best`` the columns, one for each row, of the largest sum: shortest augmenting paths.

    ``rows`` is scratch (4, sources + 1).
    """
    n = len(best)
    u, v, least, owner = rows[0], rows[1], rows[2], rows[3]
    done = np.zeros(n + 1, np.bool_)
    back = np.zeros(n + 1, np.int64)
    u[: n + 1] = 0
    v[: n + 1] = 0
    owner[: n + 1] = n
    for i in range(n):
        owner[n] = i
        column = n
        least[: n + 1] = np.inf
        done[:] = False
        while True:
            done[column] = True
            row = int(owner[column])
            delta, following = np.inf, -1
            for j in range(n):
                if not done[j]:
                    reduced = -S[row, j] - u[row] - v[j]
                    if reduced < least[j]:
                        least[j] = reduced
                        back[j] = column
                    if following < 0 or least[j] < delta:
                        delta, following = least[j], j
            for j in range(n + 1):
                if done[j]:
                    u[int(owner[j])] += delta
                    v[j] -= delta
                else:
                    least[j] -= delta
            column = following
            if owner[column] == n:
                break
        while column != n:
            owner[column] = owner[back[column]]
            column = back[column]
    for j in range(n):
        best[int(owner[j])] = j


@jit
def turns(S, best, rows):  # type: ignore[no-untyped-def]
    """Say whether an assignment is better than the identity, by more than rounding; write it to ``best``."""
    n = len(best)
    settled, top = True, 0.0
    for i in range(n):
        for j in range(n):
            settled &= S[i, i] >= S[i, j]
            top = max(top, abs(S[i, j]))
    if settled:
        return False
    assign(S, best, rows)
    gain = 0.0
    for i in range(n):
        gain += S[i, best[i]] - S[i, i]
    return gain > LEAST * top


@jit(fastmath=_REORDER)
def merge(first, stop, left, right, span, gap, perm, offset, out_left, out_right):  # type: ignore[no-untyped-def]
    """Join units in pairs from unit ``offset`` on, their rows in the order of ``perm``."""
    _, n_units, held, n_sources, dims = left.shape
    scales = gap.shape[1]
    for s in range(first, stop):
        i, q = 0, s if left.shape[0] > 1 else 0
        for made in range(out_left.shape[1]):
            j = i + 1 if i >= offset and i + 1 < n_units else i
            for c in range(scales):
                k = c if held > 1 else 0
                forth, back = span[i, c] * gap[i, c], span[j, c] * gap[i, c]
                for n in range(n_sources):
                    a, b = perm[s, i, n], perm[s, j, n]
                    if j > i:
                        for d in range(dims):
                            out_left[s, made, c, n, d] = left[q, i, k, a, d] + forth * left[q, j, k, b, d]
                            out_right[s, made, c, n, d] = right[q, j, k, b, d] + back * right[q, i, k, a, d]
                    else:
                        for d in range(dims):
                            out_left[s, made, c, n, d] = left[q, i, k, a, d]
                            out_right[s, made, c, n, d] = right[q, i, k, a, d]
            i = j + 1


@jit(fastmath=_REORDER)
def sweep_units(first, stop, left, right, span, gap, perm, amplitudes, active, moved, after):  # type: ignore[no-untyped-def]
    """Give each unit in turn the order that fits all others best."""
    _, n_units, scales, n_sources, dims = left.shape
    before = np.empty((scales, n_sources, dims), left.dtype)
    S, best, scratch = (
        np.empty((n_sources, n_sources)),
        np.empty(n_sources, np.int64),
        np.empty((4, n_sources + 1)),
    )
    for s in range(first, stop):
        if not active[s]:
            continue
        after[s, n_units - 1] = 0
        for i in range(n_units - 1, 0, -1):
            for c in range(scales):
                g, p = gap[i - 1, c], span[i, c]
                for n in range(n_sources):
                    m = perm[s, i, n]
                    for d in range(dims):
                        after[s, i - 1, c, n, d] = g * (left[s, i, c, m, d] + p * after[s, i, c, n, d])
        before[:] = 0
        for i in range(n_units):
            S[:] = 0
            for c in range(scales):
                for n in range(n_sources):
                    for k in range(n_sources):
                        m = perm[s, i, k]
                        total = amplitudes[c] * 0
                        for d in range(dims):
                            total += before[c, n, d] * left[s, i, c, m, d]
                            total += after[s, i, c, n, d] * right[s, i, c, m, d]
                        S[n, k] += amplitudes[c] * total
            if turns(S, best, scratch):
                moved[s] = True
                follow(perm[s, i], best)
            for c in range(scales):
                g, p = gap[i, c], span[i, c]
                for n in range(n_sources):
                    m = perm[s, i, n]
                    for d in range(dims):
                        before[c, n, d] = g * (right[s, i, c, m, d] + p * before[c, n, d])


@jit(fastmath=_REORDER)
def sweep_rows(first, stop, Z, gap, perm, amplitudes, active, moved, after):  # type: ignore[no-untyped-def]
    """`sweep_units` at the finest level, where all scales share their rows: one product in place of many."""
    n_units, n_sources, dims = Z.shape
    scales = gap.shape[1]
    before, around = np.empty((scales, n_sources, dims), Z.dtype), np.empty((n_sources, dims), Z.dtype)
    S, best, scratch = (
        np.empty((n_sources, n_sources)),
        np.empty(n_sources, np.int64),
        np.empty((4, n_sources + 1)),
    )
    for s in range(first, stop):
        if not active[s]:
            continue
        before[:] = 0
        after[s, n_units - 1] = 0
        for i in range(n_units - 1, 0, -1):
            push(Z[i], perm[s, i], gap[i - 1], amplitudes, before, after[s, i - 1])
        before[:] = 0
        around[:] = 0
        for i in range(n_units):
            for n in range(n_sources):
                for k in range(n_sources):
                    m = perm[s, i, k]
                    total = amplitudes[0] * 0
                    for d in range(dims):
                        total += (around[n, d] + after[s, i, n, d]) * Z[i, m, d]
                    S[n, k] = total
            if turns(S, best, scratch):
                moved[s] = True
                follow(perm[s, i], best)
            push(Z[i], perm[s, i], gap[i], amplitudes, before, around)


@jit(fastmath=_REORDER)
def push(z, perm, gap, amplitudes, before, around):  # type: ignore[no-untyped-def]
    """Let one frequency join those that lie behind, and weigh their scales."""
    scales, n_sources, dims = before.shape
    for n in range(n_sources):
        m = perm[n]
        for d in range(dims):
            around[n, d] = 0
        for c in range(scales):
            g, a = gap[c], amplitudes[c]
            for d in range(dims):
                value = g * (z[m, d] + before[c, n, d])
                before[c, n, d] = value
                around[n, d] += a * value


@jit
def follow(perm, best):  # type: ignore[no-untyped-def]
    """Write ``perm[best]`` to ``perm``; ``best`` is lost."""
    for n in range(len(best)):
        best[n] = perm[best[n]]
    for n in range(len(best)):
        perm[n] = best[n]
