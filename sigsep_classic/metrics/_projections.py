"""Least-squares filters from delayed references to estimates: one Cholesky factor for all right-hand sides.

A system holds the correlations of some channels at delays 0 … taps − 1, each channel divided by its norm, so
that levels cost no digits. Delayed references of band-limited music depend on each other up to rounding; only
where the factor does not exist is the diagonal loaded, and then by as little as it takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.backend import fft_namespace, namespace
from sigsep_classic.metrics._schur import schur_factor
from sigsep_classic.typing import Array

LOADS = (0.0, 1e-13, 1e-12, 1e-10, 1e-8)
"""Shares of each channel's power added to the diagonal where delayed references depend on each other."""

RESOLVED = 5e-14
"""Share of a channel's power that must be news, given all before it: less is its rounding, no direction of its own."""


LARGE = 2048
"""Unknowns from which the structure of the matrix is used: below, the usual factor is as fast and a little closer."""

RESIDUAL = 1e-12
"""Largest error of the structured factor, relative, before the usual one is taken."""


class System:
    """Correlations of channels at their delays, factored: ``L Lᵀ = D (G + load diag(G)) D``, D the inverse norms.

    Parameters
    ----------
    auto : array (channels, channels, 2 taps − 1), float64
        Correlations, lag 0 in the middle; no channel is silent. NumPy or CuPy.
    load : float, >= 0
        Share of each channel's power to add to the diagonal in any case.
    """

    def __init__(self, auto: Array, load: float = 0.0) -> None:
        xp = namespace(auto)
        self.taps, self._n = (auto.shape[-1] + 1) // 2, len(auto)
        channels = xp.arange(self._n)
        norm = xp.sqrt(auto[channels, channels, self.taps - 1])
        self.scale = 1 / xp.repeat(norm, self.taps)[:, None]
        self._lags = auto / (norm[:, None, None] * norm[None, :, None])
        for least in LOADS:
            self.load = max(load, least)
            self._lags[channels, channels, self.taps - 1] = 1 + self.load
            if self._factored():
                return
        raise AssertionError("a matrix of correlations loaded by its noise is positive definite")

    def _factored(self) -> bool:
        """Find a factor, say whether there is one."""
        self._by_delay = False
        if self._n * self.taps >= LARGE and isinstance(self._lags, np.ndarray):
            factor = schur_factor(self._lags)
            if factor is not None and (np.diagonal(factor) ** 2).min() > 1e3 * RESOLVED:
                self._factor, self._by_delay = factor.T, True
                if self._error() < RESIDUAL:
                    return True
        self._by_delay = False
        self._factor = _cholesky(self._lags)
        return self._factor is not None

    def _error(self) -> float:
        """Return how far the factor is from the matrix in one direction."""
        from scipy.linalg.blas import dtrmm

        x = np.random.default_rng(0).standard_normal((self._n * self.taps, 1))
        y = self.image(x)
        # L y by way of L⁻¹ would hide what L lacks; the product itself does not.
        product = dtrmm(1.0, self._factor, y, lower=1)
        return float(abs(self._restored(product) - self._product(x)).max() / abs(x).max())

    def _product(self, filters: Array) -> Array:
        """Return ``L Lᵀ`` times filters (channels · taps, outputs), from the correlations by transforms."""
        xp, fft = namespace(filters), fft_namespace(filters)
        n_fft = fft.next_fast_len(3 * self.taps, real=True)
        spectra = fft.rfft(self._lags, n_fft).transpose(2, 0, 1)
        given = fft.rfft(filters.reshape(self._n, self.taps, -1), n_fft, axis=1).transpose(1, 0, 2)
        # Row (i, k) is Σ R_ij(k − l) c_j(l); lag 0 stands at taps − 1.
        product = fft.irfft(xp.matmul(spectra, given), n_fft, axis=0)[self.taps - 1 : 2 * self.taps - 1]
        return product.transpose(1, 0, 2).reshape(filters.shape)

    def forward(self, cross: Array) -> Array:
        """Return ``L⁻¹ D b`` (channels · taps, outputs) of cross-correlations (channels, taps, outputs)."""
        return self._eliminated(self.scale * cross.reshape(len(self.scale), -1))

    def _eliminated(self, b: Array) -> Array:
        return _triangular(self._factor, self._ordered(b))

    def backward(self, y: Array) -> Array:
        """Return ``L⁻ᵀ y``: filters of the channels divided by their norms."""
        return self._restored(_triangular(self._factor, y, transposed=True))

    def solved(self, cross: Array, forward: Array) -> Array:
        """Return least-squares filters (channels · taps, outputs) of the channels divided by their norms."""
        filters = self.backward(forward)
        if self._by_delay:  # one step of refinement, for the digits that the structured factor lacks
            residual = self.scale * cross.reshape(filters.shape) - self._product(filters)
            filters = filters + self.backward(self._eliminated(residual))
        return filters

    def image(self, filters: Array) -> Array:
        """Return ``Lᵀ d``: its squares add up to the energy that filters d put out, plus ``load ‖d‖²``."""
        if isinstance(self._factor, np.ndarray):
            from scipy.linalg.blas import dtrmm

            return dtrmm(1.0, self._factor, self._ordered(filters), lower=1, trans_a=1)
        return self._factor.T @ filters

    def _ordered(self, x: Array) -> Array:
        """Return rows (channels · taps) in the order of the factor."""
        if not self._by_delay:
            return x
        return x.reshape(self._n, self.taps, -1).transpose(1, 0, 2).reshape(x.shape)

    def _restored(self, x: Array) -> Array:
        if not self._by_delay:
            return x
        return x.reshape(self.taps, self._n, -1).transpose(1, 0, 2).reshape(x.shape)


def _cholesky(lags: Array) -> Any:
    """Return the lower factor, its upper triangle undefined on the host, or None where there is none."""
    xp, n, taps = namespace(lags), len(lags), (lags.shape[-1] + 1) // 2
    windows = xp.lib.stride_tricks.sliding_window_view(lags, taps, axis=-1)[:, :, ::-1]
    # The transpose in C order is the matrix in LAPACK's; pages of its other triangle are never touched.
    transposed = xp.zeros((n * taps, n * taps))
    for i in range(n):
        for j in range(i + 1):
            # Entry (k, l) of block (i, j) is Σ r_i(t − k) r_j(t − l): their correlation at lag k − l.
            transposed[j * taps : (j + 1) * taps, i * taps : (i + 1) * taps] = windows[i, j]
    if xp is not np:
        factor = xp.linalg.cholesky(transposed.T)  # NaN where there is none, from the lower triangle alone
        return factor if bool((xp.diagonal(factor) ** 2 >= RESOLVED).all()) else None
    from scipy.linalg.lapack import dpotrf

    factor, failed = dpotrf(transposed.T, lower=1, overwrite_a=1, clean=0)
    return None if failed or (np.diagonal(factor) ** 2).min() < RESOLVED else factor


def _triangular(factor: Any, b: Array, *, transposed: bool = False) -> Array:
    if isinstance(factor, np.ndarray):
        from scipy.linalg.blas import dtrsm

        return dtrsm(1.0, factor, b, lower=1, trans_a=int(transposed))
    return namespace(factor).linalg.solve(factor.T if transposed else factor, b)
