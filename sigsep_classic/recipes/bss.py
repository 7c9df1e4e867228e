"""Recipes: what takes several transforms or methods. `BSS` is the blind separation of a room by several microphones.

A recipe is used like a factorizer. On coefficients somebody has made, `fit` works with what it is given; on samples,
`fit_samples` chooses the transform too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.checks import check_count
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.base import Callback, nearest_power_of_two
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.demixing.frequencywise import demixing_model
from sigsep_classic.factorizers.demixing.reestimation import reestimated
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Array, Grid

logger = logging.getLogger("sigsep_classic")

WINDOWS = (0.256, 0.512, 1.024)
"""Seconds of the windows tried, one after the other."""

SHORT_WINDOW = 0.128
"""Seconds of the window tried where the first of `WINDOWS` is better than the second."""

LEAST_FRAMES = 32
"""Frames a window needs to be tried."""

_LEVEL_SECONDS, _PART, _NOISE = 0.1, 0.3, 0.03
_COMMON_WINDOW = 0.128
_LEAST_HZ = 60.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One window of `BSS`: the transform, what was found with it, and how sparse that is.

    Parameters
    ----------
    frontend : STFT
        The transform.
    model : DemixingModel
        Its demixing.
    signals : array (sources, samples)
        The sources, each at the channel where it is loudest.
    spread : float
        See `spread`.
    """

    frontend: STFT
    model: DemixingModel
    signals: Array = field(repr=False)
    spread: float


@dataclass(frozen=True, kw_only=True)
class BSS:
    """Blind separation of a room recorded by several microphones: the best measured combination, one call.

    Each frequency is demixed on its own in windows of 256 ms (`FDICA`), the bins are put in order
    (`sigsep_classic.permutation`) and estimated once more (`reestimation`). What that gives tells where each source
    is active; the same in windows of 512 ms, then of 1024 ms, guides demixing matrices of longer filters, which
    reverberation asks for, without a permutation to solve. Of all windows tried the one with the sparsest stems is
    taken (`spread`): a sum of sources is nearer to Gaussian than each of them.

    Parameters
    ----------
    n_sources : int or None
        At least 1; None: counted (`count_sources`), at most as many as there are independent channels. With more
        sources than channels it is `CACGMM` in windows of 128 ms.
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
    Windows and widths were chosen on simulated rooms with reverberation times of 0.15 to 0.6 s and other voices
    than those of the table in ``benchmarks/rooms.py``.
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
        return _transform(WINDOWS[0], sample_rate)

    def _first_transform(self, channels: int, sample_rate: float) -> STFT:
        crowded = self.n_sources is not None and self.n_sources > channels
        return _transform(SHORT_WINDOW, sample_rate) if crowded else self.default_frontend(sample_rate)

    def fit(self, X: Array, *, callback: Callback | None = None) -> Any:
        """Return the model of X (channels, freq, frames), in the window it was made with.

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
        self, x: Array, sample_rate: float, *, callback: Callback | None = None
    ) -> tuple[STFT, Any]:
        """Return the transform chosen for x (channels, samples), and the model found with it."""
        first = self._first_transform(len(x), sample_rate)
        model = self._fitted(first, x, sample_rate, callback)
        if self.n_sources is None and isinstance(model, DemixingModel):
            signals = first.synthesize(model.sources, x.shape[1])
            n_sources = count_sources(signals[: model.n_active], sample_rate)
            if n_sources < model.n_active:
                return replace(self, n_sources=n_sources).fit_samples(x, sample_rate, callback=callback)
        if self.fast or not isinstance(model, DemixingModel) or len(x) == 1:
            self._tell(model, first, sample_rate, ())
            return first, model
        stages = [_stage(first, model, x, sample_rate)]
        for seconds in WINDOWS[1:]:
            frontend = _transform(seconds, sample_rate)
            if x.shape[1] < LEAST_FRAMES * frontend.step:
                break
            stages.append(self._guided(stages[-1], frontend, x, sample_rate))
            if stages[-1].spread >= stages[-2].spread:
                break
        if len(stages) == 1 or stages[1].spread >= stages[0].spread:
            short = _transform(SHORT_WINDOW, sample_rate)
            stages.append(_stage(short, self._fitted(short, x, sample_rate, callback), x, sample_rate))
        best = min(stages, key=lambda stage: stage.spread)
        self._tell(best.model, best.frontend, sample_rate, [stage.frontend.n_fft for stage in stages])
        return best.frontend, best.model

    def _method(self, channels: int) -> Any:
        """Return the method for so many channels."""
        if self.n_sources is not None and self.n_sources > channels:
            return METHODS["cacgmm"](n_sources=self.n_sources, grid=self.grid)
        options = {"n_iter": 20, "reestimate": 2} if self.fast else {}
        return METHODS["fdica"](n_sources=self.n_sources, grid=self.grid, **options)

    def _fitted(self, frontend: STFT, x: Array, sample_rate: float, callback: Callback | None) -> Any:
        return replace(self, grid=frontend.grid(sample_rate)).fit(frontend.analyze(x), callback=callback)

    def _guided(self, before: Stage, frontend: STFT, x: Array, sample_rate: float) -> Stage:
        """Return the demixing in another window that starts from when and where the sources so far are active."""
        data = bins(frontend.analyze(x), self.n_sources)
        Y = frontend.analyze(before.signals[: data.dims])
        power = Y.real**2 + Y.imag**2
        R = reestimated(data, data.unit, frontend.grid(sample_rate), guide=power)
        return _stage(frontend, demixing_model(data, R), x, sample_rate)

    def _tell(self, model: Any, frontend: STFT, sample_rate: float, tried: Any) -> None:
        windows = f" of {', '.join(f'{1000 * n / sample_rate:.0f}' for n in tried)} ms tried" if tried else ""
        logger.info(
            "bss: %d sources, window %.0f ms%s",
            model.n_components,
            1000 * frontend.n_fft / sample_rate,
            windows,
        )


