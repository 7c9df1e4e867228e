"""Sound files of any length: read, separated and written block by block, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sigsep_classic import audio
from sigsep_classic.backend import resolve_device
from sigsep_classic.checks import check_range
from sigsep_classic.errors import AudioError, ParameterError
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.planning import Plan, with_piece
from sigsep_classic.separation import TEMPLATE
from sigsep_classic.streaming.applying import Learnt
from sigsep_classic.streaming.running import Request, Work, carried_out
from sigsep_classic.streaming.sampled import Fitted
from sigsep_classic.streaming.sources import FileSource, SoundSource, Source
from sigsep_classic.streaming.writing import Louder, Target, chosen, namer, written
from sigsep_classic.typing import Array


def separate_file(
    source: Any,
    folder: Any,
    method: Any,
    *,
    sample_rate: int | None = None,
    template: str = TEMPLATE,
    ext: str = "wav",
    subtype: str | None = None,
    clip_mode: str = "common",
    memory_limit: int | None = None,
    block_seconds: float | None = None,
    device: str = "cpu",
    **options: Any,
) -> audio.SaveRecord:
    """Write the stems of a sound file of any length, reading and writing block by block, and return what was done.

    Parameters
    ----------
    source : str or path
        The sound file.
    folder : str or path
        Where the stems go, all of them or none.
    method : Factorizer
        Any; see `planning.length_of` for what becomes of it.
    sample_rate : int, optional
        Resample to it.
    template : str
        Of the file names: ``{track}``, ``{stem}``, ``{method}`` and ``{ext}``.
    ext : str
        Suffix, which says the format.
    subtype, clip_mode : str, optional
        As for `audio.save_all`. A gain for all stems is known at the end: then everything is done once more.
    memory_limit : int, optional
        Bytes the work may take. Default: half of what is free.
    block_seconds : float, optional
        Of stems at a time; default: as long as is of use, and fits.
    device : str
        As for `separate`.
    **options
        ``frontend``, ``mask``, ``phase``, ``groups`` … as for `separate`.

    Raises
    ------
    AudioError, OutputError, ParameterError, OutOfMemoryError
        It can't be read, or written, or does not fit in blocks neither.
    """
    opened = FileSource.open(source, sample_rate=sample_rate)
    saved, _, _ = separate_source(
        opened,
        Request(method=method, **options),
        Target(
            paths_of=namer(folder, Path(str(source)).stem, template, getattr(method, "name", "stems"), ext),
            subtype=subtype,
            clip_mode=clip_mode,
            inputs=[source],
        ),
        device=resolve_device(device),
        memory_limit=memory_limit,
        block_seconds=block_seconds,
    )
    return saved


def long_source(
    file: Any, estimate: Callable[[FileSource], int], *, limit: int, allow_any_codec: bool = False
) -> FileSource | None:
    """Return the source for a file that would not fit as a whole, to be read in pieces; None for all others.

    Whatever is wrong with a file is left to be found when it is read as a whole.

    Parameters
    ----------
    file : str or binary file object
        An object has ``size``, its bytes.
    estimate : callable
        Bytes that the work takes.
    limit : int
        Bytes there are.
    allow_any_codec : bool
        As for `audio.load`.
    """
    by_name = isinstance(file, str)
    if by_name and not os.path.isfile(file):
        return None
    try:
        told = audio.info(file, allow_any_codec=allow_any_codec)
        n_bytes = os.path.getsize(file) if by_name else file.size
        if told.frames is None and n_bytes * _MOST_PACKED < limit:
            return None
        source = FileSource.open(file, allow_any_codec=allow_any_codec)
    except (AudioError, OSError):
        return None
    finally:
        if not by_name:
            file.seek(0)
    whole = estimate(source) + _COPIES * 4 * source.channels * source.n_samples
    return source if whole > limit else None


_COPIES = 2
"""Of the samples that are read: those read, and one more on the way."""

_MOST_PACKED = 64
"""A file that does not say how long it is holds at most so many bytes of float samples for each of its own."""


def shape_of(source: SoundSource) -> dict[str, Any]:
    """Return what `planning.memory_estimate` is told of a recording."""
    return {
        "channels": source.channels,
        "n_samples": max(1, source.n_samples),
        "sample_rate": source.sample_rate,
    }


Blockwise = Callable[[Iterator[dict[str, Array]], Source], Iterator[dict[str, Array]]]


def separate_source(
    source: SoundSource,
    request: Request,
    target: Target,
    *,
    device: str,
    memory_limit: int | None = None,
    block_seconds: float | None = None,
    then: Blockwise | None = None,
    learnt: Learnt | None = None,
    keep: Callable[[Fitted], None] | None = None,
) -> tuple[audio.SaveRecord, dict[str, str], dict[str, Any]]:
    """Write the stems of a source; return the record, the path of each stem, and what was done in plain values.

    Parameters
    ----------
    source : SoundSource
        The recording.
    request : Request
        What is asked for.
    target : Target
        Where the stems go.
    device, memory_limit, block_seconds
        As for `separate_file`.
    then : callable, optional
        Makes other stems of the blocks of stems, given the source too.
    learnt : Learnt, optional
        A model that is applied in place of a method that is fitted.
    keep : callable, optional
        Is given what was learnt from a sample before the first block is written.

    Raises
    ------
    ParameterError
        What was learnt is to be kept, and there is none that holds for all of the recording.
    """
    scene = request.scene(
        channels=source.channels, n_samples=source.n_samples, sample_rate=source.sample_rate
    )
    if learnt is not None:
        scene = replace(scene, applied=learnt.context)

    def attempt(plan: Plan, where: str) -> tuple[audio.SaveRecord, dict[str, str], int, Plan]:
        plan = _suited(plan, request, block_seconds)
        fitted = None if learnt is None else learnt.fitted(source, plan, where)
        work = Work(
            request=request, source=source, plan=plan, device=None if where == "cpu" else where, fitted=fitted
        )

        def stems() -> Iterator[dict[str, Array]]:
            blocks = work.stems() if keep is None else _kept(work, keep)
            return chosen(blocks if then is None else then(blocks, source), source, target)

        try:
            return *written(stems(), source, target, gain=1.0), work.plan
        except Louder as found:
            gain = 1 / found.peak
        return *written(stems(), source, target, gain=gain), work.plan  # what was learnt is kept

    (saved, paths, n_samples, done), facts = carried_out(
        request, scene, attempt, device=device, memory_limit=memory_limit, long_seconds=0.0
    )
    return saved, paths, {**facts, **done.facts, "n_samples": n_samples}


def _kept(work: Work, keep: Callable[[Fitted], None]) -> Iterator[dict[str, Array]]:
    """Yield the stems of all blocks; hand on what was learnt with the first."""
    name = getattr(work.request.method, "name", "the method")
    blocks = work.stems() if work.plan.kind == "sample" else iter(())
    first = next(blocks, None)
    if first is None or work.fitted is None:
        raise ParameterError(
            f"the model can't be saved: the recording does not fit into the memory as a whole, and {name} has no "
            "one model for its pieces; raise the memory limit, or save that of a shorter excerpt"
        )
    keep(work.fitted)
    yield first
    yield from blocks


def _suited(plan: Plan, request: Request, block_seconds: float | None) -> Plan:
    """Return a plan of pieces: the whole is one chunk; with blocks of the length asked for."""
    if plan.kind == "whole":
        return with_piece(plan, kind="chunks")
    if block_seconds is None or plan.kind not in ("blocks", "stream"):
        return plan
    check_range("block_seconds", block_seconds, 0, above=True)
    own: Any = (
        default_frontend(request.method, plan.sample_rate) if request.frontend is None else request.frontend
    )
    hop = getattr(own, "step", 1)
    return with_piece(plan, piece=max(1, round(block_seconds * plan.sample_rate / hop)) * hop)
