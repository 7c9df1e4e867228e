"""Beamformers from masks: filters that pass one source and turn down what else there is.

Masks say which points of the spectrogram belong to a source; covariances of the source and of the rest, weighted by
them, are all that the filters below need. Each has the image of the source at one microphone as its aim; with every
microphone in turn the images at all of them result (`beamformed`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_choice, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.typing import Array

LOAD = 1e-6
"""Share of the mean eigenvalue that is added to covariances before they are inverted."""

_BLOCK = 32


def masked_covariances(X: Array, gains: Array) -> Array:
    """Return the covariance of each source, the frames weighted by its mask.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        Mixture.
    gains : array (sources, channels or 1, freq, frames)
        Masks in [0, 1]; those of several channels are averaged (their median is a common choice too).

    Returns
    -------
    complex array (sources, freq, channels, channels)
        Sums of gain x xᴴ over frames, divided by the number of frames, in the precision of X. The covariance of the
        mixture is their sum where masks add up to one.

    Raises
    ------
    ShapeError
        The axes of X and the gains do not fit together.
    """
    check_array("X", X, 3)
    check_array("gains", gains, 4)
    _check_gains(X, gains)
    return namespace(X).stack([_covariance(X, _averaged(gain)).astype(X.dtype) for gain in gains])


def _check_covariances(target: Array, rest: Array) -> None:
    check_array("target", target, 3)
    check_array("rest", rest, 3)
    if target.shape != rest.shape or target.shape[1] != target.shape[2]:
        raise ShapeError(
            f"target is {target.shape}, rest {rest.shape}; both must be (freq, channels, channels)"
        )


def _check_gains(X: Array, gains: Array) -> None:
    if X.ndim != 3 or gains.ndim != 4 or gains.shape[1] not in (1, len(X)) or gains.shape[2:] != X.shape[1:]:
        raise ShapeError(
            f"gains have shape {gains.shape}; X {X.shape} needs (sources, {len(X)} or 1, {X.shape[1]}, {X.shape[2]})"
        )


def _averaged(gain: Array) -> Array:
    """Return gains (channels or 1, freq, frames) as one, (freq, frames)."""
    return gain[0] if len(gain) == 1 else gain.mean(axis=0)


def _covariance(X: Array, weights: Array | None = None) -> Array:
    """Return the mean of x xᴴ over frames, weighted: complex128 (freq, channels, channels).

    In double precision always: single-precision sums are not surely positive where sources are fewer than channels.
    """
    xp = namespace(X)
    C = xp.empty((X.shape[1], len(X), len(X)), dtype=complex)
    for f in range(0, X.shape[1], _BLOCK):
        block = X[:, f : f + _BLOCK].swapaxes(0, 1).astype(complex)
        weighted = block if weights is None else block * weights[f : f + _BLOCK, None]
        C[f : f + _BLOCK] = weighted @ xp.ascontiguousarray(block.conj().swapaxes(1, 2)) / X.shape[2]
    return C


def mvdr(target: Array, rest: Array, *, steering: Array | None = None) -> Array:
    """Return the minimum variance distortionless response filters.

    Parameters
    ----------
    target, rest : complex array (freq, channels, channels)
        Covariances of the source and of all else.
    steering : complex array (freq, channels), optional
        How the channels hear the source, any scale. Without it, the form of Souden, Benesty & Affes that needs none.

    Returns
    -------
    filters : complex array (freq, channels, channels)
        Row c takes x to the image at channel c.

    References
    ----------
    M. Souden, J. Benesty and S. Affes, "On optimal frequency-domain multichannel linear filtering for noise
    reduction", IEEE Trans. Audio, Speech, and Language Processing 18(2), 2010 (equation numbers not checked).

    J. Capon, "High-resolution frequency-wavenumber spectrum analysis", Proceedings of the IEEE 57(8), 1969.
    """
    _check_covariances(target, rest)
    xp = namespace(target)
    if steering is not None:
        return lcmv(rest, steering[..., None])[0]
    ratio = xp.linalg.solve(_loaded(rest), target)
    trace = xp.trace(ratio, axis1=-2, axis2=-1).real
    return _adjoint(ratio) / xp.where(trace > 0, trace, 1)[:, None, None]


def mwf(target: Array, rest: Array, *, trade_off: float = 1.0) -> Array:
    """Return the (speech-distortion weighted) multichannel Wiener filters C_s (C_s + μ C_r)⁻¹.

    Parameters
    ----------
    target, rest : complex array (freq, channels, channels)
        Covariances of the source and of all else.
    trade_off : float
        μ, at least 0: more turns the rest down more and bends the source more.

    Returns
    -------
    filters : complex array (freq, channels, channels)
        Row c takes x to the image at channel c; with μ = 1 the filters of all sources add up to the identity, but
        for the loading.

    References
    ----------
    S. Doclo and M. Moonen, "GSVD-based optimal filtering for single and multimicrophone speech enhancement", IEEE
    Trans. Signal Processing 50(9), 2002 (equation numbers not checked).
    """
    _check_covariances(target, rest)
    check_range("trade_off", trade_off, 0)
    xp = namespace(target)
    both = _loaded(target + trade_off * rest)
    return _adjoint(xp.linalg.solve(both, target))


def gev(target: Array, rest: Array, *, normalize: bool = True) -> Array:
    """Return the generalized eigenvector (largest signal-to-noise ratio) filters.

    Parameters
    ----------
    target, rest : complex array (freq, channels, channels)
        Covariances of the source and of all else.
    normalize : bool
        Blind analytic normalisation: where the source comes from one point, the level of a distortionless filter,
        spread over the channels as they hear the source. Otherwise by least squares to the images, which is lower
        the more of the rest gets through.

    Returns
    -------
    filters : complex array (freq, channels, channels)
        Row c takes x to channel c.

    References
    ----------
    E. Warsitz and R. Haeb-Umbach, "Blind acoustic beamforming based on generalized eigenvalue decomposition", IEEE
    Trans. Audio, Speech, and Language Processing 15(5), 2007 (equation numbers not checked).
    """
    _check_covariances(target, rest)
    xp = namespace(target)
    channels = target.shape[-1]
    rest = _loaded(rest)
    root = xp.linalg.inv(xp.linalg.cholesky(rest))
    _, vectors = xp.linalg.eigh(_hermitian(root @ target @ _adjoint(root)))
    w = _adjoint(root) @ vectors[..., -1:]  # (freq, channels, 1): y = wᴴ x
    if not normalize:
        heard = target @ w  # covariance of the source's part of y with each channel
        power = (_adjoint(w) @ heard).real
        return heard / xp.where(power > 0, power, 1) @ _adjoint(w)
    through = rest @ w
    numerator = xp.sqrt((abs(through) ** 2).sum(axis=1, keepdims=True) / channels)
    denominator = (_adjoint(w) @ through).real
    gain = numerator / xp.where(denominator > 0, denominator, 1)
    heard = target @ w
    size = xp.sqrt((abs(heard) ** 2).mean(axis=1, keepdims=True))
    return gain * heard / xp.where(size > 0, size, 1) @ _adjoint(w)


def lcmv(rest: Array, steering: Array) -> Array:
    """Return linearly constrained minimum variance filters: each passes one source and cancels the others.

    Parameters
    ----------
    rest : complex array (freq, channels, channels)
        Covariance of what is to be turned down (the noise, or the whole mixture).
    steering : complex array (freq, channels, sources)
        How the channels hear each source, any scale, also one of its own in each bin; at most as many sources as
        channels.

    Returns
    -------
    filters : complex array (sources, freq, channels, channels)
        Row c of filter n takes x to the image of source n at channel c.

    Raises
    ------
    ShapeError
        There are more sources than channels.

    References
    ----------
    O. L. Frost, "An algorithm for linearly constrained adaptive array processing", Proceedings of the IEEE 60(8),
    1972 (equation numbers not checked).
    """
    check_array("rest", rest, 3)
    check_array("steering", steering, 3)
    xp = namespace(rest)
    n_sources = steering.shape[-1]
    if n_sources > rest.shape[-1]:
        raise ShapeError(
            f"{n_sources} sources on {rest.shape[-1]} channels leave no filter; give at most as many"
        )
    size = abs(steering).max(axis=1, keepdims=True)
    steering = steering / xp.where(size > 0, size, 1)  # a filter is of one scale, whatever that of its column
    through = xp.linalg.solve(_loaded(rest), steering)
    # What is added to the crossed columns must be small beside each of them.
    power = (steering.conj() * through).sum(axis=1).real
    unit = 1 / xp.sqrt(xp.where(power > 0, power, 1))[:, None]
    steering, through = steering * unit, through * unit
    rows = xp.linalg.solve(
        _loaded(_adjoint(steering) @ through), _adjoint(through)
    )  # (freq, sources, channels): steering -> unit vectors
    return xp.stack([steering[..., n : n + 1] @ rows[:, n : n + 1] for n in range(n_sources)])


FILTERS: dict[str, Callable[[Array, Array], Array]] = {"mvdr": mvdr, "mwf": mwf, "gev": gev}
"""Beamformers by the name users type: functions of the covariances of a source and of the rest."""


def beamformed(X: Array, gains: Array, *, beamformer: str = "mvdr", **options: Any) -> Array:
    """Return the images of sources by a beamformer steered by their masks.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        Mixture.
    gains : array (sources, channels or 1, freq, frames)
        Masks of all sources.
    beamformer : {"mvdr", "mwf", "gev"}
        Which; a source's ``rest`` is the sum of the other sources.
    **options
        Of the beamformer.

    Returns
    -------
    Y : complex array (sources, channels, freq, frames)
        In the dtype of X.

    Raises
    ------
    ParameterError
        The beamformer is unknown, or has no such option.
    ShapeError
        The axes of X and the gains do not fit together.
    """
    check_array("X", X, 3)
    check_array("gains", gains, 4)
    design = _designer(beamformer, options)
    xp = namespace(X)
    _check_gains(X, gains)
    C = xp.stack([_covariance(X, _averaged(gain)) for gain in gains])
    total = C.sum(axis=0)
    return xp.stack([_passed(design(target, total - target), X) for target in C])


def refiltered(X: Array, Y: Array, *, beamformer: str = "mvdr", **options: Any) -> Array:
    """Return the images of sources by a beamformer steered by estimates of them, one filter a bin for all frames.

    The covariances of an estimate and of what it leaves of the mixture take the place of masked ones. Of estimates by
    filters that do not change in time (demixing matrices) the same comes out. Where estimates follow the frames
    (`CACGMM`, `CWMM`, `FastMNMF2`), filters that do not bend a source less, which is worth something where the
    microphones suffice: of three voices on four microphones in a simulated room, the mean SDR rose by 0.3 to 1.3 dB
    (``"mvdr"``, little noise; CWMM between -0.2 and 0.8), fell by up to 0.4 dB or rose by 0.2 with noise at 20 dB, and
    on two microphones fell by 0.8 dB or more for the mixtures of directions. ``"mwf"`` lost 0.4 dB at most.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        Mixture.
    Y : complex array (sources, channels, freq, frames)
        Images of sources, of any origin.
    beamformer, **options
        As for `beamformed`.

    Returns
    -------
    complex array (sources, channels, freq, frames)
        In the dtype of X.

    Raises
    ------
    ParameterError
        The beamformer is unknown, or has no such option.
    ShapeError
        The axes of X and Y do not fit together.
    """
    check_array("X", X, 3)
    check_array("Y", Y, 4)
    design = _designer(beamformer, options)
    if X.ndim != 3 or Y.ndim != 4 or Y.shape[1:] != X.shape:
        raise ShapeError(f"Y has shape {Y.shape}; X {X.shape} needs images (sources, {X.shape})")
    images = [_passed(design(_covariance(image), _covariance(X - image)), X) for image in Y]
    return namespace(X).stack(images)


def _designer(beamformer: str, options: dict[str, Any]) -> Callable[[Array, Array], Array]:
    """Return the beamformer of a name with its options, checked."""
    check_choice("beamformer", beamformer, tuple(FILTERS))
    design = FILTERS[beamformer]
    known = [p.name for p in signature(design).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise ParameterError(f"{beamformer} has no option {name!r}; it has {', '.join(known)}")
    return partial(design, **options)


def _passed(filters: Array, X: Array) -> Array:
    """Return filters (freq, channels, channels) times X (channels, freq, frames), in its dtype."""
    return (filters.astype(X.dtype) @ X.swapaxes(0, 1)).swapaxes(0, 1)


def _loaded(C: Array) -> Array:
    """Return Hermitian matrices with a small multiple of the identity added; the identity where they are zero."""
    xp = namespace(C)
    mean = xp.trace(C, axis1=-2, axis2=-1).real / C.shape[-1]
    return C + xp.where(mean > 0, LOAD * mean, 1)[..., None, None] * xp.eye(C.shape[-1], dtype=C.dtype)


def _hermitian(C: Array) -> Array:
    return (C + _adjoint(C)) / 2


def _adjoint(A: Array) -> Array:
    return A.conj().swapaxes(-1, -2)
