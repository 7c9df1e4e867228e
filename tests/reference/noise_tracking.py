"""Noise power under speech, point by point, in the order of the papers; minima over lists of all that was seen."""

from __future__ import annotations

import math

import numpy as np

from tests.reference.spectral_gain import gain


def mmse(P: np.ndarray, start: float, frame_rate: float) -> np.ndarray:
    """Return Gerkmann and Hendriks's estimate of one bin P (frames,); their constants are for 62.5 frames a second."""
    keep, presence_keep = 0.8 ** (62.5 / frame_rate), 0.9 ** (62.5 / frame_rate)
    snr = 10**1.5
    found, noise, held = [], start, 0.5
    for power in P:
        if power > 0:
            p = 1 / (1 + (1 + snr) * math.exp(-(power / noise) * snr / (1 + snr)))
            held = presence_keep * held + (1 - presence_keep) * p
            if held > 0.99:
                p = min(p, 0.99)
            noise = keep * noise + (1 - keep) * ((1 - p) * power + p * noise)
        found.append(noise)
    return np.array(found)


def _window_minimum(values: list[float], begun: float, t: int, length: int) -> float:
    """Return the minimum of the last eight whole parts of ``length`` frames, and of what came since, up to frame t."""
    first = max(0, (t // length - 8) * length)
    # A part begins with the last value of the one before, the first of all with the start.
    return min([begun, *values[: t + 1]] if first == 0 else values[first - 1 : t + 1])


def imcra(P: np.ndarray, start: np.ndarray, frame_rate: float) -> np.ndarray:
    """Return Cohen's estimate of P (freq, frames); his constants are for 125 frames a second."""
    bins, frames = P.shape
    keep, noise_keep, directed_keep = (a ** (125 / frame_rate) for a in (0.9, 0.85, 0.92))
    length = max(4, round(0.12 * frame_rate))
    S, St, noise, before = start.copy(), start.copy(), start.copy(), start.copy()
    seen, seen_t = [[] for _ in range(bins)], [[] for _ in range(bins)]
    found = np.empty(P.shape)
    weights = ((-1, 0.25), (0, 0.5), (1, 0.25))
    for t in range(frames):
        near = [sum(w * P[min(max(f + d, 0), bins - 1), t] for d, w in weights) for f in range(bins)]
        calm = np.zeros(bins)
        for f in range(bins):
            if near[f] > 0:
                S[f] = keep * S[f] + (1 - keep) * near[f]
            seen[f].append(S[f])
            low = 1.66 * _window_minimum(seen[f], start[f] / 1.66, t, length)
            calm[f] = P[f, t] < 4.6 * low and S[f] < 1.67 * low
        for f in range(bins):
            around = [(w, min(max(f + d, 0), bins - 1)) for d, w in weights]
            total = sum(w * calm[g] for w, g in around)
            if total > 0 and near[f] > 0:
                St[f] = keep * St[f] + (1 - keep) * sum(w * calm[g] * P[g, t] for w, g in around) / total
            seen_t[f].append(St[f])
            low = 1.66 * _window_minimum(seen_t[f], start[f] / 1.66, t, length)
            if P[f, t] > 0:
                posterior = min(P[f, t] / noise[f], 1e8)
                prior = directed_keep * min(before[f] / noise[f], 1e8)
                prior = max(prior + (1 - directed_keep) * max(posterior - 1, 0), 10**-2.5)
                q = 0.0
                if S[f] < 1.67 * low:
                    q = min(max((3 - P[f, t] / low) / 2, 0), 1)
                v = posterior * prior / (1 + prior)
                p = 1 / (1 + q / (1 - q) * (1 + prior) * math.exp(-v)) if q < 1 else 0.0
                before[f] = gain("log_mmse", prior, posterior) ** 2 * P[f, t]
                a = noise_keep + (1 - noise_keep) * p
                noise[f] = a * noise[f] + (1 - a) * 1.47 * P[f, t]
            found[f, t] = noise[f]
    return found
