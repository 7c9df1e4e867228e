"""What tells which outputs of two frequencies are one source: when it is active, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.errors import NumericalError, ShapeError
from sigsep_classic.kernels.permutation_sweep import MAX_SOURCES
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array, Grid

ASSUMED_NYQUIST = 8000.0
"""Hz of the last bin where nothing is known of the bins."""
LOWEST_HZ = 80.0
"""Below, the phase between microphones says nothing."""
LONGEST_DELAY = 0.5e-3
"""Seconds between two microphones where a source's delay is looked for, if no longer ones are asked for: 17 cm."""
_DELAY_STEP = LONGEST_DELAY / 128
_FLOOR = 1e-6
_SEED = 0


@dataclass(frozen=True)
class Outputs:
    """Outputs whose sources are to be put in order.

    Parameters
    ----------
    Y : array (sources, freq, frames)
        Complex or signed estimates, or non-negative numbers, which are taken as powers.
    A : complex array (freq, channels, sources) or None
        Mixing matrices.
    hz : float64 array (freq,)
        Where the bins lie; on the host.
    """

    Y: Array
    A: Array | None
    hz: np.ndarray

    @property
    def n_sources(self) -> int:
        """Number of outputs."""
        return int(self.Y.shape[0])

    @cached_property
    def identity(self) -> Array:
        """The order that changes nothing, (freq, sources)."""
        xp = namespace(self.Y)
        return xp.broadcast_to(xp.arange(self.n_sources), (len(self.hz), self.n_sources)).copy()

    @cached_property
    def activities(self) -> Array:
        """See `activities`."""
        return activities(self.Y)


def outputs(Y: Array, A: Array | None, grid: Grid | None) -> Outputs:
    """Return checked outputs.

    Raises
    ------
    ShapeError
        Y has not three axes, A does not fit, or there are more than `MAX_SOURCES` sources.
    NumericalError
        Y or A is not finite.
    """
    if Y.ndim != 3 or 0 in Y.shape:
        raise ShapeError(f"Y has shape {Y.shape}; expected (sources, freq, frames), none of them 0")
    xp, (n_sources, n_freq, _) = namespace(Y), Y.shape
    if n_sources > MAX_SOURCES:
        raise ShapeError(f"Y has {n_sources} sources; orders are found of at most {MAX_SOURCES}")
    if A is not None and (A.ndim != 3 or A.shape[0] != n_freq or A.shape[2] != n_sources):
        raise ShapeError(f"A has shape {A.shape}; expected ({n_freq}, channels, {n_sources}) for Y {Y.shape}")
    if not all(bool(xp.isfinite(x).all()) for x in (Y, A) if x is not None):
        raise NumericalError("Y or A holds NaN or infinity; there is no order to be found")
    return Outputs(Y, A, positions(n_freq, grid))


def positions(n_freq: int, grid: Grid | None) -> np.ndarray:
    """Return the frequencies of the bins in Hz; 0 … `ASSUMED_NYQUIST` where the grid does not tell."""
    if grid is not None and grid.frequencies is not None and len(grid.frequencies) == n_freq:
        return np.array(grid.frequencies)
    bin_hz = grid.bin_hz if grid is not None else 0
    return (bin_hz or ASSUMED_NYQUIST / max(1, n_freq - 1)) * np.arange(n_freq)


def powers(Y: Array) -> Array:
    """Return the power of each output, the largest of a frequency being 1: (freq, sources, frames), real."""
    xp = namespace(Y)
    P = abs(Y).swapaxes(0, 1)
    P = P if P.dtype == np.float64 else P.astype(np.float32)
    peak = P.max(axis=(1, 2), keepdims=True)
    P = P / xp.where(peak > 0, peak, 1)
    squared = Y.dtype.kind == "c" or (Y.dtype.kind == "f" and bool((Y < 0).any()))
    return P * P if squared else P


def activities(Y: Array) -> Array:
    """Return each output's share of the power over time, without its mean, of norm one.

    Returns
    -------
    array (freq, sources, frames)
        float32, or float64 where Y is of double precision; zero for an output whose share does not change.

    References
    ----------
    H. Sawada, S. Araki and S. Makino, "Measuring dependence of bin-wise separated signals for permutation
    alignment in frequency-domain BSS", Proc. ISCAS, 2007: power ratios.
    """
    xp, P = namespace(Y), powers(Y)
    total = P.sum(axis=1, keepdims=True)
    floor = _FLOOR * total.mean(axis=2, keepdims=True) / P.shape[1]
    total += P.shape[1] * floor
    P += floor
    P /= xp.where(total > 0, total, 1)
    P -= P.mean(axis=2, keepdims=True)
    norm = xp.sqrt((P * P).sum(axis=2, keepdims=True))
    flat = norm <= 1e-5 * P.shape[2] ** 0.5
    P *= xp.where(flat, 0, 1 / xp.where(flat, 1, norm))
    return P


