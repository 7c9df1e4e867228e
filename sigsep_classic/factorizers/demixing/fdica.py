"""FDICA: independent component analysis in each frequency bin, the bins put in order, then estimated once more."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.factorizers.base import Callback, nearest_power_of_two
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.factorizers.demixing.frequencywise import DemixingState, FrequencyDemixing, lengths_of
from sigsep_classic.factorizers.demixing.reestimation import ordered, reestimated
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.fdica import SOLVERS, fdica
from sigsep_classic.permutation import SOLVERS as ORDERS
from sigsep_classic.typing import Array, Grid

PRIORS = ("laplace", "generalized")
_FEW = 4
_ROUNDING = 16.0
BLIND = tuple(name for name in ORDERS if name != "oracle")


@dataclass(frozen=True, kw_only=True)
class FDICAState(DemixingState):
    """`DemixingState` with what each bin costs.

    Parameters
    ----------
    power : None
        Not kept.
    cost : float64 array (freq,)
        The cost of each bin at R.
    """

    cost: Array
    power: Array = None


@dataclass(frozen=True, kw_only=True)
class FDICA(FrequencyDemixing):
    """Each frequency bin demixed on its own, as if the others were not there; then order, then a second look.

    In a bin, with y = R z of the whitened data z and u_n = |y_n|² + floor, iterations lower

        sum over n of the mean over frames of (2 / beta) u_n^(beta / 2)  -  2 log |det R|,

    the likelihood of sources whose values have the density exp(-|y|^beta), beta = 1: Laplace. Nothing in it says
    which row of one bin belongs to which of the next: `sigsep_classic.permutation` finds that out. At last, where
    wanted, a few iterations of `reestimated` let neighbouring bins help each other, which on speech in rooms beats
    the best order of the bins as they were.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels. With fewer, each bin is first projected to
        its leading principal components, and what the sources leave of the mixture is the stem ``residual``.
    solver : {"auxiliary", "natural"}
        Row by row by an auxiliary function, or all rows along the natural gradient, for teaching: several times
        the iterations for the same cost.
    prior : {"laplace", "generalized"}
        Density of the sources in a bin.
    shape : float
        Beta of ``"generalized"``, between 0 and 2.
    floor : float
        Added to |y|² of sources at a level of about 1; above 0.
    step_size : float
        Of ``"natural"``, at most 1; halved where the cost would rise.
    permutation : str or None
        A solver of `sigsep_classic.permutation` (not ``"oracle"``); None leaves each bin in the order it was found in.
    reestimate : int
        Iterations after the ordering; 0: none. None take place without an order or with one frequency only.
    n_iter, tol
        As `Iterative`; a ``tol`` of 0 never stops early.
    grid : Grid or None
        Time-frequency grid; filled in by the pipeline. Without one, bins are taken to lie 4 Hz apart.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    P. Smaragdis, "Blind separation of convolved mixtures in the frequency domain", Neurocomputing 22, 1998.

    N. Ono and S. Miyabe, "Auxiliary-function-based independent component analysis for super-Gaussian sources",
    Proc. LVA/ICA, 2010: ``"auxiliary"``.

    S. Amari, A. Cichocki and H. H. Yang, "A new learning algorithm for blind signal separation", Proc. NIPS, 1996:
    ``"natural"``. (Equation numbers not checked; the halving of steps is ours.)

    Notes
    -----
    When to use: Long windows, strong reverberation, enough seconds: with a good order of bins it beats methods that
    couple all bins; the heart of `bss`.
    Complexity: An iteration is O(freq · frames · sources · channels²), while a bin is in cache; then the permutation.
    Differences from the paper: Steps of the natural gradient are halved where the loss would rise; the second look
    after the permutation is ours.

    Bins are whitened in double precision, so that iterations in float32 are safe however alike the channels are. In
    bins that are singular all the same (silence, fewer frames than channels) the loss has a small multiple of |R|²
    added; with fewer than four frames a channel, or a ``shape`` below 1, bins stay in double precision. Without a
    callback and with ``tol`` 0 all iterations of a bin are done at once, while it is in cache; the result has the same
    bits. `iterate` yields the bins before they are ordered.

    ``start`` begins with the matrices of a model, rows as long as they were: at the loss where it ended, if it was not
    estimated once more, which lowers another loss.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> S = rng.gamma(0.3, size=(2, 3, 500)) * np.exp(2j * np.pi * rng.random((2, 3, 500)))
    >>> A = rng.standard_normal((3, 2, 2)) + 1j * rng.standard_normal((3, 2, 2))
    >>> X = np.einsum("fcn,nft->cft", A, S)
    >>> gains = abs(FDICA(permutation=None).fit(X).W @ A)
    >>> bool((gains.min(axis=2) < 0.1 * gains.max(axis=2)).all())
    True
    """

    solver: str = "auxiliary"
    prior: str = "laplace"
    shape: float = 0.5
    floor: float = 1e-6
    step_size: float = 0.5
    permutation: str | None = "kernel"
    reestimate: int = 5
    grid: Grid | None = None

    name: ClassVar[str] = "fdica"
    whitened_start: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("solver", self.solver, SOLVERS)
        check_choice("prior", self.prior, PRIORS)
        check_range("shape", self.shape, 0, 2, above=True)
        check_range("floor", self.floor, 0, above=True)
        check_range("step_size", self.step_size, 0, 1, above=True)
        check_count("reestimate", self.reestimate, 0)
        if self.permutation is not None:
            check_choice("permutation", self.permutation, BLIND)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of half a second, an eighth of it as hop: rooms are that long, and bins need frames."""
        n_fft = nearest_power_of_two(0.512 * sample_rate)
        return STFT(n_fft=n_fft, hop=n_fft // 8)

    def few(self, X: Array) -> float:
        """Return the frames a dimension that single precision needs: none do for weights steeper than Laplace's."""
        return _FEW if self._beta >= 1 else math.inf

    def begin(self, X: Bins, R: Array) -> FDICAState:
        """Return the state with demixing R and its cost."""
        return self.advanced(X, R, 0)

    def step(self, X: Bins, model: Any) -> FDICAState:
        """Return the state after one iteration of every bin; see `sigsep_classic.kernels.fdica`."""
        return self.advanced(X, model.R, 1)

    def loss(self, X: Bins, model: Any) -> float:
        """Return the sum over bins of their costs."""
        return float(model.cost.sum())

    def copy(self, model: Any) -> Any:
        """Return a state with arrays of its own, but for the data, which nothing writes to."""
        return replace(model, R=model.R.copy(), cost=model.cost.copy())

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> DemixingModel:  # type: ignore[override]
        """Return the demixing of X (channels, freq, frames), its bins in order; see `Iterative.fit`.

        Raises
        ------
        ShapeError
            There are fewer channels than sources, or X has not three axes.
        NumericalError
            X, or a start, is not finite.
        """
        if callback is not None or self.tol > 0 or self.n_iter == 0:
            return super().fit(X, start=start, callback=callback)
        data = self.prepare(X)
        model = self.init(data) if start is None else self.adopt(data, start)
        model = self.advanced(data, model.R, self.n_iter)
        loss = self._checked_loss(data, model, self.n_iter)
        return self.finish(replace(model, losses=((self.n_iter, loss),)))

    def finish(self, model: Any) -> DemixingModel:  # type: ignore[override]
        """Return W and A, bins in order and estimated once more, sources in falling order of energy."""
        if self.permutation is not None and len(model.R) > 1:
            R = ordered(model.bins, model.R, self.permutation, self.grid)
            if self.reestimate:
                found = reestimated(model.bins, R, self.grid, n_iter=self.reestimate)
                # Costs, of a warm start say, know scales; images do not.
                R = found * (lengths_of(R) / lengths_of(found))[:, :, None]
            model = replace(model, R=R)
        return super().finish(model)

    def advanced(self, X: Bins, R: Array, n_iter: int) -> FDICAState:
        """Return the state ``n_iter`` iterations after R, done bin by bin."""
        R, cost = fdica(
            X.Z,
            R,
            n_iter=n_iter,
            solver=self.solver,
            beta=self._beta,
            floor=self.floor,
            step_size=self.step_size,
            load=self._load(X),
        )
        return FDICAState(bins=X, R=R, cost=cost)

    @property
    def _beta(self) -> float:
        return 1.0 if self.prior == "laplace" else self.shape

    def _load(self, X: Bins) -> Array:
        """Return the load of bins that are nearly singular: no less than rounding with weights floor^(beta / 2 - 1)."""
        xp = namespace(X.Z)
        least = _ROUNDING * float(xp.finfo(X.Z.dtype).eps) * self.floor ** (self._beta / 2 - 1)
        return xp.where(X.load > 0, xp.maximum(X.load, least), 0)
