"""Partials of sustained sounds: peaks of the spectrum of each frame, joined to trajectories from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

GAP = 2
"""Most frames a partial may be lost for."""
DEPTH_DB, FRAME_DEPTH_DB = 70.0, 50.0
"""Peaks softer than this below the loudest of all, and below the loudest of their frame, are not looked at."""


@dataclass(frozen=True, kw_only=True)
class Partial:
    """The trajectory of one sinusoid.

    Parameters
    ----------
    start : int
        First frame.
    hertz : ndarray (length,)
        Frequency in each frame.
    level : ndarray (length,)
        Magnitude at the peak in each frame.
    """

    start: int
    hertz: np.ndarray
    level: np.ndarray

    @property
    def stop(self) -> int:
        """The frame after the last."""
        return self.start + len(self.hertz)

    @cached_property
    def energy(self) -> float:
        """Sum of the squared magnitudes."""
        return float((self.level**2).sum())

    @cached_property
    def mean_hertz(self) -> float:
        """Mean frequency, louder frames counting more."""
        return float((self.hertz * self.level).sum() / self.level.sum())


def peaks(V: np.ndarray, hertz: np.ndarray, *, most: int = 80) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return frequency in Hz and magnitude of the peaks of each frame, the frequencies rising.

    A peak is a bin louder than its neighbours, moved to the top of the parabola through the three logarithms.

    Parameters
    ----------
    V : ndarray (freq, frames)
        Magnitudes, float64.
    hertz : ndarray (freq,)
        Bins in Hz, rising.
    most : int
        Keep at most so many of a frame, the loudest ones.
    """
    found: list[tuple[np.ndarray, np.ndarray]] = []
    top = V.max(initial=0.0)
    for v in V.T:
        floor = max(10 ** (-DEPTH_DB / 20) * top, 10 ** (-FRAME_DEPTH_DB / 20) * v.max(initial=0.0), 1e-300)
        at = 1 + np.flatnonzero((v[1:-1] > v[:-2]) & (v[1:-1] >= v[2:]) & (v[1:-1] > floor))
        if len(at) > most:
            at = np.sort(at[np.argsort(-v[at], kind="stable")[:most]])
        below, here, above = (np.log(np.maximum(v[at + k], 1e-12 * floor)) for k in (-1, 0, 1))
        bend = below - 2 * here + above
        shift = np.clip(0.5 * (below - above) / np.where(bend < 0, bend, -1), -0.5, 0.5)
        gap = np.where(
            shift > 0, hertz[np.minimum(at + 1, len(hertz) - 1)] - hertz[at], hertz[at] - hertz[at - 1]
        )
        found.append((hertz[at] + shift * gap, np.exp(here - 0.25 * (below - above) * shift)))
    return found


def trajectories(
    found: list[tuple[np.ndarray, np.ndarray]], *, step_cents: float, step_hz: float, min_frames: int
) -> list[Partial]:
    """Return the partials that peaks make, each at least ``min_frames`` long.

    A partial goes on with the peak nearest to it, if that is nearest to no other partial and not farther than
    ``step_hz + step_cents``; it may be lost for `GAP` frames, which are filled with straight lines.

    Parameters
    ----------
    found : list of (ndarray, ndarray)
        Frequencies in Hz and magnitudes of the peaks of each frame.
    step_cents, step_hz : float
        How far a partial may move from frame to frame.
    min_frames : int
        Length of the shortest partial that counts.
    """
    done: list[_Track] = []
    alive: list[_Track] = []
    for t, (hertz, level) in enumerate(found):
        done += [track for track in alive if t - track.frames[-1] > GAP + 1]
        alive = [track for track in alive if t - track.frames[-1] <= GAP + 1]
        taken = np.zeros(len(hertz), bool)
        if alive and len(hertz):
            last = np.array([track.hertz[-1] for track in alive])
            away = abs(hertz - last[:, None])
            nearest, owner = away.argmin(axis=1), away.argmin(axis=0)
            reach = step_hz + last * (2 ** (step_cents / 1200) - 1)
            for i, k in enumerate(nearest):
                if owner[k] == i and away[i, k] <= reach[i]:
                    taken[k] = True
                    alive[i].add(t, hertz[k], level[k])
        for k in np.flatnonzero(~taken):
            alive.append(_Track())
            alive[-1].add(t, hertz[k], level[k])
    whole = [track for track in done + alive if track.frames[-1] - track.frames[0] + 1 >= min_frames]
    return [track.filled() for track in sorted(whole, key=lambda track: (track.frames[0], track.hertz[0]))]


class _Track:
    """A partial while it is followed."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.hertz: list[float] = []
        self.level: list[float] = []

    def add(self, frame: int, hertz: float, level: float) -> None:
        self.frames.append(frame)
        self.hertz.append(hertz)
        self.level.append(level)

    def filled(self) -> Partial:
        t = np.arange(self.frames[0], self.frames[-1] + 1)
        hertz, level = (np.interp(t, self.frames, values) for values in (self.hertz, self.level))
        return Partial(start=self.frames[0], hertz=hertz, level=level)
