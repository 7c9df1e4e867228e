"""From model spectrograms (or true stems) to gains, and gains to estimates.

Gains are (sources, channels or 1, freq, frames), lie in [0, 1] and sum to one over the sources, also where every
model is zero, so that what goes in comes out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels.layout import empty_alike
from sigsep_classic.typing import Array

_BLOCK_CELLS = 1 << 16


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


def apply(gains: Array, X: Array) -> Array:
    """Return ``gains * X`` (channels, freq, frames) without going through complex gains, in the order of X.

    Parameters
    ----------
    gains : array (channels or 1, freq, frames)
        Real.
    X : array (channels, freq, frames)
        Real or complex.
    """
    Y = empty_alike(X)
    if X.dtype.kind != "c":
        return namespace(X).multiply(X, gains, out=Y)
    namespace(X).multiply(X.real, gains, out=Y.real)
    namespace(X).multiply(X.imag, gains, out=Y.imag)
    return Y


def multichannel_wiener(V: Array, X: Array, *, power: float = 1.0, n_iter: int = 1) -> Array:
    """Return the multichannel Wiener estimates of a local Gaussian model with full-rank spatial covariances.

    Source n has power v_n(f, t) and spatial covariance R_n(f); the estimate is
    ``Y_n = v_n R_n (sum over m of v_m R_m)^-1 X``. It starts from the single-channel Wiener filter; each
    iteration sets v_n = |Y_n|^2 / channels and R_n = sum_t Y_n Y_n^H / sum_t v_n, then filters. With one channel
    there is nothing spatial to learn, and each iteration only sharpens the Wiener filter: use `wiener` there.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Model spectrograms, magnitude to ``power``.
    X : array (channels, freq, frames)
        Complex mixture.
    power : float
        Domain of V.
    n_iter : int
        At least 0; 0 is the single-channel Wiener filter.

    Returns
    -------
    Y : array (sources, channels, freq, frames)
        Complex; sums to X over the sources.

    References
    ----------
    N. Q. K. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a
    full-rank spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010.

    Notes
    -----
    Works through blocks of frequencies, so that no (freq, frames, channels, channels) array exists.
    """
    xp = namespace(_checked(V))
    check_count("n_iter", n_iter, 0)
    gains = wiener(V, power=power)
    Y = xp.stack([apply(gain, X) for gain in gains])
    size = max(1, _BLOCK_CELLS // X.shape[-1])
    for f in range(0, X.shape[1] if n_iter else 0, size):
        block = slice(f, f + size)
        Y[:, :, block] = _expectation_maximization(Y[:, :, block], X[:, block], n_iter)
    return Y


def _expectation_maximization(Y: Array, X: Array, n_iter: int) -> Array:
    """Iterate on a block of frequencies; Y (n, c, f, t)."""
    xp, channels = namespace(X), X.shape[0]
    X_ftc = xp.moveaxis(X, 0, -1)
    tiny = xp.finfo(X.real.dtype).tiny
    unit = xp.eye(channels, dtype=X.dtype)
    for _ in range(n_iter):
        Y_nftc = xp.moveaxis(Y, 1, -1)
        v = (Y_nftc.real**2 + Y_nftc.imag**2).mean(axis=-1)
        weight = v.sum(axis=-1)[..., None, None]
        R = xp.swapaxes(Y_nftc, -1, -2) @ Y_nftc.conj() / xp.maximum(weight, tiny)
        C = xp.einsum("nft,nfcd->ftcd", v, R)
        load = 1e-6 * xp.trace(C, axis1=-2, axis2=-1).real / channels
        C += xp.maximum(load, xp.sqrt(tiny))[..., None, None] * unit
        Z = xp.linalg.solve(C, X_ftc[..., None])[..., 0]
        Y = xp.stack(
            [xp.moveaxis(v[n, ..., None] * (Z @ R[n].swapaxes(-1, -2)), -1, 0) for n in range(len(R))]
        )
        Y += (X - Y.sum(axis=0)) / len(Y)  # what the loading of C took
    return Y


GAINS: dict[str, Callable[[Array, float], Array]] = {
    "ratio": lambda V, power: ratio(V),
    "wiener": lambda V, power: wiener(V, power=power),
    "binary": lambda V, power: binary(V),
}
"""Masks by the name users type: functions of V and the power it is given in."""

MASKS = (*GAINS, "multichannel_wiener")


def _checked(V: Array) -> Array:
    if V.ndim != 4 or 0 in V.shape:
        raise ShapeError(f"V has shape {V.shape}; expected (sources, channels, freq, frames), none of them 0")
    return V


def is_partition(gains: Array, *, tolerance: float = 1e-5) -> bool:
    """Say whether gains lie in [0, 1] and sum to one over the sources."""
    host = to_host(gains)
    inside = host.min() >= -tolerance and host.max() <= 1 + tolerance
    return bool(inside and np.abs(host.sum(axis=0) - 1).max() <= tolerance)
