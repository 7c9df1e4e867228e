"""The contract of a method: hyper-parameters in a frozen dataclass, `fit` that returns a model."""

from __future__ import annotations

import functools
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import (
    ArrayTypeError,
    NotFiniteSpectrumError,
    NumericalError,
    ParameterError,
    ShapeError,
)
from sigsep_classic.factorizers.models import Model
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.threads import run_tasks, single_threaded_blas
from sigsep_classic.typing import Array

FILLED_IN = ("grid", "frontend", "level")
"""Fields of methods that the pipeline fills in where they are None; nobody types them."""

M = TypeVar("M", bound=Any)
Callback = Callable[[int, Any], bool | None]
ManyCallback = Callable[[int, int, Any], bool | None]


Problem = tuple[Any, Array]
"""A method and the X it is to be fitted to."""


class Factorizer(Protocol):
    """What every method is: a reusable set of hyper-parameters without fitted state.

    A method that works on several mixtures at once has a class method ``fit_problems(problems, *, callback=None)``,
    which returns a model for each (method, X) of a sequence; `many.fit_many` calls it, and does with ``fit`` alone.

    A method that speaks of seconds or Hz has a field ``grid`` (`sigsep_classic.typing.Grid` or None), which the
    pipeline fills in; one that wants a certain transform has ``default_frontend(sample_rate)``.
    """

    name: ClassVar[str]

    def fit(self, X: Array, *, callback: Callback | None = None) -> Model:
        """Return what the method finds in X (channels, freq, frames)."""


def one_by_one(problems: Sequence[Problem], *, callback: ManyCallback | None = None) -> list[Any]:
    """Return the model of each (method, X), one fit after the other; ``callback(n, i, model)`` is told the problem."""
    found = []
    for n, (method, X) in enumerate(problems):
        own = None if callback is None else functools.partial(callback, n)
        found.append(method.fit(X, callback=own))
    return found


def side_by_side(problems: Sequence[Problem], *, callback: ManyCallback | None = None) -> list[Any]:
    """Return the model of each (method, X), each fit on a thread of its own; the same bits as one after the other.

    ``callback`` is called from these threads, one at a time.
    """
    found: list[Any] = [None] * len(problems)
    turn = threading.Lock()

    def told(n: int, i: int, model: Any) -> bool | None:
        with turn:
            return callback is not None and callback(n, i, model)

    def fit(n: int) -> None:
        method, X = problems[n]
        found[n] = method.fit(X, callback=None if callback is None else functools.partial(told, n))

    run_tasks(fit, len(problems))
    return found


def coefficients(X: Array, *, finite: bool = True) -> Array:
    """Return complex or real coefficients X, checked to be (channels, freq, frames); whole numbers become float64.

    Parameters
    ----------
    X : array (channels, freq, frames)
        float32, float64, complex of these, or integers.
    finite : bool
        Refuse NaN and infinity.

    Raises
    ------
    ShapeError
        ``X`` has not three axes or one of them is empty.
    ArrayTypeError
        It is no array, or of numbers the kernels are not made for.
    NotFiniteSpectrumError
        It holds NaN or infinity. On a GPU, where to look would mean to wait, that is left to the method.
    """
    if not hasattr(X, "dtype") or hasattr(X, "mask"):
        raise ArrayTypeError(f"X is a {type(X).__name__}; expected an array (channels, freq, frames)")
    if X.ndim != 3 or 0 in X.shape:
        hint = "; pass V[None] for one channel" if X.ndim == 2 else ", none of them 0"
        raise ShapeError(f"X has shape {X.shape}; expected (channels, freq, frames){hint}")
    if X.dtype.kind in "iu":
        X = X.astype(float)
    if not X.dtype.isnative:  # kernels read bytes as they lie
        X = X.astype(X.dtype.newbyteorder("="))
    if X.dtype.char not in "fdFD":
        raise ArrayTypeError(f"X is {X.dtype}; give float32, float64 or complex numbers of these")
    if finite and namespace(X) is np:
        _check_finite(X)
    return X


def _check_finite(X: Array) -> None:
    with np.errstate(all="ignore"):
        if np.isfinite(X.sum()):  # no array of flags is made
            return
    wrong = np.argwhere(~np.isfinite(X))
    if len(wrong):
        c, f, t = wrong[0]
        raise NotFiniteSpectrumError(
            f"X is not finite: {len(wrong)} of its coefficients are NaN or infinite, the first of channel {c} at "
            f"frequency {f}, frame {t}; give finite data"
        )