def compressed(Z: Array, dims: int) -> Array:
    """Return features (freq, sources, dims) whose inner products are those of Z, but for its weak directions.

    The subspace is found by two passes of subspace iteration from a start that is always the same.

    References
    ----------
    N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness: probabilistic algorithms for
    constructing approximate matrix decompositions", SIAM Review 53(2), 2011.
    """
    if Z.shape[2] <= dims:
        return Z
    xp = namespace(Z)
    rows = Z.reshape(-1, Z.shape[2])
    start = np.random.default_rng(_SEED).standard_normal((Z.shape[2], dims))
    with single_threaded_blas():  # the same bits for any number of threads
        basis = xp.asarray(start, dtype=Z.dtype)
        for _ in range(2):
            basis = xp.linalg.qr(rows.T @ (rows @ basis))[0]
        return (rows @ basis).reshape(*Z.shape[:2], dims)


def phase_slopes(data: Outputs, highest_hz: float) -> Array:
    """Return cosine and sine of the delays to the first microphone: (freq, sources, 2 (channels - 1)), float64.

    Frequencies from `LOWEST_HZ` to ``highest_hz`` have features, the others 0; phases at ``highest_hz`` are
    taken for delays of at most half a period.
    """
    A = data.A
    assert A is not None
    xp = namespace(A)
    used = (data.hz > LOWEST_HZ) & (data.hz < highest_hz)
    factor = np.where(used, 0.5 * highest_hz / np.where(used, data.hz, 1), 0)
    turn = xp.angle(A[:, 1:] * A[:, :1].conj()).swapaxes(1, 2)
    u = turn * xp.asarray(factor)[:, None, None]
    slopes = xp.concatenate([xp.cos(u), xp.sin(u)], axis=2)
    slopes -= slopes.mean(axis=1, keepdims=True)
    return slopes * xp.asarray(used / max(1, A.shape[1] - 1) ** 0.5)[:, None, None]


def directions(data: Outputs, order: Array, highest_hz: float, longest: float = LONGEST_DELAY) -> Array:
    """Return how well each output's phases fit the delays of each source of an order: (freq, sources, sources).

    A source's delay to each microphone, of at most ``longest`` seconds, is where the generalized cross-correlation of
    its column of A with the first microphone peaks, up to ``highest_hz``. With the delays known, phases are compared
    beyond half a period too. Entry (f, n, m) is the mean over microphones of cos(phase of output n - phase of source
    m), without its means over n and over m.

    References
    ----------
    C. H. Knapp and G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE Trans.
    Acoustics, Speech and Signal Processing 24(4), 1976.

    H. Sawada, S. Araki, R. Mukai and S. Makino, "Grouping separated frequency components by estimating propagation
    model parameters in frequency-domain blind source separation", IEEE Trans. Audio, Speech and Language Processing
    15(5), 2007: fitting the model of a delay to all frequencies.
    """
    A = data.A
    assert A is not None
    xp = namespace(A)
    used = xp.asarray(data.hz > LOWEST_HZ)[:, None, None]
    crossed = A[:, 1:] * A[:, :1].conj()
    size = abs(crossed)
    crossed = xp.where(used & (size > 0), crossed / xp.where(size > 0, size, 1), 0)
    ordered = xp.take_along_axis(crossed, xp.asarray(order)[:, None, :], axis=2)
    near = data.hz <= highest_hz
    delays = _delays(ordered[near], data.hz[near], longest)
    steering = xp.exp(2j * np.pi * xp.asarray(data.hz)[:, None, None] * delays)
    fit = xp.einsum("fcn,fcm->fnm", crossed, steering.conj()).real / max(1, A.shape[1] - 1)
    fit -= fit.mean(axis=1, keepdims=True)
    return fit - fit.mean(axis=2, keepdims=True)


def _delays(crossed: Array, hz: np.ndarray, longest: float) -> Array:
    """Return the delay in seconds at which phases (freq, ...) add up to most."""
    xp = namespace(crossed)
    seconds = np.linspace(-longest, longest, 2 * round(longest / _DELAY_STEP) + 1)
    turns = xp.exp(2j * np.pi * xp.asarray(seconds)[:, None] * xp.asarray(hz))
    with single_threaded_blas():
        correlation = (turns @ crossed.reshape(len(hz), -1)).real
    return -xp.asarray(seconds)[correlation.argmax(axis=0)].reshape(crossed.shape[1:])
