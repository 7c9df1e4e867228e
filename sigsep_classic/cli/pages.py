"""The page of ``separate --report``, beside the stems of each file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigsep_classic import audio
from sigsep_classic.separation import Separation

if TYPE_CHECKING:
    from sigsep_classic.cli.inputs import Job
    from sigsep_classic.cli.work import Settings
    from sigsep_classic.streaming.sources import FileSource

BEGINNING_S = 120.0
"""Of a file too long for memory; more would not fit a page anyway."""

STEM, EXT = "report", "html"


def pages(found: Separation, settings: Settings) -> dict[str, str]:
    """Return the text of the page under its path, which is that of a stem called ``report``; {} if none is wanted."""
    if not settings.report:
        return {}
    from sigsep_classic.compare.separation_page import render

    return {path_of(found.track, settings): render(found)}


def path_of(track: str, settings: Settings) -> str:
    """Return where the page of a track goes."""
    fields = {"track": track, "stem": STEM, "method": settings.method_name, "ext": EXT}
    # A template may spell a suffix out, or name one stem only.
    return str(Path(settings.outdir, settings.template.format(**fields)).with_suffix(f".{EXT}"))


def page_of_files(
    outputs: dict[str, str], source: FileSource, job: Job, settings: Settings
) -> dict[str, Any]:
    """Write the page of a file that was too long for memory, from its beginning and that of its written stems.

    The stems are there by then: a page that can't be written is a failure that leaves them.
    """
    from sigsep_classic.compare.separation_page import report

    n_samples = min(source.n_samples, round(BEGINNING_S * source.sample_rate))
    stems = {name: audio.load(path, duration=BEGINNING_S).samples for name, path in outputs.items()}
    n_samples = min([n_samples, *(x.shape[-1] for x in stems.values())])
    found = Separation(
        stems={name: x[:, :n_samples] for name, x in stems.items()},
        mixture=source.excerpt(0, n_samples),
        sample_rate=source.sample_rate,
        method=settings.method,
        frontend=settings.frontend(source.sample_rate),
        mask=settings.mask,
        phase=settings.phase,
        track=job.track,
        info={"device": settings.device, "whole_seconds": source.n_samples / source.sample_rate},
    )
    path = path_of(job.track, settings)
    report(found, path)
    return {"report": path}