def spectrogram(X: Array) -> Array:
    """Return |X| of complex or real coefficients in their order in memory; for checks see `coefficients`."""
    X = coefficients(X)
    return namespace(X).abs(X)


def magnitudes(X: Array, power: float = 1.0) -> Array:
    """Return the root mean square over channels of |X| to a power, (freq, frames), frame after frame in memory.

    Squares are taken of numbers near one, so no level of X is too high or too low for them.

    Raises
    ------
    ShapeError, ArrayTypeError
        As `coefficients`.
    NumericalError
        No number of its type is as small as X to that power.
    """
    V = spectrogram(X)
    xp = namespace(V)
    if len(V) > 1:
        peak = float(V.max())
        scale = 2.0 ** min(max(-math.frexp(peak)[1], -126), 126) if 0 < peak < math.inf else 1.0
        V = V * V.dtype.type(scale)
        V = xp.sqrt((V * V).mean(axis=0)) * V.dtype.type(1 / scale)
    else:
        V = V[0]
    return xp.ascontiguousarray(raised(V, power).T).T


def raised(V: Array, power: float) -> Array:
    """Return magnitudes V to a power.

    Raises
    ------
    NumericalError
        They are not all 0, but those would be.
    """
    if power == 1:
        return V
    P = V**power
    if float(P.max()) == 0 and float(V.max()) > 0:
        raise NumericalError(
            f"X is too quiet: to the power {power} it is 0 in {V.dtype}; scale it up or use float64"
        )
    return P


def level_of(V: Array, weights: Array | None = None) -> float:
    """Return the mean of V (freq, frames), weighted.

    Raises
    ------
    NumericalError
        It is not finite.
    """
    if weights is None:
        mean = float(to_host(V.mean(dtype=np.float64)))
    else:
        total = float(to_host(weights.sum(dtype=np.float64)))
        mean = float(to_host((weights * V).sum(dtype=np.float64))) / total if total > 0 else 0.0
    if not math.isfinite(mean):
        raise NumericalError(f"the mean of V is {mean}; give finite data, and a smaller power")
    return mean


def gain_for(mean: float) -> float:
    """Return the power of two nearest to 1 / mean; 1 for silence."""
    return 2.0 ** min(max(-round(math.log2(mean)), -1000), 1000) if mean > 0 else 1.0


def gain_and_level(mean: float) -> tuple[float, float]:
    """Return `gain_for` a mean, and the mean times it: near 1, and 1 for silence."""
    gain = gain_for(mean)
    return gain, mean * gain if mean > 0 else 1.0


def brought_to(like: Array, A: Array) -> Array:
    """Return A on the device and in the dtype of ``like``; a copy only where it must be one."""
    xp = namespace(like)
    return xp.asarray(A if namespace(A) is xp else to_host(A), dtype=like.dtype)


def check_example(name: str, X: Array) -> None:
    """Raise `ParameterError` unless X (channels, freq, frames), an example of the source ``name``, holds sound."""
    if getattr(X, "ndim", 0) != 3 or 0 in X.shape:
        shape = getattr(X, "shape", None)
        raise ParameterError(f"example {name!r} has shape {shape}; expected (channels, freq, frames)")
    if float(abs(X).max()) == 0:
        raise ParameterError(f"example {name!r} is silent; there is nothing to learn from it")


def check_n_sources(n_sources: int | None, n_channels: int, otherwise: str = "") -> None:
    """Raise `ShapeError` if there are more sources than channels; ``otherwise`` ends the message."""
    if n_sources is not None and n_sources > n_channels:
        raise ShapeError(
            f"n_sources is {n_sources}, but there are {n_channels} channels; give at most as many sources as "
            f"channels{otherwise}"
        )


def check_start(start: Any, arrays: Sequence[str], kind: str) -> None:
    """Raise `ParameterError` unless ``start`` has these arrays; ``kind`` says what has them."""
    if not all(hasattr(getattr(start, name, None), "shape") for name in arrays):
        raise ParameterError(f"start is a {type(start).__name__}; give {kind}")


