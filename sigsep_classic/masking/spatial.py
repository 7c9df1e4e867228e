"""Multichannel Wiener filters of a local Gaussian model: estimates that agree with each other in space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_choice, check_count, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import wiener as kernel
from sigsep_classic.masking.gains import ratio
from sigsep_classic.typing import Array

STARTS = ("softmask", "mixture_phase")


def multichannel_wiener(
    V: Array,
    X: Array,
    *,
    power: float = 1.0,
    n_iter: int = 1,
    start: str = "softmask",
    eps: float | None = None,
) -> Array:
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
        Mixture, complex or real; not written to.
    power : float
        Domain of V.
    n_iter : int
        At least 0; 0 is the start.
    start : {"softmask", "mixture_phase"}
        The single-channel Wiener filter, or the models' magnitudes with the mixture's phase, for models that are
        good in themselves.
    eps : float or None
        None: a millionth of the mean eigenvalue is added to covariances and given back after, so that the result
        follows the level of X and, with a start that does or one iteration, sums to it. A number: the absolute
        regularisation of norbert, which takes quiet points down.

    Returns
    -------
    Y : array (sources, channels, freq, frames)
        In the dtype of X.

    Raises
    ------
    ParameterError
        A number is out of range or the start is unknown.
    ShapeError
        V and X do not fit together.

    References
    ----------
    N. Q. K. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source separation using a
    full-rank spatial covariance model", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010.

    A. Liutkus, R. Badeau and G. Richard, "Low bitrate informed source separation of realistic mixtures", Proc.
    ICASSP, 2013: v_n and R_n from the estimates (equation numbers not checked).

    Notes
    -----
    With ``power=2`` and the ``eps`` of norbert, the machine epsilon of the dtype, this is ``norbert.wiener``.
    Bins are worked on side by side, so that no (freq, frames, channels, channels) array exists.
    """
    check_array("V", V, 4)
    check_array("X", X, 3)
    check_count("n_iter", n_iter, 0)
    check_range("power", power, 0, above=True)
    check_choice("start", start, STARTS)
    if V.ndim != 4 or 0 in V.shape or V.shape[1] not in (1, len(X)) or V.shape[2:] != X.shape[1:]:
        raise ShapeError(f"V has shape {V.shape}; X {X.shape} needs (sources, {len(X)} or 1, freq, frames)")
    xp = namespace(X)
    Z = X if X.dtype.kind == "c" else X.astype(xp.result_type(X.dtype, xp.complex64))
    V = V.astype(Z.real.dtype, copy=False)
    load = _loading(Z, eps)
    if start == "mixture_phase":
        size = abs(Z)
        phase = xp.where(size > 0, Z / xp.where(size > 0, size, 1), 1)
        Y = kernel.wiener(Z, Y=(V ** (1 / power) * phase).astype(Z.dtype), n_iter=n_iter, **load)
    elif power in (1, 2):
        Y = kernel.wiener(Z, V=V, squared=power == 1, eps=eps or 0.0, n_iter=n_iter, **load)
    else:
        V = ratio(V, exponent=2 / power) if eps is None else V ** (2 / power)
        Y = kernel.wiener(Z, V=V, eps=eps or 0.0, n_iter=n_iter, **load)
    return Y if X.dtype.kind == "c" else Y.real


@dataclass(frozen=True, kw_only=True)
class LocalGaussian:
    """Estimates of sources with the model that made them.

    Parameters
    ----------
    Y : complex array (sources, channels, freq, frames)
        Estimates.
    v : array (sources, freq, frames)
        Powers.
    R : complex array (sources, freq, channels, channels)
        Spatial covariances.
    """

    Y: Array
    v: Array
    R: Array


def expectation_maximization(
    Y: Array, X: Array, *, n_iter: int = 2, eps: float | None = None
) -> LocalGaussian:
    """Return estimates of sources, of any origin, made to agree with each other in space.

    The iterations of `multichannel_wiener` from given estimates; powers and covariances are those of the last filter.

    Parameters
    ----------
    Y : complex array (sources, channels, freq, frames)
        Estimates to begin with; not written to.
    X : complex array (channels, freq, frames)
        Mixture.
    n_iter : int
        At least 1.
    eps : float or None
        As for `multichannel_wiener`; a number is taken as it is, whatever the level of X, as in
        ``norbert.expectation_maximization``.

    Raises
    ------
    ParameterError
        ``n_iter`` is no whole number from 1 on.
    ShapeError
        Y and X do not fit together.
    """
    check_array("Y", Y, 4)
    check_array("X", X, 3)
    check_count("n_iter", n_iter)
    xp = namespace(X)
    load = _loading(X, eps, scale=1.0)
    before = kernel.wiener(X, Y=Y, n_iter=n_iter - 1, **load)
    v = (before.real**2 + before.imag**2).mean(axis=1)
    Y_nftc = xp.moveaxis(before, 1, -1)
    total = xp.maximum(v.sum(axis=-1) + (eps or 0), xp.finfo(v.dtype).tiny)[..., None, None]
    R = Y_nftc.swapaxes(-1, -2) @ Y_nftc.conj() / total
    return LocalGaussian(Y=kernel.wiener(X, Y=before, n_iter=1, **load), v=v, R=R)


def _loading(X: Array, eps: float | None, scale: float | None = None) -> dict[str, Any]:
    """Return what is added where: ours, or for an ``eps`` norbert's, which takes X down to a peak of ten first."""
    if eps is None:
        return {}
    check_range("eps", eps, 0, above=True)
    scale = max(1.0, float(abs(X).max()) / 10) if scale is None else scale
    absolute = (eps**0.5 + (eps if len(X) == 1 else 0)) * scale**2
    return {"relative": 0.0, "absolute": absolute, "weight": eps * scale**2, "whole": False}
