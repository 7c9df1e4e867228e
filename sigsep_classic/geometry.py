"""Where sources are: delays between microphones, directions, and the order they give.

A delay is in seconds, positive where sound reaches a channel later than the reference channel: a source far away in
direction u (a unit vector towards it) reaches the microphone at p later than the one at p_0 by (p_0 - p) · u / c.
Over frequency a delay is a phase slope, ``exp(-2πi f delay)``. Spectra weighted to magnitude one and transformed back
peak at the delay (the phase transform): of two channels that is GCC-PHAT, of a column of a mixing matrix the delay of
that source alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sigsep_classic.backend import fft_namespace, fft_options, namespace, to_host
from sigsep_classic.checks import check_array, check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.typing import Array, Grid

SPEED_OF_SOUND = 343.0
"""In m/s, in air of 20 °C."""

ORDERS = ("energy", "angle", "distance")

_OVERSAMPLING = 16


@dataclass(frozen=True, kw_only=True)
class Delays:
    """Delays, and how sure they are.

    Parameters
    ----------
    seconds : float64 array (channels, ...)
        Relative to the reference channel, whose own are 0. On the host.
    coherence : float64 array (channels, ...)
        How well one delay explains all frequencies, 0 … 1: near 1 for sound that arrives directly, small for a
        diffuse field or a channel without it.
    """

    seconds: np.ndarray
    coherence: np.ndarray


@dataclass(frozen=True, kw_only=True)
class DirectionMap:
    """Steered response over azimuth.

    Parameters
    ----------
    azimuths : float64 array (directions,)
        In degrees, from the x axis towards the y axis, in [-180, 180).
    power : float64 array (directions,)
        Mean over pairs and frequencies of the phase transform, in [-1, 1].
    """

    azimuths: np.ndarray
    power: np.ndarray

    def peaks(self, n: int, *, separation: float = 15.0) -> np.ndarray:
        """Return the azimuths of the ``n`` highest local maxima at least ``separation`` degrees apart, highest first.

        Fewer where there are not so many.
        """
        check_count("n", n)
        higher = (self.power > np.roll(self.power, 1)) & (self.power >= np.roll(self.power, -1))
        found: list[float] = []
        for k in sorted(np.flatnonzero(higher), key=lambda k: -self.power[k]):
            angle = self.azimuths[k]
            if all(abs((angle - other + 180) % 360 - 180) >= separation for other in found):
                found.append(float(angle))
        return np.array(found[:n])


def gcc_phat(X: Array, grid: Grid, *, reference: int = 0, max_delay: float | None = None) -> Delays:
    """Return the delay of each channel of a mixture, by the generalized cross-correlation with phase transform.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        STFT coefficients.
    grid : Grid
        Of the STFT: evenly spaced bins from 0 Hz.
    reference : int
        The channel delays are measured from.
    max_delay : float, optional
        Largest delay looked for, in seconds (distance / speed of sound); default: a quarter of the window.

    Returns
    -------
    Delays
        ``seconds`` (channels,).

    Raises
    ------
    ParameterError
        The front-end has no evenly spaced frequencies, or ``max_delay`` is not positive.
    ShapeError
        X has not three axes, or no such channel.

    References
    ----------
    C. H. Knapp and G. C. Carter, "The generalized correlation method for estimation of time delay", IEEE Trans.
    Acoustics, Speech, and Signal Processing 24(4), 1976.
    """
    check_array("X", X, 3)
    _checked_axes("X", X, reference)
    return _delays(_whitened_cross_spectra(X, reference), grid, max_delay)


def tdoa(A: Array, grid: Grid, *, reference: int = 0, max_delay: float | None = None) -> Delays:
    """Return the delay of each source at each channel, from the phases of its mixing (or steering) vectors.

    Parameters
    ----------
    A : complex array (freq, channels, sources)
        Mixing matrices of any scale: `DemixingModel.A`, or principal eigenvectors of spatial covariances.
    grid, reference, max_delay
        As for `gcc_phat`.

    Returns
    -------
    Delays
        ``seconds`` (channels, sources).

    Raises
    ------
    ParameterError, ShapeError
        As for `gcc_phat`.

    References
    ----------
    H. Sawada, S. Araki, R. Mukai and S. Makino, "Grouping separated frequency components by estimating propagation
    model parameters in frequency-domain blind source separation", IEEE Trans. Audio, Speech, and Language Processing
    15(5), 2007: delays from the columns of mixing matrices (equation numbers not checked).
    """
    check_array("A", A)
    frequencies(grid, len(A))
    columns = A.swapaxes(0, 1)  # (channels, freq, sources)
    _checked_axes("A", columns, reference)
    cross = columns * columns[reference].conj()
    return _delays(_unit(cross).swapaxes(1, 2), grid, max_delay)


def srp_phat(X: Array, positions: Any, grid: Grid, *, n_directions: int = 360) -> DirectionMap:
    """Return the steered response power with phase transform over azimuths in the plane of x and y.

    Parameters
    ----------
    X : complex array (channels, freq, frames)
        STFT coefficients.
    positions : array (channels, 2 or 3)
        Microphones in metres.
    grid : Grid
        Of the STFT.
    n_directions : int
        Azimuths, evenly spaced over 360 degrees.

    Returns
    -------
    DirectionMap

    Raises
    ------
    ParameterError, ShapeError
        As for `gcc_phat`; positions do not fit, or there is one channel only.

    References
    ----------
    J. H. DiBiase, H. F. Silverman and M. S. Brandstein, "Robust localization in reverberant rooms", in Microphone
    Arrays, Springer, 2001.
    """
    check_array("X", X, 3)
    _checked_axes("X", X, 0)
    places = _checked_positions(positions, len(X))
    check_count("n_directions", n_directions)
    if len(X) < 2:
        raise ShapeError("X has one channel; a direction takes two")
    azimuths = np.arange(n_directions) * 360 / n_directions - 180
    u = unit_vectors(azimuths)
    omega = 2 * np.pi * frequencies(grid, X.shape[1])
    power = np.zeros(n_directions)
    for c in range(len(X)):
        G = to_host(_whitened_cross_spectra(X[c:], 0))[1:]  # (later channels, freq)
        for other, spectrum in enumerate(G, start=c + 1):
            delay = (places[c] - places[other]) @ u / SPEED_OF_SOUND
            power += (np.exp(1j * np.outer(delay, omega)) @ spectrum).real / X.shape[1]
    return DirectionMap(azimuths=azimuths, power=power / (len(X) * (len(X) - 1) / 2))


def unit_vectors(azimuths: Any) -> np.ndarray:
    """Return unit vectors (3, n) in the plane of x and y towards azimuths in degrees."""
    try:
        angle = np.deg2rad(np.atleast_1d(np.asarray(azimuths, float)))
    except (TypeError, ValueError):
        raise ParameterError(f"azimuths is a {type(azimuths).__name__}; give numbers, in degrees") from None
    return np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)])


def azimuths(delays: Delays, positions: Any) -> np.ndarray:
    """Return the azimuth of each source in degrees, by least squares over the microphones.

    Parameters
    ----------
    delays : Delays
        ``seconds`` (channels, sources), relative to any one channel.
    positions : array (channels, 2 or 3)
        Microphones in metres.

    Returns
    -------
    float64 array (sources,)
        From the x axis towards the y axis, in (-180, 180]. Microphones on one line tell the angle to that line
        alone: of the two directions the one to the left of the line (seen along it, from the first microphone to
        the last) is given.

    Raises
    ------
    ShapeError
        Delays and positions do not fit together, or all microphones are at one place.
    """
    seconds = delays.seconds.reshape(len(delays.seconds), -1)
    places = _checked_positions(positions, len(seconds))[:, :2]
    offsets = places - places.mean(axis=0)
    lead = -SPEED_OF_SOUND * (seconds - seconds.mean(axis=0))
    axes, sizes, _ = np.linalg.svd(offsets.T, full_matrices=False)
    if not sizes[0] > 0:
        raise ShapeError("positions are all the same place; give where each microphone is, in metres")
    if len(sizes) > 1 and sizes[1] > 1e-3 * sizes[0]:
        v = np.linalg.lstsq(offsets, lead, rcond=None)[0]
        return np.rad2deg(np.arctan2(v[1], v[0]))
    axis = axes[:, 0] if axes[:, 0] @ (places[-1] - places[0]) >= 0 else -axes[:, 0]
    along = offsets @ axis
    cosine = np.clip(along @ lead / (along @ along), -1, 1)
    angle = np.rad2deg(np.arctan2(axis[1], axis[0]) + np.arccos(cosine))
    return (angle + 180) % 360 - 180


def source_order(
    A: Array, grid: Grid, *, by: str, positions: Any = None, max_delay: float | None = None
) -> np.ndarray:
    """Return the sources in order of angle or distance.

    Parameters
    ----------
    A : complex array (freq, channels, sources)
        Mixing matrices.
    grid : Grid
        Of the STFT.
    by : {"angle", "distance"}
        ``"angle"``: rising azimuth where ``positions`` are given; else from the source that reaches the last
        channel first to the one that reaches it last, which for microphones on a line, listed from left to right
        and seen from behind, is from right to left. ``"distance"``: from near to far, judged by how much of the
        sound arrives directly (`Delays.coherence`).
    positions : array (channels, 2 or 3), optional
        Microphones in metres.
    max_delay : float, optional
        As for `gcc_phat`; default: what ``positions`` allow.

    Returns
    -------
    int array (sources,)

    Raises
    ------
    ParameterError, ShapeError
        As for `tdoa`; positions are no places of the channels, or there is one channel only.
    """
    check_array("A", A)
    check_choice("by", by, ORDERS[1:])
    if A.ndim == 3 and A.shape[1] == 1:
        raise ShapeError("A has one channel; an order of places takes two")
    if positions is not None and max_delay is None:
        places = _checked_positions(positions, A.shape[1])
        max_delay = 1.1 * float(np.ptp(places, axis=0).max()) * np.sqrt(3) / SPEED_OF_SOUND
    found = tdoa(A, grid, max_delay=max_delay)
    if by == "distance":
        return np.argsort(-found.coherence[1:].mean(axis=0), kind="stable")
    if positions is not None:
        return np.argsort(azimuths(found, positions), kind="stable")
    return np.argsort(found.seconds[-1], kind="stable")


def frequencies(grid: Grid, n_bins: int) -> np.ndarray:
    """Return the centres of evenly spaced bins in Hz.

    Raises
    ------
    ParameterError
        The front-end has one frequency, or they are not evenly spaced.
    """
    check_even(grid)
    if n_bins < 3:
        raise ParameterError(
            f"delays need three frequencies or more, not {n_bins}: one matrix for all tells none"
        )
    return grid.bin_hz * np.arange(n_bins)


def _delays(spectra: Array, grid: Grid, max_delay: float | None) -> Delays:
    """Return where the inverse transforms of unit spectra (..., freq) peak, the last place between samples."""
    n_bins = spectra.shape[-1]
    top = float(frequencies(grid, n_bins)[-1])
    step = 1 / (2 * top * _OVERSAMPLING)
    length = 2 * (n_bins - 1) * _OVERSAMPLING
    if max_delay is not None:
        check_range("max_delay", max_delay, 0, above=True)
    reach = min(int(np.ceil((max_delay or length * step / 4) / step)) + 1, length // 2 - 1)
    curve = fft_namespace(spectra).irfft(spectra, length, axis=-1, **fft_options(spectra))
    lags = np.arange(-reach, reach + 1)
    curve = to_host(curve[..., lags]).astype(float) * (length / (2 * n_bins - 2))
    best = curve.argmax(axis=-1)
    inner = np.clip(best, 1, len(lags) - 2)[..., None]
    left, mid, right = (np.take_along_axis(curve, inner + k, axis=-1)[..., 0] for k in (-1, 0, 1))
    bend = left - 2 * mid + right
    shift = np.where(
        (bend < 0) & (best == inner[..., 0]), 0.5 * (left - right) / np.where(bend < 0, bend, 1), 0
    )
    height = np.clip(np.take_along_axis(curve, best[..., None], axis=-1)[..., 0], 0, 1)
    seconds = np.where(height > 0, (lags[best] + shift) * step, 0.0)
    return Delays(seconds=seconds, coherence=height)


def _whitened_cross_spectra(X: Array, reference: int) -> Array:
    """Return the mean over frames of x_c conj(x_reference) at magnitude one each, (channels, freq)."""
    xp = namespace(X)
    unit = _unit(X)
    return xp.einsum("cft,ft->cf", unit, unit[reference].conj()) / X.shape[2]


def _unit(z: Array) -> Array:
    """Return complex numbers with their size taken away; 0 where it is 0."""
    size = abs(z)
    return z / namespace(z).where(size > 0, size, 1)


def _checked_axes(name: str, X: Array, reference: int) -> None:
    if X.ndim != 3 or 0 in X.shape or X.dtype.kind != "c":
        raise ShapeError(f"{name} has shape {X.shape} and dtype {X.dtype}; expected three axes, complex")
    if not 0 <= reference < len(X):
        raise ShapeError(f"reference is {reference}; there are channels 0 … {len(X) - 1}")


def check_positions(positions: Any, n: int) -> None:
    """Refuse what cannot be the places of n microphones.

    Raises
    ------
    ParameterError
        They are no finite numbers.
    ShapeError
        There are not n of 2 or 3 coordinates, or all are the same place.
    """
    _checked_positions(positions, n)


def check_even(grid: Grid) -> None:
    """Refuse a front-end that has one frequency, or whose frequencies are not evenly spaced: `ParameterError`."""
    if grid.frequencies is not None or not grid.bin_hz > 0:
        raise ParameterError("delays need evenly spaced frequencies; take frontend=STFT(...)")


def _checked_positions(positions: Any, n: int) -> np.ndarray:
    """Return positions (n, 3) in metres."""
    try:
        if hasattr(positions, "mask"):
            raise ValueError("what is masked is no place")
        places = np.asarray(positions, dtype=float)
    except (TypeError, ValueError):
        shown = repr(positions) if isinstance(positions, str) else f"a {type(positions).__name__}"
        raise ParameterError(
            f"positions is {shown:.60}; give x and y, or x, y and z, of each microphone, in metres"
        ) from None
    if places.ndim != 2 or len(places) != n or places.shape[1] not in (2, 3):
        raise ShapeError(f"positions have shape {places.shape}; expected ({n}, 2 or 3), in metres")
    if not np.isfinite(places).all():
        raise ParameterError("positions hold NaN or infinity; give where each microphone is, in metres")
    if n > 1 and not np.ptp(places, axis=0).max() > 0:
        raise ShapeError("positions are all the same place; give where each microphone is, in metres")
    return np.pad(places, ((0, 0), (0, 3 - places.shape[1])))
