"""Independent vector analysis by hand: the natural gradient, and the fixed-point iteration of FastIVA."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.demixing.optimize import polar
from sigsep_classic.factorizers.demixing.spherical import (
    PRIORS,
    FilledBins,
    Spherical,
    covariances_of,
    filled,
    loss_of,
)
from sigsep_classic.factorizers.demixing.walk import Walk, WalkState
from sigsep_classic.kernels.demixing import powers
from sigsep_classic.typing import Array

SOLVERS = ("natural", "fast")

_HALVINGS = 20
_SHIFTS = (0.0, 1 / 16, 1 / 4, 1.0)


@dataclass(frozen=True, kw_only=True)
class IVA(Walk):
    """All bins demixed together, by the two searches that came before auxiliary functions; for teaching.

    A source is one random vector over all bins: its frequencies rise and fall together, which is what keeps the
    order of sources the same in all bins. On whitened data, y = R z, both lower

        sum over n of E G(p_n)  -  2 sum over bins of log |det R|,    p_n = sum over bins of |y_n|²

    ``"natural"`` walks down its relative gradient; ``"fast"`` looks among unitary R alone (whitened sources are
    uncorrelated) and takes steps of Newton's kind. `AuxIVA` lowers the same loss in fewer steps without a step size.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels.
    solver : {"natural", "fast"}
        Which search.
    prior : {"gauss", "laplace"}
        G(p): F log p (F bins), or √p.
    step_size : float
        The largest step of ``"natural"``, above 0. A step that would raise the loss is halved until it does not,
        and the next one begins at twice its size.
    n_iter : int
        Largest number of iterations; a search that no step brings further ends by itself.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    T. Kim, H. T. Attias, S.-Y. Lee and T.-W. Lee, "Blind source separation exploiting higher-order frequency
    dependencies", IEEE Trans. Audio, Speech, Lang. Process. 15(1), 2007: the natural gradient (equation numbers not
    checked).

    I. Lee, T. Kim and T.-W. Lee, "Fast fixed-point independent vector analysis algorithms for convolutive blind
    source separation", Signal Processing 87(8), 2007 (equation numbers not checked). Our departure: where the fixed
    point step would raise the loss it is shortened, at last to one that a majoriser guarantees.

    Notes
    -----
    When to use: To see how IVA was done before auxiliary functions; to separate, `auxiva` lowers the same loss in
    fewer steps.
    Complexity: An iteration is O(freq · frames · sources · channels).
    Differences from the paper: Steps that would raise the loss are halved; a fixed-point step that would is
    shortened, at last to one a majoriser guarantees.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((2, 4, 50)) + 1j * rng.standard_normal((2, 4, 50))
    >>> losses = [state.value for state in IVA(solver="fast", n_iter=5).iterate(X)]
    >>> losses == sorted(losses, reverse=True)
    True
    """

    solver: str = "natural"
    prior: str = "gauss"
    step_size: float = 0.5
    n_iter: int = 200
    tol: float = 1e-6

    name: ClassVar[str] = "iva"
    whitened_start: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("solver", self.solver, SOLVERS)
        check_choice("prior", self.prior, PRIORS)
        check_range("step_size", self.step_size, 0)
        if self.step_size == 0:
            raise ParameterError("step_size is 0; the natural gradient needs a step above 0")

    def prepare(self, X: Array) -> FilledBins:
        """Return the whitened bins of X (channels, freq, frames)."""
        return filled(bins(X, self.n_sources))

    def begin(self, X: FilledBins, R: Array) -> WalkState:  # type: ignore[override]
        """Return the state at R; ``"fast"`` at the unitary matrices nearest to it."""
        return self.at(X, polar(R) if self.solver == "fast" else R, self.step_size)

    def at(self, X: FilledBins, R: Array, rate: float) -> WalkState:
        """Return the state at R, with the noise in bins where there is no sound."""
        power = powers(X.Z, R, summed=True)
        return WalkState(bins=X, R=R, power=power, value=loss_of(X, self._prior(X), power, R), rate=rate)

    def candidates(self, X: FilledBins, model: WalkState) -> Iterator[tuple[float, Array]]:
        """Yield the steps of the solver."""
        V = covariances_of(X, self._prior(X), model.power)
        return self._fixed_point(X, model, V) if self.solver == "fast" else self._descent(model, V)

    def _descent(self, model: WalkState, V: Array) -> Iterator[tuple[float, Array]]:
        """Yield R + η (I - E[G'(p_n) y_n yᴴ]) R for falling η.

        No bin changes by more than half of itself: a step that suits most bins could make R singular in one.
        """
        xp = namespace(V)
        R = model.R
        E = xp.eye(R.shape[1]) - xp.einsum("fni,fnij,fmj->fnm", R, V, R.conj())
        size = xp.sqrt((abs(E) ** 2).sum(axis=(1, 2)))
        rate = min(self.step_size, 2 * model.rate)
        for _ in range(_HALVINGS):
            eta = rate / xp.maximum(1, 2 * rate * size)
            yield rate, R + eta[:, None, None] * (E @ R)
            rate /= 2

    def _fixed_point(self, X: FilledBins, model: WalkState, V: Array) -> Iterator[tuple[float, Array]]:
        """Yield the unitary factors of (a_n r_n - r_n V_n), a_n = E[G'(p_n) + |y_n|² G''(p_n)], then of larger a_n.

        Where a_n is the largest eigenvalue of V_n the loss can't rise: r V rᴴ - a r rᴴ is concave, and its tangent
        is lowest at that factor. An a_n above that, which frames of silence make, would only be slower.
        """
        xp = namespace(V)
        R, prior = model.R, self._prior(X)
        steep, bend = prior.slope(model.power), prior.bend(model.power)
        each = powers(X.Z, R, summed=False)
        safe = xp.linalg.eigvalsh(V)[:, :, -1]
        a = xp.minimum((steep[:, None] + each * bend[:, None]).mean(axis=2).T, safe)
        through = xp.einsum("fni,fnij->fnj", R, V)
        for shift in _SHIFTS:
            factor = a + shift * (safe - a)
            yield shift, polar(factor[:, :, None] * R - through)

    def _prior(self, X: FilledBins) -> Spherical:
        return Spherical(self.prior, len(X.Z))

    def _first(self, X: FilledBins) -> Array:  # type: ignore[override]
        """Return R = I, for the natural gradient with a Laplace prior at the level that lowers the loss most."""
        R = super()._first(X)
        if self.prior == "laplace" and self.solver == "natural":
            heard = self._prior(X).value(powers(X.Z, R, summed=True))
            R = R * (2 * R.shape[0] * R.shape[1] / heard if heard > 0 else 1.0)
        return R
