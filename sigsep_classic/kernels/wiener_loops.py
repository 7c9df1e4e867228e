"""The loops of `wiener` for the CPU: bins side by side, all steps of theirs while they are in cache.

The number of channels is the length of ``dims``. Where that is a tuple the compiler knows it, unrolls the loops over
channels and makes vectors of those over bins; an array serves any number, compiled once. Sums and filters are in double
precision.
"""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit

LANES = 16
LEAST_PIVOT = 1e-15

_lanes = jit(fastmath={"reassoc", "contract", "nsz"})


@_lanes
def iterate(first, stop, together, dims, V, X, Y, squared, eps, n_iter, load):
    """Make the estimates of groups ``first`` to ``stop`` of bins, so many ``together``.

    X (channels, frames, freq, 2) is given. The first estimates are in Y (sources, channels, frames, freq, 2), or V
    (sources, channels or 1, frames, freq) tells them.
    """
    sources, channels, frames = Y.shape[0], len(dims), X.shape[1]
    x, y = np.zeros((channels, 2, LANES)), np.zeros((sources, channels, 2, LANES))
    top = np.zeros((2, LANES))
    gains, scales = np.zeros((sources, LANES), X.dtype), np.zeros((2, LANES), X.dtype)
    R, S = np.zeros((2, together, sources, channels, channels, 2, LANES))
    weight = np.zeros((together, sources, LANES))
    C, z = np.zeros((channels, channels, 2, LANES)), np.zeros((channels, 2, LANES))
    held = np.zeros((frames if n_iter else 0, together, sources, LANES), X.dtype)
    for base in range(first, stop, together):
        groups = min(together, stop - base)
        for step in range(n_iter + 1):
            for group in range(groups):
                normalize(S[group], weight[group], R[group], load)
            S[:] = 0.0
            weight[:] = 0.0
            for t in range(frames):
                for group in range(groups):
                    begin = (base + group) * LANES
                    width = min(LANES, X.shape[2] - begin)
                    fetch(X, t, begin, width, x)
                    if step > 0:
                        model(dims, held[t, group], R[group], C, top, load)
                        solve(dims, C, x, z)
                        filtered(dims, held[t, group], R[group], z, top, y)
                    elif V.shape[0] > 0:
                        begun(V, t, begin, width, x, y, gains, scales, squared, eps)
                    else:
                        for n in range(sources):
                            fetch(Y[n], t, begin, width, y[n])
                    if step < n_iter:
                        accumulate(dims, y, held[t, group], S[group], weight[group])
                    else:
                        store(y, Y, t, begin, width)


@_lanes
def fetch(X, t, begin, width, x):
    """Put frame t of X (channels, frames, freq, 2) into x (channels, 2, LANES); lanes past the last bin are 0."""
    for c in range(len(x)):
        row = X[c, t, begin : begin + width]
        if width == LANES:
            for lane in range(LANES):
                x[c, 0, lane] = row[lane, 0]
                x[c, 1, lane] = row[lane, 1]
        else:
            x[c] = 0.0
            for lane in range(width):
                x[c, 0, lane] = row[lane, 0]
                x[c, 1, lane] = row[lane, 1]


@_lanes
def store(y, Y, t, begin, width):
    """Put y (sources, channels, 2, LANES) into frame t of Y (sources, channels, frames, freq, 2)."""
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            row = Y[n, c, t, begin : begin + width]
            if width == LANES:
                for lane in range(LANES):
                    row[lane, 0] = y[n, c, 0, lane]
                    row[lane, 1] = y[n, c, 1, lane]
            else:
                for lane in range(width):
                    row[lane, 0] = y[n, c, 0, lane]
                    row[lane, 1] = y[n, c, 1, lane]


@_lanes
def begun(V, t, begin, width, x, y, gains, top, squared, eps):
    """Write the first estimates, shares of x."""
    for c in range(y.shape[1]):
        if c < V.shape[1]:
            for n in range(V.shape[0]):
                row = V[n, c, t, begin : begin + width]
                if width < LANES:
                    gains[n] = 0.0
                for lane in range(width):
                    gains[n, lane] = row[lane]
            shares(gains, top, squared, eps)
        for n in range(y.shape[0]):
            for lane in range(LANES):
                y[n, c, 0, lane] = gains[n, lane] * x[c, 0, lane]
                y[n, c, 1, lane] = gains[n, lane] * x[c, 1, lane]


@_lanes
def shares(v, top, squared, eps):
    """Write v / (eps + their sum), or the same of squares, in place of v; equal shares where that is 0 / 0."""
    sources = len(v)
    one = v.dtype.type(1)
    none = one - one
    for lane in range(LANES):
        top[0, lane] = v[0, lane]
    for n in range(1, sources):
        for lane in range(LANES):
            top[0, lane] = max(top[0, lane], v[n, lane])
    for lane in range(LANES):  # no power under- or overflows for all sources
        scale = one / top[0, lane] if top[0, lane] > none else none
        top[0, lane] = scale * scale if squared else scale
        top[1, lane] = eps * top[0, lane]
    for n in range(sources):
        for lane in range(LANES):
            v[n, lane] *= (v[n, lane] * top[0, lane]) if squared else top[0, lane]
            top[1, lane] += v[n, lane]
    silent = one / v.dtype.type(sources) if eps == 0 else none
    for lane in range(LANES):
        top[0, lane] = none if top[1, lane] > none else silent
        top[1, lane] = one / top[1, lane] if top[1, lane] > none else none
    for n in range(sources):
        for lane in range(LANES):
            v[n, lane] = v[n, lane] * top[1, lane] + top[0, lane]


