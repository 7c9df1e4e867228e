"""One method on one array, or on several as a batch: analyse, fit, group, mask, synthesise."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from sigsep_classic import geometry
from sigsep_classic.factorizers.base import Callback, Iterative
from sigsep_classic.frontends import STFT
from sigsep_classic.kernels.threads import single_threaded_blas
from sigsep_classic.refusals import (
    check_located,
    check_phase,
    check_request,
)
from sigsep_classic.separation import Separation
from sigsep_classic.synthesis import Groups, level, stems_of
from sigsep_classic.typing import Array, FrontEnd, Grid


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


@single_threaded_blas()  # our blocks are the parallel ones: the same bits for any number of threads
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


def default_frontend(method: Any, sample_rate: float) -> FrontEnd:
    """Return the transform a method asks for, else an STFT of 2048 by 512."""
    return method.default_frontend(sample_rate) if hasattr(method, "default_frontend") else STFT()


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
