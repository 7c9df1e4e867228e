"""Blind separation of a room recorded by several microphones, everything chosen: method, windows, number of sources."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.checks import check_count
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.base import Callback
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.covariance.direction_model import DirectionModel
from sigsep_classic.factorizers.demixing.frequencywise import demixing_model
from sigsep_classic.factorizers.demixing.reestimation import reestimated
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.frontends import STFT
from sigsep_classic.recipes.judging import agreement, own_sources, spread, transform
from sigsep_classic.typing import Array, FrontEnd, Grid

logger = logging.getLogger("sigsep_classic")

FIRST_WINDOW, SECOND_WINDOW, LAST_WINDOW = 0.256, 0.512, 1.024
"""Seconds of the windows tried, one after the other."""

SHORT_WINDOW = 0.128
"""Seconds of the window tried where the first is better than the second."""

LEAST_FRAMES = 32
"""Frames a window needs to be tried."""

AGREEMENT = 0.98
"""Correlation above which two results are one; see `agreement`."""

MARGIN = 0.002
"""By how much the second start must be sparser to be taken: nearly as sparse it was mostly the worse one."""

WEAK = 0.1
"""Energy, relative to the strongest, up to which what is no source of its own becomes part of the residual."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One window of `BSS`: the transform, what was found with it, and how sparse that is.

    Parameters
    ----------
    frontend : FrontEnd
        The transform.
    model : DemixingModel
        Its demixing.
    signals : array (sources, samples)
        The sources, each at the channel where it is loudest.
    spread : float
        See `spread`.
    """

    frontend: FrontEnd
    model: DemixingModel
    signals: Array = field(repr=False)
    spread: float


@dataclass(frozen=True, kw_only=True)
class BSS:
    """Blind separation of a room recorded by several microphones: the best measured combination, one call.

    Each frequency is demixed on its own in windows of 256 ms (`FDICA`), the bins are put in order
    (`sigsep_classic.permutation`) and estimated once more (`reestimation`). What that gives tells where each source
    is active; the same in windows of 512 ms, then of 1024 ms, guides demixing matrices of longer filters, which
    reverberation asks for, without a permutation to solve. A second start, in windows of 512 ms, is followed to the
    end too where it does not agree with the first. Of all results the one with the sparsest stems is taken
    (`spread`): a sum of sources is nearer to Gaussian than each of them.

    Parameters
    ----------
    n_sources : int or None
        At least 1; None: counted, after the first window and again at the end (`own_sources`), at most as many as
        there are independent channels. With more sources than channels it is `CACGMM` in windows of 128 ms.
    fast : bool
        One window of 256 ms, fewer iterations: several times quicker, some dB less.
    grid : Grid or None
        Time-frequency grid, used by `fit`; filled in by the pipeline.

    Raises
    ------
    ParameterError
        A parameter is out of range.

    References
    ----------
    The parts: see `FDICA`, `permutation.solve` and `CACGMM`. Handing variances from window to window, and the
    choice by sparsity, are ours. That sums of sources are nearer to Gaussian than each: P. Comon, "Independent
    component analysis, a new concept?", Signal Processing 36(3), 1994.

    Notes
    -----
    When to use: A room and several microphones, and no wish to choose: the best measured combination. ``fast=True``
    is one window in the place of three.
    Complexity: That of `fdica` in the first window, and of guided demixing matrices in two more, for each start that
    is followed.
    Differences from the paper: There is no paper: parts are of those named here, the combination is ours.

    Windows and widths were chosen on simulated rooms with reverberation times of 0.15 to 0.6 s and other voices
    than those of the table in ``benchmarks/rooms.py``. Sources counted without need cost little; give their number
    where you know it all the same. What was tried and taken is told in the log.
    """

    n_sources: int | None = None
    fast: bool = False
    grid: Grid | None = None

    name: ClassVar[str] = "bss"

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)

    def default_frontend(self, sample_rate: float) -> STFT:
        """Return the first window."""
        return transform(FIRST_WINDOW, sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> DemixingModel | DirectionModel:
        """Return the model of X (channels, freq, frames), in the window it was made with; sources are not counted.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Coefficients.
        callback : callable, optional
            Called as ``callback(i, model)`` by the method; returning True stops.

        Returns
        -------
        DemixingModel
            Or the model of `CACGMM` for more sources than channels.
        """
        return self._method(len(X)).fit(X, callback=callback)

    def fit_samples(
        self,
        x: Array,
        sample_rate: float,
        *,
        frontend: FrontEnd | None = None,
        callback: Callback | None = None,
    ) -> tuple[FrontEnd, Any]:
        """Return the transform chosen for samples, and the model found with it.

        Parameters
        ----------
        x : array (channels, samples)
            The recording.
        sample_rate : float
            In Hz.
        frontend : FrontEnd, optional
            The one transform to use, instead of those of `BSS`.
        callback : callable, optional
            Called as ``callback(i, model)`` in each iteration of each window that starts anew; returning True ends
            the search with the best that was found so far.
        """
        run = _Run(self, x, sample_rate, callback)
        if self.n_sources is not None and self.n_sources > len(x):
            frontend = frontend or transform(SHORT_WINDOW, sample_rate)
            logger.info("bss: more sources than channels: cacgmm, window %s", run.told(frontend))
            return frontend, run.fitted(frontend, self.n_sources)
        found = run.found(frontend, self.n_sources)
        if self.n_sources is None:
            found = run.counted(found, frontend)
        logger.info(
            "bss: %d source%s%s, window %s%s",
            found.model.n_components,
            "s" * (found.model.n_components > 1),
            "" if self.n_sources else " counted",
            run.told(found.frontend),
            f" of {', '.join(run.tried)} tried" if len(run.tried) > 1 else "",
        )
        return found.frontend, found.model

    def _method(self, channels: int) -> Any:
        """Return the method for so many channels."""
        if self.n_sources is not None and self.n_sources > channels:
            return METHODS["cacgmm"](n_sources=self.n_sources, grid=self.grid)
        options = {"n_iter": 20, "reestimate": 2} if self.fast else {}
        return METHODS["fdica"](n_sources=self.n_sources, grid=self.grid, **options)


class _Run:
    """One use of `BSS`: the recording, what was tried, whether the caller has asked to stop."""

    def __init__(self, recipe: BSS, x: Array, sample_rate: float, callback: Callback | None) -> None:
        self.recipe, self.x, self.sample_rate = recipe, x, sample_rate
        self.callback, self.stopped = callback, False
        self.tried: list[str] = []

    def found(self, frontend: FrontEnd | None, n_sources: int | None) -> Stage:
        """Return the best stage for a number of sources; None: counted after the first window."""
        first = self.started(frontend or transform(FIRST_WINDOW, self.sample_rate), n_sources)
        if n_sources is None:
            n_sources = int(own_sources(first.signals, self.sample_rate).sum())
            if n_sources < len(first.signals) and not self.stopped:
                first = self.started(first.frontend, n_sources)
        if self.recipe.fast or frontend is not None or len(first.signals) == 1:
            return first
        return min(self.refined(first), key=lambda stage: stage.spread)

    def refined(self, first: Stage) -> list[Stage]:
        """Return the first stage and those of other windows that were worth a try."""
        second, last, short = (
            transform(seconds, self.sample_rate) for seconds in (SECOND_WINDOW, LAST_WINDOW, SHORT_WINDOW)
        )
        stages = [first]
        if not self.stopped and self.long_enough(second):
            stages.append(self.guided(first, second))
        if self.stopped or stages[-1].spread >= first.spread:
            return stages if self.stopped else [*stages, self.started(short, len(first.signals))]
        other = [self.started(second, len(first.signals))]
        agree = agreement(stages[-1].signals, other[0].signals) > AGREEMENT
        if self.long_enough(last):
            if not self.stopped:
                stages.append(self.guided(stages[-1], last))
            if not self.stopped and not agree:
                other.append(self.guided(other[0], last))
        least = min(stage.spread for stage in stages)
        return stages + [stage for stage in other if stage.spread < least - MARGIN]

    def counted(self, found: Stage, frontend: FrontEnd | None) -> Stage:
        """Return the stage without what is no source of its own: looked for anew if strong, else the residual's."""
        own = own_sources(found.signals, self.sample_rate)
        if own.all():
            return found
        energy = to_host((found.signals**2).sum(axis=1))
        if (~own & (energy > WEAK * energy.max())).any() and not self.stopped:
            return self.counted(self.found(frontend, int(own.sum())), frontend)
        keep = np.flatnonzero(own)
        return replace(found, model=kept(found.model, keep, residual=True), signals=found.signals[keep])

    def started(self, frontend: FrontEnd, n_sources: int | None) -> Stage:
        """Return the stage of a window by itself; without a number of sources, of as many as there can be."""
        model = self.fitted(frontend, n_sources)
        if n_sources is None:
            model = kept(model, range(model.n_active), residual=model.residual)
        return self.stage(frontend, model)

    def guided(self, before: Stage, frontend: STFT) -> Stage:
        """Return the demixing in another window that starts from when and where the sources so far are active."""
        data = bins(frontend.analyze(self.x), len(before.signals))
        Y = frontend.analyze(before.signals[: data.dims])
        grid = frontend.grid(self.sample_rate)
        R = reestimated(data, data.unit, grid, guide=Y.real**2 + Y.imag**2)
        return self.stage(frontend, demixing_model(data, R))

    def fitted(self, frontend: FrontEnd, n_sources: int | None) -> Any:
        """Return the model of the method for so many sources."""
        method = replace(self.recipe, n_sources=n_sources, grid=frontend.grid(self.sample_rate))
        return method.fit(frontend.analyze(self.x), callback=self.heard if self.callback else None)

    def stage(self, frontend: FrontEnd, model: DemixingModel) -> Stage:
        """Return what a window gave."""
        if self.told(frontend) not in self.tried:
            self.tried.append(self.told(frontend))
        signals = frontend.synthesize(model.sources, self.x.shape[1])
        return Stage(
            frontend=frontend, model=model, signals=signals, spread=spread(signals, self.sample_rate)
        )

    def heard(self, iteration: int, model: Any) -> bool:
        """Tell the caller how it goes; return True, and remember it, where he wants to stop."""
        self.stopped |= bool(self.callback is not None and self.callback(iteration, model))
        return self.stopped

    def long_enough(self, frontend: STFT) -> bool:
        """Return whether there are frames enough for a window."""
        return self.x.shape[1] >= LEAST_FRAMES * frontend.step

    def told(self, frontend: FrontEnd) -> str:
        """Return a window in words."""
        if isinstance(frontend, STFT):
            return f"{1000 * frontend.n_fft / self.sample_rate:.0f} ms"
        return type(frontend).__name__


def kept(model: DemixingModel, sources: Sequence[int] | np.ndarray, *, residual: bool) -> DemixingModel:
    """Return a model of some of its sources, the others silent or part of the residual."""
    sources = list(sources)
    lengths = None if model.lengths is None else model.lengths[:, sources]
    parts = {"W": model.W[:, sources], "A": model.A[:, :, sources], "lengths": lengths}
    return replace(model, **parts, n_active=len(sources), residual=residual)
