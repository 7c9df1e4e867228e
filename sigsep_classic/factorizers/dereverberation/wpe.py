"""Weighted prediction error: late reverberation is what the past of all microphones predicts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import NumericalError, ShapeError
from sigsep_classic.factorizers.base import Iterative, check_start, coefficients, nearest_power_of_two
from sigsep_classic.factorizers.delayed import blocks_of_bins, stacked_past, usable_taps
from sigsep_classic.factorizers.models import Groups, check_groups
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.typing import Array

DEFAULT_TAPS = 10
_LOAD = 1e-12


@dataclass(frozen=True, kw_only=True)
class WPEModel:
    """Prediction filters: the late reverberation is Gᴴ times the past.

    Parameters
    ----------
    G : complex128 array (freq, n_taps * channels, channels)
        Column c predicts channel c; row ``k * channels + d`` weighs channel d, ``delay + k`` frames back.
    mixture : array (channels, freq, frames)
        The coefficients X; kept, not copied.
    n_taps, delay : int
        As in `WPE`; the number of taps that was taken.
    losses : tuple of (int, float)
        Iteration number and negative log likelihood.
    """

    G: Array
    mixture: Array
    n_taps: int
    delay: int
    losses: tuple[tuple[int, float], ...] = ()
    power: float = 1.0

    names: ClassVar[tuple[str, ...]] = ("dereverberated", "reverberation")
    n_components: ClassVar[int] = 2
    estimates: ClassVar[bool] = True

    @property
    def reverberation(self) -> Array:
        """What is predicted, (channels, freq, frames), in the dtype of X."""
        X, xp = self.mixture, namespace(self.mixture)
        late = xp.zeros(X.shape, dtype=X.dtype)
        if not self.n_taps:
            return late
        with single_threaded_blas():
            for block in blocks_of_bins(X, self.G.shape[1]):
                predicted = _predicted(X[:, block].swapaxes(0, 1), self.G[block], self.n_taps, self.delay)
                late[:, block] = (predicted if X.dtype.kind == "c" else predicted.real).swapaxes(0, 1)
        return late

    @property
    def context(self) -> int:
        """Frames of the past that `apply` looks at."""
        return self.delay + self.n_taps

    def apply(self, X: Array) -> WPEModel:
        """Return the model of other frames X (channels, freq, frames) of the same scene."""
        return replace(self, mixture=X)

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return each group, (groups, channels, freq, frames), in the dtype of X."""
        xp, late = namespace(self.mixture), self.reverberation
        parts = (self.mixture - late, late)
        wanted = check_groups(groups, self.names)
        return xp.stack([sum(parts[k] for k in members) for members in wanted.values()])


@dataclass(frozen=True, kw_only=True)
class WPEState(WPEModel):
    """`WPEModel` with the power of what it leaves.

    Parameters
    ----------
    variance : float64 array (freq, frames)
        Mean over channels of the power of the dereverberated signal.
    floor : float64 array (freq, 1)
        The least variance that weighs; 1 where a bin is silent.
    """

    variance: Array
    floor: Array


