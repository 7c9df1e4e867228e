"""Arrays of any length: stems in little more memory than they take themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sigsep_classic.backend import device_of, namespace, to_device
from sigsep_classic.checks import check_array, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.frontends import STFT, Waveform
from sigsep_classic.pipeline import default_frontend, separate_array, told
from sigsep_classic.planning import BLOCK_SECONDS, Plan, length_of, margin_of
from sigsep_classic.separation import Later, Separation
from sigsep_classic.streaming.neighbourhood import in_blocks
from sigsep_classic.streaming.running import Request, Work, carried_out
from sigsep_classic.streaming.sources import ArraySource
from sigsep_classic.typing import Array, FrontEnd


def separate_blocks(
    blocks: Iterable[Array],
    sample_rate: int,
    method: Any,
    *,
    frontend: FrontEnd | None = None,
    mask: str | None = None,
    block_seconds: float = BLOCK_SECONDS,
) -> Iterator[dict[str, Array]]:
    """Yield the stems of consecutive blocks; joined they are those of the whole recording.

    Parameters
    ----------
    blocks : iterable of array (channels, samples)
        A recording in pieces of any length, float32 or float64; not written to.
    sample_rate : int
        In Hz.
    method : Factorizer
        One with ``context``, such as ``HPSS()``.
    frontend : STFT or Waveform, optional
        Default: the one the method asks for.
    mask : str, optional
        As for `separate`.
    block_seconds : float
        Length of the blocks that are yielded, greater than 0; the last one is as long as it comes. Memory is a few
        times that of a block with its neighbourhood.

    Raises
    ------
    ParameterError
        The method needs the whole recording, or the front-end is of another kind.
    """
    check_range("block_seconds", block_seconds, 0, above=True)
    own = default_frontend(method, sample_rate) if frontend is None else frontend
    method_told = told(method, grid=own.grid(sample_rate), frontend=own)
    context = length_of(method_told).context
    if context is None:
        able = [name for name in METHODS.built_in if length_of(METHODS[name]()).kind == "blocks"]
        raise ParameterError(
            f"{getattr(method, 'name', method)} needs the whole recording; {', '.join(able)} go block by block"
        )
    if not isinstance(own, (STFT, Waveform)):
        raise ParameterError(f"frontend is {own!r}; block by block it must be an STFT or a Waveform")
    hop = getattr(own, "step", 1)
    return in_blocks(
        _checked(blocks),
        sample_rate,
        method,
        frontend=frontend,
        mask=mask,
        block=max(1, round(block_seconds * sample_rate / hop)) * hop,
        margin=margin_of(own, context),
    )


def _checked(blocks: Iterable[Array]) -> Iterator[Array]:
    for block in blocks:
        check_array("block", block, 2, kinds="fd")
        yield block


def separate_long(x: Array, sample_rate: int, method: Any, **options: Any) -> dict[str, Array]:
    """Return the stems of an array (channels, samples) in little more memory than they take themselves.

    Parameters
    ----------
    x : array (channels, samples)
        float32 or float64, finite; not written to.
    sample_rate, method, **options
        As for `separate_blocks`.
    """
    check_array("x", x, 2, kinds="fd")
    source = ArraySource(x, step=sample_rate)
    return collected(x, separate_blocks(source.pieces(), sample_rate, method, **options))


def collected(x: Array, blocks: Iterable[dict[str, Array]]) -> dict[str, Array]:
    """Return blocks of stems as arrays like x, but where they are."""
    found: dict[str, Array] = {}
    at = 0
    for stems in blocks:
        for name, stem in stems.items():
            if name not in found:
                found[name] = namespace(stem).empty(x.shape, dtype=x.dtype)
            found[name][:, at : at + stem.shape[1]] = stem
        at += stem.shape[1]
    return found


def separate_in_pieces(x: Array, request: Request, plan: Plan, *, device: str | None = None) -> Separation:
    """Return the separation of an array that is worked on in pieces; a model of the whole is made when it is asked for.

    Parameters
    ----------
    x : array (channels, samples)
        float32 or float64, finite; not written to.
    request : Request
        What is asked for.
    plan : Plan
        How it is done; of any kind but ``"whole"``.
    device : str, optional
        Where pieces are worked on; their stems come back to the host. Default: where x is.
    """
    work = Work(request=request, source=ArraySource(x, step=plan.sample_rate), plan=plan, device=device)
    stems = collected(x, work.stems())

    def whole() -> Separation:
        moved = x if device is None else to_device(x, device)
        return separate_array(
            moved, plan.sample_rate, request.method, frontend=request.frontend, **request.options
        )

    def other(**wanted: Any) -> tuple[dict[str, Array], dict[str, list[int]]]:
        again = whole().regroup(**wanted)
        return again.stems, again.groups or {}

    own = default_frontend(request.method, plan.sample_rate) if request.frontend is None else request.frontend
    fitted = work.fitted
    return Separation(
        stems=stems,
        mixture=x,
        sample_rate=plan.sample_rate,
        model=Later(lambda: whole().model) if fitted is None else fitted.model,
        method=told(request.method, grid=own.grid(plan.sample_rate), frontend=own),
        frontend=own if fitted is None else fitted.frontend,
        groups=None if fitted is None else dict(fitted.groups),
        mask=request.mask,
        phase=request.phase,
        grouped=other,
    )


def separate_planned(
    x: Array, sample_rate: int, request: Request, device: str, limit: int | None
) -> tuple[Separation, dict[str, Any]]:
    """Return the separation of x, on a device, as a whole or in pieces, and what was done."""
    channels, n_samples = x.shape

    def attempt(chosen: Plan, where: str) -> Separation:
        if chosen.kind == "whole":
            moved = to_device(x, where)
            with device_of(moved):
                return separate_array(
                    moved, sample_rate, request.method, frontend=request.frontend, **request.options
                )
        stays = namespace(x) is np if where == "cpu" else namespace(x) is not np
        return separate_in_pieces(x, request, chosen, device=None if stays else where)

    scene = request.scene(
        channels=channels, n_samples=n_samples, sample_rate=sample_rate, itemsize=x.dtype.itemsize
    )
    return carried_out(request, scene, attempt, device=device, memory_limit=limit)
