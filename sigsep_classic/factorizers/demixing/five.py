"""Fast independent vector extraction (FIVE): one source out of many, an eigenvector a bin and iteration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.demixing.frequencywise import DemixingState, FrequencyDemixing
from sigsep_classic.factorizers.demixing.overiva import principal
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


@dataclass(frozen=True, kw_only=True)
class FIVE(FrequencyDemixing):
    """The one source that stands out most, and the rest: stems ``source1`` and ``residual``.

    A row r of each bin is looked for on whitened data, y = r z, that lowers

        E G(p)  -  sum over bins of log ‖r‖²,    p = sum over bins of |y|²

    which is the loss of `OverIVA` with one source. What is not of the source is taken to be one steady Gaussian
    noise, of any covariance; so the source that is found is the one whose level changes most. In a cocktail party
    that is one voice among many; with two alike, which of them is found hangs on where the search starts.

    Parameters
    ----------
    n_sources : int
        1: there is nothing to choose.
    prior : {"gauss", "laplace"}
        G(p): F log p (F bins), or √p.
    n_iter : int
        Largest number of iterations; a handful is enough.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    R. Scheibler and N. Ono, "Fast independent vector extraction by iterative SINR maximization", Proc. ICASSP,
    2020 (equation numbers not checked).

    Notes
    -----
    When to use: One moving level among steady noise: one talker, several microphones.
    Complexity: An iteration is O(freq · frames · channels²) and an eigenvalue problem of channels × channels a bin.
    Differences from the paper: None known (equation numbers not checked).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((3, 4, 50)) + 1j * rng.standard_normal((3, 4, 50))
    >>> voice = rng.laplace(size=(4, 50)) * (rng.random(50) < 0.5)
    >>> model = FIVE(n_iter=5).fit(noise + 3 * voice)
    >>> bool(abs(np.corrcoef(abs(model.sources[0]).ravel(), abs(voice).ravel())[0, 1]) > 0.9)
    True
    """

    n_sources: int | None = 1
    prior: str = "gauss"
    n_iter: int = 20

    name: ClassVar[str] = "five"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("prior", self.prior, PRIORS)
        if self.n_sources != 1:
            raise ParameterError(
                f"n_sources is {self.n_sources}; five extracts 1 source, overiva and auxiva separate several"
            )

    def prepare(self, X: Array) -> FilledBins:
        """Return the whitened bins of X (channels, freq, frames), in all dimensions."""
        return sources_of(filled(bins(X)), 1)

    def step(self, X: FilledBins, model: DemixingState) -> DemixingState:  # type: ignore[override]
        """Return the state with the best r for V = E[G'(p) z zᴴ].

        It is the eigenvector of V with the least eigenvalue λ, at the length 1 / √λ: of all directions the one with
        the most sound for its weighted, that is unlikely, sound.
        """
        xp = namespace(model.R)
        V = covariances_of(X, self._prior(X), model.power)[:, 0]
        values, vectors = xp.linalg.eigh(V)
        R = (vectors[:, :, :1] / xp.sqrt(values[:, None, :1])).conj().swapaxes(1, 2)
        return replace(model, R=R, power=powers(X.Z, R, summed=True))

    def loss(self, X: FilledBins, model: Any) -> float:  # type: ignore[override]
        """Return the value that is lowered, with the noise in bins where there is no sound."""
        return loss_of(X, self._prior(X), model.power, model.R)

    def _prior(self, X: FilledBins) -> Spherical:
        return Spherical(self.prior, len(X.Z))

    def _first(self, X: FilledBins) -> Array:  # type: ignore[override]
        """Return the rows that give the leading principal component of each bin."""
        return principal(X, 1)
