"""Independent vector analysis of fewer sources than microphones, with all microphones at work (OverIVA)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import coefficients
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.demixing.frequencywise import DemixingState, FrequencyDemixing
from sigsep_classic.factorizers.demixing.optimize import polar
from sigsep_classic.factorizers.demixing.spherical import (
    PRIORS,
    FilledBins,
    Spherical,
    covariances_of,
    filled,
    loss_of,
    sources_of,
)
from sigsep_classic.kernels.demixing import powers
from sigsep_classic.typing import Array

REDUCTIONS = ("orthogonal", "pca")
STARTS = ("principal", "channels")


@dataclass(frozen=True, kw_only=True)
class OverIVA(FrequencyDemixing):
    """Fewer sources than microphones; what the sources leave of the mixture is the stem ``residual``.

    ``n_sources`` rows r_n of each bin's R are looked for on whitened data, y = R z, that lower

        sum over n of E G(p_n)  -  sum over bins of log det(R Rᴴ),    p_n = sum over bins of |y_n|²

    The directions orthogonal to all rows are taken to be one Gaussian noise, steady and of any covariance. Nothing
    is thrown away beforehand, so that the spare microphones lower the noise in the sources; with ``n_sources`` = 1
    this is blind extraction of one source (`FIVE`), with as many sources as microphones `AuxIVA`.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels.
    reduction : {"orthogonal", "pca"}
        ``"orthogonal"``: the above. ``"pca"``: only the ``n_sources`` leading principal components of each bin are
        demixed, which is quicker but lets noise in.
    prior : {"gauss", "laplace"}
        G(p): F log p (F bins), or √p.
    initial : {"principal", "channels"}
        Where the search starts: at the whitened ``n_sources`` leading principal components of each bin, turned to
        be nearest to the loudest channels, or at these channels. ``"pca"`` has only the components to start at.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    R. Scheibler and N. Ono, "Independent vector analysis with more microphones than sources", Proc. WASPAA, 2019
    (equation numbers not checked). Our departure: on whitened data the noise rows need not be kept, as they are
    all that is orthogonal to R.

    N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    Proc. WASPAA, 2011: the update of a row.

    Notes
    -----
    When to use: More microphones than sources: spare ones lower the noise. With one source, `five` needs fewer
    iterations.
    Complexity: An iteration is O(freq · frames · sources · channels²).
    Differences from the paper: On whitened data the noise rows need not be kept, as they are all that is orthogonal
    to R.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((3, 4, 50)) + 1j * rng.standard_normal((3, 4, 50))
    >>> model = OverIVA(n_sources=2, n_iter=3).fit(X)
    >>> model.W.shape, model.names, model.residual
    ((4, 2, 3), ('source1', 'source2'), True)
    """

    reduction: str = "orthogonal"
    prior: str = "gauss"
    initial: str = "principal"

    name: ClassVar[str] = "overiva"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_choice("prior", self.prior, PRIORS)
        check_choice("initial", self.initial, STARTS)
        if self.reduction == "pca" and self.initial != "principal":
            raise ParameterError(
                f'initial is {self.initial!r}, but reduction "pca" begins at the principal components; leave one'
            )

    def prepare(self, X: Array) -> FilledBins:
        """Return the whitened bins of X (channels, freq, frames), in all dimensions unless they are reduced."""
        X, n = coefficients(X), self.n_sources
        if n is None or self.reduction == "pca" or n > len(X):
            return filled(bins(X, n))
        return sources_of(filled(bins(X)), n)

    def step(self, X: FilledBins, model: DemixingState) -> DemixingState:  # type: ignore[override]
        """Return the state after one update of each row.

        With V_n = E[G'(p_n) z zᴴ] and column n of the pseudo-inverse of R, r_nᴴ = V_n⁻¹ (R⁺)_n, then
        r_n V_n r_nᴴ = 1: the row that lowers r V_n rᴴ - log |det|² most while the others and the noise stay.
        """
        V = covariances_of(X, self._prior(X), model.power)
        R = projected(model.R, V)
        return replace(model, R=R, power=powers(X.Z, R, summed=True))

    def loss(self, X: FilledBins, model: Any) -> float:  # type: ignore[override]
        """Return the value that is lowered, with the noise in bins where there is no sound."""
        return loss_of(X, self._prior(X), model.power, model.R)

    def _prior(self, X: FilledBins) -> Spherical:
        return Spherical(self.prior, len(X.Z))

    def _first(self, X: FilledBins) -> Array:  # type: ignore[override]
        """Return the rows that give the loudest channels, or what is nearest to them of the leading components."""
        n = min(X.n_sources, X.dims)
        if self.initial == "channels" or X.dims < len(X.used):
            return super()._first(X)[:, :n].copy()
        leading = principal(X, n)
        return polar(leading[:, :, :n].conj().swapaxes(1, 2)) @ leading


def principal(X: FilledBins, n: int) -> Array:
    """Return the orthonormal rows that take z to the n leading principal components of each bin's channels."""
    inside = X.T[:, :, list(X.used)]
    E = namespace(inside).linalg.eigh(inside)[1]  # T is C to the power -1/2
    return E[:, :, :n].conj().swapaxes(1, 2)


def projected(R: Array, V: Array) -> Array:
    """Return R (freq, sources, dims) after an iterative projection of each row, of V (freq, sources, dims, dims).

    A row is orthogonal, in the sense of its V_n, to the others and to all that R leaves out.
    """
    xp = namespace(R)
    R = R.copy()
    for n in range(R.shape[1]):
        gram = R @ R.conj().swapaxes(1, 2)
        unit = xp.broadcast_to(xp.eye(R.shape[1], dtype=R.dtype)[:, n : n + 1], (*R.shape[:2], 1))
        dual = R.conj().swapaxes(1, 2) @ xp.linalg.solve(gram, unit)
        w = xp.linalg.solve(V[:, n], dual)
        # w V w = w dual for w = V⁻¹ dual.
        norm = xp.sqrt((w.conj() * dual).sum(axis=1).real)
        R[:, n] = (w[:, :, 0] / norm).conj()
    return R
