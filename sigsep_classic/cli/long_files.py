"""Sound files, pipes and streams too long for memory: read, separated and written block by block."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sigsep_classic import audio
from sigsep_classic.api import with_noise
from sigsep_classic.api.applying import check_rate
from sigsep_classic.backend import resolve_device
from sigsep_classic.cli.forward import STDOUT, Done, to_stdout
from sigsep_classic.cli.inputs import STDIN, Job
from sigsep_classic.cli.learnt import saved_model, taught_method
from sigsep_classic.errors import AudioError
from sigsep_classic.factorizers.denoising.dehum import Dehum
from sigsep_classic.memory import give_back_at_once
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.planning import memory_estimate
from sigsep_classic.remixing import parse
from sigsep_classic.storage import SavedModel, save_model
from sigsep_classic.streaming.applying import asked
from sigsep_classic.streaming.files import long_source, separate_source, shape_of
from sigsep_classic.streaming.humless import HumlessSource
from sigsep_classic.streaming.remixes import remixed_blocks
from sigsep_classic.streaming.running import Request, limit_of
from sigsep_classic.streaming.sampled import Fitted
from sigsep_classic.streaming.sources import FileSource, SoundSource
from sigsep_classic.streaming.writing import Target, namer
from sigsep_classic.typing import FrontEnd

if TYPE_CHECKING:
    from sigsep_classic.cli.work import Settings, Tell

FACTS = (
    "plan",
    "block_seconds",
    "context_seconds",
    "sample_seconds",
    "memory_estimate",
    "memory_limit",
    "fell_back",
)
"""Of the plan, in records."""


def facts_of(info: dict[str, Any]) -> dict[str, Any]:
    """Return what a record says about memory."""
    return {name: info[name] for name in FACTS if name in info}


@contextmanager
def opened(job: Job) -> Iterator[Any]:
    """Yield what to read for a job: the path of a file, or what a pipe or standard input holds, as often as need be."""
    if job.source != STDIN and not audio.is_pipe(job.source):
        yield job.source
        return
    if job.source == STDIN and sys.stdin is None:
        raise AudioError("standard input is closed; pipe a sound file into it")
    with audio.spooled(sys.stdin.buffer if job.source == STDIN else job.source) as file:
        yield file


def frontend_of(settings: Settings, rate: int) -> FrontEnd:
    """Return the transform that the files of a rate go through."""
    if settings.model:
        saved = saved_model(settings.model, settings.run).frontend
        if saved is not None:
            found: FrontEnd = saved
            return found
    return settings.frontend(rate) or default_frontend(settings.method, rate)


def too_long(file: Any, settings: Settings) -> FileSource | None:
    """Return the source for a file that would not fit as a whole, to be read in pieces; None for all others.

    Whatever is wrong with a file is left to be found when it is read as a whole.
    """
    return long_source(
        file,
        lambda source: _estimate(settings, source),
        limit=limit_of(settings.memory_limit, "cpu"),
        allow_any_codec=settings.allow_any_codec,
    )


def _estimate(settings: Settings, source: FileSource) -> int:
    shape = shape_of(source)
    estimate = memory_estimate(settings.method, frontend=frontend_of(settings, source.sample_rate), **shape)
    return max(estimate, memory_estimate(Dehum(), **shape)) if settings.denoising.get("hum") else estimate


def separated(
    source: FileSource, job: Job, settings: Settings, tell: Tell
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the stems of a long file; return what the record says about files, and about the work.

    Parameters
    ----------
    source : FileSource
        As `too_long` returned it.
    job, settings
        As for `work.process`.
    tell : callable
        Is told how far it is.
    """
    give_back_at_once()
    where: dict[str, Any] = {"device": settings.device, "memory_limit": settings.memory_limit}
    if settings.outdir == STDOUT:
        source = source.counted()  # the header goes first
    sound, request, how = _work(source, job, settings)
    target = Target(
        paths_of=namer(settings.outdir, job.track, settings.template, settings.method_name, settings.ext),
        subtype=settings.subtype,
        clip_mode=settings.clip_mode,
        inputs=settings.inputs,
        stems=settings.stems,
        residual=settings.residual,
        tell=tell,
    )

    def work(target: Target) -> Done:
        return separate_source(sound, request, target, **where, **how)

    if settings.outdir == STDOUT:
        saved, paths, facts = to_stdout(work, target, source, settings.ext)
    else:
        saved, paths, facts = work(target)
    written = {
        "outputs": paths,
        "subtype": saved.subtypes[0],
        "peak": saved.peak,
        "gain": saved.gain,
        "clipped": saved.clipped,
    }
    return written, facts


def _work(source: FileSource, job: Job, settings: Settings) -> tuple[SoundSource, Request, dict[str, Any]]:
    """Return what is separated, what is asked, and what else `separate_source` is to do."""
    rate = source.sample_rate
    if settings.model:
        return _application(source, job, settings)
    method = taught_method(settings, rate, source.excerpt(0, 1))
    request = Request(method=method, frontend=settings.frontend(rate), **settings.asked)
    if settings.changes:
        limit = limit_of(settings.memory_limit, "cpu")
        return (
            source,
            request,
            {"then": partial(remixed_blocks, changes=parse(settings.changes), limit=limit)},
        )
    if settings.denoising:
        return _denoised(source, request, settings)
    if settings.save_model:
        return source, request, {"keep": partial(_save, request, job, settings, rate)}
    return source, request, {}


def _application(
    source: FileSource, job: Job, settings: Settings
) -> tuple[SoundSource, Request, dict[str, Any]]:
    saved = saved_model(settings.model, settings.run)
    check_rate(saved, source.sample_rate, job.track)
    frontend = frontend_of(settings, source.sample_rate)
    known = {"groups": settings.groups, "n_sources": settings.n_sources}
    request, learnt = asked(saved, frontend, mask=settings.mask, phase=settings.phase, **known)
    return source, request, {"learnt": learnt}


def _denoised(
    source: FileSource, request: Request, settings: Settings
) -> tuple[SoundSource, Request, dict[str, Any]]:
    noise, hum = settings.denoising["noise"], settings.denoising["hum"]
    if noise is not None:
        known = with_noise(request.method, noise, source.sample_rate, frontend=request.frontend)
        request = replace(request, method=known)
    if hum is False:
        return source, request, {}
    device = resolve_device(settings.device)
    humless = HumlessSource.of(
        source, Dehum(frequency=None if hum is True else hum), None if device == "cpu" else device
    )
    return humless, request, {"then": lambda blocks, _: humless.with_hum(blocks)}


def _save(request: Request, job: Job, settings: Settings, rate: int, fitted: Fitted) -> None:
    """Write the model that was learnt from a sample of a long file."""
    saved = SavedModel(
        model=fitted.model,
        method=fitted.method,
        frontend=fitted.frontend,
        sample_rate=rate,
        groups=dict(fitted.groups),
        mask=request.mask,
        phase=request.phase,
    )
    save_model(settings.save_model.format(track=job.track), saved, frames=False)
