"""What demixing of the present and the past finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.delayed import blocks_of_bins, stacked_past
from sigsep_classic.factorizers.models import DemixingModel, Groups, check_groups
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class DryDemixingModel(DemixingModel):
    """`DemixingModel` of which the past takes part: y = W x + P x_past; what images A y leave is reverberation.

    Parameters
    ----------
    P : complex128 array (freq, sources, n_taps * channels)
        Column ``k * channels + c`` weighs channel c, ``delay + k`` frames back.
    n_taps, delay : int
        As in `TISS`.
    """

    P: Array
    n_taps: int
    delay: int

    @property
    def context(self) -> int:
        """Frames of the past that `apply` looks at."""
        return self.delay + self.n_taps

    @property
    def sources(self) -> Array:
        """The dry sources, (sources, freq, frames), in the dtype of X."""
        X, xp = self.mixture, namespace(self.mixture)
        found = xp.empty((self.n_components, *X.shape[1:]), dtype=X.dtype)
        with single_threaded_blas():
            for block in blocks_of_bins(X, self.P.shape[2]):
                x = X[:, block].swapaxes(0, 1).astype(xp.complex128)
                y = self.W[block] @ x + self.P[block] @ stacked_past(x, self.n_taps, self.delay)
                found[:, block] = (y if X.dtype.kind == "c" else y.real).swapaxes(0, 1)
        return found

    def reordered(self, order: Any) -> DryDemixingModel:
        """Return the model with its sources in another order, those that are silent at the end."""
        order = [*order, *range(len(order), self.n_components)]
        return replace(super().reordered(order), P=self.P[:, order])

    def filters(self, groups: Groups | None = None) -> Array:
        """Refuse: a filter of one frame is not all there is."""
        raise ParameterError("sources of tiss depend on the past too; take W, P and A")

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the dry image of each group, (groups, channels, freq, frames), in the dtype of X."""
        xp = namespace(self.mixture)
        wanted, Y = check_groups(groups, self.names), self.sources.swapaxes(0, 1)
        found = [self.A[:, :, members].astype(Y.dtype) @ Y[:, members] for members in wanted.values()]
        return xp.stack([image.swapaxes(0, 1) for image in found])
