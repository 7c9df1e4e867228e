"""Gains that let the harmonics of a pitch through; for the melodies found here, and for anybody's own."""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.pitch.axis import frequencies_of
from sigsep_classic.typing import Array, Grid


def harmonic_comb(
    f0: Array,
    grid: Grid,
    n_freq: int,
    *,
    width_hz: float = 40.0,
    width_cents: float = 40.0,
    max_hz: float | None = None,
) -> Array:
    """Return the gains of the harmonics of f0, (freq, frames), in [0, 1].

    Around harmonic n the gain is 1 at n f0 and falls as a squared cosine to 0 at a distance of
    ``width_hz + width_cents`` (the latter at n f0); half that far it is 1/2.

    Parameters
    ----------
    f0 : array (frames,)
        Pitch in Hz, float32 or float64, NumPy or CuPy; NaN or 0 where there is none.
    grid : Grid
        Of the front-end.
    n_freq : int
        How many bins it has.
    width_hz : float
        Reach in Hz, at least 0: about the main lobe of the window, and what the pitch moves within it.
    width_cents : float
        Reach in cents, at least 0: how far from the true one f0 may be. One of the two must be more than 0.
    max_hz : float or None
        Above this frequency the gain is 0.

    Returns
    -------
    array (freq, frames)
        In the dtype and on the device of f0, frame after frame in memory.

    Raises
    ------
    ParameterError
        A width is out of range, or f0 is negative or infinite.
    ShapeError
        f0 has not one axis.

    Examples
    --------
    >>> import numpy as np
    >>> gains = harmonic_comb(np.array([200.0, np.nan]), Grid(frame_rate=100, bin_hz=50), 9, width_hz=60, width_cents=0)
    >>> [round(float(gain), 2) for gain in gains[:, 0]]
    [0.0, 0.0, 0.0, 0.07, 1.0, 0.07, 0.0, 0.07, 1.0]
    >>> float(gains[:, 1].max())
    0.0
    """
    check_range("width_hz", width_hz, 0)
    check_range("width_cents", width_cents, 0)
    if width_hz == width_cents == 0:
        raise ParameterError("width_hz and width_cents are 0; give at least one of them")
    xp = namespace(f0)
    if f0.ndim != 1:
        raise ShapeError(f"f0 has shape {f0.shape}; expected (frames,)")
    sounds = xp.nan_to_num(f0, nan=0.0) > 0
    if bool((f0 < 0).any()) or bool(xp.isinf(f0).any()):
        raise ParameterError(
            "f0 has negative or infinite values; give Hz, and NaN or 0 where there is no pitch"
        )
    hertz = frequencies_of(grid, n_freq)
    if len(hertz) == 0:
        return xp.zeros((len(f0), n_freq), dtype=f0.dtype).T
    if max_hz is not None:
        hertz = np.where(hertz <= max_hz, hertz, np.inf)
    at = xp.asarray(np.where(np.isfinite(hertz), hertz, 0), dtype=f0.dtype)
    pitch = xp.where(sounds, f0, 1)[:, None]
    nearest = pitch * xp.maximum(xp.rint(at / pitch), 1)
    reach = width_hz + nearest * (2.0 ** (width_cents / 1200) - 1)
    away = abs(at - nearest) / reach
    heard = (away < 1) & sounds[:, None] & xp.asarray(np.isfinite(hertz))
    gain = xp.where(heard, xp.cos((np.pi / 2) * xp.minimum(away, 1)) ** 2, 0)
    return gain.astype(f0.dtype, copy=False).T


def level_between(V: Array, f0: Array, grid: Grid) -> Array:
    """Return what is heard halfway between the harmonics of f0, drawn in straight lines through them, as V.

    Where harmonics of others fill the gaps this is as loud as V; where a pitch is alone it is nearly nothing.

    Parameters
    ----------
    V : array (freq, frames)
        Magnitudes, float32 or float64.
    f0 : array (frames,)
        Pitch in Hz, in the dtype of V; NaN or 0 where there is none: the level is 0 there.
    grid : Grid
        Of the front-end.
    """
    xp, Vt = namespace(V), V.T
    hertz = xp.asarray(frequencies_of(grid, len(V)), dtype=V.dtype)
    sounds = xp.nan_to_num(f0, nan=0.0) > 0
    if len(hertz) < 2:
        return xp.zeros_like(V)
    pitch = xp.where(sounds, f0, 1)[:, None]
    below = xp.floor(hertz / pitch - 0.5) + 0.5
    share = hertz / pitch - below
    lower = _read(Vt, hertz, xp.maximum(below, 0.5) * pitch)
    upper = _read(Vt, hertz, (below + 1) * pitch)
    level = xp.where(sounds[:, None], lower + share * (upper - lower), 0)
    return level.astype(V.dtype, copy=False).T


def _read(Vt: Array, hertz: Array, at: Array) -> Array:
    """Return Vt (frames, freq) read at frequencies ``at`` in Hz of the same shape, between bins in straight lines."""
    xp = namespace(Vt)
    place = xp.interp(at.ravel(), hertz, xp.arange(len(hertz), dtype=hertz.dtype))
    place = place.reshape(at.shape).astype(Vt.dtype)
    low = xp.minimum(place.astype(xp.int64), len(hertz) - 2)
    part = place - low
    first = xp.take_along_axis(Vt, low, axis=1)
    return first + part * (xp.take_along_axis(Vt, low + 1, axis=1) - first)