@dataclass(frozen=True, kw_only=True)
class Iterative(ABC, Generic[M]):
    """A method that improves a model step by step; subclasses say `init`, `step` and `loss`.

    Parameters
    ----------
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.
    """

    n_iter: int = 100
    tol: float = 1e-4

    name: ClassVar[str]
    check_every: ClassVar[int] = 10

    @abstractmethod
    def init(self, X: Array) -> M:
        """Return the starting point; random numbers are drawn on the host from the seed."""

    @abstractmethod
    def step(self, X: Array, model: M) -> M:
        """Return the model after one update of every parameter; may reuse the buffers of ``model``."""

    @abstractmethod
    def loss(self, X: Array, model: M) -> float:
        """Return the value that `step` must not increase."""

    def prepare(self, X: Array) -> Array:
        """Return what `init`, `step` and `loss` work on (a spectrogram, whitened data …); default X."""
        return X

    def finish(self, model: M) -> M:
        """Return the model as users see it; default unchanged."""
        return model

    def adopt(self, X: Array, start: M) -> M:
        """Return a user's starting point as a model of this method's kind, a copy; refuse one that does not fit."""
        return self.copy(start)

    def copy(self, model: M) -> M:
        """Return a model that shares no array with ``model``; the arrays keep their order in memory."""
        arrays = {k: v.copy(order="K") for k, v in vars(model).items() if hasattr(v, "flags")}
        return replace(model, **arrays)

    def iterate(self, X: Array, *, start: M | None = None) -> Iterator[M]:
        """Yield the model after 0, 1, 2 … ``n_iter`` steps, each a copy of its own."""
        data = self.prepare(X)
        model = self.init(data) if start is None else self.adopt(data, start)
        yield self.copy(model)
        for _ in range(self.n_iter):
            model = self.step(data, model)
            yield self.copy(model)

    @single_threaded_blas()
    def fit(self, X: Array, *, start: M | None = None, callback: Callback | None = None) -> M:
        """Return the model after ``n_iter`` steps, or fewer once the loss settles.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Complex coefficients, or a non-negative spectrogram.
        start : model, optional
            Begin here in place of `init` (a warm start); not written to.
        callback : callable, optional
            Called as ``callback(i, model)`` after each step; returning True stops. ``model.losses`` are those
            checked so far. The next step may reuse the arrays of the model: copy what you keep, or loop over
            `iterate`.

        Returns
        -------
        model
            With ``losses`` as (iteration, loss) pairs, checked every ten iterations.

        Raises
        ------
        NumericalError
            The loss is not finite.
        """
        data = self.prepare(X)
        model = self.init(data) if start is None else self.adopt(data, start)
        losses = [(0, self._checked_loss(data, model, 0))] if self.tol > 0 else []
        for i in range(1, self.n_iter + 1):
            model = self.step(data, model)
            stop = callback is not None and callback(i, replace(model, losses=tuple(losses)))
            last = i == self.n_iter or stop
            if last or (self.tol > 0 and i % self.check_every == 0):
                losses.append((i, self._checked_loss(data, model, i)))
                if stop or self._settled(losses):
                    break
        return self.finish(replace(model, losses=tuple(losses)))

    @classmethod
    def fit_problems(cls, problems: Sequence[Problem], *, callback: ManyCallback | None = None) -> list[Any]:
        """Return the model of each (method of this class, X); default one after the other.

        Parameters
        ----------
        problems : sequence of (Iterative, array)
        callback : callable, optional
            Called as ``callback(n, i, model)`` after step i of problem n; returning True stops that problem.
        """
        return one_by_one(problems, callback=callback)

    def fit_many(self, Xs: Sequence[Array], *, callback: ManyCallback | None = None) -> list[M]:
        """Return the model of each X (channels, freq, frames), in order: `fit_problems` with this method.

        Parameters
        ----------
        Xs : sequence of array
            Their numbers of frames may differ.
        callback : callable, optional
            Called as ``callback(n, i, model)`` after step i on ``Xs[n]``; returning True stops that one.
        """
        return self.fit_problems([(self, X) for X in Xs], callback=callback)

    def _settled(self, losses: list[tuple[int, float]]) -> bool:
        if self.tol <= 0 or len(losses) < 2:
            return False
        before, now = losses[-2][1], losses[-1][1]
        return before - now < self.tol * abs(now)

    def _checked_loss(self, X: Array, model: M, i: int) -> float:
        loss = float(self.loss(X, model))
        if not math.isfinite(loss):
            single = getattr(getattr(X, "Z", X), "dtype", None) in ("float32", "complex64")
            advice = "; use float64, or fewer channels" if single else ""
            raise NumericalError(f"{type(self).__name__}: the loss is {loss} after {i} iterations{advice}")
        return loss


def usual_stft(sample_rate: float) -> STFT:
    """Return a window of about 93 ms with a quarter of it as hop."""
    return STFT(n_fft=nearest_power_of_two(0.0929 * sample_rate))


def nearest_power_of_two(value: float) -> int:
    """Return the power of two nearest to ``value`` on a logarithmic scale, at least 16."""
    return max(16, 2 ** round(math.log2(max(value, 1))))
