"""The best order there is, for those who know the truth: an upper bound for all solvers."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.permutation.assignment import best_orders
from sigsep_classic.permutation.features import Outputs
from sigsep_classic.typing import Array


def oracle(data: Outputs, *, truth: Array | None = None) -> Array:
    """Return the order by coherence with the true sources; the names are those of the truth.

    Parameters
    ----------
    data : Outputs
        What to put in order.
    truth : array (sources, freq, frames)
        The true sources, as one microphone hears them; whatever Y holds, so that |⟨y, s⟩|² / (|y|² |s|²) tells what
        belongs together.

    Raises
    ------
    ParameterError
        No truth was given.
    ShapeError
        It has not the shape of Y.
    """
    Y = data.Y
    if truth is None:
        raise ParameterError('solver "oracle" needs truth, the true sources (sources, freq, frames)')
    if truth.shape != Y.shape:
        raise ShapeError(f"truth has shape {truth.shape}; expected that of Y {Y.shape}")
    xp = namespace(Y)
    y, s = ((x / (abs(x).max() or 1)).swapaxes(0, 1) for x in (Y, truth))
    crossed = abs(s.conj() @ y.swapaxes(1, 2)) ** 2
    energies = (abs(s) ** 2).sum(axis=2)[:, :, None] * (abs(y) ** 2).sum(axis=2)[:, None]
    return best_orders(crossed / xp.where(energies > 0, energies, 1))
