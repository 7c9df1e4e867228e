"""Templates that move in pitch: only rows spaced evenly in octaves take part; the others follow."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.factorizers.base import Callback, gain_for, level_of, magnitudes
from sigsep_classic.factorizers.convolutive.base import Convolutive
from sigsep_classic.factorizers.convolutive.model import ConvolutiveModel, ConvolutiveState
from sigsep_classic.frontends import ConstantQ
from sigsep_classic.kernels.convolutive_nmf import multiplicative_update
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array, Grid

F_MIN, F_MAX, BINS_PER_OCTAVE = 65.4064, 4000.0, 12
"""Constant-Q rows of the default front-end: from C2, by semitones."""


@dataclass(frozen=True, kw_only=True)
class Pitched(Convolutive, ABC):
    """A convolutive factorization whose shifts are steps of a logarithmic frequency axis.

    Where ``grid`` says that only some rows are spaced evenly in octaves, as those of `ConstantQ` are between
    ``f_min`` and ``f_max``, the factorization and its loss are of these. Each component has a spectrum of the
    other rows besides, fitted last: it does not move, and sounds as loud as the component does in the former.
    """

    grid: Grid | None = None

    n_following: ClassVar[int] = 30

    def default_frontend(self, sample_rate: float) -> ConstantQ:
        """Return a constant-Q transform with a semitone a bin from C2 up to 4 kHz."""
        return log_frequency(sample_rate)

    def prepare(self, X: Array) -> Array:
        """Return V (freq, frames) of X (channels, freq, frames): the rows spaced evenly in octaves."""
        rows = self._rows(X.shape[1]) if getattr(X, "ndim", 0) == 3 else None
        return super().prepare(X if rows is None else X[:, rows])

    def fit(  # type: ignore[override]
        self, X: Array, *, start: ConvolutiveModel | None = None, callback: Callback | None = None
    ) -> ConvolutiveModel:
        """Return the model after ``n_iter`` steps, or fewer once the loss settles; see `Iterative.fit`."""
        found: ConvolutiveModel = super().fit(X, start=start, callback=callback)  # type: ignore[arg-type]
        rows = self._rows(X.shape[1])
        if rows is None:
            return found
        beside = start.beside if isinstance(start, ConvolutiveState) and start.fixed else None
        return self._extended(found, magnitudes(X, self.power), rows, beside)

    def _rows(self, n_freq: int) -> slice | None:
        """Return the rows spaced evenly in octaves, None where those are all or no grid tells them."""
        hertz = None if self.grid is None else self.grid.frequencies
        if hertz is None or len(hertz) != n_freq:
            return None
        rows = even_rows(hertz)
        return None if rows == slice(0, n_freq) else rows

    def _extended(
        self, model: ConvolutiveModel, V: Array, rows: slice, beside: Array | None
    ) -> ConvolutiveModel:
        """Return the model with a spectrum of the other rows for each component."""
        xp = namespace(V)
        gains = xp.stack([part[0].sum(axis=0) for part in map(model.part, range(model.n_components))])
        gains = xp.ascontiguousarray(gains.T).T
        others = xp.concatenate([V[: rows.start], V[rows.stop :]])
        if beside is None:
            beside = self._spectra_beside(xp.ascontiguousarray(others.T).T, gains)
        return replace(model, shape=V.shape, rows=rows, beside=beside, gains=gains)

    def _spectra_beside(self, V: Array, gains: Array) -> Array:
        """Return U (freq, components) ≥ 0 that makes D_β(V | U gains) small."""
        xp, total = namespace(V), float(gains.sum(dtype=np.float64))
        gain = gain_for(level_of(V))
        mean = V.sum(axis=1) / V.dtype.type(total or 1.0)
        U = xp.ascontiguousarray(xp.repeat(mean[:, None], len(gains), axis=1)[:, :, None])
        if total > 0:
            with single_threaded_blas():
                for _ in range(self.n_following):
                    multiplicative_update(
                        V, U, gains, factor="W", beta=self._beta, exponent=self.exponent, gain=gain
                    )
        return U[:, :, 0]


def even_rows(hertz: tuple[float, ...]) -> slice:
    """Return the longest run of rows each of which is the same factor above the one before."""
    f = np.asarray(hertz, dtype=float)
    ratios = np.log2(np.maximum(f[1:], 1e-300) / np.maximum(f[:-1], 1e-300))
    best, first = slice(0, min(len(f), 1)), 0
    for k in range(len(ratios)):
        if abs(ratios[k] - ratios[first]) > 1e-6 * abs(ratios[first]):
            first = k
        if k + 2 - first > best.stop - best.start:
            best = slice(first, k + 2)
    return best


def log_frequency(sample_rate: float) -> ConstantQ:
    """Return the front-end on which a shift is a change of pitch, between 65 Hz and 4 kHz."""
    f_min = min(F_MIN, sample_rate / 16)
    return ConstantQ(
        sample_rate=sample_rate, f_min=f_min, f_max=max(F_MAX, f_min), bins_per_octave=BINS_PER_OCTAVE
    )
