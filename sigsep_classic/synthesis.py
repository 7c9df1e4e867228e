"""From a fitted model to stems: components in groups, gains or estimates, phases, signals that add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sigsep_classic import masking
from sigsep_classic.backend import namespace
from sigsep_classic.beamforming import FILTERS, beamformed, refiltered
from sigsep_classic.checks import check_count
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.models import MaskModel, are_estimates, check_groups, has_components
from sigsep_classic.grouping import GROUPERS
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.phase import consistent_wiener, griffin_lim, misi, unwrapped
from sigsep_classic.refusals import (
    NO_NUMBER,
    check_estimates,
    check_groups_named,
    check_mask,
    check_phase,
    check_rephased,
)
from sigsep_classic.typing import Array, FrontEnd, Grid

Groups = str | Mapping[str, Sequence[int]] | Callable[[Any], Mapping[str, Sequence[int]]] | None

LEFT_OUT = "(left out)"
"""Group of the components no stem asks for: they take their share of the mask."""

_ROUNDING = 1e-4

RESIDUAL = "residual"
"""Stem of what the estimates of a model leave over."""


def stems_of(
    model: Any,
    x: Array,
    sample_rate: int,
    frontend: FrontEnd,
    *,
    mask: str | None = None,
    phase: str | None = None,
    groups: Groups = None,
    n_sources: int | None = None,
    X: Array | None = None,
    scale: float | None = None,
) -> tuple[dict[str, Array], dict[str, list[int]]]:
    """Return the stems of a fitted model by name, and the components of each: grouped, masked and synthesised.

    Parameters
    ----------
    model : Model
        Fitted to x.
    x, sample_rate, frontend, mask, phase, groups, n_sources
        As in `separate_array`.
    X : array (channels, freq, frames), optional
        Coefficients of x divided by its `level`, or by ``scale``, where they are at hand.
    scale : float, optional
        A power of two that x is divided by in place of its `level`: that of the recording the model was fitted to.
    """
    check_mask(mask, len(x))
    check_phase(phase, mask, frontend)
    scale = level(x) if scale is None else scale
    leveled = x / x.dtype.type(scale)
    wanted = groups_of(model, groups, n_sources, frontend.grid(sample_rate))
    X = frontend.analyze(leveled) if X is None else X
    stems = _synthesized(model, wanted, X, mask, phase or "mixture", frontend, leveled)
    return {name: stem * x.dtype.type(scale) for name, stem in stems.items()}, wanted


def level(x: Array) -> float:
    """Return the power of two at or above the peak of x, by which it is divided and multiplied without error."""
    top = float(abs(x).max())
    highest = namespace(x).finfo(x.dtype).maxexp - 1
    return 2.0 ** min(math.ceil(math.log2(top)), highest) if top > 0 else 1.0


def groups_of(model: Any, groups: Groups, n_sources: int | None, grid: Grid) -> dict[str, list[int]]:
    """Return the components of each stem, as asked for or as the model has them.

    Parameters
    ----------
    model : Model
        Fitted.
    groups, n_sources
        As in `separate_array`.
    grid : Grid
        Of the transform.

    Raises
    ------
    ParameterError
        The grouping does not fit the model.
    """
    if n_sources is not None:
        check_count("n_sources", n_sources)
    if groups is None and has_components(model):
        groups = "timbre" if model.stems is None or n_sources is not None else model.stems
    check_groups_named(groups)
    if isinstance(groups, str):
        if not has_components(model):
            raise ParameterError(
                f"grouping {groups!r} is for components; this method has the stems {model.names}"
            )
        return GROUPERS[groups](model, grid, n_sources)
    if n_sources is not None:
        raise ParameterError(NO_NUMBER)
    if callable(groups):
        groups = groups(model)
        if not isinstance(groups, Mapping):
            raise ParameterError(
                f"the grouping function gave {groups!r}; it must return names with component indices"
            )
    return check_groups(groups, model.names)


@single_threaded_blas()  # products of the model: the same bits for any number of threads
def _synthesized(
    model: Any,
    groups: dict[str, list[int]],
    X: Array,
    mask: str | None,
    phase: str,
    frontend: FrontEnd,
    x: Array,
) -> dict[str, Array]:
    """Return a signal for each group of components, and what they leave over where the model says so."""
    left_out = _left_out(model, groups)
    complete = not left_out
    everything = groups if complete else {**groups, LEFT_OUT: left_out}
    if mask is None and isinstance(model, MaskModel):
        if phase != "mixture":
            return _rephased(groups, phase, X, frontend, x, gains=model.gains(everything))
        return _masked(groups, (model.gain(members) for members in groups.values()), X, frontend, x, complete)
    Y = model.reconstruct(everything)
    estimates = are_estimates(model, Y)
    residual = getattr(model, "residual", False)
    if mask == "multichannel_wiener" and not estimates:
        Y, estimates = masking.multichannel_wiener(Y, X, power=model.power), True
    elif mask in FILTERS:
        Y = _beamformed(model, Y, X, mask, estimates=estimates)
        estimates = residual = True
    else:
        check_estimates(mask, estimates=estimates)
    if estimates and phase != "mixture":
        check_rephased(phase, residual=residual)
        return _rephased(groups, phase, X, frontend, x, Y=Y)
    if estimates:
        stems = {name: frontend.synthesize(Y_n, x.shape[-1]) for name, Y_n in zip(groups, Y, strict=False)}
        if complete and residual:
            stems[RESIDUAL] = x - sum(stems.values())
        elif complete:
            _close(stems, x)
        return stems
    gains = masking.GAINS[mask or "ratio"](Y, model.power)
    if phase != "mixture":
        return _rephased(groups, phase, X, frontend, x, gains=gains)
    return _masked(groups, gains, X, frontend, x, complete)


def _rephased(
    groups: dict[str, list[int]],
    phase: str,
    X: Array,
    frontend: Any,
    x: Array,
    *,
    gains: Any = None,
    Y: Any = None,
) -> dict[str, Array]:
    """Return signals of the magnitudes of masked or estimated sources with new phases."""
    n_samples = x.shape[-1]
    V = abs(Y) if gains is None else gains * abs(X)
    if phase == "consistent_wiener":
        y = consistent_wiener(V * abs(X), X, frontend, n_samples).y
    elif phase == "griffin_lim":
        xp = namespace(X)
        V = xp.broadcast_to(V, (len(V), *X.shape))
        start = xp.ascontiguousarray(xp.broadcast_to(X if Y is None else Y, V.shape))
        y = griffin_lim(V, frontend, n_samples, start=start)
    else:
        start = unwrapped(V, X, frontend) if phase == "unwrapped" else Y
        y = misi(V, X, frontend, n_samples, start=start)
    stems = dict(zip(groups, y, strict=False))
    if phase != "griffin_lim" and len(y) == len(groups):
        _close(stems, x)
    return stems


def _beamformed(model: Any, Y: Array, X: Array, mask: str, *, estimates: bool) -> Array:
    """Return the images of beamformers that are steered by spectrograms Y, or by estimates."""
    if X.dtype.kind != "c":
        raise ParameterError(f"mask {mask!r} is a filter at each frequency; take frontend=STFT(...)")
    if estimates:
        return refiltered(X, Y, beamformer=mask)
    return beamformed(X, masking.GAINS["ratio"](Y, model.power), beamformer=mask)


def _close(stems: dict[str, Array], x: Array) -> None:
    """Give the loudest stem what rounding left of x: stems of ten times its level cancel to a tenth of the digits."""
    rest = x - sum(stems.values())
    if float(abs(rest).max()) <= _ROUNDING * float(abs(x).max()):
        loudest = max(stems, key=lambda name: float((stems[name] ** 2).sum()))
        stems[loudest] = stems[loudest] + rest


def _masked(
    groups: dict[str, list[int]],
    gains: Iterable[Array],
    X: Array,
    frontend: FrontEnd,
    x: Array,
    complete: bool,
) -> dict[str, Array]:
    """Return gains times the mixture as signals; where all gains sum to one the last is what the others leave."""
    *names, last = groups
    stems: dict[str, Array] = {}
    rest = x
    for name, gain in zip(names if complete else groups, gains, strict=False):
        stems[name] = frontend.synthesize(masking.apply(gain, X), x.shape[-1])
        rest = rest - stems[name] if complete else rest
    if complete:
        stems[last] = rest if names else x.copy()
    return stems


def _left_out(model: Any, groups: dict[str, list[int]]) -> list[int]:
    taken = {k for members in groups.values() for k in members}
    return [k for k in range(model.n_components) if k not in taken]
