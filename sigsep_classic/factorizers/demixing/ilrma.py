"""Independent low-rank matrix analysis: sources whose power spectrograms are of low rank (Kitamura et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import brought_to
from sigsep_classic.factorizers.demixing.frequencywise import (
    FEW,
    DemixingState,
    FrequencyDemixing,
    demixing_model,
    strongest_first,
)
from sigsep_classic.factorizers.demixing.source_variances import (
    NOISE,
    Density,
    Factors,
    LowRank,
    ObservedBins,
    Powers,
    checked_variances,
    cost,
    observed,
)
from sigsep_classic.factorizers.demixing.sources_as_signals import consistent_powers, image_gains, stft_of
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.kernels.demixing import RULES, powers, sweep
from sigsep_classic.kernels.variance_weights import DENSITIES, FLOOR
from sigsep_classic.typing import Array, FrontEnd

EXPONENTS = {"mm": 0.5, "me": 1.0}
_LARGE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class LowRankDemixing(DemixingModel):
    """`DemixingModel` with the variances of its sources y = W x.

    Parameters
    ----------
    templates : float64 array (sources, freq, components) or None
        At the level of X, whose squares may be no numbers of its type. None where a function supplied the variances.
    activations : array (sources or 1, components, frames) or None
        One set for all sources where they share their components.
    """

    templates: Array | None = None
    activations: Array | None = None

    @property
    def variances(self) -> Array | None:
        """The product of both, (sources, freq, frames)."""
        return (
            None if self.templates is None or self.activations is None else self.templates @ self.activations
        )

    def apply(self, X: Array) -> Self:
        """Return the model of other frames X (channels, freq, frames) of the same scene; it has no activations."""
        return replace(super().apply(X), activations=None)


@dataclass(frozen=True, kw_only=True)
class ILRMAState(DemixingState):
    """`DemixingState` with rows of R of length about one.

    Parameters
    ----------
    scales : array (sources, freq)
        What ``power``, that of the rows before they were scaled, is multiplied by.
    factors : Factors or None
        Variances of the outputs of R; None where a function supplies them.
    variances : array (sources, freq, frames) or None
        Those that a function supplied last.
    ahead : tuple or None
        What the next update of ``factors`` needs, where the sweep made it ready; ``power`` is then empty.
    """

    scales: Array
    factors: Factors | None = None
    variances: Array | None = None
    ahead: tuple[Array, Array] | None = None


@dataclass(frozen=True, kw_only=True)
class ILRMA(FrequencyDemixing):
    """One demixing matrix a frequency, for sources whose power spectrograms are a few templates times activations.

    With y = W x and the variances r_nft = sum over k of t_nfk v_nkt, all are found together as the minimum of ::

        sum over n, f of mean over t of G(|y_nft|² / r_nft) + log r_nft  -  sum over f of log |det W_f|²

    where G(x) is x for Gaussian sources, (1 + nu / 2) log(1 + 2 x / nu) for Student's t and x^(shape / 2) for the
    generalized Gaussian distribution. An iteration updates t, then v, then W; none of them raises the cost.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels.
    n_components : int
        Templates of each source, or with ``partitioned`` of all together, at least 1. Speech wants 2 or so, music 10.
    density : {"gauss", "student", "generalized"}
        G. The last two have heavier tails; far from Gauss they end in worse places from a random start.
    nu : float
        Degrees of freedom of ``"student"``, greater than 0: 1 is Cauchy's distribution, large ones are near Gauss.
    shape : float
        Exponent of ``"generalized"``, in (0, 2]: 1 is Laplace's distribution, 2 is Gauss.
    partitioned : bool
        Share ``n_components`` among the sources by weights z_nk that sum to one over n:
        r_nft = sum over k of z_nk t_fk v_kt.
    updates : {"mm", "me"}
        Exponent of the multiplicative updates: ``"mm"`` 1/2 (2 / (shape + 2) for ``"generalized"``), the minimum of
        the auxiliary function; ``"me"`` 1, a larger step that lowers the cost too, mostly faster.
    rule : {"ip1", "ip2", "iss1", "iss2", "ipa"}
        How rows of W are updated: by iterative projection, one or two at once, or by source steering.
    consistency : bool
        Update t and v from powers of outputs that went through the inverse transform and the transform, on the scale
        of their images (consistent ILRMA). The cost may then rise: with ``tol`` the first rise ends the search.
    variance : callable or None
        Called in each iteration with the powers of the sources (sources, freq, frames), on the scale of their images
        at the channel that hears each best; returns their variances, of the same shape and at least 0, in place of
        ``t v``. Sources keep their order, that of ``start`` or of the channels from the loudest on. The cost may
        rise, as with ``consistency``.
    seed : int
        Seed of the random t, v and z.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the cost by less than this share of it; 0 never stops early.
    frontend : FrontEnd or None
        The transform X was made with, for ``consistency``; `separate` fills it in.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    D. Kitamura, N. Ono, H. Sawada, H. Kameoka and H. Saruwatari, "Determined blind source separation unifying
    independent vector analysis and nonnegative matrix factorization", IEEE/ACM Trans. Audio, Speech and Language
    Processing 24(9), 2016.

    S. Mogami et al., "Independent low-rank matrix analysis based on complex Student's t-distribution for blind audio
    source separation", Proc. MLSP, 2017: ``"student"``.

    D. Kitamura et al., "Generalized independent low-rank matrix analysis using heavy-tailed distributions for blind
    source separation", EURASIP Journal on Advances in Signal Processing, 2018: ``"generalized"``.

    D. Kitamura and K. Yatabe, "Consistent independent low-rank matrix analysis for determined blind source
    separation", EURASIP Journal on Advances in Signal Processing 2020:46: ``consistency``.

    N. Makishima et al., "Independent deeply learned matrix analysis for determined audio source separation",
    IEEE/ACM Trans. Audio, Speech and Language Processing 27(10), 2019: variances that something else tells.

    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011: ``"mm"`` and ``"me"``. (Equation numbers not checked.)

    Notes
    -----
    When to use: Instruments, or speech with a few templates, as many microphones as sources.
    Complexity: An iteration is O(freq · frames · sources · (channels² + components)).
    Differences from the paper: Every source has noise 120 dB below the mixture in the same cell: a bounded cost.

    Cells 120 dB below the mean of their bin are left out. Below x = 1e-10 G goes on as a straight line. With fewer than
    64 frames a channel, or 2^16 cells, iterations are in double precision, whatever X is.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> levels = np.kron(rng.random((2, 5, 2)), np.ones((1, 1, 100))) + 0.01
    >>> S = np.sqrt(levels) * (rng.standard_normal((2, 5, 200)) + 1j * rng.standard_normal((2, 5, 200)))
    >>> mixing = rng.standard_normal((5, 2, 2)) + 1j * rng.standard_normal((5, 2, 2))
    >>> ILRMA(n_iter=100).fit((mixing @ S.swapaxes(0, 1)).swapaxes(0, 1)).W.shape
    (5, 2, 2)
    """

    n_components: int = 2
    density: str = "gauss"
    nu: float = 1000.0
    shape: float = 1.9
    partitioned: bool = False
    updates: str = "mm"
    rule: str = "ip1"
    consistency: bool = False
    variance: Callable[[Array], Array] | None = None
    seed: int = 0
    n_iter: int = 50
    frontend: FrontEnd | None = field(default=None, repr=False)

    name: ClassVar[str] = "ilrma"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n_components", self.n_components)
        check_choice("density", self.density, DENSITIES)
        check_range("nu", self.nu, 0, above=True)
        check_range("shape", self.shape, 0, 2, above=True)
        check_choice("updates", self.updates, tuple(EXPONENTS))
        check_choice("rule", self.rule, RULES)
        check_count("seed", self.seed, 0)
        if self.variance is not None and not callable(self.variance):
            raise ParameterError(
                f"variance is {self.variance!r}; give a function of the sources' powers, or None"
            )
        if self.variance is not None and (self.consistency or self.partitioned):
            raise ParameterError(
                "variance takes the place of templates; leave consistency and partitioned, which are about them"
            )

    @property
    def source(self) -> LowRank:
        """The model of variances."""
        shapes = {"gauss": 2.0, "student": self.nu, "generalized": self.shape}
        exponent = EXPONENTS[self.updates]
        if self.updates == "mm" and self.density == "generalized":
            exponent = 2 / (self.shape + 2)
        return LowRank(
            n_components=self.n_components,
            partitioned=self.partitioned,
            density=Density(name=self.density, shape=float(shapes[self.density])),
            exponent=exponent,
            seed=self.seed,
        )

    def few(self, X: Array) -> float:
        """Return the number of frames a dimension that single precision needs: many, and many cells in all.

        Few of them are fitted so well that weights have the range of the floor.
        """
        return FEW if X.shape[1] * X.shape[2] >= _LARGE else math.inf

    def prepare(self, X: Array) -> ObservedBins:
        """Return the whitened bins of X (channels, freq, frames), with their silent cells."""
        data = observed(super().prepare(X))
        if self.consistency:
            stft_of(self.frontend, X.shape[1], X.shape[2])
        return data

    def begin(self, X: ObservedBins, R: Array) -> ILRMAState:  # type: ignore[override]
        """Return the state with demixing R of the whitened data and random factors."""
        level = _lengths(R)
        unit = level.mean(axis=1, keepdims=True) if self.partitioned else level
        R = R / namespace(R).sqrt(unit)[:, :, None]
        P = powers(X.Z, R, summed=False, load=X.load)
        factors = self.source.begin(P) if self.variance is None else None
        return replace(self._scaled(X, R, P, factors), factors=factors)

    def adopt(self, X: ObservedBins, start: Any) -> ILRMAState:  # type: ignore[override]
        """Return the state with the demixing matrices of ``start``, and its templates where they are of our kind.

        Raises
        ------
        ParameterError
            It has no demixing matrices.
        ShapeError
            It is of another number of frequencies, sources or channels.
        """
        state: Any = super().adopt(X, start)
        T, V = getattr(start, "templates", None), getattr(start, "activations", None)
        wanted = state.factors
        if T is None or V is None or wanted is None:
            return state
        if (T.shape, V.shape) != (wanted.T.shape, wanted.activations.shape):
            return state
        xp = namespace(X.Z)
        T, W = brought_to(state.R.real, T), brought_to(state.R, start.W[:, : X.dims])
        T, latent = T * (_lengths(state.R) / _lengths(W @ X.D)).T[:, :, None], None
        if wanted.latent is not None:
            latent = (T.sum(axis=1) / T.sum(axis=(0, 1))).astype(X.Z.dtype)
            T = T.sum(axis=0, keepdims=True)
        templates = xp.ascontiguousarray(T, dtype=X.Z.dtype)
        activations = xp.ascontiguousarray(brought_to(X.Z, V)).copy()
        return replace(state, factors=Factors(templates=templates, activations=activations, latent=latent))

    def copy(self, model: Any) -> Any:
        """Return a state with arrays of its own, but for the data, which nothing writes to."""
        factors = None if model.factors is None else model.factors.copy()
        ahead = None if model.ahead is None else (model.ahead[0].copy(), model.ahead[1].copy())
        return replace(super().copy(model), scales=model.scales.copy(), factors=factors, ahead=ahead)

    def step(self, X: ObservedBins, model: ILRMAState) -> ILRMAState:  # type: ignore[override]
        """Return the state after one update of t, v and W (see `LowRank` and `sweep`)."""
        if model.ahead is not None and model.factors is not None:
            return self._swept(X, model, self.source.followed(model.factors, model.ahead))
        now = self._powers(X, model)
        if self.variance is not None:
            variances = self._supplied(X, model, now)
            R, P = sweep(X.Z, model.R, self._weights(now, variances), rule=self.rule, load=X.load)
            return self._scaled(X, R, P, None, variances)
        assert model.factors is not None
        source = self.source
        factors = source.update(self._consistent(X, model, now), model.factors)
        if self.density == "gauss" and X.silent is None and not (self.partitioned or self.consistency):
            return self._swept(X, model, factors)
        R, P = sweep(X.Z, model.R, source.weights(now, factors), rule=self.rule, load=X.load)
        return self._scaled(X, R, P, factors)

    def _swept(self, X: ObservedBins, model: ILRMAState, factors: Factors) -> ILRMAState:
        """Return the state after an update of W that makes the next one of t and v ready: no powers are kept."""
        R, factors, ahead = self.source.swept(X, model.R, factors, self.rule)
        none = model.power[:, :, :0]
        return replace(model, R=R, power=none, factors=factors, ahead=ahead)

    def loss(self, X: ObservedBins, model: ILRMAState) -> float:  # type: ignore[override]
        """Return the cost, with the variances that a function told last."""
        now, source = self._powers(X, model), self.source
        if model.factors is not None:
            return cost(now, model.R, source.density, partial(source.variance, model.factors))
        variances = model.variances
        if variances is None:
            variances = self._supplied(X, model, now)
        return cost(now, model.R, source.density, lambda n, bins: variances[n, bins])

    def finish(self, model: ILRMAState) -> LowRankDemixing:  # type: ignore[override]
        """Return W, A, templates and activations; sources in falling order of energy, unless a function knows them."""
        n = model.R.shape[1]
        order = np.arange(n) if self.variance is not None else strongest_first(model.bins, model.R)
        found = demixing_model(model.bins, model.R, order=order)
        settled = bool(model.losses) and self._settled(list(model.losses))
        T = V = None
        if model.factors is not None:
            xp = namespace(model.R)
            before = _lengths(model.R[:, order] @ model.bins.T)
            gain = _lengths(found.W[:, :n]) / xp.where(before > 0, before, 1)
            T = model.factors.T[order] * gain.T[:, :, None]
            V = model.factors.activations
            V = V[order] if len(V) > 1 else V
        kept = {**vars(found), "losses": model.losses, "converged": settled}
        return LowRankDemixing(**kept, templates=T, activations=V)

    def _scaled(
        self, X: ObservedBins, R: Array, P: Array, factors: Factors | None, variances: Array | None = None
    ) -> ILRMAState:
        """Return the state with rows of R of length one (on average over the sources of a bin, where t is shared)."""
        xp = namespace(R)
        level = xp.ascontiguousarray(_lengths(R).T)
        shared = factors is not None and factors.latent is not None
        unit = level.mean(axis=0, keepdims=True) if shared else level
        scales = xp.ascontiguousarray(xp.broadcast_to(1 / unit, level.shape), dtype=P.dtype)
        if X.silent is not None:
            xp.copyto(P, -1, where=X.silent)
        if factors is not None:
            T = factors.templates / unit[:, :, None].astype(P.dtype)
            factors = replace(factors, templates=T)
        if variances is not None:
            variances = variances / unit[:, :, None].astype(P.dtype)
        R = R / xp.sqrt(unit.T)[:, :, None]
        return ILRMAState(bins=X, R=R, power=P, scales=scales, factors=factors, variances=variances)

    def _powers(self, X: ObservedBins, model: ILRMAState) -> Powers:
        if model.ahead is None:
            return Powers(P=model.power, scales=model.scales, data=X)
        P = powers(X.Z, model.R, summed=False, load=X.load)
        return Powers(P=P, scales=namespace(P).ones_like(P[:, :, 0]), data=X)

    def _consistent(self, X: ObservedBins, model: ILRMAState, now: Powers) -> Powers:
        """Return powers of consistent outputs, if these are asked for."""
        stft = stft_of(self.frontend, X.Z.shape[0], X.Z.shape[3]) if self.consistency else None
        if stft is None:
            return now
        xp, P = namespace(now.P), consistent_powers(X, model.R, stft)
        P = xp.maximum(P, P.dtype.type(NOISE) * now.scales[:, :, None] * now.P)
        if X.silent is not None:
            xp.copyto(P, -1, where=X.silent)
        return Powers(P=P, scales=xp.ones_like(now.scales), data=X)

    def _supplied(self, X: ObservedBins, model: ILRMAState, now: Powers) -> Array:
        """Return the variances a function tells, on the scale of R, above 0."""
        assert self.variance is not None
        xp = namespace(now.P)
        gains = (abs(image_gains(X, model.R)) ** 2).T[:, :, None].astype(now.P.dtype)
        gains = xp.where(gains > 0, gains, 1)
        P = xp.maximum(now.P, 0) * now.scales[:, :, None] * gains
        found = checked_variances(self.variance(P), P)
        return found.astype(P.dtype) / gains + P.dtype.type(FLOOR)

    def _weights(self, now: Powers, variances: Array) -> Array:
        """Return share G'(p / r) / r for variances a function told; 0 in silent cells."""
        xp, data, every = namespace(variances), now.data, slice(None)
        x = xp.stack([now.of(n, every) for n in range(len(variances))]) / variances
        weights = self.source.density.slope(x) / variances * data.share[:, None]
        if data.silent is not None:
            xp.copyto(weights, 0, where=data.silent)
        return weights.astype(now.P.dtype)


def _lengths(rows: Array) -> Array:
    """Return the squared lengths of rows (freq, sources, dims)."""
    return (rows.real**2 + rows.imag**2).sum(axis=2)
