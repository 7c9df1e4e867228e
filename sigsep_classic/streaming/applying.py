"""A model that was found elsewhere, applied to a recording of any length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sigsep_classic.backend import device_of, namespace, to_device
from sigsep_classic.errors import ShapeError
from sigsep_classic.planning import Plan
from sigsep_classic.separation import Later, Separation
from sigsep_classic.storage import SavedModel
from sigsep_classic.storage.values import on_device_of
from sigsep_classic.streaming.arrays import collected
from sigsep_classic.streaming.running import Request, Work, carried_out
from sigsep_classic.streaming.sampled import Fitted, excerpts_of
from sigsep_classic.streaming.sources import ArraySource, Source
from sigsep_classic.synthesis import groups_of, level, stems_of
from sigsep_classic.typing import Array, FrontEnd

GROUPED_SECONDS = 60.0
"""Of the recording that components are grouped by, at most, where the grouping looks at them."""


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A model and what is asked of it.

    Parameters
    ----------
    saved : SavedModel
        One that can be applied.
    frontend : FrontEnd
        The transform it was found on.
    groups, n_sources
        As for `sigsep_classic.apply`.
    """

    saved: SavedModel
    frontend: FrontEnd
    groups: Any = None
    n_sources: int | None = None

    @property
    def context(self) -> int:
        """Frames on either side that a frame depends on."""
        return int(getattr(self.saved.model, "context", 0))

    def fitted(self, source: Source, plan: Plan, device: str) -> Fitted:
        """Return the model as if it had been fitted to a sample of the recording, which is read once for its level.

        Parameters
        ----------
        source : Source
            The recording.
        plan : Plan
            Says the sample rate.
        device : str
            Where it is applied.

        Raises
        ------
        ShapeError
            The recording has another number of channels, or of frequencies, than the model.
        """
        scale = max(level(piece) for piece in source.pieces())
        like = source.excerpt(0, max(1, min(source.n_samples, getattr(self.frontend, "n_fft", 1))))
        like = like if device == "cpu" else to_device(like, device)
        with device_of(like):
            model = on_device_of(self.saved.model, like)
            check_fits(model, self.frontend.analyze(like))
            return Fitted(
                model=model,
                method=self.saved.method,
                frontend=self.frontend,
                scale=scale,
                groups=self._groups(model, source, plan, scale, device),
            )

    def _groups(
        self, model: Any, source: Source, plan: Plan, scale: float, device: str
    ) -> Mapping[str, list[int]]:
        grid = self.frontend.grid(plan.sample_rate)
        asked = self.groups
        if asked is None and self.n_sources is None:
            asked = self.saved.groups
        if isinstance(asked, Mapping):
            return groups_of(model, asked, self.n_sources, grid)
        # Groupings look at when components sound.
        length = min(round(GROUPED_SECONDS * plan.sample_rate), plan.piece)
        parts = excerpts_of(source, plan.sample_rate, length)
        x = namespace(parts[0]).concatenate(parts, axis=1)
        x = x if device == "cpu" else to_device(x, device)
        found = model.apply(self.frontend.analyze(x / x.dtype.type(scale)))
        return groups_of(found, asked, self.n_sources, grid)


def asked(
    saved: SavedModel,
    frontend: FrontEnd,
    *,
    mask: str | None = None,
    phase: str | None = None,
    groups: Any = None,
    n_sources: int | None = None,
) -> tuple[Request, Learnt]:
    """Return what is asked of a saved model, as two: the rest is as it was for the recording it is of."""
    request = Request(
        method=saved.method, frontend=frontend, mask=mask or saved.mask, phase=phase or saved.phase
    )
    return request, Learnt(saved=saved, frontend=frontend, groups=groups, n_sources=n_sources)


def check_fits(model: Any, X: Array) -> None:
    """Raise `ShapeError` unless a model can be applied to coefficients of the channels and frequencies of X."""
    known: Any = None
    if hasattr(model, "A") or hasattr(model, "G"):  # one filter for each channel and frequency
        known = tuple(model.mixture.shape[:2])
    elif hasattr(model, "Q"):
        known = (len(model.Q), len(model.W))
    if known is not None and known != tuple(X.shape[:2]):
        there = f"the recording has {len(X)} and {X.shape[1]}"
        raise ShapeError(f"the model is of {known[0]} channels and {known[1]} frequencies; {there}")


@dataclass(frozen=True, kw_only=True)
class Application:
    """An array and a model that is applied to it.

    Parameters
    ----------
    x : array (channels, samples)
        float32 or float64, finite; not written to.
    sample_rate : int
        In Hz.
    request : Request
        The model's method and front-end, mask and phases.
    learnt : Learnt
        The model.
    """

    x: Array
    sample_rate: int
    request: Request
    learnt: Learnt

    def planned(self, device: str, limit: int | None) -> tuple[Separation, dict[str, Any]]:
        """Return the separation, on a device, as a whole or in blocks, and what was done."""
        channels, n_samples = self.x.shape
        scene = self.request.scene(
            channels=channels,
            n_samples=n_samples,
            sample_rate=self.sample_rate,
            itemsize=self.x.dtype.itemsize,
        )
        scene = replace(scene, applied=self.learnt.context)
        return carried_out(self.request, scene, self._attempt, device=device, memory_limit=limit)

    def _attempt(self, plan: Plan, where: str) -> Separation:
        return self._whole(where) if plan.kind == "whole" else self._in_blocks(plan, where)

    def _whole(self, where: str) -> Separation:
        learnt, x = self.learnt, to_device(self.x, where)
        groups = learnt.groups
        if groups is None and learnt.n_sources is None:
            groups = learnt.saved.groups
        with device_of(x):
            X = learnt.frontend.analyze(x / x.dtype.type(level(x)))
            model = on_device_of(learnt.saved.model, x)
            check_fits(model, X)
            model = model.apply(X)
            grouped = partial(stems_of, model, x, self.sample_rate, learnt.frontend)
            asked: dict[str, Any] = {"mask": self.request.mask, "phase": self.request.phase}
            stems, members = grouped(**asked, groups=groups, n_sources=learnt.n_sources)
        return self._separation(stems, mixture=x, model=model, groups=members, grouped=grouped)

    def _in_blocks(self, plan: Plan, where: str) -> Separation:
        x = self.x
        stays = namespace(x) is np if where == "cpu" else namespace(x) is not np
        source = ArraySource(x, step=self.sample_rate)
        fitted = self.learnt.fitted(source, plan, where)
        device = None if stays else where
        work = Work(request=self.request, source=source, plan=plan, device=device, fitted=fitted)

        def other(**wanted: Any) -> tuple[dict[str, Array], dict[str, list[int]]]:
            again = self._whole(where).regroup(**wanted)
            return again.stems, again.groups or {}

        model = Later(lambda: self._whole(where).model)
        found = {"model": model, "groups": dict(fitted.groups), "grouped": other}
        return self._separation(collected(x, work.stems()), mixture=x, **found)

    def _separation(self, stems: dict[str, Array], **found: Any) -> Separation:
        request = self.request
        return Separation(
            stems=stems,
            sample_rate=self.sample_rate,
            method=request.method,
            frontend=request.frontend,
            mask=request.mask,
            phase=request.phase,
            **found,
        )
