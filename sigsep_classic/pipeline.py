"""One method on one array, or on several as a batch: analyse, fit, group, mask, synthesise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from sigsep_classic import geometry, masking
from sigsep_classic.backend import namespace
from sigsep_classic.beamforming import FILTERS, beamformed, refiltered
from sigsep_classic.checks import check_count
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import Callback, Iterative
from sigsep_classic.factorizers.models import MaskModel, are_estimates, check_groups, has_components
from sigsep_classic.frontends import STFT
from sigsep_classic.grouping import GROUPERS
from sigsep_classic.phase import consistent_wiener, griffin_lim, misi, unwrapped
from sigsep_classic.refusals import (
    NO_NUMBER,
    check_estimates,
    check_groups_named,
    check_located,
    check_mask,
    check_phase,
    check_rephased,
    check_request,
)
from sigsep_classic.separation import Separation
from sigsep_classic.typing import Array, FrontEnd, Grid

Groups = str | Mapping[str, Sequence[int]] | Callable[[Any], Mapping[str, Sequence[int]]] | None

LEFT_OUT = "(left out)"
"""Group of the components no stem asks for: they take their share of the mask."""

_ROUNDING = 1e-4

RESIDUAL = "residual"
"""Stem of what the estimates of a model leave over."""


def separate_array(
    x: Array,
    sample_rate: int,
    method: Any,
    *,
    frontend: FrontEnd | None = None,
    mask: str | None = None,
    phase: str | None = None,
    groups: Groups = None,
    n_sources: int | None = None,
    order: str | None = None,
    positions: Any = None,
    callback: Callback | None = None,
) -> Separation:
    """Return the stems a factorizer finds in one array.

    Parameters
    ----------
    x : array (channels, samples)
        float32 or float64, finite; not written to.
    sample_rate : int
        In Hz.
    method : Factorizer
        With its parameters.
    frontend : FrontEnd, optional
        Default: the one the method asks for, else an STFT of 2048 by 512.
    mask : str, optional
        One of `refusals.MASKS`; default: the method's own gains, or ``"ratio"``. The beamformers (``"mvdr"``,
        ``"mwf"``, ``"gev"``) need several channels and leave a stem ``residual``; they are steered by masks, or by the
        estimates of methods that make some (`beamforming.refiltered`).
    phase : str, optional
        One of `phase.PHASES`: where masked stems take their phases from. Default: ``"mixture"``. The others work on an
        STFT; stems add up to x with all but ``"griffin_lim"``.
    groups : optional
        Names with component indices, a name in `grouping.GROUPERS`, or a function of the model that returns
        names with indices. Default: a method's own stems; for components, ``"timbre"``.
    n_sources : int, optional
        Number of groups for groupings that take one.
    order : {"energy", "angle", "distance"}, optional
        Which source comes first, for methods that know how channels hear their sources: that whose image has the
        most energy over all channels, or see `geometry.source_order`. Default: as the method gives them.
    positions : array (channels, 2 or 3), optional
        Microphones in metres, for ``"angle"`` and ``"distance"``.
    callback : callable, optional
        Handed to the method.

    Returns
    -------
    Separation
        Stems of the shape and dtype of x.
    """
    wanted = {"mask": mask, "phase": phase, "groups": groups, "n_sources": n_sources}
    placed = {"order": order, "positions": positions}
    (sep,) = separate_arrays(
        [x], sample_rate, method, frontend=frontend, callback=callback, **wanted, **placed
    )
    return sep


def separate_arrays(
    xs: Sequence[Array],
    sample_rate: int,
    method: Any,
    *,
    frontend: FrontEnd | None = None,
    callback: Callback | None = None,
    **asked: Any,
) -> list[Separation]:
    """Return what `separate_array` gives for each of several arrays, fitted as one batch if the method `batches`.

    Parameters
    ----------
    xs : list of array (channels, samples)
        Of the same number of channels, dtype and device.
    sample_rate, method, frontend, callback, **asked
        As for `separate_array`.
    """
    chooses = frontend is None and hasattr(method, "fit_samples")
    known = None if chooses else frontend or default_frontend(method, sample_rate)
    check_phase(asked.get("phase"), asked.get("mask"), known)
    to_check = {name: asked.get(name) for name in ("mask", "groups", "n_sources", "order", "positions")}
    grid = None if known is None else known.grid(sample_rate)
    check_request(method, channels=len(xs[0]), grid=grid, **to_check)
    options = {"callback": callback} if callback else {}
    if hasattr(method, "fit_samples"):
        fits = [_chosen_and_fitted(x, sample_rate, method, frontend, options) for x in xs]
    else:
        fits = _fitted(xs, sample_rate, method, known, options)
    return [_separation(fit, sample_rate, **asked) for fit in fits]


def batches(method: Any) -> bool:
    """Say whether a method has a way of its own to fit several arrays at once."""
    kinds = [kind for kind in type(method).__mro__ if kind is not Iterative]
    return not hasattr(method, "fit_samples") and any("fit_problems" in vars(kind) for kind in kinds)


class _Fit(NamedTuple):
    """An array, its coefficients, and what a method found in them."""

    x: Array
    X: Array
    frontend: FrontEnd
    method: Any
    model: Any


def _chosen_and_fitted(
    x: Array, sample_rate: int, method: Any, frontend: FrontEnd | None, options: dict[str, Any]
) -> _Fit:
    leveled = x / x.dtype.type(level(x))
    chosen, model = method.fit_samples(leveled, sample_rate, frontend=frontend, **options)
    return _Fit(x, chosen.analyze(leveled), chosen, method, model)


def _fitted(
    xs: Sequence[Array], sample_rate: int, method: Any, frontend: Any, options: dict[str, Any]
) -> list[_Fit]:
    facts = {"grid": frontend.grid(sample_rate), "frontend": frontend}
    methods = [told(method, **facts, level=level(x)) for x in xs]
    Xs = [frontend.analyze(x / x.dtype.type(level(x))) for x in xs]
    if len(xs) > 1 and not options and batches(method):
        models = method.fit_problems(list(zip(methods, Xs, strict=True)))
    else:
        models = [own.fit(X, **options) for own, X in zip(methods, Xs, strict=True)]
    return [_Fit(*each) for each in zip(xs, Xs, repeat(frontend), methods, models, strict=False)]


def _separation(
    fit: _Fit, sample_rate: int, *, order: str | None = None, positions: Any = None, **wanted: Any
) -> Separation:
    model = fit.model
    if order is not None:
        model = ordered(model, order, positions, fit.frontend.grid(sample_rate))
    grouped = partial(stems_of, model, fit.x, sample_rate, fit.frontend)
    stems, found = grouped(**wanted, X=fit.X)
    return Separation(
        stems=stems,
        mixture=fit.x,
        sample_rate=sample_rate,
        model=model,
        method=fit.method,
        frontend=fit.frontend,
        groups=found,
        mask=wanted.get("mask"),
        phase=wanted.get("phase"),
        grouped=grouped,
    )


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


def default_frontend(method: Any, sample_rate: float) -> FrontEnd:
    """Return the transform a method asks for, else an STFT of 2048 by 512."""
    return method.default_frontend(sample_rate) if hasattr(method, "default_frontend") else STFT()


def level(x: Array) -> float:
    """Return the power of two at or above the peak of x, by which it is divided and multiplied without error."""
    top = float(abs(x).max())
    highest = namespace(x).finfo(x.dtype).maxexp - 1
    return 2.0 ** min(math.ceil(math.log2(top)), highest) if top > 0 else 1.0


def told(method: Any, **facts: Any) -> Any:
    """Return a method with its fields that are None filled in from ``facts``: grid, frontend and level."""
    asked = {name: value for name, value in facts.items() if getattr(method, name, value) is None}
    return dataclasses.replace(method, **asked) if asked else method


def ordered(model: Any, order: str, positions: Any, grid: Grid) -> Any:
    """Return a model with its sources in the order of how strong they are, or of where.

    Parameters
    ----------
    model : Model
        One that has ``reordered``.
    order, positions
        As in `separate_array`.
    grid : Grid
        Of the transform.

    Raises
    ------
    ParameterError
        Its sources have no order.
    """
    check_located(model, order)
    n_active = getattr(model, "n_active", model.n_components)
    if order == "energy":
        Y = model.reconstruct()[:n_active]
        energies = [float((abs(image) ** 2).sum()) for image in Y]
        return model.reordered(sorted(range(n_active), key=lambda n: -energies[n]))
    return model.reordered(
        geometry.source_order(model.steering[:, :, :n_active], grid, by=order, positions=positions)
    )


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
