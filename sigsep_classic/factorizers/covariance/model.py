"""What FastMNMF finds: spectrograms of low rank, and where in space they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.covariance.wiener import wiener_images
from sigsep_classic.factorizers.models import Groups, check_groups, source_names
from sigsep_classic.scaling import steering_of
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class FastMNMFModel:
    """Sources with variances λ_nft = Σ_k w_nfk h_nkt and spatial covariances A_f diag(g_nf) A_fᴴ.

    Parameters
    ----------
    W : array (sources, freq, components)
        Non-negative templates.
    H : array (sources, components, frames)
        Non-negative activations.
    G : array (1 or freq, sources, dims)
        Non-negative weights of the directions; the same in all bins, or each bin its own.
    Q : complex128 array (freq, dims, channels)
        Diagonalizer: Q x has independent entries.
    A : complex128 array (freq, channels, dims)
        Steering vectors of the directions: the (pseudo-)inverse of Q.
    mixture : array (channels, freq, frames)
        The coefficients X; kept, not copied.
    losses : tuple of (int, float)
        Iteration number and negative log likelihood.
    """

    W: Array
    H: Array
    G: Array
    Q: Array
    A: Array
    mixture: Array
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return int(self.W.shape[0])

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``."""
        return source_names(self.n_components)

    @property
    def covariances(self) -> Array:
        """Spatial covariances, complex128 (sources, freq, channels, channels)."""
        xp = namespace(self.A)
        back = self.A.conj().swapaxes(1, 2)
        return xp.stack([(self.A * self.G[:, n, None]) @ back for n in range(self.n_components)])

    @property
    def steering(self) -> Array:
        """How each channel hears each source, up to a factor a bin: (freq, channels, sources)."""
        return steering_of(self.covariances)

    def reordered(self, order: Sequence[int]) -> Self:
        """Return the model with its sources in another order."""
        order = list(order)
        return replace(self, W=self.W[order], H=self.H[order], G=self.G[:, order])

    @property
    def energies(self) -> Array:
        """Energy of each source's image over all channels, (sources,)."""
        loudness = (abs(self.A) ** 2).sum(axis=1)
        gains = (self.G * loudness[:, None]).sum(axis=2)
        totals = (self.W * self.H.sum(axis=2)[:, None]).sum(axis=2)
        return (gains.T * totals).sum(axis=1)

    def powers(self, part: slice, members: Sequence[int]) -> Array:
        """Return Σ g_nm λ_nft over some sources, (dims, bins, frames), in a slice of bins."""
        xp = namespace(self.W)
        G = self.G[part] if len(self.G) > 1 else self.G
        total = xp.zeros((len(self.W[0, part]), G.shape[2], self.H.shape[2]), dtype=self.W.dtype)
        for n in members:
            total += (self.W[n, part] @ self.H[n])[:, None] * G[:, n, :, None]
        return xp.ascontiguousarray(total.swapaxes(0, 1))

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames): multichannel Wiener estimates."""
        wanted = list(check_groups(groups, self.names).values())
        return wiener_images(self.mixture, self.Q, self.A, wanted, self.powers, self.n_components)

    def normalized(self) -> Self:
        """Return the same model with G that sums to one over directions, W over bins, and the scale in H."""
        W, H, G = balanced(self.W, self.H, self.G)
        return replace(self, W=W, H=H, G=G)

    def sorted(self) -> Self:
        """Return the same model with sources in falling order of energy."""
        return self.reordered(np.argsort(-to_host(self.energies), kind="stable").tolist())


def balanced(W: Array, H: Array, G: Array) -> tuple[Array, Array, Array]:
    """Return factors of the same product of which G and W sum to one, the scale in H.

    Parameters
    ----------
    W, H, G : arrays
        As in `FastMNMFModel`.
    """
    xp = namespace(W)
    gains = G.sum(axis=2)
    W = W * gains.T[:, :, None]
    sums = W.sum(axis=1)
    G = G / xp.where(gains > 0, gains, 1)[:, :, None]
    return W / xp.where(sums > 0, sums, 1)[:, None], H * sums[:, :, None], G
