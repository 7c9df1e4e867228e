"""The numba loops of `directional_mixture`: some hundred frames at a time, all that is theirs in cache."""

from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit

_TILE = 256

# Sums may be taken in any order (several at once in one register); NaN and infinity stay what they are.
_REORDER = {"reassoc", "contract", "nsz"}


@jit
def mixture_bins(first, stop, Z, K, weights, prior, saliency, power, loss_only, posterior, moments, value):  # type: ignore[no-untyped-def]
    """Write posteriors and moments, or values with ``loss_only``, of the bins ``first`` … ``stop`` - 1."""
    n_dims, frames, sources = Z.shape[1], Z.shape[3], K.shape[1]
    q = np.empty((sources, _TILE), Z.dtype)
    p = np.empty((sources, _TILE), Z.dtype)
    held = np.empty((5, _TILE), Z.dtype)
    for f in range(first, stop):
        for start in range(0, frames, _TILE):
            size = min(_TILE, frames - start)
            end = start + size
            z = Z[f]  # cut row by row below: the compiler must see that frames lie side by side
            weight = saliency[f, start:end]
            for n in range(sources):
                _form(z, start, K[f, n], q[n], held, size)
            _likelihoods(q, p, weights[f], prior, f, start, power, held, size)
            if loss_only:
                value[f] += _logarithms(held, weight, power, size)
                continue
            for n in range(sources):
                row = p[n]
                out = posterior[n, f, start:end]
                for t in range(size):
                    share = row[t] * held[1, t]
                    out[t] = share
                    row[t] = share * weight[t]
                moments[f, n, n_dims * n_dims] += _total(row, size)
                if power:
                    for t in range(size):
                        row[t] /= q[n, t]
                _moments(z, start, row, held, moments[f, n], size)


@jit(fastmath={"contract", "nsz"})
def _form(z, start, K, q, held, size):  # type: ignore[no-untyped-def]
    """Write |K z|² to q."""
    rows, n_dims = K.shape[0], K.shape[1]
    re, im = held[0], held[1]
    for t in range(size):
        q[t] = 0
    for i in range(rows):
        for t in range(size):
            re[t] = 0
            im[t] = 0
        for j in range(n_dims if rows == 1 else i + 1):
            a, b = K[i, j, 0], K[i, j, 1]
            x, y = z[j, 0, start : start + size], z[j, 1, start : start + size]
            for t in range(size):
                re[t] += a * x[t] - b * y[t]
                im[t] += a * y[t] + b * x[t]
        for t in range(size):
            q[t] += re[t] * re[t] + im[t] * im[t]


@jit(fastmath={"contract", "nsz"})
def _likelihoods(q, p, weights, prior, f, start, power, held, size):  # type: ignore[no-untyped-def]
    """Write likelihoods relative to the best source's to p, the best q to held[0], 1 / sum of p to held[1].

    With ``power`` weights are factors, without they are added to q.
    """
    sources = len(q)
    best, total = held[0], held[1]
    if not power:
        for n in range(sources):
            row = q[n]
            for t in range(size):
                row[t] += weights[n]
    for t in range(size):
        best[t] = q[0, t]
        total[t] = 0
    for n in range(1, sources):
        row = q[n]
        if power:
            for t in range(size):
                best[t] = min(best[t], row[t])
        else:
            for t in range(size):
                best[t] = max(best[t], row[t])
    for n in range(sources):
        row, likelihood, weight = q[n], p[n], weights[n]
        if power:  # a loop over t for each factor: these become vectors
            ratio = held[2]
            for t in range(size):
                ratio[t] = best[t] / row[t]
            for t in range(size):
                likelihood[t] = weight * np.sqrt(ratio[t]) if power & 1 else weight
            for _ in range(power >> 1):
                for t in range(size):
                    likelihood[t] *= ratio[t]
        else:
            for t in range(size):
                likelihood[t] = np.exp(row[t] - best[t])
        if len(prior):
            before = prior[n, f, start : start + size]
            for t in range(size):
                likelihood[t] *= before[t]
        for t in range(size):
            total[t] += likelihood[t]
    for t in range(size):
        total[t] = 1 / total[t]


@jit
def _logarithms(held, weight, power, size):  # type: ignore[no-untyped-def]
    value = 0.0
    for t in range(size):
        best = float(held[0, t])
        offset = -0.5 * power * np.log(best) if power else best
        value += weight[t] * (offset - np.log(float(held[1, t])))
    return value


@jit(fastmath=_REORDER)
def _total(row, size):  # type: ignore[no-untyped-def]
    value = row[0] * 0
    for t in range(size):
        value += row[t]
    return value


@jit(fastmath=_REORDER)
def _moments(z, start, row, held, moments, size):  # type: ignore[no-untyped-def]
    """Add the sums of row z_i conj(z_j) to the moments, the lower triangle row by row, diagonals first."""
    n_dims = len(z)
    re, im = held[2], held[3]
    entry = 0
    for i in range(n_dims):
        x, y = z[i, 0, start : start + size], z[i, 1, start : start + size]
        zero = row[0] * 0
        a, b = zero, zero
        for t in range(size):
            re[t] = row[t] * x[t]
            im[t] = row[t] * y[t]
            a += re[t] * x[t] + im[t] * y[t]
        moments[entry] += a
        entry += 1
        for j in range(i):
            x, y = z[j, 0, start : start + size], z[j, 1, start : start + size]
            a, b = zero, zero
            for t in range(size):
                a += re[t] * x[t] + im[t] * y[t]
                b += im[t] * x[t] - re[t] * y[t]
            moments[entry] += a
            moments[entry + 1] += b
            entry += 2
