"""What a mixture of directions says of one recording: who speaks where, and what each channel hears of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.covariance.directions import Directions
from sigsep_classic.factorizers.covariance.local_priors import REACH
from sigsep_classic.factorizers.covariance.shapes import solve_hermitian
from sigsep_classic.factorizers.models import Groups, check_groups
from sigsep_classic.kernels.demixing import joined
from sigsep_classic.typing import Array

EXTRACTIONS = ("mask", "wiener")

_BLOCK_CELLS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class DirectionModel:
    """Posteriors of the sources at each point, with the shape of each.

    Parameters
    ----------
    posterior : array (sources, freq, frames)
        Probability that a source dominates a point, in [0, 1]; they sum to one.
    K : complex128 array (freq, sources, rows, dims)
        Parameters of the densities, see `kernels.directional_mixture`; on the whitened channels.
    weights : float64 array (freq, sources)
        How much of a bin is each source's.
    data : Directions
        The observations; kept, not copied.
    names : tuple of str
        ``source1 …`` in falling order of energy, and ``noise`` where it was asked for.
    extraction : {"mask", "wiener"}
        How images are made of posteriors.
    losses : tuple of (int, float)
        Iteration number and loss.
    converged : bool
        The loss had settled when the iterations ended.
    method : DirectionMixture or None
        What fitted it; None where that is not known.
    shapes : complex128 array (sources, freq, dims, dims) or None
        Spatial covariances of the sources where they are those of other frames, which the model was fitted to.
    """

    posterior: Array
    K: Array
    weights: Array
    data: Directions
    names: tuple[str, ...]
    extraction: str = "wiener"
    losses: tuple[tuple[int, float], ...] = ()
    converged: bool = False
    method: Any = None
    shapes: Array = None
    power: float = 1.0

    estimates: ClassVar[bool] = True

    @property
    def context(self) -> int:
        """Frames of neighbourhood that `apply` looks at."""
        return REACH * self.method.n_refine

    def apply(self, X: Array) -> Self:
        """Return the model of other frames X (channels, freq, frames) of the same scene: posteriors alone are new.

        Raises
        ------
        ParameterError
            This model does not know its method.
        ShapeError
            X has other channels or bins.
        """
        if self.method is None:
            raise ParameterError("this model does not know its method; apply what fit has returned")
        found: Self = self.method.applied(self, X)
        return found

    def without_frames(self) -> Self:
        """Return the model without what it was fitted to: enough to be applied to other frames."""
        shapes, data = self.shape_of(slice(None)), self.data
        few = {name: getattr(data, name)[..., :0].copy() for name in ("Z", "saliency")}
        bins = replace(data.bins, X=data.bins.X[..., :0].copy(), Z=data.bins.Z[..., :0].copy())
        empty = replace(data, bins=bins, **few)
        return replace(self, posterior=self.posterior[..., :0].copy(), data=empty, shapes=shapes)

    def shape_of(self, block: slice, z: Array | None = None) -> Array:
        """Return the spatial covariances of a block of bins, (sources, bins, dims, dims)."""
        if self.shapes is not None:
            return self.shapes[:, block]
        z = joined(self.data.bins.Z[block]).astype(complex) if z is None else z
        return spatial_covariances(z, self.posterior[:, block].astype(float))

    @property
    def n_components(self) -> int:
        """Number of sources, the noise among them."""
        return len(self.names)

    @property
    def n_active(self) -> int:
        """Number of sources without the noise, which is last."""
        return self.n_components - ("noise" in self.names)

    @property
    def steering(self) -> Array:
        """How each channel hears each source, up to a factor a bin: (freq, channels, sources).

        The leading eigenvector of the covariance of what the posterior points to.
        """
        xp = namespace(self.posterior)
        R = self.shape_of(slice(None))
        # (freq, channels, sources)
        leading = self.data.bins.D @ xp.linalg.eigh(R)[1][..., -1].transpose(1, 2, 0)
        return leading if self.mixture.dtype.kind == "c" else leading.real

    def reordered(self, order: Sequence[int]) -> Self:
        """Return the model with its sources in another order, the noise after them."""
        order = [*order, *range(len(order), self.n_components)]
        shapes = None if self.shapes is None else self.shapes[order]
        parts = {"K": self.K[:, order], "weights": self.weights[:, order], "shapes": shapes}
        return replace(self, posterior=self.posterior[order], **parts)

    @property
    def mixture(self) -> Array:
        """X (channels, freq, frames)."""
        return self.data.bins.X

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames), in the dtype of X; all sum to X."""
        xp, X = namespace(self.mixture), self.mixture
        wanted = check_groups(groups, self.names)
        if self.extraction == "mask" or self.n_components == 1 or self.data.dims == 1:
            return xp.stack([self.posterior[members].sum(axis=0) * X for members in wanted.values()])
        Y = xp.empty((len(wanted), *X.shape), dtype=X.dtype)
        size = max(1, _BLOCK_CELLS // X.shape[2])
        for start in range(0, X.shape[1], size):
            block = slice(start, start + size)
            images = self._filtered(block)
            for g, members in enumerate(wanted.values()):
                Y[g, :, block] = images[members].sum(axis=0).astype(X.dtype)
        return Y

    def _filtered(self, block: slice) -> Array:
        """Return the Wiener images (sources, channels, freq, frames) of a block of bins, which sum to X.

        With R_n the average of z zᴴ weighted by the posterior, source n has the covariance p_n(t) R_n in whitened
        channels, and its estimate is p_n R_n (sum over m of p_m R_m)⁻¹ z.
        """
        bins = self.data.bins
        z, p = joined(bins.Z[block]).astype(complex), self.posterior[:, block].astype(float)
        R = self.shape_of(block, z)
        mixed = [[(p * R[:, :, i, j, None]).sum(axis=0) for j in range(i + 1)] for i in range(z.shape[1])]
        through = solve_hermitian(mixed, z)
        # (sources, freq, channels, dims)
        back = bins.D[block] @ R
        Y = (back @ through).swapaxes(1, 2) * p[:, None]
        X = bins.X[:, block]
        if X.dtype.kind != "c":
            Y = Y.real
        return Y + (X - Y.sum(axis=0)) / len(Y)


def spatial_covariances(z: Array, p: Array) -> Array:
    """Return averages of z zᴴ weighted by p, with a little of the identity: (sources, freq, dims, dims).

    Parameters
    ----------
    z : complex128 array (freq, dims, frames)
    p : float64 array (sources, freq, frames)
    """
    xp = namespace(z)
    R = xp.stack([(z * weights[:, None]) @ z.conj().swapaxes(1, 2) for weights in p])
    trace = xp.einsum("nfii->nf", R).real
    R /= xp.where(trace > 0, trace, 1)[:, :, None, None]
    return R + 1e-3 * xp.eye(z.shape[1])


def energies(data: Directions, posterior: Array) -> np.ndarray:
    """Return the energy a mask of each posterior lets through, (sources,), on the host."""
    # In float64: squares of what is loud or quiet are no numbers of single precision.
    power = sum(abs(x).astype(np.float64) ** 2 for x in data.bins.X)
    return to_host((posterior * power).sum(axis=(1, 2)))
