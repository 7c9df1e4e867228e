"""Subband splitting: a demixing method on overlapping bands, one after the other (Matsumoto & Yatabe 2024)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.factorizers.bins import Bins
from sigsep_classic.factorizers.demixing.auxiva import AuxIVA
from sigsep_classic.factorizers.demixing.frequencywise import FrequencyDemixing, demixing_model
from sigsep_classic.factorizers.demixing.ilrma import ILRMA, ILRMAState
from sigsep_classic.factorizers.demixing.source_variances import Factors
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.typing import Array, Grid

METHODS = ("auxiva", "ilrma")


@dataclass(frozen=True, kw_only=True)
class SubbandSplitting:
    """Independent vector or low-rank matrix analysis on overlapping bands, each begun where the one before ended.

    Over all frequencies at once, blocks of bins may settle with sources exchanged, and no block leaves alone. A band
    is small enough to have one order; bins it shares with the band before begin separated, and the new ones join them.

    Parameters
    ----------
    n_sources : int or None
        1 … channels; None: as many as there are independent channels.
    model : {"auxiva", "ilrma"}
        What runs in each band: `AuxIVA` with the Gaussian prior, or `ILRMA`.
    width : float
        Width of a band in Hz, at least two bins; bands start at 0 Hz.
    overlap : float
        Share of a band that the one before it has, in [0, 1).
    n_components : int
        Templates of each source in a band, for ``"ilrma"``.
    n_iter : int
        Iterations in each band.
    n_iter_all : int
        Iterations over all bins at the end.
    seed : int
        Seed of the random start of ``"ilrma"``.
    base : AuxIVA, ILRMA or None
        The method with all its options, in place of ``model``, ``n_sources``, ``n_components`` and ``seed``; its own
        ``n_iter`` is not used.
    grid : Grid or None
        Bin distance of X; `separate` fills it in. Without it, all bins are one band.

    Raises
    ------
    ParameterError
        A parameter is out of range, or ``base`` is a method that cannot be split.

    References
    ----------
    K. Matsumoto and K. Yatabe, "Subband splitting: simple, efficient and effective technique for solving block
    permutation problem in determined blind source separation", arXiv:2409.09294, 2024. The idea is from its abstract;
    widths, the order of bands, and what of ILRMA's start is inherited are ours (its numbers were not checked).

    Notes
    -----
    When to use: Where `auxiva` or `ilrma` exchange sources in blocks of frequencies: long windows, many bins.
    Complexity: That of the base method times the overlap of bands.
    Differences from the paper: Widths, the order of bands, and what of ILRMA's start is inherited are ours; the idea
    is from the abstract.

    There is no one loss that all bands lower, so ``losses`` is empty and there is no tolerance. New bins begin as the
    method begins, with random templates and the activations of the band before.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> levels = rng.gamma(0.3, size=(2, 1, 400))
    >>> S = levels * (rng.standard_normal((2, 20, 400)) + 1j * rng.standard_normal((2, 20, 400)))
    >>> A = rng.standard_normal((20, 2, 2)) + 1j * rng.standard_normal((20, 2, 2))
    >>> X = np.einsum("fcn,nft->cft", A, S)
    >>> SubbandSplitting(model="auxiva").fit(X).W.shape
    (20, 2, 2)
    """

    n_sources: int | None = None
    model: str = "auxiva"
    width: float = 2000.0
    overlap: float = 0.75
    n_components: int = 2
    n_iter: int = 20
    n_iter_all: int = 0
    seed: int = 0
    base: FrequencyDemixing | None = None
    grid: Grid | None = field(default=None, compare=False)

    name: ClassVar[str] = "subband"

    def __post_init__(self) -> None:
        check_choice("model", self.model, METHODS)
        check_range("width", self.width, 0, above=True)
        check_range("overlap", self.overlap, 0, 1)
        if self.overlap == 1:
            raise ParameterError("overlap is 1; it must be less, or no band would come after the first")
        check_count("n_iter", self.n_iter, 0)
        check_count("n_iter_all", self.n_iter_all, 0)
        check_count("n_components", self.n_components)
        check_count("seed", self.seed, 0)
        self._check_base()
        self.demixing  # noqa: B018  (its own checks)

    def _check_base(self) -> None:
        """Refuse a base that cannot be split, and what would be dropped beside it."""
        if self.base is None:
            return
        if not isinstance(self.base, (AuxIVA, ILRMA)):
            raise ParameterError(f"base is {self.base!r}; give an AuxIVA or an ILRMA")
        if isinstance(self.base, ILRMA) and (
            self.base.consistency or self.base.partitioned or self.base.variance
        ):
            raise ParameterError("base has consistency, partitioned or variance, which need all bins at once")
        for name in ("model", "n_sources", "n_components", "seed"):
            if getattr(self, name) != type(self).__dataclass_fields__[name].default:
                raise ParameterError(
                    f"{name} is {getattr(self, name)!r} beside a base, which has its own; give one"
                )

    @property
    def demixing(self) -> FrequencyDemixing:
        """The method that runs in each band."""
        if self.base is not None:
            return self.base
        if self.model == "auxiva":
            return AuxIVA(n_sources=self.n_sources, prior="gauss")
        return ILRMA(n_sources=self.n_sources, n_components=self.n_components, seed=self.seed)

    def bands(self, n_freq: int) -> list[slice]:
        """Return the bands as slices of ``n_freq`` bins, from the lowest up; the last ends with the last bin."""
        span = 0 if self.grid is None else round(self.grid.span(self.width))
        width = min(max(2, span), n_freq) if span > 0 else n_freq
        hop = max(1, round(width * (1 - self.overlap)))
        starts = range(0, max(1, n_freq - width + hop), hop)
        return [slice(max(0, min(start, n_freq - width)), min(start + width, n_freq)) for start in starts]

    def fit(self, X: Array, *, callback: Callback | None = None) -> DemixingModel:
        """Return the demixing of X (channels, freq, frames).

        Parameters
        ----------
        X : array (channels, freq, frames)
            Complex coefficients.
        callback : callable, optional
            Called as ``callback(i, model)`` after each iteration, i counting through all bands, with a state of the
            bins of the band alone; returning True ends the search.

        Raises
        ------
        ShapeError, NumericalError
            As `bins`.
        """
        method = self.demixing
        data = method.prepare(X)
        state = method.init(data)
        R, before = state.R.copy(), None
        count, stop = 0, False
        for band in self.bands(data.Z.shape[0]):
            part = _part(data, band)
            inside = _joined(method, part, R[band], before, band)
            for _ in range(self.n_iter if not stop else 0):
                inside = method.step(part, inside)
                count += 1
                stop = stop or bool(callback is not None and callback(count, inside))
                if stop:
                    break
            R[band] = inside.R
            before = band, inside
        state = method.begin(data, _unit(R))
        for _ in range(self.n_iter_all if not stop else 0):
            state = method.step(data, state)
        return demixing_model(data, state.R)


def _joined(
    method: FrequencyDemixing, part: Any, R: Array, before: tuple[slice, Any] | None, band: slice
) -> Any:
    """Return where a band begins: R, and of a state of the band before the templates it shares, and activations."""
    state = method.begin(part, _unit(R))
    if before is None or not isinstance(state, ILRMAState):
        return state
    (where, old), new = before, state.factors
    assert new is not None
    V = old.factors.activations.copy()
    T = new.templates / (new.templates @ V.mean(axis=2)[:, :, None])  # variances of one, as the powers are
    common = where.stop - band.start
    if common > 0:
        T[:, :common] = old.factors.templates[:, band.start - where.start :]
    return replace(state, factors=Factors(templates=T, activations=V))


def _unit(R: Array) -> Array:
    """Return R with rows of length one: outputs of power one in each bin."""
    return R / namespace(R).sqrt((abs(R) ** 2).sum(axis=2, keepdims=True))


def _part(data: Bins, band: slice) -> Any:
    """Return some bins, views of all."""
    names = [
        name for name in ("Z", "T", "D", "load", "share", "silent") if getattr(data, name, None) is not None
    ]
    return replace(data, X=data.X[:, band], **{name: getattr(data, name)[band] for name in names})
