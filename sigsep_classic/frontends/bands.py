"""The bands of a constant-Q transform: where they lie, how they fade, what they weigh in a spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Row = tuple[int, np.ndarray]
"""First bin of a band in a spectrum, and its gains from there on."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Bands on the frequency axis: each rises to its centre and falls from it; the lowest is flat down to 0.

    Parameters
    ----------
    centres, rise, fall : ndarray (rows,)
        In Hz.
    sample_rate : float
        In Hz.
    """

    centres: np.ndarray
    rise: np.ndarray
    fall: np.ndarray
    sample_rate: float

    @classmethod
    def constant_q(
        cls, sample_rate: float, f_min: float, n_rows: int, bins_per_octave: int, gamma: float
    ) -> Bands:
        """Return one band below ``f_min`` (or linear ones), constant-Q ones, and linear ones to the top."""
        nyquist, ratio = sample_rate / 2, 2 ** (1 / bins_per_octave)
        centres = f_min * ratio ** np.arange(n_rows)
        widest = centres[-1] * (ratio - 1)
        start, end = centres[0] / ratio, centres[-1] * ratio
        low = np.array([start])
        if f_min > widest:  # a single row below would be wider than any other
            low = np.linspace(0, start, math.ceil(start / widest) + 1)
        high = np.linspace(end, nyquist, math.ceil((nyquist - end) / widest) + 1)
        rows = np.concatenate([low, centres, high])
        rise, fall = np.diff(rows, prepend=0), np.diff(rows, append=nyquist)
        inner = slice(len(low), len(low) + n_rows)
        wider = 1 + gamma / (centres * (ratio - 1 / ratio))
        rise[inner] = np.minimum(rise[inner] * wider, centres)
        fall[inner] = np.minimum(fall[inner] * wider, nyquist - centres)
        rise[0], fall[-1] = 0, 0
        return cls(rows, rise, fall, sample_rate)

    @property
    def widths(self) -> np.ndarray:
        """The width of each band in Hz; the lowest and the highest have another half beyond the axis."""
        widths = self.rise + self.fall
        widths[0] = 2 * (self.centres[0] + self.fall[0])
        widths[-1] = 2 * self.rise[-1]
        return widths

    def gains(self, n_bins: int) -> list[Row]:
        """Return for each row its first bin and its gains in a spectrum of ``n_bins`` from 0 to half the rate.

        Squares of the gains add up to one in every bin.
        """
        rows = [self._fades(k, n_bins) for k in range(len(self.centres))]
        total = np.zeros(n_bins)
        for first, gains in rows:
            total[first : first + len(gains)] += gains**2
        total = np.sqrt(total)  # one to rounding, unless bands reach beyond their neighbours
        return [(first, gains / total[first : first + len(gains)]) for first, gains in rows]

    def _fades(self, k: int, n_bins: int) -> Row:
        """Return the first bin of row k and its fades, power-complementary and as smooth as a Hann window."""
        bin_hz = self.sample_rate / 2 / (n_bins - 1)
        centre, rise, fall = self.centres[k], self.rise[k], self.fall[k]
        first = 0 if k == 0 else math.floor((centre - rise) / bin_hz) + 1
        last = k == len(self.centres) - 1
        stop = n_bins if last else min(n_bins, math.ceil((centre + fall) / bin_hz))
        hertz = np.arange(first, stop) * bin_hz - centre
        away = np.where(hertz < 0, -hertz / rise if rise else 0 * hertz, hertz / fall if fall else 0 * hertz)
        return first, np.cos(np.pi / 2 * np.sin(np.pi / 2 * np.minimum(away, 1)) ** 2)
