"""Stems of a file as the command line writes them: which, where, and whether the format can hold them."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from sigsep_classic import audio
from sigsep_classic.audio.codecs import FORMATS, resolve_encoding
from sigsep_classic.cli.failures import drop_stdout
from sigsep_classic.cli.pages import pages
from sigsep_classic.errors import OutputError, ParameterError
from sigsep_classic.separation import Separation

if TYPE_CHECKING:
    from sigsep_classic.cli.inputs import Job
    from sigsep_classic.cli.work import Settings

STDOUT = "-"


def check_format(ext: str, subtype: str | None) -> None:
    """Raise `ParameterError` if stems of this suffix and coding can never be written."""
    try:
        resolve_encoding(
            f"--ext .{ext}", format=None, subtype=subtype, channels=1, sample_rate=48000, n_samples=1
        )
    except OutputError as error:
        raise ParameterError(str(error)) from None


def check_encoding(settings: Settings, sound: audio.Audio) -> None:
    """Find out before the work, not after it, that the format can't hold this sound."""
    channels, n_samples = sound.samples.shape
    resolve_encoding(
        f"{sound.name} as .{settings.ext}",
        format=format_of(settings.ext),
        subtype=settings.subtype,
        channels=channels,
        sample_rate=sound.sample_rate,
        n_samples=n_samples,
    )


def format_of(ext: str) -> str:
    """Return the format of a suffix: ``aif`` is ``aiff``."""
    return next(key for key, (_, _, suffixes) in FORMATS.items() if f".{ext}" in suffixes)


def chosen_stems(found: Separation, settings: Settings) -> Separation:
    """Return the stems to write; the residual is what all stems leave, not what the chosen ones leave."""
    stems = dict(found.stems)
    if settings.residual and "residual" not in stems:
        stems["residual"] = found.residual
    for name in settings.stems:
        if name not in stems:
            raise ParameterError(f"--stem {name}: {settings.method_name} makes {', '.join(stems)}")
    if settings.stems:
        stems = {name: stems[name] for name in settings.stems}
    return dataclasses.replace(found, stems=stems)


def write_stems(found: Separation, job: Job, settings: Settings) -> dict[str, Any]:
    """Write the stems where the settings say and return what the record says about that."""
    options: dict[str, Any] = {"subtype": settings.subtype, "clip_mode": settings.clip_mode}
    if settings.outdir == STDOUT:
        if sys.stdout is None:
            raise OutputError("standard output is closed; use -o FOLDER")
        (samples,) = found.stems.values()
        options["format"] = format_of(settings.ext)
        try:
            saved = audio.write_stream(sys.stdout.buffer, samples, found.sample_rate, **options)
        except OutputError:
            drop_stdout()  # what is left in its buffer would fail once more at exit
            raise
        paths: tuple[str, ...] = (STDOUT,)
    else:
        found = dataclasses.replace(found, track=job.track)
        options["texts"] = pages(found, settings)
        saved = found.save(
            settings.outdir, template=settings.template, ext=settings.ext, inputs=settings.inputs, **options
        )
        paths = saved.paths
    return {
        "outputs": dict(zip(found.stems, paths, strict=True)),
        **({"report": page} if (page := "".join(options.get("texts", {}))) else {}),
        "subtype": saved.subtypes[0],
        "peak": saved.peak,
        "gain": saved.gain,
        "clipped": saved.clipped,
    }
