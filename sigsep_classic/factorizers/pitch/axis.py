"""Where the bins of a front-end lie in Hz, and the grid of pitches that are tried."""

from __future__ import annotations

import math

import numpy as np

from sigsep_classic.typing import Grid

LOBE = 2.0
"""Half the main lobe of a Hann window in bins."""


def frequencies_of(grid: Grid, n_freq: int) -> np.ndarray:
    """Return the centres of the bins in Hz, (freq,) float64; none for a front-end with one frequency.

    Parameters
    ----------
    grid : Grid
        Of the front-end.
    n_freq : int
        How many bins it has.
    """
    if grid.frequencies is not None:
        return np.asarray(grid.frequencies, dtype=float)
    return grid.bin_hz * np.arange(n_freq) if grid.bin_hz > 0 else np.zeros(0)


def spacing_of(hertz: np.ndarray) -> np.ndarray:
    """Return how far bins at ``hertz`` (freq,), at least two, are from their neighbours, (freq,) in Hz."""
    return np.gradient(hertz)


def pitch_candidates(
    min_hz: float, max_hz: float, per_semitone: float, hertz: np.ndarray, *, least_bins: float = 2.0
) -> np.ndarray:
    """Return pitches in Hz, rising by equal ratios, (candidates,) float64; none where ``hertz`` resolves none.

    Parameters
    ----------
    min_hz, max_hz : float
        First pitch and bound of the last, in Hz.
    per_semitone : float
        Candidates a semitone.
    hertz : ndarray (freq,)
        Where the bins lie. Pitches above a third of the highest, which would have fewer than three partials, or with
        partials closer than ``least_bins`` bins, are left out.
    """
    if len(hertz) < 3:
        return np.zeros(0)
    count = math.floor(12 * per_semitone * math.log2(max_hz / min_hz) + 1e-9) + 1
    pitches = min_hz * 2 ** (np.arange(count) / (12 * per_semitone))
    apart = np.interp(pitches, hertz, spacing_of(hertz))
    return pitches[(pitches <= hertz[-1] / 3) & (pitches >= least_bins * apart)]