def spread(signals: Array, sample_rate: float) -> float:
    """Return how far signals are from sparse, 0 … 1: the lower, the better they are likely to be separated.

    Parameters
    ----------
    signals : array (sources, samples)
        Real.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        ``E|y| / sqrt(E|y|²)`` over the frames of a bin, of an STFT of 128 ms, the mean over bins above 60 Hz and
        sources, weighted by energy. Levels do not matter, nor the transform the signals were separated in.
    """
    xp = namespace(signals)
    frontend = _transform(_COMMON_WINDOW, sample_rate)
    lowest = min(int(_LEAST_HZ * frontend.n_fft / sample_rate) + 1, frontend.n_fft // 2)
    size = abs(frontend.analyze(signals)[:, lowest:])
    energy = (size.astype(float) ** 2).mean(axis=2)
    total = float(energy.sum())
    return float((size.mean(axis=2) * xp.sqrt(energy)).sum() / total) if total > 0 else 0.0


def count_sources(signals: Array, sample_rate: float) -> int:
    """Return how many of separated signals are sources of their own.

    Parameters
    ----------
    signals : array (sources, samples)
        As many as there are channels, the strongest first.
    sample_rate : float
        In Hz.

    Returns
    -------
    int
        At least 1. A signal 15 dB weaker than the strongest counts for noise; one whose level, over 100 ms, rises
        and falls with that of a stronger one (correlation above 0.3) for a part of it, or its reverberation. Speakers
        in simulated rooms had at most 0.23, parts of one speaker mostly more than 0.4. Instruments that play in
        time are taken for one: give their number.
    """
    xp = namespace(signals)
    step = max(1, int(_LEVEL_SECONDS * sample_rate))
    frames = max(1, signals.shape[1] // step)
    power = (signals[:, : frames * step].astype(float) ** 2).reshape(
        len(signals), -1, min(step, signals.shape[1])
    )
    level = to_host(xp.sqrt(power.mean(axis=2)))
    energy = (level**2).sum(axis=1)
    level = level - level.mean(axis=1, keepdims=True)
    sizes = np.sqrt((level**2).sum(axis=1, keepdims=True))
    level = level / np.where(sizes > 0, sizes, 1)
    likeness = level @ level.T
    order = np.argsort(-energy, kind="stable")
    parts = [(likeness[n, order[:k]] > _PART).any() for k, n in enumerate(order)]
    loud = energy[order] > _NOISE * energy.max()
    return max(1, int((loud & ~np.array(parts)).sum()))


def _transform(seconds: float, sample_rate: float) -> STFT:
    """Return the STFT of about so many seconds, an eighth of them as hop, a quarter below 300 ms."""
    n_fft = nearest_power_of_two(seconds * sample_rate)
    return STFT(n_fft=n_fft, hop=n_fft // (4 if seconds < 0.3 else 8))


def _stage(frontend: STFT, model: DemixingModel, x: Array, sample_rate: float) -> Stage:
    signals = frontend.synthesize(model.sources, x.shape[1])
    return Stage(frontend=frontend, model=model, signals=signals, spread=spread(signals, sample_rate))
