"""V ≈ W ∗ H: templates with a length in time, and in frequency, times activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.factorizers.models import Groups, OfTemplates, check_groups
from sigsep_classic.kernels.convolutive_nmf import convolved
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class ConvolutiveModel(OfTemplates):
    """Templates that last several frames, started by activations; one spectrogram for all channels.

    V̂[f, t] = Σ_k Σ_φ Σ_l W[f−φ, k, l] H[k, φ, t−l]; without shifts there is but φ = 0.

    Parameters
    ----------
    W : array (bins, components, lags)
        Non-negative templates; bins are those of V or, where all shifts stay on its axis, fewer.
    H : array (components, activation frames) or (components, shifts, activation frames)
        Non-negative activations.
    shape : (int, int)
        Frequencies and frames of V.
    power : float
        V is magnitude to this power.
    losses : tuple of (int, float)
        Iteration number and loss.
    stems : mapping of str to sequence of int, or None
        Components of each named source and of ``rest``; None where nothing was named.
    method : Convolutive
        What found it.
    rows : slice or None
        Frequencies of V that W ∗ H stands for; None: all.
    beside : array (other frequencies, components), or None
        Spectra of the others, which do not move.
    gains : array (components, frames), or None
        How loud these sound: V̂ summed over ``rows``.
    """

    W: Array
    H: Array
    shape: tuple[int, int]
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()
    stems: Groups | None = None
    method: Any = None
    rows: slice | None = None
    beside: Array = None
    gains: Array = None

    @property
    def n_rows(self) -> int:
        """Number of frequencies that W ∗ H stands for."""
        return self.shape[0] if self.rows is None else self.rows.stop - self.rows.start

    @property
    def masses(self) -> tuple[Array, Array]:
        """Sums of each component's template and of its activations, (components,) each."""
        return self.W.sum(axis=(0, 2)), self.H.reshape(self.n_components, -1).sum(axis=1)

    @property
    def energies(self) -> Array:
        """Sum of each component over all entries, edges not cut off, (components,)."""
        templates, activations = self.masses
        return templates * activations

    @property
    def spectra(self) -> Array:
        """Templates summed over their frames, as magnitudes, (freq, components); not shifted."""
        xp = namespace(self.W)
        spectra = xp.zeros((self.n_rows, self.n_components), dtype=self.W.dtype)
        spectra[: len(self.W)] = self.W.sum(axis=2)
        if self.rows is not None:
            spectra = self._with_others(spectra, self.beside)
        return spectra if self.power == 1 else spectra ** (1 / self.power)

    def part(self, k: int) -> Array:
        """Return V̂ of component k alone, (1, freq, frames)."""
        return self._sum_of([k])[None]

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the sum of the components of each group, (groups, 1, freq, frames), in the domain of V."""
        wanted = check_groups(groups, self.names)
        return namespace(self.W).stack([self._sum_of(members)[None] for members in wanted.values()])

    def _sum_of(self, members: Sequence[int]) -> Array:
        if not members:
            return namespace(self.W).zeros(self.shape, dtype=self.W.dtype)
        part = convolved(self.W[:, members], self.H[members], (self.n_rows, self.shape[1]))
        if self.rows is None:
            return part
        with single_threaded_blas():
            return self._with_others(part, self.beside[:, members] @ self.gains[members])

    def _with_others(self, inside: Array, others: Array) -> Array:
        """Return all frequencies: those of ``rows`` and the others."""
        assert self.rows is not None
        first = self.rows.start
        return namespace(inside).concatenate([others[:first], inside, others[first:]])

    def normalized(self) -> Self:
        """Return the same model with templates that sum to one, their scale moved to the activations."""
        xp = namespace(self.W)
        sums, _ = self.masses
        sums = xp.where(sums > 0, sums, 1)
        column = sums.reshape(-1, *[1] * (self.H.ndim - 1))
        return replace(self, W=self.W / sums[:, None], H=self.H * column)

    def sorted(self) -> Self:
        """Return the same model with components in falling order of energy."""
        order = np.argsort(-to_host(self.energies), kind="stable")
        others = {}
        if self.rows is not None:
            others = {"beside": self.beside[:, order], "gains": self.gains[order]}
        return replace(self, W=self.W[:, order], H=self.H[order], **others)

    @property
    def context(self) -> int:
        """Frames of a template: what comes before a block goes on in it."""
        return int(self.W.shape[2])

    def apply(self, X: Array) -> Self:
        """Return the model of other frames: the same templates, in their order, with activations of their own.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Of the same front-end, with at least as many frames as a template.

        Raises
        ------
        ShapeError
            X does not fit the templates.
        """
        found: Self = self.method.applied(X, self)
        return found


@dataclass(frozen=True, kw_only=True)
class ConvolutiveState(ConvolutiveModel):
    """`ConvolutiveModel` with what the solver remembers between steps.

    Parameters
    ----------
    gain : float
        Power of two nearest to 1 / mean(V): V and H are multiplied by it inside the kernels.
    level : float
        Mean of gain V: near 1, and 1 for silence.
    iteration : int
        Steps so far.
    fixed : int
        How many templates, the first ones, stay as they are.
    W_before, H_before, momentum, value
        Of the extrapolated solver: the iterate before, t of the momentum, and the loss in units of gain V.
    """

    gain: float
    level: float = 1.0
    iteration: int = 0
    fixed: int = 0
    W_before: Array = None
    H_before: Array = None
    momentum: float = 1.0
    value: float | None = None
