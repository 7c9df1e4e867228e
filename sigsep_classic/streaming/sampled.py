"""Methods that learn from a sample of the frames what they then apply to all, block by block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sigsep_classic.backend import device_of, namespace, to_device
from sigsep_classic.errors import AudioError
from sigsep_classic.pipeline import default_frontend, ordered, told
from sigsep_classic.planning import Plan, length_of, margin_of
from sigsep_classic.streaming.neighbourhood import in_blocks, returned
from sigsep_classic.streaming.sources import Source
from sigsep_classic.streaming.windows import windows
from sigsep_classic.synthesis import groups_of, level, stems_of
from sigsep_classic.typing import Array, FrontEnd

EXCERPT_SECONDS = 10.0
"""Samples are excerpts at least so long, spread evenly: methods with a memory of frames see few joints."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What was learnt from a sample.

    Parameters
    ----------
    model : Model
        Of the sample.
    method : Factorizer
        Told its grid; as ``settled`` by the model where it has that.
    frontend : FrontEnd
        Used, or chosen by the method.
    scale : float
        By which all samples are divided.
    groups : dict of str to list of int
        Components of each stem.
    """

    model: Any
    method: Any
    frontend: FrontEnd
    scale: float
    groups: Mapping[str, list[int]]


def spread(n_samples: int, sample: int, least: int) -> list[tuple[int, int]]:
    """Return where excerpts of ``sample`` samples in all begin and end, evenly spread and at least ``least`` long."""
    if sample >= n_samples:
        return [(0, n_samples)]
    count = max(1, sample // max(1, least))
    length = sample // count
    starts = np.linspace(0, n_samples - length, count) if count > 1 else [(n_samples - length) / 2]
    return [(int(at), int(at) + length) for at in starts]


def fit_sample(
    source: Source,
    sample_rate: int,
    method: Any,
    plan: Plan,
    *,
    frontend: FrontEnd | None = None,
    device: str | None = None,
    mask: str | None = None,
    groups: Any = None,
    n_sources: int | None = None,
    order: str | None = None,
    positions: Any = None,
    callback: Any = None,
    phase: str | None = None,
) -> Fitted:
    """Return what a method finds in a sample of a recording.

    Parameters
    ----------
    source : Source
        The recording.
    plan : Plan
        Says how long the sample is.
    sample_rate, method, frontend, device, mask, groups, n_sources, order, positions, callback, phase
        As for `separate`.
    """
    excerpts = excerpts_of(source, sample_rate, plan.sample)
    if device is not None:
        excerpts = [to_device(x, device) for x in excerpts]
    options = {"callback": callback} if callback else {}
    with device_of(excerpts[0]):
        scale = max(level(x) for x in excerpts)
        excerpts = [x / x.dtype.type(scale) for x in excerpts]
        xp = namespace(excerpts[0])
        if hasattr(method, "fit_samples"):
            x = xp.concatenate(excerpts, axis=-1)
            frontend, model = method.fit_samples(x, sample_rate, frontend=frontend, **options)
        else:
            frontend = default_frontend(method, sample_rate) if frontend is None else frontend
            method = told(method, grid=frontend.grid(sample_rate), frontend=frontend, level=scale)
            X = _frames_of(excerpts, frontend)
            del excerpts  # memory is scarce here
            model = method.fit(X, **options)
        grid = frontend.grid(sample_rate)
        if order is not None:
            model = ordered(model, order, positions, grid)
        if hasattr(method, "settled"):
            method = method.settled(model)
        found = groups_of(model, groups, n_sources, grid)
    return Fitted(model=model, method=method, frontend=frontend, scale=scale, groups=found)


def excerpts_of(source: Source, sample_rate: int, sample: int) -> list[Array]:
    """Return excerpts of ``sample`` samples in all, (channels, samples), spread over a recording."""
    excerpts = []
    for start, stop in spread(source.n_samples, sample, round(EXCERPT_SECONDS * sample_rate)):
        with contextlib.suppress(AudioError):  # beyond the end of a file that says it is longer
            excerpts.append(source.excerpt(start, stop))
    return excerpts or [source.excerpt(0, sample)]


def _frames_of(excerpts: list[Array], frontend: FrontEnd) -> Array:
    """Return the coefficients of excerpts of one length, or less, one after the other, made one at a time."""
    first = frontend.analyze(excerpts[0])
    if len(excerpts) == 1:
        return first
    channels, bins, frames = first.shape
    xp = namespace(first)
    X = xp.empty((channels, len(excerpts) * frames, bins), dtype=first.dtype).swapaxes(1, 2)
    X[..., :frames], at = first, frames
    del first
    for x in excerpts[1:]:
        part = frontend.analyze(x)
        X[..., at : at + part.shape[-1]] = part
        at += part.shape[-1]
    return X[..., :at]


def applies(fitted: Fitted) -> bool:
    """Say whether what was learnt can be applied to other frames; some methods do not know before."""
    return hasattr(fitted.model, "apply") or length_of(fitted.method).kind == "blocks"


def applied(
    source: Source,
    sample_rate: int,
    fitted: Fitted,
    plan: Plan,
    *,
    mask: str | None = None,
    device: str | None = None,
) -> Iterator[dict[str, Array]]:
    """Yield the stems of consecutive blocks, all of the same model.

    Parameters
    ----------
    source, sample_rate, plan, mask, device
        As for `fit_sample`.
    fitted : Fitted
        Its result.
    """
    frontend, model = fitted.frontend, fitted.model
    if not hasattr(model, "apply"):
        margin = margin_of(frontend, length_of(fitted.method).context or 0)
        options: dict[str, Any] = {"frontend": frontend, "mask": mask, "block": plan.piece, "margin": margin}
        yield from in_blocks(source.pieces(), sample_rate, fitted.method, device=device, **options)
        return
    margin = margin_of(frontend, getattr(model, "context", 0))
    for window in windows(source.pieces(), block=plan.piece, margin=margin):
        buffer = window.buffer if device is None else to_device(window.buffer, device)
        with device_of(buffer):
            scale = buffer.dtype.type(fitted.scale)
            X = frontend.analyze(buffer / scale)
            stems, _ = stems_of(
                model.apply(X),
                buffer,
                sample_rate,
                frontend,
                mask=mask,
                groups=fitted.groups,
                X=X,
                scale=fitted.scale,
            )
            yield {name: returned(window.own(stem), device) for name, stem in stems.items()}


def regrouped(fitted: Fitted, sample_rate: int, groups: Any, n_sources: int | None) -> Fitted:
    """Return what was learnt with other groups of components."""
    found = groups_of(fitted.model, groups, n_sources, fitted.frontend.grid(sample_rate))
    return replace(fitted, groups=found)
