"""Sound files too long for memory: read, separated and written block by block."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sigsep_classic import audio
from sigsep_classic.api import with_noise
from sigsep_classic.cli.inputs import STDIN, Job
from sigsep_classic.errors import AudioError
from sigsep_classic.memory import give_back_at_once
from sigsep_classic.planning import memory_estimate
from sigsep_classic.streaming.files import namer, separate_source
from sigsep_classic.streaming.running import Request, limit_of
from sigsep_classic.streaming.sources import FileSource

if TYPE_CHECKING:
    from sigsep_classic.cli.work import Settings

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

_COPIES = 2
"""Of the samples that are read: those read, and one more on the way."""

_MOST_PACKED = 64
"""A file that does not say how long it is holds at most so many bytes of float samples for each of its own."""


def facts_of(info: dict[str, Any]) -> dict[str, Any]:
    """Return what a record says about memory."""
    return {name: info[name] for name in FACTS if name in info}


def too_long(job: Job, settings: Settings) -> FileSource | None:
    """Return the file of a job that would not fit as a whole, to be read in pieces; None for all others.

    Whatever is wrong with a file is left to be found when it is read as a whole.
    """
    plain_file = job.source != STDIN and settings.outdir != "-" and os.path.isfile(job.source)
    together = settings.changes or settings.denoising.get("hum") or settings.model or settings.save_model
    if not plain_file or together:
        return None
    limit = limit_of(settings.memory_limit, "cpu")
    try:
        told = audio.info(job.source, allow_any_codec=settings.allow_any_codec)
        if told.frames is None and os.path.getsize(job.source) * _MOST_PACKED < limit:
            return None
        source = FileSource.open(job.source, allow_any_codec=settings.allow_any_codec)
    except (AudioError, OSError):
        return None
    estimate = memory_estimate(
        settings.method,
        channels=source.channels,
        n_samples=max(1, source.n_samples),
        sample_rate=source.sample_rate,
        frontend=settings.frontend(source.sample_rate),
    )
    whole = estimate + _COPIES * 4 * source.channels * source.n_samples
    return source if whole > limit else None


def separated(
    source: FileSource,
    job: Job,
    settings: Settings,
    method: Callable[[Any], Any],
    tell: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the stems of a long file; return what the record says about files, and about the work.

    Parameters
    ----------
    source : FileSource
        As `too_long` returned it.
    job, settings
        As for `work.process`.
    method : callable
        Returns the method for a few samples of the file, (channels, samples) and at its rate: taught by examples.
    tell : callable
        Is told how far it is.
    """
    give_back_at_once()
    rate = source.sample_rate
    frontend = settings.frontend(rate)
    chosen = method(source.excerpt(0, 1))
    if settings.denoising and settings.denoising["noise"] is not None:
        chosen = with_noise(chosen, settings.denoising["noise"], rate, frontend=frontend)
    request = Request(
        method=chosen,
        frontend=frontend,
        **settings.asked,
    )
    saved, paths, facts = separate_source(
        source,
        request,
        namer(settings.outdir, job.track, settings.template, settings.method_name, settings.ext),
        device=settings.device,
        memory_limit=settings.memory_limit,
        subtype=settings.subtype,
        clip_mode=settings.clip_mode,
        inputs=settings.inputs,
        stems=settings.stems,
        residual=settings.residual,
        tell=tell,
    )
    written = {
        "outputs": paths,
        "subtype": saved.subtypes[0],
        "peak": saved.peak,
        "gain": saved.gain,
        "clipped": saved.clipped,
    }
    return written, facts
