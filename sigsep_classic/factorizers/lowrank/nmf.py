"""Non-negative matrix factorization with any β-divergence (Févotte & Idier 2011), plain or extrapolated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.base import Iterative, nearest_power_of_two, spectrogram
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.beta_nmf import divergence, multiplicative_update
from sigsep_classic.typing import Array

SOLVERS = ("extrapolated", "mu", "me")


@dataclass(frozen=True, kw_only=True)
class NMFModel(LowRankModel):
    """`LowRankModel` with what the solver remembers between steps.

    Parameters
    ----------
    gain : float
        Power of two nearest to 1 / mean(V): V and H are multiplied by it inside the kernels.
    W_before, H_before, momentum, value
        Of the extrapolated solver: the iterate before, t of the momentum, and the divergence in units of gain V.
    """

    gain: float
    W_before: Array = None
    H_before: Array = None
    momentum: float = 1.0
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class NMF(Iterative[NMFModel]):
    """Templates and activations: minimise D_β(V | W H) over W, H ≥ 0.

    V is the root mean square of the channels' magnitudes to the power ``power``; D is the sum of
    d_β(v | m) = (v^β + (β−1) m^β − β v m^(β−1)) / (β (β−1)), with the limits v log(v/m) − v + m (β = 1,
    Kullback-Leibler) and v/m − log(v/m) − 1 (β = 0, Itakura-Saito); β = 2 is half the squared distance.

    Parameters
    ----------
    n_components : int
        Number of templates K, at least 1.
    beta : float
        β, any real number. Kullback-Leibler with magnitudes and Itakura-Saito with powers are usual for audio.
    power : float
        V is magnitude to this power, greater than 0.
    solver : {"extrapolated", "mu", "me"}
        ``"mu"``: multiplicative updates with the exponent of majorisation-minimisation. ``"me"``: exponent 1
        also for 0 <= β < 1, which is monotone there too and faster. ``"extrapolated"``: ``"me"`` from a point
        ahead of the iterate, taken back whenever the divergence would rise.
    update_order : {"HW", "WH"}
        Which factor an iteration updates first.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when ten iterations lower the divergence by less than this share of it; 0 never stops early.
    seed : int
        Seed of the random start.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    C. Févotte and J. Idier, "Algorithms for nonnegative matrix factorization with the β-divergence", Neural
    Computation 23(9), 2011: divergence, updates, exponents.

    D. D. Lee and H. S. Seung, "Algorithms for non-negative matrix factorization", Proc. NIPS, 2000: β = 1 and 2.

    L. T. K. Hien, V. Leplat and N. Gillis, "Block majorization minimization with extrapolation and application
    to β-NMF", arXiv:2401.06646, 2024: the extrapolation (with a safeguard of ours on the divergence).

    Notes
    -----
    Extra memory of an iteration is a few tiles of 256 × 256 and, extrapolated, a second W and H. Results do not
    depend on the level of the input.

    Examples
    --------
    >>> import numpy as np
    >>> V = np.outer([1.0, 2, 3], [1.0, 0, 2, 1])[None]
    >>> model = NMF(n_components=1, n_iter=20).fit(V)
    >>> bool(np.allclose(model.reconstruct()[0], V))
    True
    """

    n_components: int = 30
    beta: float = 1.0
    power: float = 1.0
    solver: str = "extrapolated"
    update_order: str = "HW"
    n_iter: int = 200
    tol: float = 1e-4
    seed: int = 0

    name: ClassVar[str] = "nmf"

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components)
        check_count("n_iter", self.n_iter, 0)
        check_count("seed", self.seed, 0)
        check_range("tol", self.tol, 0)
        check_range("beta", self.beta, -math.inf)
        check_range("power", self.power, 0, above=True)
        check_choice("solver", self.solver, SOLVERS)
        check_choice("update_order", self.update_order, ("HW", "WH"))

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 93 ms with a quarter of it as hop."""
        return STFT(n_fft=nearest_power_of_two(0.0929 * sample_rate))

    @property
    def exponent(self) -> float:
        """γ of the update [A/B]^γ: Févotte & Idier 2011; 1 between 0 and 1 unless ``"mu"``."""
        if self.beta > 2:
            return 1 / (self.beta - 1)
        if self.beta < 0 or (self.beta < 1 and self.solver == "mu"):
            return 1 / (2 - self.beta)
        return 1.0

    def prepare(self, X: Array) -> Array:
        """Return V (freq, frames) of X (channels, freq, frames)."""
        V = spectrogram(X)
        if V.shape[0] == 1:
            V = V[0]
        else:
            V = namespace(V).sqrt((V * V).mean(axis=0))
        if self.power != 1:
            V = V**self.power
        if V.dtype.kind != "f":
            V = V.astype(float)
        return V

    def init(self, X: Array) -> NMFModel:
        """Return W and H drawn from |N(0, 1)| + 0.1, scaled so that W H has the mean of V."""
        xp = namespace(X)
        rng = np.random.default_rng(self.seed)
        W = np.abs(rng.standard_normal((X.shape[0], self.n_components))) + 0.1
        H = np.abs(rng.standard_normal((X.shape[1], self.n_components))) + 0.1
        mean = float(X.mean(dtype=np.float64))
        W /= W.sum(axis=0)
        H *= mean / (W.mean(axis=0) @ H.mean(axis=0))
        if mean == 0:
            H[:] = 0
        W, H = (xp.asarray(A, dtype=X.dtype) for A in (W, H))
        return NMFModel(W=W, H=H.T, power=self.power, gain=_gain(X))

    def adopt(self, X: Array, start: LowRankModel) -> NMFModel:  # type: ignore[override]
        """Return W and H of ``start`` as a starting point, copied, in the dtype and on the device of V.

        Raises
        ------
        ShapeError
            W or H does not fit V and ``n_components``.
        ParameterError
            They have another power than ours, or entries that are negative or not finite.
        """
        xp, K = namespace(X), self.n_components
        if start.W.shape != (X.shape[0], K) or start.H.shape != (K, X.shape[1]):
            raise ShapeError(
                f"start has W {start.W.shape} and H {start.H.shape}; with {K} components V {X.shape} needs "
                f"{(X.shape[0], K)} and {(K, X.shape[1])}"
            )
        if start.power != self.power:
            raise ParameterError(
                f"start is of magnitude to the power {start.power}; this NMF has power={self.power}"
            )
        W, Ht = (xp.array(A, dtype=X.dtype, order="C", copy=True) for A in (start.W, start.H.T))
        if not (float(W.min()) >= 0 and float(Ht.min()) >= 0 and math.isfinite(float(W.max() + Ht.max()))):
            raise ParameterError(
                "start has negative or infinite entries; templates and activations are not negative"
            )
        return NMFModel(W=W, H=Ht.T, power=self.power, gain=_gain(X))

    def step(self, X: Array, model: NMFModel) -> NMFModel:
        """One multiplicative update of each factor; see `multiplicative_update` for the equation."""
        gain = model.gain
        if self.solver != "extrapolated":
            self._update(X, model.W, model.H, gain)
            return replace(model, value=None)
        value = model.value if model.value is not None else self._value(X, model.W, model.H, gain)
        following = (1 + math.sqrt(1 + 4 * model.momentum**2)) / 2
        ahead = (model.momentum - 1) / following
        if model.W_before is None:
            W, H = model.W.copy(), model.H.copy(order="K")
        else:
            W, H = (
                _extrapolated(now, before, ahead)
                for now, before in ((model.W, model.W_before), (model.H, model.H_before))
            )
        self._update(X, W, H, gain)
        new_value = self._value(X, W, H, gain)
        if new_value > value and ahead > 0:
            W[:], H[:], following = model.W, model.H, 1.0
            self._update(X, W, H, gain)
            new_value = self._value(X, W, H, gain)
        if new_value > value:  # rounding at the optimum: keep the better of the two
            W[:], H[:], new_value = model.W, model.H, value
        return replace(
            model, W=W, H=H, W_before=model.W, H_before=model.H, momentum=following, value=new_value
        )

    def loss(self, X: Array, model: NMFModel) -> float:
        """Return D_β(V | W H), or its last value if the step has just computed it."""
        value = model.value
        if value is None:
            value = self._value(X, model.W, model.H, model.gain)
        return value * model.gain**-self.beta

    def finish(self, model: NMFModel) -> LowRankModel:  # type: ignore[override]
        """Return templates that sum to one, the strongest component first."""
        plain = LowRankModel(W=model.W, H=model.H, power=model.power, losses=model.losses)
        return plain.normalized().sorted()

    def _update(self, X: Array, W: Array, H: Array, gain: float) -> None:
        for factor in self.update_order:
            multiplicative_update(X, W, H, factor=factor, beta=self.beta, exponent=self.exponent, gain=gain)

    def _value(self, X: Array, W: Array, H: Array, gain: float) -> float:
        value = divergence(X, W, H, beta=self.beta, gain=gain)
        if not math.isfinite(value):
            raise NumericalError(f"NMF: the divergence is {value}; give finite, non-negative data")
        return value


def _gain(V: Array) -> float:
    """Return the power of two nearest to 1 / mean(V), so that scaling by it is exact."""
    mean = float(to_host(V.mean(dtype=np.float64)))
    if not math.isfinite(mean):
        raise NumericalError(f"NMF: the mean of V is {mean}; give finite data, and a smaller power")
    return 2.0 ** -round(math.log2(mean)) if mean > 0 else 1.0


def _extrapolated(now: Array, before: Array, ahead: float) -> Array:
    """Return ``now + ahead * [now - before]_+`` in the buffer of ``before``."""
    xp = namespace(now)
    xp.subtract(now, before, out=before)
    xp.maximum(before, 0, out=before)
    before *= ahead
    before += now
    return before
