"""Order by where sources come from: the delays between microphones that mixing matrices show."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels.permutation_sweep import permutation_sweep
from sigsep_classic.permutation.assignment import best_orders
from sigsep_classic.permutation.dyadic import merged_in_pairs
from sigsep_classic.permutation.features import (
    LONGEST_DELAY,
    LOWEST_HZ,
    Outputs,
    directions,
    phase_slopes,
)
from sigsep_classic.typing import Array


def doa(data: Outputs, *, highest_hz: float = 2000.0) -> Array:
    """Return the order in which each source keeps its delays to the microphones at all frequencies.

    The phase slopes up to ``highest_hz``, where phases are not ambiguous, are aligned first. The delays of what is in
    order then order all frequencies, and again with twice as many of them, up to all. Activities are not looked at:
    reverberation blurs delays, so that other solvers do better where there is much of it.

    Parameters
    ----------
    data : Outputs
        With mixing matrices.
    highest_hz : float
        c / (2 spacing) for microphones that far apart (2 kHz: 8.5 cm), more than 80. Delays of up to half a period of
        it, at least 0.5 ms, are looked for.

    Raises
    ------
    ParameterError
        There are no mixing matrices of two or more microphones, or ``highest_hz`` is out of range.

    References
    ----------
    H. Sawada, S. Araki, R. Mukai and S. Makino, "Grouping separated frequency components by estimating propagation
    model parameters in frequency-domain blind source separation", IEEE Trans. Audio, Speech and Language Processing
    15(5), 2007.
    """
    if data.A is None or data.A.shape[1] < 2:
        raise ParameterError('solver "doa" needs A, mixing matrices (freq, channels > 1, sources)')
    check_range("highest_hz", highest_hz, LOWEST_HZ, above=True)
    longest = max(LONGEST_DELAY, 0.5 / highest_hz)
    slopes = phase_slopes(data, highest_hz)
    xp, n_freq = namespace(slopes), len(slopes)
    start = merged_in_pairs(slopes)[None]
    orders, _ = permutation_sweep(slopes, start, xp.ones((1, n_freq - 1)), xp.ones(1))
    order = orders[0]
    while True:
        order = best_orders(directions(data, order, highest_hz, longest).swapaxes(1, 2))
        if highest_hz >= data.hz[-1]:
            return order
        highest_hz *= 2
