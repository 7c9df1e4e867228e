"""The loops of `online_demixing` for the CPU: frame after frame, all bins of each."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.demixing_matrices import dot, factor, solve, squared, through
from sigsep_classic.kernels.jit import jit

GATE = 1e-10
"""A frame of less than this share of the recursive mean power teaches nothing."""
QUIETEST = 1e-6
"""Powers of an output count as no less than this share of their recursive mean."""
LOAD = 1e-8
"""What covariances are loaded with, relative to each entry of their diagonal: noise 80 dB below each channel."""
LEAST = 1e-20
"""The same relative to their trace, for channels that are silent."""
DEEPEST = 1e-200
"""Below this an output is silent."""


def scratch_of(sources: int, channels: int) -> tuple[np.ndarray, ...]:
    """Return what `demix_frames` works in."""
    return (
        np.empty((sources + 2, channels, channels), complex),
        np.empty((2, channels, sources), complex),
        np.empty((2, sources, sources), complex),
        np.empty((4, channels), complex),
        np.empty((2, channels)),
        np.empty(sources),
    )


@jit
def demix_frames(
    x, W, C, V, told, forgetting, n_updates, gauss, iss, images, big, tall, small, rows, numbers, phi
):
    """Write the images of all frames x (frames, freq, channels); W, C, V and told go on in place."""
    n_frames, n_freq, channels = x.shape
    sources = W.shape[1]
    for t in range(n_frames):
        power = 0.0
        for f in range(n_freq):
            for c in range(channels):
                power += squared(x[t, f, c])
        power /= n_freq * channels
        if power > GATE * told[1]:
            told[0] += 1
            share = max(1.0 - forgetting, 1.0 / told[0])
            told[1] += share * (power - told[1])
            spread = LOAD + 1.0 / (told[0] * told[0])
            for i in range(n_updates):
                _weigh(x[t], W, told, share, i == 0, gauss, phi)
                for f in range(n_freq):
                    if i == 0:
                        _learn(C[f], C[f], x[t, f], share, 1.0)
                    _update(
                        W[f],
                        C[f],
                        V[f],
                        x[t, f],
                        phi,
                        share,
                        spread,
                        i == n_updates - 1,
                        iss,
                        big,
                        tall,
                        small,
                        rows,
                        numbers,
                    )
        for f in range(n_freq):
            _load(C[f], LOAD, big[0])
            _mixing(W[f], C[f], big[0], tall, small, rows[0], numbers[0])
            for c in range(channels):
                left = x[t, f, c]
                for n in range(sources):
                    part = tall[0, c, n] * dot(W[f, n], x[t, f])
                    images[n, c, t, f] = part
                    left -= part
                if sources == channels:
                    for n in range(sources):
                        images[n, c, t, f] += left * (1.0 / sources)


@jit
def _weigh(frame, W, told, share, first, gauss, phi):
    """Write φ of the power of each output, and on the first update add that to its recursive mean."""
    n_freq = frame.shape[0]
    for n in range(W.shape[1]):
        u = 0.0
        for f in range(n_freq):
            u += squared(dot(W[f, n], frame[f]))
        u /= n_freq
        if first:
            told[2 + n] += share * (u - told[2 + n])
        u = max(u, QUIETEST * told[2 + n])
        phi[n] = 0.0
        if u > DEEPEST:
            phi[n] = 1.0 / u if gauss else 1.0 / np.sqrt(u)


@jit
def _learn(C, out, x, share, weight):
    """Write (1 - share) C + share weight x xᴴ."""
    for i in range(len(x)):
        scaled = x[i] * weight
        for j in range(len(x)):
            out[i, j] = C[i, j] + (scaled * x[j].conjugate() - C[i, j]) * share


@jit
def _load(C, spread, out):
    trace = 0.0
    for i in range(len(C)):
        trace += C[i, i].real
    for i in range(len(C)):
        for j in range(len(C)):
            out[i, j] = C[i, j]
        out[i, i] += spread * C[i, i].real + LEAST * trace


@jit
def _mixing(W, C, loaded, tall, small, x, inverse):
    """Write A = C Wᴴ (W C Wᴴ)⁻¹ (channels, sources), C loaded in the inverse, to ``tall[0]``; 0 for silence."""
    sources, channels = W.shape
    A, crossed = tall[0], tall[1]
    L, inside = small[0], small[1]
    for n in range(sources):
        for c in range(channels):
            s = 0j
            for k in range(channels):
                s += loaded[c, k] * W[n, k].conjugate()
            crossed[c, n] = s
    for n in range(sources):
        for m in range(sources):
            s = 0j
            for c in range(channels):
                s += W[n, c] * crossed[c, m]
            inside[n, m] = s
    factor(inside, L, inverse)
    for c in range(channels):
        for n in range(sources):
            s = 0j
            for k in range(channels):
                s += W[n, k] * C[k, c]
            x[n] = s
        solve(L, inverse, x[:sources])
        for n in range(sources):
            A[c, n] = x[n].conjugate()


@jit
def _update(W, C, V, x, phi, share, spread, last, iss, big, tall, small, rows, numbers):
    """Update the rows of a bin with what V becomes with this frame; keep that on the last update."""
    sources, channels = W.shape
    for n in range(sources):
        weighted = big[sources]
        _learn(V[n], weighted, x, share, phi[n])
        if last:
            _learn(V[n], V[n], x, share, phi[n])
        _load(weighted, spread, big[n])
    if not iss or sources < channels:
        _load(C, spread, big[sources])
    if iss:
        _steer(W, big, tall, small, rows, numbers)
    else:
        _project(W, big, tall, small, rows, numbers)


@jit
def _project(W, big, tall, small, rows, numbers):
    """Iterative projection: w_nᴴ = V_n⁻¹ a_n, then w_n V_n w_nᴴ = 1."""
    sources, channels = W.shape
    x = rows[1]
    for n in range(sources):
        _mixing(W, big[sources], big[sources], tall, small, rows[0], numbers[0])
        factor(big[n], big[sources + 1], numbers[1])
        for c in range(channels):
            x[c] = tall[0, c, n]
        solve(big[sources + 1], numbers[1], x)
        size = 0.0
        for c in range(channels):
            size += (tall[0, c, n].conjugate() * x[c]).real
        if big[n, 0, 0].real > 0 and size > 0:
            scale = 1.0 / np.sqrt(size)
            for c in range(channels):
                W[n, c] = x[c].conjugate() * scale


@jit
def _steer(W, big, tall, small, rows, numbers):
    """Iterative source steering along each row, then along each row of the background."""
    sources, channels = W.shape
    row, x = rows[1], rows[2]
    for n in range(channels):
        if n < sources:
            for c in range(channels):
                row[c] = W[n, c]
        else:
            _mixing(W, big[sources], big[sources], tall, small, rows[0], numbers[0])
            for c in range(channels):
                s = 0j
                for m in range(sources):
                    s += tall[0, n, m] * W[m, c]
                row[c] = (1.0 if c == n else 0.0) - s
        for m in range(sources):
            size = through(big[m], row, x)
            if size > 0:
                if m == n:
                    u = 1.0 - 1.0 / np.sqrt(size) + 0j
                else:
                    u = dot(W[m], x) * (1.0 / size)
                for c in range(channels):
                    W[m, c] -= u * row[c]
