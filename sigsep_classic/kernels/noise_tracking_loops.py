"""The recursions of `noise_tracking` for numba; arrays (channels, frames, freq), double precision."""

# mypy: disable-error-code="no-untyped-def"
from __future__ import annotations

import numpy as np

from sigsep_classic.kernels.jit import jit
from sigsep_classic.kernels.spectral_gain import log_mmse

LANES = 64
SUBWINDOWS = 8


@jit
def mmse_lanes(first, stop, P, start, N, speech_snr, noise_keep, presence_keep, per_channel):
    """Unbiased MMSE noise power of blocks of up to 64 bins."""
    share = speech_snr / (1.0 + speech_snr)
    for block in range(first, stop):
        c, lane0 = block // per_channel, (block % per_channel) * LANES
        width = min(LANES, P.shape[2] - lane0)
        noise = start[c, lane0 : lane0 + width].copy()
        held = np.full(width, 0.5)
        for t in range(P.shape[1]):
            for j in range(width):
                power = P[c, t, lane0 + j]
                if power > 0:  # digital silence tells nothing of the noise
                    p = 1.0 / (1.0 + (1.0 + speech_snr) * np.exp(-share * power / noise[j]))
                    held[j] = presence_keep * held[j] + (1.0 - presence_keep) * p
                    if held[j] > 0.99:
                        p = min(p, 0.99)
                    noise[j] += (1.0 - noise_keep) * (1.0 - p) * (power - noise[j])
                N[c, t, lane0 + j] = noise[j]


@jit
def smoothed(P, c, t, f):
    """Power at a point, smoothed over three bins; edges repeated."""
    last = P.shape[2] - 1
    return 0.25 * (P[c, t, max(f - 1, 0)] + P[c, t, min(f + 1, last)]) + 0.5 * P[c, t, f]


@jit
def follow(value, t, length, stored, low):
    """Note a value in low = (least of the window, least of the sub-window) and give the least of the window."""
    low[0] = min(low[0], value)
    low[1] = min(low[1], value)
    found = low[0]
    if (t + 1) % length == 0:
        low[0] = low[1]
        for u in range(SUBWINDOWS - 1):
            stored[u] = stored[u + 1]
            low[0] = min(low[0], stored[u])
        stored[SUBWINDOWS - 1] = low[1]
        low[1] = value
    return found


@jit
def imcra_calm(first, stop, P, start, calm, length, keep, limits):
    """Mark the points of rows (channel, bin) that are near the minimum of their smoothed power: no strong speech."""
    bias, peak, rise = limits[0], limits[1], limits[2]
    stored, low = np.empty(SUBWINDOWS), np.empty(2)
    for row in range(first, stop):
        c, f = row // P.shape[2], row % P.shape[2]
        S = start[c, f]
        stored[:] = S / bias
        low[:] = S / bias
        for t in range(P.shape[1]):
            power = smoothed(P, c, t, f)
            if power > 0:
                S = keep * S + (1.0 - keep) * power
            least = bias * follow(S, t, length, stored, low)
            calm[c, t, f] = P[c, t, f] < peak * least and rise * least > S


@jit
def imcra_rows(first, stop, P, start, calm, N, length, keeps, limits):
    """Minima-controlled recursive averages of rows (channel, bin)."""
    keep, noise_keep, directed_keep = keeps[0], keeps[1], keeps[2]
    bias, rise, edge, beta, least_prior = limits[0], limits[2], limits[3], limits[4], limits[5]
    last = P.shape[2] - 1
    stored, low = np.empty(SUBWINDOWS), np.empty(2)
    for row in range(first, stop):
        c, f = row // P.shape[2], row % P.shape[2]
        left, right = max(f - 1, 0), min(f + 1, last)
        S = start[c, f]
        calmer, noise, before = S, S, S
        stored[:] = S / bias
        low[:] = S / bias
        for t in range(P.shape[1]):
            power, around = P[c, t, f], smoothed(P, c, t, f)
            if around > 0:
                S = keep * S + (1.0 - keep) * around
            a, b, d = calm[c, t, left], calm[c, t, f], calm[c, t, right]
            weight = 0.25 * a + 0.5 * b + 0.25 * d
            if weight > 0 and around > 0:
                quiet = (0.25 * a * P[c, t, left] + 0.5 * b * power + 0.25 * d * P[c, t, right]) / weight
                calmer = keep * calmer + (1.0 - keep) * quiet
            least = bias * follow(calmer, t, length, stored, low)
            if power > 0:
                posterior = min(power / noise, 1e8)
                prior = directed_keep * min(before / noise, 1e8)
                prior = max(prior + (1.0 - directed_keep) * max(posterior - 1.0, 0.0), least_prior)
                absence = 0.0
                if rise * least > S:
                    absence = min(max((edge - power / least) / (edge - 1.0), 0.0), 1.0)
                p = 0.0
                if absence < 1.0:
                    v = posterior * prior / (1.0 + prior)
                    p = 1.0 / (1.0 + absence / (1.0 - absence) * (1.0 + prior) * np.exp(-v))
                g = log_mmse(prior, posterior)
                before = g * g * power
                noise += (1.0 - noise_keep) * (1.0 - p) * (beta * power - noise)
            N[c, t, f] = noise


