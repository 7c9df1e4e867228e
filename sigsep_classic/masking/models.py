"""What is done to models before they become masks: a residual, less of each other, compressed filters.

These are the steps that norbert offers around its Wiener filter, corrected; its own results under ``compat``.
"""

from __future__ import annotations

from typing import Any

from sigsep_classic.backend import image_namespace, namespace
from sigsep_classic.checks import check_array, check_choice, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.masking.gains import logit
from sigsep_classic.typing import Array

_COMPATIBLE = ("norbert",)


def residual_model(V: Array, X: Array, *, power: float = 1.0, compat: str | None = None) -> Array:
    """Return models scaled to the mixture, bin by bin, and one more: what of the mixture they do not explain.

    Models are scaled by the least-squares gain of their sum to |X|^power over frames; the residual is what
    |X|^power has above the scaled sum.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Non-negative models, magnitude to ``power``.
    X : array (channels, freq, frames)
        Mixture.
    power : float
        Domain of V.
    compat : {"norbert"}, optional
        The residual above the sum of the models as they were given: that package scales them, but not here.

    Returns
    -------
    array (sources + 1, channels, freq, frames)
        In the dtype of V; the residual last.

    Raises
    ------
    ParameterError
        ``power`` is not positive or ``compat`` is unknown.
    ShapeError
        V and X do not fit together.
    """
    check_array("V", V, 4)
    check_array("X", X, 3)
    check_range("power", power, 0, above=True)
    _check_compat(compat)
    if V.ndim != 4 or V.shape[1] not in (1, len(X)) or V.shape[2:] != X.shape[1:]:
        raise ShapeError(f"V has shape {V.shape}; X {X.shape} needs (sources, {len(X)} or 1, freq, frames)")
    xp = namespace(V)
    eps = xp.finfo(V.dtype).eps if compat else 0
    observed = xp.maximum(abs(X).astype(V.dtype) ** V.dtype.type(power), eps)
    total = V.sum(axis=0)
    size = eps + (total**2).sum(axis=-1, keepdims=True)
    gain = (observed * total).sum(axis=-1, keepdims=True) / xp.where(size > 0, size, 1)
    scaled = V * gain
    rest = xp.maximum(observed - (total if compat else scaled.sum(axis=0)), 0)
    return xp.concatenate([xp.broadcast_to(scaled, (len(V), *rest.shape)), rest[None]])


def reduce_interferences(
    V: Array,
    *,
    threshold: float = 0.4,
    slope: float = 15.0,
    width: float = 10.0,
    compat: str | None = None,
) -> Array:
    """Return models with less of each other: each is turned down where, on a wide average, it has a small share.

    Parameters
    ----------
    V : array (sources, channels or 1, freq, frames)
        Non-negative models.
    threshold : float
        0 … 1: shares below it are turned down.
    slope : float
        Steepness of the step (`logit`), more than 0.
    width : float
        Standard deviation, in bins and frames, of the Gaussian that averages V.
    compat : {"norbert"}, optional
        That package averages over sources and channels too, which leaves little of any difference between sources;
        threshold, slope and width are then its own, which it does not let be set.

    Returns
    -------
    array
        Of the shape and dtype of V, at most V.

    Raises
    ------
    ParameterError
        A number is out of range or ``compat`` is unknown.

    References
    ----------
    T. Prätzlich, R. M. Bittner, A. Liutkus and M. Müller, "Kernel additive modeling for interference reduction in
    multi-channel music recordings", Proc. ICASSP, 2015 (inspired by; equation numbers not checked).
    """
    check_array("V", V, 4)
    check_range("width", width, 0, above=True)
    _check_compat(compat)
    xp, gaussian_filter = namespace(V), image_namespace(V).gaussian_filter
    if compat:  # its axes are (frames, freq, channels, sources); four even blurs commute
        smooth, threshold, slope = gaussian_filter(V, sigma=10, truncate=10), 0.4, 15.0
        total = 2.0**-23 + smooth.sum(axis=0)
    else:
        smooth = gaussian_filter(V, sigma=(0, 0, width, width))
        total = smooth.sum(axis=0)
        total = xp.where(total == 0, 1, total)
    return V * logit(smooth / total, threshold=threshold, slope=slope).astype(V.dtype, copy=False)


def compress(filters: Array, *, threshold: float = 0.6, slope: float = 15.0) -> Array:
    """Return filters over channels with their strength compressed (`logit`) and their direction kept.

    A filter is taken as a beamformer times a single-channel mask, its trace; the mask is compressed. A filter of
    one channel is all mask.

    Parameters
    ----------
    filters : array (..., channels, channels)
        Real or complex, such as ``v_n R_n C^-1``.
    threshold, slope : float
        As for `logit`.

    Returns
    -------
    array
        Of the shape and dtype of ``filters``.

    Raises
    ------
    ParameterError
        A number is out of range.
    """
    check_array("filters", filters, 3, 4, 5)
    check_range("threshold", threshold, 0, 1)
    check_range("slope", slope, 0, above=True)
    xp = namespace(filters)
    trace: Any = xp.trace(filters, axis1=-2, axis2=-1)
    if filters.shape[-1] == 1:
        return 1 / (1 + xp.exp(-slope * (filters - threshold)))
    factor = 1 / (1 + xp.exp(-slope * (trace - threshold))) / (xp.finfo(filters.dtype).eps + trace)
    return filters * factor[..., None, None]


def _check_compat(compat: str | None) -> None:
    if compat is not None:
        check_choice("compat", compat, _COMPATIBLE)
