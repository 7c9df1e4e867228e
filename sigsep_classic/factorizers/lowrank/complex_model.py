"""What complex NMF finds: templates, activations, panning and phases, and estimates that add up to the mixture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.models import Groups, OfTemplates, check_groups
from sigsep_classic.kernels.complex_nmf import FLOOR
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

TILE = 1 << 18
"""Coefficients that are expanded at once."""


@dataclass(frozen=True, kw_only=True)
class ComplexNMFModel(OfTemplates):
    """Y ≈ F = Σ_k g_ck w_fk h_kt u_j(k)cft with |u| = 1: component k belongs to the source j(k), whose phases it has.

    Parameters
    ----------
    W : array (freq, components)
        Non-negative templates, each with the sum one.
    H : array (components, frames)
        Non-negative activations.
    gains : array (channels, components)
        Level of each component in each channel, with a mean square of one.
    planes : array (frames, sources, 2, channels * freq)
        Cosine and sine of the phases; see `phases`.
    starts : tuple of int
        Source j has the components starts[j] … starts[j + 1] − 1.
    mixture : array (channels, frames, freq)
        Y, complex; kept, not copied.
    level : float
        F is the model of ``level * Y``; 1 once the fit is done.
    unit : float
        Estimates are computed from ``unit * Y``, the level of the fit, so that one floor fits all levels of Y.
    named : dict of str to list of int, or None
        Components of each source, where sources were told apart.
    samples : bool
        Y is a real signal: phases are signs.
    losses : tuple of (int, float)
        Iteration number and loss.
    """

    W: Array
    H: Array
    gains: Array
    planes: Array
    starts: tuple[int, ...]
    mixture: Array
    level: float = 1.0
    unit: float = 1.0
    named: dict[str, list[int]] | None = None
    samples: bool = False
    power: float = 1.0
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @property
    def energies(self) -> Array:
        """Sum of the magnitudes of each component, (components,)."""
        return self.gains.sum(axis=0) * self.W.sum(axis=0) * self.H.sum(axis=1) / self._level

    @property
    def stems(self) -> Groups | None:
        """Components of each source, where sources were told apart."""
        return self.named

    @property
    def _level(self) -> np.floating:
        return np.dtype(self.W.dtype).type(self.level)

    @property
    def _unit(self) -> np.floating:
        return np.dtype(self.W.dtype).type(self.unit)

    @property
    def _gain(self) -> np.floating:
        """What brings activations to the level that estimates are computed at."""
        return np.dtype(self.W.dtype).type(self.unit / self.level)

    @property
    def rows(self) -> Array:
        """Templates of all channels, (components, channels * freq)."""
        wide = self.gains.T[:, :, None] * self.W.T[:, None, :]
        return namespace(self.W).ascontiguousarray(wide.reshape(self.n_components, -1))

    def phases(self, source: int) -> Array:
        """Return the phase factors u of a source, complex, (channels, freq, frames)."""
        u = self.planes[:, source, 0] + 1j * self.planes[:, source, 1]
        C, T, F = self.mixture.shape
        return u.astype(self.mixture.dtype).reshape(T, C, F).transpose(1, 2, 0)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the estimate of each group, (groups, channels, freq, frames); all components together are Y.

        A group has its part of F and its share β of what F leaves of Y, the share it has of the amplitudes:
        Ȳ = Σ g w h u + β (Y − F) with β = Σ g w h / X. Where the model is zero, β is the share of the frame's summed
        amplitudes, else of all amplitudes: silent components get nothing, unless all are.
        """
        return self._estimates(groups, shared=True)

    def model_of(self, groups: Groups | None = None) -> Array:
        """Return the part of F of each group, (groups, channels, freq, frames), without a share of Y − F."""
        return self._estimates(groups, shared=False)

    def finished(self) -> Self:
        """Return the same model with the scales that the parameters promise."""
        xp = namespace(self.W)
        sums = self.W.sum(axis=0)
        means = xp.sqrt((self.gains * self.gains).mean(axis=0))
        sums, means = (xp.where(scale > 0, scale, 1) for scale in (sums, means))
        H = (self.H.T * (sums * means / self._level)).T
        return replace(self, W=self.W / sums, gains=self.gains / means, H=H, level=1.0)

    def _estimates(self, groups: Groups | None, *, shared: bool) -> Array:
        xp = namespace(self.W)
        wanted = check_groups(groups, self.names)
        rows = self.rows
        fallback = self._shares(wanted, rows) if shared else None
        out = xp.zeros((len(wanted), *self.mixture.shape), self.mixture.dtype)
        for run, Y in self._runs():
            n = len(Y)
            parts = xp.zeros((len(wanted), *Y.shape), Y.dtype)
            amplitudes = xp.zeros(parts.shape, self.W.dtype)
            D, X = Y.copy(), xp.zeros(Y.shape, self.W.dtype)
            for j, members, P in self._sums(run, rows, wanted.values()):
                u = self.planes[run, j, 0] + 1j * self.planes[run, j, 1]
                X += P
                D -= P * u
                if members is not None:
                    amplitudes[members] += P
                    parts[members] += P * u
            if fallback is not None:
                safe = xp.where(X > FLOOR, X, 1)
                parts += xp.where(X > FLOOR, amplitudes / safe, fallback[:, run, None]) * D
            parts /= self._unit
            C, _, F = self.mixture.shape
            out[:, :, run] = parts.reshape(len(wanted), n, C, F).swapaxes(1, 2)
        out = out.swapaxes(-1, -2)
        return xp.ascontiguousarray(out.real) if self.samples else out

    def _shares(self, groups: Groups, rows: Array) -> Array:
        """Return the share of each group in the amplitudes of each frame, (groups, frames)."""
        xp = namespace(self.W)
        sized = self.H * self._gain * rows.sum(axis=1)[:, None]
        whole, totals = sized.sum(axis=1), sized.sum(axis=0)
        always = whole / whole.sum() if whole.sum() > 0 else xp.ones_like(whole) / len(whole)
        heard = totals > FLOOR
        shares = xp.where(heard, sized / xp.where(heard, totals, 1), always[:, None])
        return xp.stack([shares[list(members)].sum(axis=0) for members in groups.values()])

    def _runs(self) -> Iterator[tuple[slice, Array]]:
        """Yield runs of frames with unit * Y, (frames, channels * freq)."""
        C, T, F = self.mixture.shape
        size = max(1, TILE // (C * F))
        for t in range(0, T, size):
            run = slice(t, t + size)
            yield run, (self.mixture[:, run].swapaxes(0, 1) * self._unit).reshape(-1, C * F)

    def _sums(self, run: slice, rows: Array, groups: Any) -> Iterator[tuple[int, int | None, Array]]:
        """Yield source, group (None: in none) and summed amplitudes (frames, rows), each component in one of them."""
        owner: dict[int, int] = {k: n for n, members in enumerate(groups) for k in members}
        for j, (first, last) in enumerate(pairwise(self.starts)):
            found: dict[int | None, list[int]] = {}
            for k in range(first, last):
                found.setdefault(owner.get(k), []).append(k)
            for n, members in found.items():
                yield j, n, self._amplitudes(run, rows, members)

    def _amplitudes(self, run: slice, rows: Array, members: Sequence[int]) -> Array:
        h = self.H.T[run] * self._gain
        if len(members) == 1:
            return h[:, members[0], None] * rows[members[0]]
        with single_threaded_blas():
            return h[:, list(members)] @ rows[list(members)]
