"""What all methods with one demixing matrix a frequency share: preparation, state, scale, order of bins and sources."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count, check_range
from sigsep_classic.errors import ShapeError
from sigsep_classic.factorizers.base import Callback, Iterative, brought_to, check_start, coefficients
from sigsep_classic.factorizers.bins import Bins, bins, inverse, strongest_first
from sigsep_classic.factorizers.models import DemixingModel, Groups
from sigsep_classic.kernels.demixing import powers
from sigsep_classic.typing import Array

FEW = 64
"""Frames a dimension: with fewer, a few of great weight may tell all of a covariance, and rounding the rest."""


@dataclass(frozen=True, kw_only=True)
class DemixingState:
    """Where a search for demixing matrices stands; as good as a `DemixingModel`, which is made when asked for.

    Parameters
    ----------
    bins : Bins
        The data.
    R : complex128 array (freq, dims, dims)
        Demixing of the whitened data; W = R T.
    power : array (sources, frames) or (sources, freq, frames)
        |y|² of y = R z, summed over frequencies or not.
    """

    bins: Bins
    R: Array
    power: Array
    losses: tuple[tuple[int, float], ...] = ()

    estimates: ClassVar[bool] = True

    @cached_property
    def model(self) -> DemixingModel:
        """W and A on all channels, at the scale of the images."""
        return demixing_model(self.bins, self.R)

    @property
    def W(self) -> Array:
        """Demixing matrices (freq, sources, channels)."""
        return self.model.W

    @property
    def A(self) -> Array:
        """Mixing matrices (freq, channels, sources)."""
        return self.model.A

    @property
    def lengths(self) -> Array:
        """Lengths of the rows of R, (freq, sources), in the order of W."""
        lengths = self.model.lengths
        assert lengths is not None
        return lengths

    @property
    def n_components(self) -> int:
        """Number of sources."""
        return self.model.n_components

    @property
    def names(self) -> tuple[str, ...]:
        """``source1 …``."""
        return self.model.names

    @property
    def residual(self) -> bool:
        """Whether the images leave something of X that becomes a stem of that name."""
        return self.model.residual

    def reconstruct(self, groups: Groups | None = None) -> Array:
        """Return the image of each group, (groups, channels, freq, frames)."""
        return self.model.reconstruct(groups)


def demixing_model(data: Bins, R: Array, *, order: np.ndarray | None = None) -> DemixingModel:
    """Return W = R T and A = D R⁻¹, each source on the scale of its image at the channel where it is loudest.

    That channel is one for all bins. R may have fewer rows than columns; its pseudo-inverse then gives the images
    that leave least of the mixture. Sources come in ``order``, by default the strongest first.
    """
    xp = namespace(R)
    A = data.D @ inverse(R)
    W = R @ data.T
    order = strongest_first(data, R) if order is None else order
    W, A = W[:, order], A[:, :, order]
    loudest = to_host((abs(A) ** 2 * (abs(R[:, order]) ** 2).sum(axis=2)[:, None]).sum(axis=0)).argmax(axis=0)
    lengths = lengths_of(R[:, order])
    scale = A[:, loudest, np.arange(len(order))]
    scale = xp.where(scale == 0, 1, scale)
    W, A = W * scale[:, :, None], A / scale[:, None]
    if data.X.dtype.kind != "c":
        W, A = W.real, A.real
    missing = data.n_sources - len(order)
    if missing > 0:
        W = xp.pad(W, ((0, 0), (0, missing), (0, 0)))
        A = xp.pad(A, ((0, 0), (0, 0), (0, missing)))
        lengths = xp.pad(lengths, ((0, 0), (0, missing)))
    return DemixingModel(
        W=W,
        A=A,
        mixture=data.X,
        n_active=len(order),
        residual=data.reduced,
        converged=False,
        lengths=lengths,
    )


@dataclass(frozen=True, kw_only=True)
class FrequencyDemixing(Iterative[DemixingState]):
    """Base of the methods that look for one demixing matrix a frequency; see `Bins` and `DemixingState`.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.
    """

    n_sources: int | None = None
    n_iter: int = 50
    tol: float = 0.0

    name: ClassVar[str]
    whitened_start: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)

    def few(self, X: Array) -> float:
        """Return the number of frames a dimension below which the bins are in double precision, whatever X is."""
        return 0

    @abstractmethod
    def step(self, X: Bins, model: Any) -> Any:
        """Return the state after one update of every parameter."""

    def prepare(self, X: Array) -> Bins:
        """Return the whitened bins of X (channels, freq, frames)."""
        X = coefficients(X)
        return bins(X, self.n_sources, few=self.few(X))

    def init(self, X: Bins) -> DemixingState:
        """Return W = I, or R = I for methods that start from whitened data and where dimensions are left out."""
        return self.begin(X, self._first(X))

    def begin(self, X: Bins, R: Array) -> DemixingState:
        """Return the state with demixing R of the whitened data; here with powers summed over frequencies."""
        return DemixingState(bins=X, R=R, power=powers(X.Z, R, summed=True, load=X.load))

    def adopt(self, X: Bins, start: Any) -> DemixingState:  # type: ignore[override]
        """Return the state with the demixing matrices of a model or state of the same shape; see `rows_of`.

        Raises
        ------
        ParameterError
            It has no demixing matrices.
        ShapeError
            It is of another number of frequencies, sources or channels.
        """
        return self.begin(X, rows_of(X, start))

    def copy(self, model: Any) -> Any:
        """Return a state with arrays of its own, but for the data, which nothing writes to."""
        return replace(model, R=model.R.copy(), power=model.power.copy())

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> DemixingModel:  # type: ignore[override]
        """Return the demixing of X (channels, freq, frames); see `Iterative.fit`."""
        return super().fit(X, start=start, callback=callback)  # type: ignore[return-value]

    def finish(self, model: Any) -> DemixingModel:  # type: ignore[override]
        """Return W and A with the losses, sources in falling order of energy."""
        settled = bool(model.losses) and self._settled(list(model.losses))
        return replace(model.model, losses=model.losses, converged=settled)

    def _first(self, X: Bins) -> Array:
        """Return the first R."""
        return X.unit if self.whitened_start else X.first


def rows_of(data: Bins, start: Any) -> Array:
    """Return the demixing matrices of a model as R of whitened data, rows as long as it tells, or of length one.

    The scale of the images, which W has, is that of nobody's loss.

    Raises
    ------
    ParameterError
        There are no demixing matrices.
    ShapeError
        The model is of another number of frequencies, sources or channels.
    """
    check_start(start, ("W",), "a model with demixing matrices W, such as what `fit` returned")
    wanted = (data.T.shape[0], data.n_sources, data.T.shape[2])
    if start.W.shape != wanted:
        raise ShapeError(f"start has W {start.W.shape}; this mixture needs {wanted}")
    xp = namespace(data.T)
    R = brought_to(data.T, start.W[:, : data.dims]) @ data.D
    told = getattr(start, "lengths", None)
    lengths = lengths_of(R)
    wanted_lengths = 1.0 if told is None else brought_to(lengths, told[:, : data.dims])
    return R * (wanted_lengths / xp.where(lengths > 0, lengths, 1))[:, :, None]


def lengths_of(R: Array) -> Array:
    """Return the lengths of rows (freq, sources, dims)."""
    return namespace(R).sqrt((abs(R) ** 2).sum(axis=2))


def log_determinants(R: Array) -> float:
    """Return the sum over bins of log |det R|."""
    return float(namespace(R).linalg.slogdet(R)[1].sum())
