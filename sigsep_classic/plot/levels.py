"""Numbers for a picture: few enough columns, levels in dB, edges of cells in seconds and Hz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid

COLUMNS, ROWS = 600, 300
"""Most cells of an image along time and along frequency: more than a figure has pixels for."""

_BLOCK = 4096


def decibels(V: np.ndarray, *, top: float | None = None, range_db: float = 80.0) -> np.ndarray:
    """Return ``20 log10 (V / top)``, nowhere below ``-range_db``; of silence that everywhere.

    Parameters
    ----------
    V : array
        At least 0.
    top : float, optional
        What is 0 dB. Default: the largest value.
    range_db : float
        In dB, greater than 0.
    """
    V = to_host(V).astype(np.float64)
    top = float(V.max(initial=0.0)) if top is None else top
    if not top > 0:
        return np.full(V.shape, -range_db)
    return 20 * np.log10(np.maximum(V / top, 10 ** (-range_db / 20)))


def in_one(V: np.ndarray, channel: int | None, *, mean: bool = False) -> np.ndarray:
    """Return one channel of V (channels, freq, frames), or without a number the root mean square or mean of all."""
    if len(V) == 1 or channel is not None:
        return V[channel or 0]
    if mean:
        return V.mean(axis=0, dtype=np.float64)
    return np.sqrt((V.astype(np.float64) ** 2).mean(axis=0))


def compressed(
    part: Callable[[int, int], Any],
    n_frames: int,
    *,
    channel: int | None = None,
    columns: int = COLUMNS,
    mean: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the largest magnitudes of neighbouring frames, and where each column begins and the last ends.

    Parameters
    ----------
    part : callable
        ``part(start, stop)`` gives coefficients (channels, freq, stop - start); it is asked for a few at a time.
    n_frames : int
        How many there are, at least 1.
    channel : int or None
        As in `in_one`.
    columns : int
        At most so many are returned; with as many frames or fewer, all of them as they are.
    mean : bool
        Their mean in place of the largest: for shares, which are to add up.

    Returns
    -------
    V : ndarray (freq, columns)
    edges : int array (columns + 1,)
        In frames.
    """
    edges = np.unique(np.linspace(0, n_frames, min(columns, n_frames) + 1).round().astype(int))
    found, at = [], 0
    while at < len(edges) - 1:
        stop = max(at + 1, int(np.searchsorted(edges, edges[at] + _BLOCK, side="right")) - 1)
        V = in_one(abs(to_host(part(int(edges[at]), int(edges[stop])))), channel, mean=mean)
        found.append(_merged(V, edges[at : stop + 1] - edges[at], axis=1, mean=mean))
        at = stop
    return np.concatenate(found, axis=1), edges


def _merged(A: np.ndarray, edges: np.ndarray, *, axis: int, mean: bool) -> np.ndarray:
    """Return the largest, or the mean, of what lies between edges in A (rows, columns)."""
    if not mean:
        return np.maximum.reduceat(A, edges[:-1], axis=axis)
    sums = np.add.reduceat(A, edges[:-1], axis=axis, dtype=np.float64)
    counts = np.diff(edges)
    return sums / (counts if axis == 1 else counts[:, None])


def of_array(V: Array, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what `compressed` does for coefficients V (channels, freq, frames)."""
    return compressed(lambda start, stop: V[:, :, start:stop], V.shape[2], **options)


def of_signal(x: np.ndarray, frontend: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what `compressed` does for the coefficients of a signal x (channels, samples).

    Those of an `STFT` are computed a few at a time, so that hours need no more memory than minutes.
    """
    if not isinstance(frontend, STFT):
        return of_array(frontend.analyze(x), **options)
    hop, margin = frontend.step, -(-frontend.n_fft // frontend.step)

    def part(start: int, stop: int) -> np.ndarray:
        first = max(0, start - margin)
        X = frontend.analyze(x[:, first * hop : (stop + margin) * hop])
        return X[:, :, start - first : stop - first]

    return compressed(part, frontend.n_frames(x.shape[1]), **options)


def hertz(grid: Grid, n_freq: int) -> np.ndarray | None:
    """Return the centres of the bins in Hz, (freq,); None for a front-end with one frequency."""
    if n_freq < 2:
        return None
    if grid.frequencies is not None:
        return np.asarray(grid.frequencies, dtype=float)[:n_freq]
    return grid.bin_hz * np.arange(n_freq)


def edges_between(centres: np.ndarray) -> np.ndarray:
    """Return where one cell ends and the next begins, halfway between centres (n,), rising: (n + 1,).

    The first and the last cell are as wide as their halves that have a neighbour.
    """
    centres = np.asarray(centres, dtype=float)
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def fewer_rows(
    A: np.ndarray, edges: np.ndarray, *, rows: int = ROWS, log: bool = False, mean: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return A (rows, columns) with neighbouring rows in one where they are too low to be seen, and the new edges.

    One is the largest of its rows, or their mean.
    """
    if len(A) <= rows:
        return A, edges
    place = np.log(np.maximum(edges, 1e-9)) if log else edges
    kept = np.unique(np.searchsorted(place, np.linspace(place[0], place[-1], rows + 1)))
    kept = np.unique(np.concatenate([[0], np.minimum(kept, len(A)), [len(A)]]))
    return _merged(A, kept, axis=0, mean=mean), edges[kept]


def envelope(x: np.ndarray, *, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the least and the largest of neighbouring samples x (samples,), and where each group begins."""
    starts = np.unique(np.linspace(0, len(x), min(columns, len(x)), endpoint=False).astype(int))
    return np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts), starts
