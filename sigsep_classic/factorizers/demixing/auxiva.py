"""Independent vector analysis by auxiliary functions: sources whose frequencies rise and fall together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.factorizers.demixing.frequencywise import (
    FEW,
    DemixingState,
    FrequencyDemixing,
    log_determinants,
    rows_of,
)
from sigsep_classic.factorizers.demixing.priors import Prior
from sigsep_classic.kernels.demixing import RULES, powers, sweep
from sigsep_classic.kernels.demixing_pairs import Pairs, check_pairs
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class AuxIVA(FrequencyDemixing):
    """All bins demixed together, by majorisation-minimisation: no step size, and the loss never rises.

    A source is one random vector over the F frequencies: they rise and fall together, which is what keeps the order
    of sources the same in all bins. With y = R z on whitened data z = T x, W = R T, lowers

        F sum over n of E C(u_n)  -  2 sum over bins of log |det R|,    u_n(t) = (1/F) sum over bins of |y_n|²

    where C is the prior's (see `Prior`). C is concave, so that sum of C'(u_n) |y_n|² touches it from above: each
    iteration computes weights C'(u_n), weighted covariances V_n = E[C'(u_n) z zᴴ] of each bin, and lowers
    ``sum of r_n V_n r_nᴴ - log |det R|²`` by one of the rules, all of which never raise it.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels. With fewer, the mixture is first projected
        to its leading principal components, bin by bin.
    prior : {"laplace", "gauss", "generalized", "student", "logcosh"}
        What frames of a source are like: Laplacian vectors; Gaussian ones with a variance for each frame, sparser;
        the family between and beyond of ``shape``; Student's t of ``dof``; a Laplacian rounded near zero.
    rule : {"ip1", "ip2", "iss1", "iss2", "ipa"}
        How R is updated: a row after the other (iterative projection), rows two by two, along an output or two at a
        time for all rows (iterative source steering), or a row with the others adjusted to it (IPA). With two
        sources ``"ip2"`` and ``"iss2"`` solve each bin exactly in one go. Iterations of ``"ip1"`` and ``"iss1"``
        are the cheapest; ``"ip2"``, ``"iss2"`` and ``"ipa"`` need fewer.
    pairs : {"sequential", "all"}, sequence of (int, int), or function
        Which sources ``"ip2"`` and ``"iss2"`` take together, one pair after the other: neighbours, (0, 1), (1, 2) …
        (n - 1, 0); every two; those given; or those a function of the number of sources returns.
    shape : float
        β of the generalized Gaussian, in (0, 2]: 1 is Laplace's; smaller is sparser.
    dof : float
        Degrees of freedom of Student's t, above 0.
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
    N. Ono, "Stable and fast update rules for independent vector analysis based on auxiliary function technique",
    Proc. WASPAA, 2011: the method, ``"ip1"``.

    N. Ono and S. Miyabe, "Auxiliary-function-based independent component analysis for super-Gaussian sources",
    Proc. LVA/ICA, 2010: the same with one frequency.

    N. Ono, "Fast stereo independent vector analysis and its implementation on mobile phone", Proc. IWAENC, 2012:
    ``"ip2"``; "Auxiliary-function-based independent vector analysis with power of vector-norm type weighting
    functions", Proc. APSIPA ASC, 2012: powers of the norm as weights.

    R. Scheibler and N. Ono, "Fast and stable blind source separation with rank-1 updates", Proc. ICASSP, 2020:
    ``"iss1"``.

    R. Ikeshita and T. Nakatani, "ISS2: an extension of iterative source steering algorithm for
    majorization-minimization-based independent vector analysis", 2022: ``"iss2"``.

    R. Scheibler, "Independent vector analysis via log-quadratically penalized quadratic minimization", IEEE Trans.
    Signal Processing, 2021: ``"ipa"``. (Equation numbers not checked; the last two are rederived here from their
    stated minimisation problems.)

    Notes
    -----
    When to use: A room, as many microphones as talkers, some seconds of speech: the robust standard. `ilrma` is
    better on music, `bss` takes longer and gains more.
    Complexity: An iteration is O(freq · frames · sources · channels²) for ``"ip1"``, and O(freq · frames · sources ·
    channels) for ``"iss1"``.
    Differences from the paper: Data are whitened first, and the scale that the prior likes best is found in closed
    form; ``"iss2"`` and ``"ipa"`` are derived from their stated minimisation problems.

    The order of sources means nothing to the loss. Scales do: those of a source in different bins against each other,
    and that of all bins together, which the prior likes best at one value. In the end each source is given, bin by bin,
    the scale of its image at the channel that hears it best, and sources come in falling order of energy. Rows are
    updated in the order of their channels' energies, so that permuting channels permutes images. With the data in
    float32 covariances and powers are summed in float32 within short stretches, small matrices are in float64; with
    fewer than 64 frames a channel, and a prior sparser than Laplace's, all is in float64.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> levels = rng.gamma(0.3, size=(2, 1, 400))
    >>> S = levels * (rng.standard_normal((2, 20, 400)) + 1j * rng.standard_normal((2, 20, 400)))
    >>> A = rng.standard_normal((20, 2, 2)) + 1j * rng.standard_normal((20, 2, 2))
    >>> X = np.einsum("fcn,nft->cft", A, S)
    >>> model = AuxIVA(n_iter=20).fit(X)
    >>> gains = abs(model.W @ A)
    >>> bool((gains.min(axis=2) < 0.1 * gains.max(axis=2)).all())
    True
    """

    prior: str = "laplace"
    rule: str = "ip1"
    pairs: Pairs = "sequential"
    shape: float = 0.5
    dof: float = 1.0

    name: ClassVar[str] = "auxiva"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rule", self.rule, RULES)
        self._prior(1)
        check_pairs(self.pairs)

    def few(self, X: Array) -> float:
        """Return the number of frames a dimension that single precision needs: many where weights are steep."""
        return FEW if self._prior(1).steep else 0

    def begin(self, X: Bins, R: Array) -> DemixingState:
        """Return the state with demixing R, each source at the scale the prior likes best."""
        xp = namespace(R)
        power = powers(X.Z, R, summed=True, load=X.load)
        gains = self._prior(len(R)).gains(power / len(R))
        power = (power * gains[:, None]).astype(power.dtype)
        return DemixingState(bins=X, R=R * xp.sqrt(gains)[:, None], power=power)

    def adopt(self, X: Bins, start: Any) -> DemixingState:  # type: ignore[override]
        """Return the state with the demixing matrices of a model or state of the same shape; see `rows_of`."""
        R = rows_of(X, start)
        told = getattr(start, "lengths", None) is not None
        return super().begin(X, R) if told else self.begin(X, R)

    def step(self, X: Bins, model: DemixingState) -> DemixingState:
        """Return the state after one sweep with the weights C'(u)."""
        weights = self._prior(len(model.R)).weights(model.power / len(model.R))
        R, power = sweep(X.Z, model.R, weights, rule=self.rule, load=X.load, pairs=self.pairs)
        return replace(model, R=R, power=power)

    def loss(self, X: Bins, model: Any) -> float:
        """Return F times the sum over sources of the mean cost of their frames, less 2 log |det R| of all bins."""
        n_freq = len(model.R)
        costs = self._prior(n_freq).costs(model.power / n_freq).mean(axis=1).sum()
        return n_freq * float(costs) - 2 * log_determinants(model.R)

    def _prior(self, n_freq: int) -> Prior:
        return Prior(kind=self.prior, n_freq=n_freq, shape=self.shape, dof=self.dof)