@_lanes
def accumulate(dims, y, v, S, weight):
    """Write v_n = |y_n|^2 / channels; add it to the weights, and y_n y_n^H to the lower triangles of S."""
    scale = 1.0 / len(dims)
    for n in range(y.shape[0]):
        for lane in range(LANES):
            total = 0.0
            for i in range(len(dims)):
                a, b = y[n, i, 0, lane], y[n, i, 1, lane]
                own = a * a + b * b
                total += own
                S[n, i, i, 0, lane] += own
                for j in range(i):
                    S[n, i, j, 0, lane] += a * y[n, j, 0, lane] + b * y[n, j, 1, lane]
                    S[n, i, j, 1, lane] += b * y[n, j, 0, lane] - a * y[n, j, 1, lane]
            v[n, lane] = total * scale
            weight[n, lane] += total * scale


@_lanes
def normalize(S, weight, R, load):
    """Write the lower triangles of the covariances R_n = S_n / weight_n."""
    for n in range(S.shape[0]):
        for i in range(S.shape[1]):
            for j in range(i + 1):
                for lane in range(LANES):
                    by = 1.0 / max(weight[n, lane] + load[2], load[3])
                    R[n, i, j, 0, lane] = S[n, i, j, 0, lane] * by
                    R[n, i, j, 1, lane] = S[n, i, j, 1, lane] * by


@_lanes
def model(dims, v, R, C, top, load):
    """Write the lower triangle of C = sum v_n R_n + load, and the share of the load that is given back to a source."""
    for lane in range(LANES):
        for i in range(len(dims)):
            C[i, i, 0, lane] = v[0, lane] * R[0, i, i, 0, lane]
            for j in range(i):
                C[i, j, 0, lane] = v[0, lane] * R[0, i, j, 0, lane]
                C[i, j, 1, lane] = v[0, lane] * R[0, i, j, 1, lane]
    for n in range(1, len(v)):
        for lane in range(LANES):
            for i in range(len(dims)):
                C[i, i, 0, lane] += v[n, lane] * R[n, i, i, 0, lane]
                for j in range(i):
                    C[i, j, 0, lane] += v[n, lane] * R[n, i, j, 0, lane]
                    C[i, j, 1, lane] += v[n, lane] * R[n, i, j, 1, lane]
    share, least, back = load[0] / len(dims), load[1], load[4] / len(v)
    for lane in range(LANES):
        trace = 0.0
        for i in range(len(dims)):
            trace += C[i, i, 0, lane]
        extra = max(share * trace, least)
        top[0, lane] = back * extra
        for i in range(len(dims)):
            C[i, i, 0, lane] += extra


@_lanes
def solve(dims, C, x, z):
    """Write z = C^-1 x by Cholesky factors, which take the place of C with 1 / L_ii on the diagonal."""
    for lane in range(LANES):
        for i in range(len(dims)):
            u, w = x[i, 0, lane], x[i, 1, lane]
            own = C[i, i, 0, lane]
            left = own
            for j in range(i):
                re, im = C[i, j, 0, lane], C[i, j, 1, lane]
                for k in range(j):
                    re -= C[i, k, 0, lane] * C[j, k, 0, lane] + C[i, k, 1, lane] * C[j, k, 1, lane]
                    im -= C[i, k, 1, lane] * C[j, k, 0, lane] - C[i, k, 0, lane] * C[j, k, 1, lane]
                re *= C[j, j, 0, lane]
                im *= C[j, j, 0, lane]
                C[i, j, 0, lane] = re
                C[i, j, 1, lane] = im
                left -= re * re + im * im
                u -= re * z[j, 0, lane] - im * z[j, 1, lane]
                w -= re * z[j, 1, lane] + im * z[j, 0, lane]
            scale = 1.0 / np.sqrt(max(left, LEAST_PIVOT * own))
            C[i, i, 0, lane] = scale
            z[i, 0, lane] = u * scale
            z[i, 1, lane] = w * scale
        for back in range(len(dims)):
            i = len(dims) - 1 - back
            u, w = z[i, 0, lane], z[i, 1, lane]
            for k in range(i + 1, len(dims)):
                u -= C[k, i, 0, lane] * z[k, 0, lane] + C[k, i, 1, lane] * z[k, 1, lane]
                w -= C[k, i, 0, lane] * z[k, 1, lane] - C[k, i, 1, lane] * z[k, 0, lane]
            z[i, 0, lane] = u * C[i, i, 0, lane]
            z[i, 1, lane] = w * C[i, i, 0, lane]


@_lanes
def filtered(dims, v, R, z, top, y):
    """Write y_n = v_n R_n z, and what the loading of C took in equal shares: with all of it they sum to x."""
    for n in range(len(v)):
        for lane in range(LANES):
            for i in range(len(dims)):
                re = R[n, i, i, 0, lane] * z[i, 0, lane]
                im = R[n, i, i, 0, lane] * z[i, 1, lane]
                for j in range(i):
                    re += R[n, i, j, 0, lane] * z[j, 0, lane] - R[n, i, j, 1, lane] * z[j, 1, lane]
                    im += R[n, i, j, 0, lane] * z[j, 1, lane] + R[n, i, j, 1, lane] * z[j, 0, lane]
                for j in range(i + 1, len(dims)):
                    re += R[n, j, i, 0, lane] * z[j, 0, lane] + R[n, j, i, 1, lane] * z[j, 1, lane]
                    im += R[n, j, i, 0, lane] * z[j, 1, lane] - R[n, j, i, 1, lane] * z[j, 0, lane]
                y[n, i, 0, lane] = v[n, lane] * re + top[0, lane] * z[i, 0, lane]
                y[n, i, 1, lane] = v[n, lane] * im + top[0, lane] * z[i, 1, lane]
