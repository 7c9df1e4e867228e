"""Signals of several sources that have given magnitudes and add up to the mixture."""

from __future__ import annotations

from sigsep_classic.checks import check_array, check_count
from sigsep_classic.errors import ShapeError
from sigsep_classic.phase.rounds import Rounds, spread, with_phases
from sigsep_classic.typing import Array, FrontEnd


def misi(
    V: Array,
    X: Array,
    frontend: FrontEnd,
    n_samples: int,
    *,
    start: Array | None = None,
    n_iter: int = 10,
) -> Array:
    """Return signals near the magnitudes V whose sum is the mixture (multiple-input spectrogram inversion).

    The signals y_n of V with the mixture's phases miss the mixture x by e = x - sum y_n. Each round gives every
    source e / sources and puts the magnitudes V in again. The error ``sum over n of | |STFT(y_n)| - V_n |^2`` of the
    signals that share out e never rises.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Magnitudes: of models, or gains times that of the mixture.
    X : array (channels, freq, frames)
        Complex mixture, the front-end's transform of a signal; not written to.
    frontend : FrontEnd
        That made X.
    n_samples : int
        Length of the signals.
    start : complex array (sources, channels, freq, frames), optional
        Phases to begin with. Default: the mixture's.
    n_iter : int
        Rounds, at least 0.

    Returns
    -------
    y : array (sources, channels, samples)
        Sums to the mixture.

    Raises
    ------
    ParameterError
        ``n_iter`` is no whole number from 0 on.
    ShapeError
        V, X, the start and the front-end do not fit together.

    References
    ----------
    D. Gunawan and D. Sen, "Iterative phase estimation for the synthesis of separated sources from single-channel
    mixtures", IEEE Signal Processing Letters 17(5), 2010 (equation numbers not checked).
    """
    check_array("V", V, 4)
    check_array("X", X, 3)
    check_count("n_iter", n_iter, 0)
    V = spread(V, X)
    if start is not None and start.shape != V.shape:
        raise ShapeError(f"start has shape {start.shape}; it must be {V.shape}")
    x = frontend.synthesize(X, n_samples)
    y = frontend.synthesize(with_phases(V, X if start is None else start), n_samples)
    y += (x - y.sum(axis=0)) / len(V)
    rounds = Rounds(V, frontend, n_samples)
    for _ in range(n_iter):
        y = rounds(y)
        y += (x - y.sum(axis=0)) / len(V)
    return y
