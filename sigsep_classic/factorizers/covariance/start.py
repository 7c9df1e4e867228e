"""Where FastMNMF starts. Its likelihood has many optima: the start decides which source is which at each frequency.

``"diagonal"``
    Q is the identity; microphone m belongs to source m modulo the number of sources, and a little to the others.
``"demixing"``
    The same, but with the outputs of independent component analysis, bin by bin and put in order, in place of the
    microphones, the loudest first. The default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sigsep_classic import permutation
from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.bins import Bins, strongest_first
from sigsep_classic.kernels.demixing import powers, sweep
from sigsep_classic.typing import Array

START = ("demixing", "diagonal")
N_SWEEPS = 30
OTHERS = 0.05
"""Weight of a direction for the sources it is not given to."""


RIDGE = 5e-7
"""Noise in every direction that the data are taken to hold, relative to their mean power in that direction.

Four times the rounding of single precision, and the same in double, so that both give the same result.
"""


@dataclass(frozen=True, kw_only=True)
class JointData:
    """What the updates work on.

    Parameters
    ----------
    bins : Bins
        Whitened data.
    Z : real array (freq, dims, 2, frames + dims)
        They, and after the last frame √ridge times the unit vectors: frames whose weighted covariance is the ridge.
    n_sources : int
    """

    bins: Bins
    Z: Array
    n_sources: int

    @property
    def frames(self) -> int:
        """Number of frames of the mixture."""
        return int(self.Z.shape[3] - self.bins.dims)

    @property
    def level(self) -> float:
        """What weights are multiplied by, so that a mean over all frames of Z is one over those of the mixture."""
        return float(self.Z.shape[3] / self.frames)


def with_ridge(data: Bins, n_sources: int | None) -> JointData:
    """Return whitened bins with the ridge; without a number of sources, as many as there are dimensions."""
    xp, (freq, dims, _, frames) = namespace(data.Z), data.Z.shape
    Z = xp.zeros((freq, dims, 2, frames + dims), dtype=data.Z.dtype)
    Z[..., :frames] = data.Z
    Z[:, :, 0, frames:] = RIDGE**0.5 * xp.eye(dims)
    return JointData(bins=replace(data, Z=Z[..., :frames]), Z=Z, n_sources=n_sources or dims)


def independent_components(X: JointData, R: Array) -> Array:
    """Return R after some sweeps of auxiliary-function ICA with a Laplacian prior in each bin, its rows in order.

    A single bin (samples of a waveform), or a single channel, is left as it is.

    Parameters
    ----------
    X : JointData
    R : complex128 array (freq, dims, dims)
    """
    xp, T = namespace(R), X.frames
    if 1 in R.shape[:2]:
        return R
    P = powers(X.Z, R, summed=False)
    for _ in range(N_SWEEPS):
        P += P[:, :, T:].sum(axis=2, keepdims=True)
        U = (X.level / 2) / xp.sqrt(P)
        U[:, :, T:] = U[:, :, :T].sum(axis=2, keepdims=True)
        R, P = sweep(X.Z, R, U.astype(X.Z.dtype), rule="ip1")
    A = X.bins.D @ xp.linalg.inv(R)
    loudest = int((abs(X.bins.D) ** 2).sum(axis=(0, 2)).argmax())
    images = xp.sqrt(P[:, :, :T]) * abs(A[:, loudest]).T[:, :, None]
    order = permutation.solve(images * images, A=A[:, list(X.bins.used)])
    return permutation.apply(order, R, sources=1, freq=0)


def first_gains(X: JointData, R: Array, *, local: bool) -> Array:
    """Return G (1 or freq, sources, dims): direction m belongs to source m modulo their number, the loudest first."""
    xp, dims = namespace(R), R.shape[1]
    G = np.full((1, X.n_sources, dims), OTHERS)
    G[0, np.arange(dims) % X.n_sources, strongest_first(X.bins, R)] = 1
    G = xp.asarray(G, dtype=X.Z.dtype)
    return xp.repeat(G, len(R), axis=0) if local else G


def first_spectra(like: Array, shape: tuple[int, int, int], freq: int, *, seed: int) -> tuple[Array, Array]:
    """Return random W and H of ``shape`` (sources, components, frames), in 0.1 … 1 before W is scaled to sum to one."""
    xp, (sources, components, _) = namespace(like), shape
    rng = np.random.default_rng(seed)
    H = rng.uniform(0.1, 1, shape)
    W = rng.uniform(0.1, 1, (sources, freq, components))
    W /= W.sum(axis=2, keepdims=True)
    return xp.asarray(W, dtype=like.dtype), xp.asarray(H, dtype=like.dtype)
