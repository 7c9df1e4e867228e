"""Move atoms that caught only a part of a sound to where the whole of it is.

Coordinate-wise learning of shifted atoms has a trap: an atom that begins in the middle of a sound can't grow to the
left, for all its codes would have to move at once. Here they do.
"""

from __future__ import annotations

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.convolutive import shifts
from sigsep_classic.factorizers.convolutive.codes import value
from sigsep_classic.typing import Array

GAIN = 1.02
"""How much more energy a shifted atom must hold to be tried."""


def recentred(D: Array, Z: Array, rest: Array, penalty: float, *, signed: bool) -> tuple[Array, Array, Array]:
    """Return atoms, codes and what they leave, with atoms moved in time wherever that lowers the objective.

    The signal around the firings of an atom, averaged with its codes as weights, shows the sound it is part of.
    The atom becomes the loudest piece of that of its own length, and its codes move the other way.

    Parameters
    ----------
    D : array (components, rows, lags)
        Atoms of norm one.
    Z : array (components, shifts)
        Codes.
    rest : array (rows, frames)
        What they leave of the signal.
    penalty : float
        λ.
    signed : bool
        Atoms may be negative.
    """
    xp, n_lags = namespace(D), D.shape[2]
    if n_lags < 2:
        return D, Z, rest
    around = _surroundings(D, Z, rest)
    if not signed:
        around = xp.maximum(around, 0)
    moves = _better_places(around, n_lags)
    if not any(moves):
        return D, Z, rest
    D, Z, now = D.copy(), Z.copy(), value(rest, Z, penalty)
    for k in np.flatnonzero(moves):
        start = n_lags + int(moves[k])
        new = around[k, :, start : start + n_lags]
        norm = xp.sqrt((new * new).sum())
        atom, code = new / norm, norm * _moved(Z[k], int(moves[k]))
        less = rest + shifts.render(D[k : k + 1], Z[k : k + 1]) - shifts.render(atom[None], code[None])
        codes = Z.copy()
        codes[k] = code
        then = value(less, codes, penalty)
        if then < now:
            D[k], Z, rest, now = atom, codes, less, then
    return D, Z, rest


def _surroundings(D: Array, Z: Array, rest: Array) -> Array:
    """Return the mean signal around the firings of each atom, (components, rows, 3 lags), its own in the middle."""
    xp, n_lags = namespace(D), D.shape[2]
    edge = xp.zeros((len(rest), n_lags), dtype=rest.dtype)
    around = shifts.code_signal(Z, xp.concatenate([edge, rest, edge], axis=1), 3 * n_lags)
    energy = (Z * Z).sum(axis=1)
    around = around / xp.where(energy > 0, energy, 1)[:, None, None]
    around[:, :, n_lags : 2 * n_lags] += D
    return around


def _better_places(around: Array, n_lags: int) -> np.ndarray:
    """Return by how many frames each atom should move: 0 unless that gains energy."""
    energy = to_host((around * around).sum(axis=1)).astype(np.float64)
    sums = np.concatenate([np.zeros((len(energy), 1)), np.cumsum(energy, axis=1)], axis=1)
    windows = sums[:, n_lags:] - sums[:, :-n_lags]
    best = windows.argmax(axis=1)
    gained = windows.max(axis=1) > GAIN * windows[:, n_lags]
    return np.where(gained, best - n_lags, 0)


def _moved(z: Array, by: int) -> Array:
    """Return the codes ``by`` frames later; those that leave the signal are lost."""
    out = namespace(z).zeros_like(z)
    if by >= 0:
        out[by:] = z[: len(z) - by]
    else:
        out[:by] = z[-by:]
    return out
