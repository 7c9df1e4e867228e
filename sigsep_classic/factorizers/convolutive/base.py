"""What the convolutive factorizations share: start, multiplicative updates, loss, sparsity."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.base import (
    Iterative,
    brought_to,
    check_start,
    gain_and_level,
    level_of,
    magnitudes,
)
from sigsep_classic.factorizers.convolutive.model import ConvolutiveModel, ConvolutiveState
from sigsep_classic.factorizers.extrapolation import extrapolated
from sigsep_classic.kernels.beta_sweep import exponent_of
from sigsep_classic.kernels.convolutive_nmf import divergence, multiplicative_update, rows_of
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

SOLVERS = ("extrapolated", "mu", "me")


@dataclass(frozen=True, kw_only=True)
class Convolutive(Iterative[ConvolutiveState]):
    """A factorization V ≈ W ∗ H; subclasses say `sizes`, β and how activations look.

    The loss is D_β(V | W ∗ H) + sparsity · ε Σ log(1 + ‖W_k‖₁ h / ε), where ε is the mean of V that one
    activation h stands for if all are alike. The penalty depends neither on the level of V nor on how a component's
    scale is shared out between template and activation. It is concave, so that it is majorised by its tangent:
    each factor's denominator grows by the slope at the iterate, and the loss does not rise.
    """

    n_components: int = 10
    power: float = 1.0
    solver: str = "extrapolated"
    update_order: str = "HW"
    sparsity: float = 0.0
    n_iter: int = 100
    tol: float = 1e-4
    seed: int = 0

    shifted: ClassVar[bool] = True
    unscaled: ClassVar[int] = 4
    fewest: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components, self.fewest)
        check_count("n_iter", self.n_iter, 0)
        check_count("seed", self.seed, 0)
        check_range("tol", self.tol, 0)
        check_range("beta", getattr(self, "beta", 1.0), -math.inf)
        check_range("power", self.power, 0, above=True)
        check_range("sparsity", self.sparsity, 0)
        check_choice("solver", self.solver, SOLVERS)
        check_choice("update_order", self.update_order, ("HW", "WH"))

    @property
    def _beta(self) -> float:
        return float(getattr(self, "beta", 1.0))

    @property
    def lags(self) -> int:
        """Frames of a template: ``n_lags``, or ``template_seconds`` on the grid, or ``unscaled``."""
        own: Any = self  # subclasses have these fields
        if own.n_lags is not None:
            return int(own.n_lags)
        if own.grid is None or own.grid.span(1.0) <= 0:
            return self.unscaled
        return max(1, round(own.template_seconds * own.grid.frame_rate))

    @abstractmethod
    def sizes(self, n_freq: int, n_frames: int) -> tuple[int, int, int, int]:
        """Return bins and lags of templates, shifts and frames of activations, for V of this size."""

    @property
    def exponent(self) -> float:
        """γ of the update [A/B]^γ: Févotte & Idier 2011; 1 between 0 and 1 unless ``"mu"`` or sparse."""
        return exponent_of(self._beta, fast=self.solver != "mu" and self.sparsity == 0)

    def prepare(self, X: Array) -> Array:
        """Return V (freq, frames) of X (channels, freq, frames), frame after frame in memory.

        Raises
        ------
        ParameterError
            There is no component.
        """
        if self._n_all == 0:
            raise ParameterError("n_components is 0; it must be at least 1 where there are no templates")
        return magnitudes(X, self.power)

    def init(self, X: Array) -> ConvolutiveState:
        """Return W and H drawn from |N(0, 1)| + 0.1, scaled so that W ∗ H has about the mean of V.

        The frames of a template start nearly alike: then it comes to stand for one sound, where frames drawn one by
        one come to stand for several (the drums of a song and of a recording came out less well then, on average
        over four seeds).
        """
        xp, K = namespace(X), self._n_all
        bins, lags, shifts, frames = self.sizes(*X.shape)
        rng = np.random.default_rng(self.seed)
        W = (np.abs(rng.standard_normal((bins, K, 1))) + 0.1) * (1 + 0.1 * rng.random((bins, K, lags)))
        rows = np.abs(rng.standard_normal((frames, K, shifts))) + 0.1
        W = self._with_known(W)
        W /= _or_one(W.sum(axis=(0, 2)))[:, None]
        gain, level = gain_and_level(level_of(X))
        rows *= level / gain * X.size / rows.sum() if X.any() else 0.0
        W, rows = (xp.asarray(np.ascontiguousarray(A), dtype=X.dtype) for A in (W, rows))
        return self._state(W, rows, X.shape, gain, level)

    def adopt(self, X: Array, start: ConvolutiveModel) -> ConvolutiveState:  # type: ignore[override]
        """Return W and H of ``start`` as a starting point, copied, in the dtype and on the device of V.

        Sizes may be others than `init` would take: frames of activations may end earlier than V does.

        Raises
        ------
        ShapeError
            W or H does not fit V or the number of components.
        ParameterError
            They have another power than ours, or entries that are negative or not finite.
        """
        xp, K, (n_freq, n_frames) = namespace(X), self._n_all, X.shape
        kind = f"a model of {self.name}, what `fit` returned"
        check_start(start, "WH", kind)
        if (start.W.ndim, start.H.ndim) != (3, 3 if self.shifted else 2):
            raise ShapeError(f"start has W {start.W.shape} and H {start.H.shape}; give {kind}")
        W, rows = (xp.array(brought_to(X, A), order="C", copy=True) for A in (start.W, rows_of(start.H)))
        fits = W.shape[1] == rows.shape[1] == K
        short = len(W) <= n_freq >= rows.shape[2] and len(rows) <= n_frames >= W.shape[2]
        if not (fits and short):
            raise ShapeError(
                f"start has W {start.W.shape} and H {start.H.shape}; V {X.shape} with {K} components needs W "
                f"(bins, {K}, lags) and H ({K}, {'shifts, ' if self.shifted else ''}frames), none longer than V"
            )
        if start.power != self.power:
            raise ParameterError(f"start is of magnitude to the power {start.power}; here power={self.power}")
        if not all(float(A.min()) >= 0 and math.isfinite(float(A.max())) for A in (W, rows)):
            raise ParameterError("start has negative or infinite entries; factors are not negative")
        state = self._state(W, rows, X.shape, *gain_and_level(level_of(X)))
        return replace(state, fixed=start.fixed) if isinstance(start, ConvolutiveState) else state

    def step(self, X: Array, model: ConvolutiveState) -> ConvolutiveState:
        """One multiplicative update of each factor; see `multiplicative_update` for the equation."""
        following = replace(model, iteration=model.iteration + 1)
        with single_threaded_blas():
            if self.solver != "extrapolated":
                self._update(X, model.W, model.H, model)
                return replace(following, value=None)
            return extrapolated(
                following,
                update=lambda W, H: self._update(X, W, H, model),
                value=lambda W, H: self._value(X, W, H, model),
            )

    def loss(self, X: Array, model: ConvolutiveState) -> float:
        """Return the objective, in units of V^β, or its last value if the step has just computed it."""
        value = model.value
        if value is None:
            value = self._value(X, model.W, model.H, model)
        return value * model.gain**-self._beta

    def finish(self, model: ConvolutiveState) -> ConvolutiveModel:  # type: ignore[override]
        """Return templates that sum to one, the strongest component first; given ones in their order."""
        return self._plain(model) if model.fixed else self._plain(model).sorted()

    def applied(self, X: Array, model: ConvolutiveModel) -> ConvolutiveModel:
        """Return activations of X (channels, freq, frames) for the templates of ``model``; see its ``apply``."""
        V = self.prepare(X)
        if V.shape[0] != model.n_rows or V.shape[1] < model.W.shape[2]:
            raise ShapeError(
                f"X has shape {X.shape}; these templates are of {model.n_rows} bins and {model.W.shape[2]} frames"
            )
        start = replace(self.init(V), W=model.W, fixed=model.n_components, beside=model.beside)
        found: ConvolutiveModel = self.fit(X, start=start)
        return replace(found, stems=model.stems)

    def _plain(self, model: ConvolutiveState) -> ConvolutiveModel:
        return ConvolutiveModel(
            W=model.W, H=model.H, shape=model.shape, power=model.power, losses=model.losses, method=self
        ).normalized()

    def _state(
        self, W: Array, rows: Array, shape: tuple[int, int], gain: float, level: float
    ) -> ConvolutiveState:
        H = rows.transpose(1, 2, 0) if self.shifted else rows[:, :, 0].T
        return ConvolutiveState(
            W=W, H=H, shape=(shape[0], shape[1]), power=self.power, gain=gain, level=level
        )

    @property
    def _n_all(self) -> int:
        return self.n_components

    def _with_known(self, W: np.ndarray) -> np.ndarray:
        """Return the random templates with what is known of them put in."""
        return W

    def _n_fixed(self, iteration: int) -> int:
        """Return how many templates, the first ones, stay as they are in this iteration."""
        return 0

    def _update(self, X: Array, W: Array, H: Array, model: ConvolutiveState) -> None:
        fixed = max(model.fixed, self._n_fixed(model.iteration))
        for factor in self.update_order:
            if factor == "W" and fixed == W.shape[1]:
                continue
            known = W[:, :fixed].copy()
            multiplicative_update(
                X, W, H, factor=factor, beta=self._beta, exponent=self.exponent, gain=model.gain,
                penalty=self._slope(W, H, factor, model) if self.sparsity else None,
            )  # fmt: skip
            W[:, :fixed] = known

    def _value(self, X: Array, W: Array, H: Array, model: ConvolutiveState) -> float:
        """Return the objective of gain V."""
        value = divergence(X, W, H, beta=self._beta, gain=model.gain)
        if self.sparsity:
            scale, unit, mass = self._penalised(W, H, model)
            value += scale * unit * float(to_host(namespace(X).log1p(mass / unit).sum(dtype=np.float64)))
        if not math.isfinite(value):
            raise NumericalError(
                f"{type(self).__name__}: the loss is {value}; give finite, non-negative data"
            )
        return value

    def _penalised(self, W: Array, H: Array, model: ConvolutiveState) -> tuple[Any, Any, Array]:
        """Return the weight of the penalty, ε, and ‖W_k‖₁ h of each activation (frames, components, shifts)."""
        real, rows = W.dtype.type, rows_of(H)
        unit = model.level * math.prod(model.shape) / rows.size
        scale = self.sparsity * model.level ** (self._beta - 1)
        return real(scale), real(unit), rows * (W.sum(axis=(0, 2))[:, None] * real(model.gain))

    def _slope(self, W: Array, H: Array, factor: str, model: ConvolutiveState) -> Array:
        """Return the derivative of the penalty by W or by gain H."""
        scale, unit, mass = self._penalised(W, H, model)
        if factor == "H":
            return scale * W.sum(axis=(0, 2))[:, None] / (1 + mass / unit)
        slopes = rows_of(H) * W.dtype.type(model.gain) / (1 + mass / unit)
        return scale * slopes.sum(axis=(0, 2))[:, None]


def _or_one(sums: np.ndarray) -> np.ndarray:
    return np.where(sums > 0, sums, 1)
