"""The mixture as frequency-wise demixing sees it: independent channels, whitened bin by bin in double precision.

All updates of independent vector analysis and its kin are equivariant: demixing T x with R T⁻¹ takes the same steps
as demixing x with R. What T buys is that iterations can run in single precision, however alike the channels are
at low frequencies.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import NumericalError
from sigsep_classic.factorizers.base import check_n_sources, coefficients
from sigsep_classic.kernels.demixing import joined, split
from sigsep_classic.typing import Array

logger = logging.getLogger("sigsep_classic")

DEPENDENT = 1e-10
"""A channel of which the others leave less than this share of its energy is one of theirs (100 dB down)."""

_FLOOR, _LEAST = 1e-10, 1e-15
_LOAD, _WEAK = 1e-6, 64.0
_BLOCK, _SAMPLE = 64, 64


@dataclass(frozen=True, kw_only=True)
class Bins:
    """What frequency-wise demixing works on.

    Parameters
    ----------
    X : array (channels, freq, frames)
        The coefficients as they were given.
    Z : real array (freq, dims, 2, frames)
        z = T x, real and imaginary parts apart, in the precision of X or in double; identity covariance in each bin.
    T : complex128 array (freq, dims, channels)
        Hermitian positive on the channels that are used, zero on the others.
    D : complex128 array (freq, channels, dims)
        x = D z: the way back to all channels; the least-squares one where ``dims`` is smaller than the number of
        independent channels.
    load : float64 array (freq,)
        What is added to weighted covariances of z, relative to their trace: 0 but in bins that are (nearly)
        singular.
    used : tuple of int
        The independent channels, the loudest first; the order in which rows are updated.
    n_sources : int
        How many sources the user wants; at least ``dims``, the sources beyond those are silent.
    reduced : bool
        Whether dimensions were left out that are not rounding.
    """

    X: Array
    Z: Array
    T: Array
    D: Array
    load: Array
    used: tuple[int, ...]
    n_sources: int
    reduced: bool

    @property
    def dims(self) -> int:
        """Number of rows of R: sources that are looked for."""
        return int(self.Z.shape[1])

    @cached_property
    def identity(self) -> Array:
        """R for which the demixing matrix R T is the identity on the used channels (square only), level one."""
        xp = namespace(self.T)
        used = xp.linalg.inv(self.T[:, :, list(self.used)])
        return used / abs(used[:, range(self.dims), range(self.dims)]).max()

    @property
    def unit(self) -> Array:
        """R for which the sources are the whitened data, a new array (freq, dims, dims)."""
        xp = namespace(self.T)
        eye = xp.eye(self.dims, dtype=self.T.dtype)
        return xp.broadcast_to(eye, (len(self.T), self.dims, self.dims)).copy()

    @property
    def first(self) -> Array:
        """R that begins with W = I, or with the leading components where dimensions were left out; a new array."""
        return self.unit if self.dims < len(self.used) else self.identity.copy()

    @cached_property
    def white(self) -> Array:
        """z as complex numbers, (freq, dims, frames)."""
        return joined(self.Z)


def bins(X: Array, n_sources: int | None = None, *, few: float = 0) -> Bins:
    """Return the bins of X (channels, freq, frames), projected to ``n_sources`` leading components if fewer.

    With fewer frames of sound than ``few`` a dimension Z is in double precision whatever X is.

    Channels that are silent, or are a weighted sum of others in all bins at once (copies), take no part; a line of
    the log tells their numbers.

    Raises
    ------
    ShapeError, ArrayTypeError
        As `coefficients`, or there are fewer channels than sources.
    NumericalError
        X is not finite.
    """
    X = coefficients(X)
    others = "fastmnmf2, cacgmm" if len(X) > 1 else "fastmnmf2"
    check_n_sources(n_sources, len(X), f", or take a method for more sources ({others})")
    xp = namespace(X)
    C = covariances(X)
    if not bool(xp.isfinite(C).all()):
        raise NumericalError("the covariance of the channels is not finite; give finite data")
    used, gains = independent_channels(to_host(C.sum(axis=0)))
    inside = C[:, used][:, :, used]
    dims = min(n_sources or len(used), len(used))
    # Single precision rounds in all bins alike: 120 dB under the loudest there is nothing else.
    least = max(_LEAST, 64 * float(xp.finfo(X.dtype).eps) ** 2)
    T, D, load = _whiteners(inside, dims, least)
    reduced = dims < len(used)
    wide = xp.zeros((len(T), dims, len(X)), dtype=T.dtype)
    wide[:, :, used] = T
    exact = few > 0 and (few * dims > X.shape[2] or few * dims > _sounding(X))
    Z = split(X.astype(xp.result_type(X.dtype, xp.float64), copy=False) if exact else X, wide)
    load = load * max(1.0, _WEAK * float(xp.finfo(Z.dtype).eps) / _LOAD)
    D = xp.asarray(gains, dtype=T.dtype) @ D
    return Bins(
        X=X, Z=Z, T=wide, D=D, load=load, used=tuple(used), n_sources=n_sources or len(X), reduced=reduced
    )


def _sounding(X: Array) -> int:
    """Return the number of frames less than 100 dB below the loudest, as some of the bins tell."""
    peaks = abs(X[:, :: max(1, X.shape[1] // _SAMPLE)]).max(axis=(0, 1))
    return int((peaks > _FLOOR**0.5 * peaks.max()).sum())


def covariances(X: Array) -> Array:
    """Return the mean of x xᴴ over frames, complex128 (freq, channels, channels), of X (channels, freq, frames)."""
    xp = namespace(X)
    C = xp.empty((X.shape[1], len(X), len(X)), dtype=xp.complex128)
    for start in range(0, X.shape[1], _BLOCK):
        block = xp.ascontiguousarray(X[:, start : start + _BLOCK].swapaxes(0, 1), dtype=xp.complex128)
        C[start : start + _BLOCK] = block @ block.conj().swapaxes(1, 2) / X.shape[2]
    return C


def independent_channels(C: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Return the channels that depend on no louder ones, loudest first, and what the others are made of.

    Parameters
    ----------
    C : array (channels, channels)
        Covariance over all bins, on the host.

    Returns
    -------
    used : list of int
        At least one channel.
    gains : array (channels, used)
        x = gains x[used].
    """
    energies = C.diagonal().real
    order = np.argsort(-energies, kind="stable")
    used: list[int] = []
    gains = np.zeros((len(C), len(C)), dtype=C.dtype)
    for c in order:
        if energies[c] <= _LEAST**2 * energies.max():
            continue
        # Solve at equal levels: channels may be 60 dB apart.
        level = np.sqrt(energies[used])
        inside = C[np.ix_(used, used)] / np.outer(level, level)
        weights = np.linalg.lstsq(inside, C[used, c] / level, rcond=None)[0] / level if used else np.zeros(0)
        left = energies[c] - (weights.conj() @ C[used, c]).real
        if left > DEPENDENT * energies[c]:
            gains[c, len(used)] = 1
            used.append(int(c))
        else:
            gains[c, : len(used)] = weights.conj()
    if not used:
        return [0], np.eye(len(C), 1, dtype=C.dtype)
    silent = [int(c) for c in order if not gains[c].any()]
    copies = [int(c) for c in range(len(C)) if c not in used and c not in silent]
    for channels, what in ((silent, "silent"), (copies, "made of the others")):
        if channels:
            numbers = ", ".join(str(c + 1) for c in sorted(channels))
            logger.warning("channel %s %s and left out of the demixing", numbers, f"is {what}")
    return used, gains[:, : len(used)]