@dataclass(frozen=True, kw_only=True)
class WPE(Iterative[WPEState]):
    """Dereverberation by linear prediction, weighted by the power of the dry sound: ``y = x - Gᴴ x_past``.

    The dry signal of all channels is a Gaussian whose variance λ(f, t) changes from frame to frame; what it can't
    contain is anything its past of ``delay`` frames and more predicts. Each iteration takes λ from the signal so far
    and solves for the G of least weighted error, which never raises

        sum over f and t of  f(p),   p = mean over channels of |y|²,

    where f is the logarithm of p, continued by its tangent below 1e-10 of the mean power of X in the same bin.

    Parameters
    ----------
    n_taps : int or None
        Frames of the past the prediction uses; of 8 ms each on the default front-end. None: 10, or fewer where the
        recording is short for its channels; see the notes.
    delay : int
        Frames between the present and the first of them; shorter reverberation is left as it is, and the sound's
        own correlation from frame to frame with it.
    n_iter : int
        Iterations; three are usual.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    T. Nakatani, T. Yoshioka, K. Kinoshita, M. Miyoshi and B.-H. Juang, "Speech dereverberation based on
    variance-normalized delayed linear prediction", IEEE Trans. Audio, Speech, and Language Processing 18(7), 2010
    (equation numbers not checked).

    T. Yoshioka and T. Nakatani, "Generalization of multi-channel linear prediction methods for blind MIMO impulse
    response shortening", IEEE Trans. Audio, Speech, and Language Processing 20(10), 2012.

    Notes
    -----
    When to use: Speech in a reverberant room, one talker or several, before recognition or before separation; more
    microphones, better.
    Complexity: An iteration is O(freq · frames · (taps · channels)²), and a solve of taps · channels unknowns a bin.
    Differences from the paper: λ is floored by a tangent at 1e-10 of the mean power, which keeps the likelihood
    bounded; taps are fewer where a recording is short.

    Stems are ``dereverberated`` and ``reverberation``; they add up to the mixture. Statistics are in double
    precision, some bins at a time: the stacked past of the whole recording never exists.

    A channel is predicted by n_taps times channels numbers a bin. Where there are few frames for each of them the
    prediction fits, and takes away, the sound itself. So None takes no more taps than leave twelve frames for each
    (2 channels of 1 s: 5; 8 channels of 2 s: 2), one if there are four, and below that removes nothing, with a line in
    the log. A number of taps that is given is taken, with a warning below four frames; where there are no more frames
    than numbers, as many as None would take.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> dry = rng.standard_normal((4, 1, 2000)) * rng.choice([0.1, 1], 2000)
    >>> X = dry.copy()
    >>> for t in range(3, 2000):
    ...     X[..., t] += 0.8 * X[..., t - 3]
    >>> model = WPE(n_taps=1, delay=3).fit(X)
    >>> bool(abs(model.G[0] - 0.8 * np.eye(4)).max() < 0.02)
    True
    """

    n_taps: int | None = None
    delay: int = 3
    n_iter: int = 3
    tol: float = 0.0

    name: ClassVar[str] = "wpe"
    check_every: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.n_taps is not None:
            check_count("n_taps", self.n_taps)
        check_count("delay", self.delay)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return a window of about 32 ms, a quarter of it as hop: taps of 8 ms."""
        n_fft = nearest_power_of_two(0.032 * sample_rate)
        return STFT(n_fft=n_fft, hop=n_fft // 4)

    def prepare(self, X: Array) -> Array:
        """Return X (channels, freq, frames), checked.

        Raises
        ------
        ShapeError
            It has not three axes, or one of them is empty.
        NumericalError
            It is not finite.
        """
        X = coefficients(X)
        if not bool(namespace(X).isfinite(abs(X).sum())):
            raise NumericalError("the mixture is not finite; give finite data")
        self._taps(X, tell=True)
        return X

    def init(self, X: Array) -> WPEState:
        """Return G = 0: nothing is reverberation."""
        xp = namespace(X)
        power = _power(X.swapaxes(0, 1))
        return WPEState(
            G=xp.zeros((X.shape[1], self._taps(X) * len(X), len(X)), dtype=xp.complex128),
            mixture=X,
            n_taps=self._taps(X),
            delay=self.delay,
            variance=power,
            floor=_floor(power),
        )

    def adopt(self, X: Array, start: Any) -> WPEState:
        """Return the filters of a model of the same shape as a starting point.

        Raises
        ------
        ParameterError
            It has no filters.
        ShapeError
            They are of another number of bins, channels or frames, or of another delay.
        """
        check_start(start, ("G", "mixture"), "a model of wpe, what `fit` returned")
        wanted = (X.shape[1], self._taps(X) * len(X), len(X))
        if start.G.shape != wanted or start.delay != self.delay:
            raise ShapeError(
                f"start has G {start.G.shape} and delay {start.delay}; wanted {wanted}, {self.delay}"
            )
        begun = replace(self.init(X), G=start.G.copy())
        return replace(begun, variance=_power((X - begun.reverberation).swapaxes(0, 1)))

    def copy(self, model: WPEState) -> WPEState:
        """Return a model with arrays of its own, but for the mixture, which nothing writes to."""
        return replace(model, G=model.G.copy(), variance=model.variance.copy(), floor=model.floor.copy())

    def step(self, X: Array, model: WPEState) -> WPEState:
        """Return the filters of least error, weighted by one over the variance so far."""
        if not model.n_taps:
            return model
        xp = namespace(X)
        G, variance = xp.empty_like(model.G), xp.empty_like(model.variance)
        with single_threaded_blas():
            for block in blocks_of_bins(X, G.shape[1]):
                x = X[:, block].swapaxes(0, 1).astype(xp.complex128)
                weights = 1 / xp.maximum(model.variance[block], model.floor[block])
                G[block] = _prediction(x, weights, model.n_taps, self.delay)
                variance[block] = _power(x - _predicted(x, G[block], model.n_taps, self.delay))
        return replace(model, G=G, variance=variance)

    def loss(self, X: Array, model: WPEState) -> float:
        """Return the sum over bins and frames of the logarithm of the variance, per channel."""
        xp, p, floor = namespace(X), model.variance, model.floor
        return float((xp.log(xp.maximum(p, floor)) + xp.minimum(p / floor, 1) - 1).sum())

    def _taps(self, X: Array, *, tell: bool = False) -> int:
        """Return the number of taps for X."""
        channels, _, frames = X.shape
        return usable_taps(
            self.n_taps, DEFAULT_TAPS, channels=channels, frames=frames, delay=self.delay, tell=tell
        )

    def finish(self, model: WPEState) -> WPEModel:  # type: ignore[override]
        """Return the model without the variance."""
        return WPEModel(**{field.name: getattr(model, field.name) for field in fields(WPEModel)})


def _floor(power: Array) -> Array:
    """Return what variances of a mixture of this power (freq, frames) are floored at, (freq, 1)."""
    mean = power.mean(axis=1, keepdims=True)
    return namespace(power).where(mean > 0, 1e-10 * mean, 1)


def _power(y: Array) -> Array:
    """Return the mean over channels of |y|² of y (freq, channels, frames), float64."""
    return (abs(y).astype(float) ** 2).mean(axis=1)


def _predicted(x: Array, G: Array, n_taps: int, delay: int) -> Array:
    """Return Gᴴ times the past of x (freq, channels, frames)."""
    return G.conj().swapaxes(1, 2) @ stacked_past(x, n_taps, delay)


def _prediction(x: Array, weights: Array, n_taps: int, delay: int) -> Array:
    """Return the G that minimises the sum over frames of weights |x - Gᴴ x_past|²; zero where there is no past."""
    xp = namespace(x)
    past = stacked_past(x, n_taps, delay)
    weighted = past * weights[:, None]
    R = weighted @ xp.ascontiguousarray(past.conj().swapaxes(1, 2))
    P = weighted @ xp.ascontiguousarray(x.conj().swapaxes(1, 2))
    mean = xp.trace(R, axis1=1, axis2=2).real / R.shape[1]
    load = xp.where(mean > 0, _LOAD * mean, 1)
    return xp.linalg.solve(R + load[:, None, None] * xp.eye(R.shape[1]), P)
