"""From model spectrograms (or true stems) to gains, and gains to estimates.

Gains are (sources, channels or 1, freq, frames), lie in [0, 1] and sum to one over the sources, also where every
model is zero, so that what goes in comes out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_array, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels.layout import empty_alike
from sigsep_classic.typing import Array


def ratio(V: Array, *, exponent: float = 1.0) -> Array:
    """Return ``V_n**exponent / sum over m of V_m**exponent``.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Non-negative, finite, float32 or float64.
    exponent : float
        Greater than 0. With magnitudes, 1 is the usual soft mask and 2 the Wiener filter.

    Returns
    -------
    array
        Gains of the shape of V; ``1 / sources`` where all are zero.

    Raises
    ------
    ParameterError
        ``exponent`` is not positive and finite.
    ShapeError
        V has not four axes.
    """
    check_range("mask exponent", exponent, 0, above=True)
    xp = namespace(_checked(V))
    top = V.max(axis=0)
    shares = V / xp.where(top > 0, top, 1)  # so that no power under- or overflows for all sources
    if exponent != 1:
        shares **= V.dtype.type(exponent)
    total = shares.sum(axis=0)
    shares /= xp.where(total > 0, total, 1)
    shares[:, total == 0] = 1 / len(V)
    return shares


def wiener(V: Array, *, power: float = 1.0) -> Array:
    """Return the Wiener filter of models whose V is magnitude to ``power``: `ratio` of their powers.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Non-negative.
    power : float
        1 for magnitudes, 2 for power spectrograms.
    """
    check_range("power", power, 0, above=True)
    return ratio(V, exponent=2 / power)


def binary(V: Array) -> Array:
    """Return gains of one for the largest source at each point, the first of equals, and zero for the others.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Non-negative.
    """
    xp = namespace(_checked(V))
    winner = V.argmax(axis=0)
    sources = xp.arange(len(V)).reshape(-1, 1, 1, 1)
    return (winner[None] == sources).astype(V.dtype)


def phase_sensitive(S: Array, X: Array, *, top: float = 1.0) -> Array:
    """Return the gains that come nearest to known or estimated sources: ``Re(S X*) / |X|^2``, cut off.

    No real gain is nearer to S in the squared error than ``Re(S X*) / |X|^2``. Without the limits the gains of all
    sources of a mixture sum to one; the same gains are known as the optimal ratio mask.

    Parameters
    ----------
    S : array (sources, channels, freq, frames)
        Complex coefficients of the sources.
    X : array (channels, freq, frames)
        Of the mixture.
    top : float
        Upper limit, more than 0, often 1 or 2; ``math.inf`` for none. The lower one is 0.

    Returns
    -------
    array (sources, channels, freq, frames)
        Real; 0 where X is 0. These gains are no partition.

    Raises
    ------
    ParameterError
        ``top`` is not positive.
    ShapeError
        The axes of S and X do not fit together.

    References
    ----------
    H. Erdogan, J. R. Hershey, S. Watanabe and J. Le Roux, "Phase-sensitive and recognition-boosted speech separation
    using deep recurrent neural networks", Proc. ICASSP, 2015 (equation numbers not checked).

    S. Liang, W. Liu, W. Jiang and W. Xue, "The optimal ratio time-frequency mask for speech separation in terms of
    the signal-to-noise ratio", J. Acoust. Soc. Am. 134(5), 2013 (equation numbers not checked).
    """
    check_array("X", X, 3)
    check_range("top", top, 0, above=True, infinite=True)
    xp = namespace(_checked(S))
    if S.shape[1:] != X.shape:
        raise ShapeError(f"S has shape {S.shape}, X {X.shape}; expected (sources, {X.shape})")
    level = xp.maximum(abs(X.real), abs(X.imag))
    unit = X / xp.where(level > 0, level, 1)  # squares of what is very quiet are zero
    size = (unit * unit.conj()).real * xp.where(level > 0, level, 1)
    return xp.clip((S * unit.conj()).real / xp.where(size > 0, size, 1), 0, top)


def logit(gains: Array, *, threshold: float = 0.6, slope: float = 15.0) -> Array:
    """Return gains brought closer to 0 or 1: ``1 / (1 + exp(-slope (gain - threshold)))``.

    Fewer sounds of the others, more distortion. What comes out no longer sums to one over the sources; as a mask by
    name (``mask="logit"``) the Wiener gains are compressed with threshold 1/2, then shared out anew.

    Parameters
    ----------
    gains : array
        In [0, 1].
    threshold : float
        0 … 1: gains above it rise, those below it fall.
    slope : float
        Steepness there, more than 0.

    References
    ----------
    The logit compression of A. Liutkus and F.-R. Stöter, "norbert: multichannel Wiener filtering", 2019.
    """
    check_array("gains", gains)
    check_range("threshold", threshold, 0, 1)
    check_range("slope", slope, 0, above=True)
    xp = namespace(gains)
    return 1 / (1 + xp.exp(-slope * (gains - threshold)))


def apply(gains: Array, X: Array) -> Array:
    """Return ``gains * X`` (channels, freq, frames) without going through complex gains, in the order of X.

    Parameters
    ----------
    gains : array (channels or 1, freq, frames)
        Real.
    X : array (channels, freq, frames)
        Real or complex.
    """
    check_array("gains", gains)
    check_array("X", X)
    if len(gains.shape) > len(X.shape) or any(
        a not in (1, b) for a, b in zip(gains.shape[::-1], X.shape[::-1], strict=False)
    ):
        raise ShapeError(f"gains are {gains.shape} and X is {X.shape}; give one gain a coefficient")
    Y = empty_alike(X)
    if X.dtype.kind != "c":
        return namespace(X).multiply(X, gains, out=Y)
    namespace(X).multiply(X.real, gains, out=Y.real)
    namespace(X).multiply(X.imag, gains, out=Y.imag)
    return Y


def _checked(V: Array) -> Array:
    check_array("V", V, 4)
    if V.ndim != 4 or 0 in V.shape:
        raise ShapeError(f"V has shape {V.shape}; expected (sources, channels, freq, frames), none of them 0")
    return V


def is_partition(gains: Array, *, tolerance: float = 1e-5) -> bool:
    """Say whether gains lie in [0, 1] and sum to one over the sources.

    Parameters
    ----------
    gains : array (sources, channels or 1, freq, frames)
        Real.
    tolerance : float
        By how much they may miss it.
    """
    check_array("gains", gains)
    host = to_host(gains)
    inside = host.min() >= -tolerance and host.max() <= 1 + tolerance
    return bool(inside and np.abs(host.sum(axis=0) - 1).max() <= tolerance)


GAINS: dict[str, Callable[[Array, float], Array]] = {
    "ratio": lambda V, power: ratio(V),
    "wiener": lambda V, power: wiener(V, power=power),
    "binary": lambda V, power: binary(V),
    "logit": lambda V, power: ratio(logit(wiener(V, power=power), threshold=0.5)),
}
"""Masks by the name users type: functions of V and the power it is given in."""