def _whiteners(C: Array, dims: int, rounding: float) -> tuple[Array, Array, Array]:
    """Return T, its (pseudo-)inverse D, and the load of nearly singular bins, of covariances C."""
    xp = namespace(C)
    values, E = xp.linalg.eigh(C)
    total = xp.maximum(values, 0).sum(axis=1)
    top = float(total.max())
    least = _FLOOR * total + (rounding * top if top > 0 else 1.0)
    weak = values[:, -dims] <= least
    roots = xp.sqrt(xp.maximum(values, least[:, None]))[:, None]
    if dims < C.shape[-1]:
        E, roots = E[:, :, -dims:][:, :, ::-1], roots[:, :, -dims:][:, :, ::-1]
        T, D = (E / roots).conj().swapaxes(1, 2), E * roots
    else:
        inverse = E.conj().swapaxes(1, 2)
        T, D = (E / roots) @ inverse, (E * roots) @ inverse
    return T, D, xp.where(weak, _LOAD, 0.0)


def strongest_first(data: Bins, R: Array) -> np.ndarray:
    """Return the rows of R in falling order of their images' energy, on the host."""
    energies = (abs(data.D @ inverse(R)) ** 2).sum(axis=1) * (abs(R) ** 2).sum(axis=2)
    return np.argsort(-to_host(energies.sum(axis=0)), kind="stable")


def inverse(R: Array) -> Array:
    """Return R⁻¹, or Rᴴ (R Rᴴ)⁻¹ of an R with more columns than rows."""
    inv = namespace(R).linalg.inv
    if R.shape[1] == R.shape[2]:
        return inv(R)
    back = R.conj().swapaxes(1, 2)
    return back @ inv(R @ back)