# Rows of the state of one channel in minimum statistics: what Martin calls P, sigma², the means of P and P², 1 / Qeq,
# actmin, actmin_sub, Pmin_u and lmin_flag, then the minima of the sub-windows.
_P, _NOISE, _MEAN, _SQUARE, _SPREAD, _LEAST, _SUB, _LOWEST, _RISING, _STORED = range(10)


@jit
def smooth_frame(P, t, state, correction, keeps):
    """Smooth the powers of frame t (freq,); return the correction and the mean spread, which is -1 in silence."""
    seen, held, known = 0.0, 0.0, 0.0
    for f in range(P.shape[0]):
        seen += P[f]
        held += state[_P, f]
        known += state[_NOISE, f]
    if not seen > 0:
        return correction, -1.0
    sure = max(1.0 / (1.0 + (held / seen - 1.0) ** 2), 0.7)
    correction = keeps[0] * correction + (1.0 - keeps[0]) * sure
    lower = 0.0
    if known > 0:
        lower = min(keeps[2], max(held / known, 1e-8) ** keeps[3])
    total = 0.0
    for f in range(P.shape[0]):
        noise, keep, q = state[_NOISE, f], lower, 0.5
        if noise > 0:
            keep = max(keeps[1] * correction / (1.0 + (state[_P, f] / noise - 1.0) ** 2), lower)
        p = keep * state[_P, f] + (1.0 - keep) * P[f]
        b = min(keep * keep, keeps[4])
        mean = b * state[_MEAN, f] + (1.0 - b) * p
        square = b * state[_SQUARE, f] + (1.0 - b) * p * p
        if noise > 0:
            q = min(max((square - mean * mean) / (2.0 * noise * noise), 1.0 / (14.0 * (t + 1))), 0.5)
        state[_P, f], state[_MEAN, f], state[_SQUARE, f], state[_SPREAD, f] = p, mean, square, q
        total += q
    return correction, total / P.shape[0]


@jit
def minima(state, place, filled, length, average, floors):
    """Bring the minima of all bins up to date at one place of a sub-window, and with them the noise."""
    bias, window = 1.0 + 2.12 * np.sqrt(average), float(length * SUBWINDOWS)
    steepest = 8.0 if average < 0.03 else 4.0 if average < 0.05 else 2.0 if average < 0.06 else 1.2
    for f in range(state.shape[1]):
        power, turned = bias * state[_P, f], 1.0 / state[_SPREAD, f]
        candidate = power * (1.0 + 2.0 * (window - 1.0) * (1.0 - floors[0]) / (turned - 2.0 * floors[0]))
        lowers = candidate < state[_LEAST, f]
        if lowers:
            state[_LEAST, f] = candidate
            state[_SUB, f] = power * (
                1.0 + 2.0 * (length - 1.0) * (1.0 - floors[1]) / (turned - 2.0 * floors[1])
            )
        sub = state[_SUB, f]
        if place < length:
            if lowers and place > 1:
                state[_RISING, f] = 1.0
            low = min(state[_LOWEST, f], sub)
        else:
            state[_STORED + filled, f] = state[_LEAST, f]
            low = state[_STORED, f]
            for u in range(1, SUBWINDOWS):
                low = min(low, state[_STORED + u, f])
            if state[_RISING, f] > 0 and not lowers and low < sub and sub < steepest * low:
                low = sub
                for u in range(SUBWINDOWS):
                    state[_STORED + u, f] = low
            state[_RISING, f] = 0.0
            state[_LEAST, f] = np.inf
        state[_LOWEST, f] = low
        state[_NOISE, f] = low


@jit
def minimum_channels(first, stop, P, start, N, length, keeps, floors):
    """Minimum statistics of channels; ``floors`` are M(D) and M(V) with D and V the frames of window and sub-window."""
    bins = P.shape[2]
    state = np.empty((_STORED + SUBWINDOWS, bins))
    for c in range(first, stop):
        for f in range(bins):
            for row in range(_STORED + SUBWINDOWS):
                state[row, f] = start[c, f]
            state[_SQUARE, f] = start[c, f] ** 2
            state[_LEAST, f], state[_SUB, f], state[_RISING, f] = np.inf, np.inf, 0.0
            for u in range(SUBWINDOWS):
                state[_STORED + u, f] = np.inf
        correction, place, filled = 1.0, 1, 0
        for t in range(P.shape[1]):
            correction, average = smooth_frame(P[c, t], t, state, correction, keeps)
            if average >= 0:
                minima(state, place, filled, length, average, floors)
                place += 1
                if place > length:
                    place, filled = 1, (filled + 1) % SUBWINDOWS
            for f in range(bins):
                N[c, t, f] = state[_NOISE, f]
