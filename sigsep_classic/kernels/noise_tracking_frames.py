"""The NumPy line of `noise_tracking`: frame by frame, all bins at once; arrays (channels, frames, freq)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sigsep_classic.kernels.spectral_gain import RULES, gains_of

SUBWINDOWS = 8


def mmse(P: np.ndarray, start: np.ndarray, N: np.ndarray, speech_snr: float, keeps: np.ndarray) -> None:
    """Unbiased MMSE noise power."""
    noise, held = start.copy(), np.full_like(start, 0.5)
    for t in range(P.shape[1]):
        power = P[:, t]
        p = 1 / (1 + (1 + speech_snr) * np.exp(-speech_snr / (1 + speech_snr) * power / noise))
        held = np.where(power > 0, keeps[1] * held + (1 - keeps[1]) * p, held)
        p = np.where(held > 0.99, np.minimum(p, 0.99), p)
        noise = noise + np.where(power > 0, (1 - keeps[0]) * (1 - p) * (power - noise), 0)
        N[:, t] = noise


class _Minimum:
    """The minimum of what it is given over a window of sub-windows."""

    def __init__(self, begun: np.ndarray, length: int) -> None:
        self.stored = [begun] * SUBWINDOWS
        self.window, self.sub, self.length = begun, begun, length

    def follow(self, value: np.ndarray, t: int) -> np.ndarray:
        """Note the value of frame t and return the minimum."""
        self.window, self.sub = np.minimum(self.window, value), np.minimum(self.sub, value)
        found = self.window
        if (t + 1) % self.length == 0:
            self.stored = [*self.stored[1:], self.sub]
            self.window, self.sub = np.minimum.reduce(self.stored), value
        return found


def _around(A: np.ndarray) -> np.ndarray:
    """Return the means over three bins with weights 1, 2 and 1, edges repeated."""
    padded = np.pad(A, ((0, 0), (1, 1)), mode="edge")
    return 0.25 * (padded[:, :-2] + padded[:, 2:]) + 0.5 * A


def imcra(
    P: np.ndarray,
    start: np.ndarray,
    N: np.ndarray,
    length: int,
    keeps: np.ndarray,
    limits: Sequence[float],
) -> None:
    """Minima-controlled recursive averages."""
    bias, peak, rise, edge, beta, least_prior = limits
    S, calmer, noise, before = start, start, start, start
    first, second = _Minimum(start / bias, length), _Minimum(start / bias, length)
    for t in range(P.shape[1]):
        power, around = P[:, t], _around(P[:, t])
        S = np.where(around > 0, keeps[0] * S + (1 - keeps[0]) * around, S)
        least = bias * first.follow(S, t)
        calm = ((power < peak * least) & (rise * least > S)).astype(float)
        weight = _around(calm)
        quiet = _around(calm * power) / np.where(weight > 0, weight, 1)
        moved = keeps[0] * calmer + (1 - keeps[0]) * quiet
        calmer = np.where((weight > 0) & (around > 0), moved, calmer)
        least = bias * second.follow(calmer, t)
        posterior = np.minimum(power / noise, 1e8)
        prior = keeps[2] * np.minimum(before / noise, 1e8) + (1 - keeps[2]) * np.maximum(posterior - 1, 0)
        prior = np.maximum(prior, least_prior)
        ramp = np.clip((edge - power / least) / (edge - 1), 0, 1)
        absence = np.where(rise * least > S, ramp, 0)
        odds = absence / np.where(absence < 1, 1 - absence, 1)
        speech = 1 / (1 + odds * (1 + prior) * np.exp(-posterior * prior / (1 + prior)))
        p = np.where(absence < 1, speech, 0)
        gain = gains_of(RULES.index("log_mmse"), prior, posterior)
        before = np.where(power > 0, gain**2 * power, before)
        noise = noise + np.where(power > 0, (1 - keeps[1]) * (1 - p) * (beta * power - noise), 0)
        N[:, t] = noise


def minimum(
    P: np.ndarray, start: np.ndarray, N: np.ndarray, length: int, keeps: np.ndarray, floors: np.ndarray
) -> None:
    """Minimum statistics, channel by channel."""
    for P_c, start_c, N_c in zip(P, start, N, strict=True):
        _minimum(P_c, start_c, N_c, length, keeps, floors)


def _minimum(
    P: np.ndarray, start: np.ndarray, N: np.ndarray, length: int, keeps: np.ndarray, floors: np.ndarray
) -> None:
    window, inf = SUBWINDOWS * length, np.full_like(start, np.inf)
    p, noise, mean, square, lowest = start, start, start, start**2, start
    least, sub, rising = inf, inf, np.zeros(start.shape, bool)
    stored = [inf] * SUBWINDOWS
    correction, place, filled = 1.0, 1, 0
    for t, power in enumerate(P):
        N[t] = noise
        if power.sum() == 0:
            continue
        sure = max(1 / (1 + (p.sum() / power.sum() - 1) ** 2), 0.7)
        correction = keeps[0] * correction + (1 - keeps[0]) * sure
        known = noise.sum()
        lower = min(keeps[2], max(p.sum() / known, 1e-8) ** keeps[3]) if known > 0 else 0.0
        heard, safe = noise > 0, np.where(noise > 0, noise, 1)
        keep = np.where(heard, np.maximum(keeps[1] * correction / (1 + (p / safe - 1) ** 2), lower), lower)
        p = keep * p + (1 - keep) * power
        b = np.minimum(keep**2, keeps[4])
        mean, square = b * mean + (1 - b) * p, b * square + (1 - b) * p**2
        q = np.where(heard, np.clip((square - mean**2) / (2 * safe**2), 1 / (14 * (t + 1)), 0.5), 0.5)
        average = q.mean()
        bias = 1 + 2.12 * np.sqrt(average)
        steepest = 8.0 if average < 0.03 else 4.0 if average < 0.05 else 2.0 if average < 0.06 else 1.2
        candidate = bias * p * (1 + 2 * (window - 1) * (1 - floors[0]) / (1 / q - 2 * floors[0]))
        lowers = candidate < least
        least = np.where(lowers, candidate, least)
        sub = np.where(
            lowers, bias * p * (1 + 2 * (length - 1) * (1 - floors[1]) / (1 / q - 2 * floors[1])), sub
        )
        if place < length:
            rising = rising | lowers if place > 1 else rising
            lowest = np.minimum(lowest, sub)
            place += 1
        else:
            stored[filled] = least
            lowest = np.minimum.reduce(stored)
            rises = rising & ~lowers & (lowest < sub) & (sub < steepest * lowest)
            lowest = np.where(rises, sub, lowest)
            stored = [np.where(rises, sub, part) for part in stored]
            rising, least = np.zeros_like(rising), inf
            place, filled = 1, (filled + 1) % SUBWINDOWS
        noise = lowest
        N[t] = noise
