"""One file from reading to writing, as a record that says all there is to say about it."""

from __future__ import annotations

import dataclasses
import platform
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import scipy

from sigsep_classic import audio
from sigsep_classic._version import __version__
from sigsep_classic.api import apply, denoise, remix, separate
from sigsep_classic.cli.failures import describe
from sigsep_classic.cli.inputs import STDIN, Job
from sigsep_classic.cli.learnt import saved_model, taught_method
from sigsep_classic.cli.long_files import facts_of, frontend_of, opened, separated, too_long
from sigsep_classic.cli.pages import page_of_files
from sigsep_classic.cli.stems import check_encoding, chosen_stems, write_stems
from sigsep_classic.cli.stems import check_format as check_format
from sigsep_classic.errors import AudioError, ParameterError
from sigsep_classic.factorizers.base import FILLED_IN
from sigsep_classic.frontends import STFT, ConstantQ, Waveform
from sigsep_classic.messages import warnings_kept
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.separation import TEMPLATE, Separation
from sigsep_classic.storage import save_model
from sigsep_classic.streaming.sources import FileSource
from sigsep_classic.typing import FrontEnd

STDOUT = "-"

Tell = Callable[[str], None]
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is the same for every file of a run; can be sent to another process.

    Parameters
    ----------
    method : Factorizer
        With its parameters.
    device : str
        As `backend.resolve_device` gave it.
    transform : dict
        ``n_fft``, ``hop`` and ``window``, those that were asked for.
    mask, phase, groups, n_sources, order, positions
        As for `separate`.
    examples : dict of str to str
        Files of single sources by name.
    model : str
        A saved model that is applied in place of the method.
    save_model : str
        Where the model goes; ``{track}`` in it stands for the input.
    denoising : dict
        ``noise`` and ``hum`` of `denoise`, which is done in place of `separate` where there are any.
    changes : str
        Of stems, for `remix`, which is done in place of `separate` where there are any.
    run : str
        Tells this run from others of the same process; what is learnt from examples is kept under it.
    outdir : str
        Where the stems go; ``-`` is standard output.
    template, ext, subtype, clip_mode, residual
        As for `Separation.save`.
    stems : tuple of str
        Those to write; empty for all.
    allow_any_codec : bool
        As for `audio.load`.
    inputs : tuple of str
        Files that must not be written over.
    memory_limit : int or None
        Bytes that the work on one file may take.
    report : bool
        Write a page beside the stems of each file.
    debug : bool
        Keep the traceback of a failure in its record.
    """

    method: Any
    device: str
    transform: dict[str, Any]
    mask: str | None = None
    phase: str | None = None
    groups: Any = None
    n_sources: int | None = None
    order: str | None = None
    positions: list[list[float]] | None = None
    examples: dict[str, str] = field(default_factory=dict)
    model: str = ""
    save_model: str = ""
    denoising: dict[str, Any] = field(default_factory=dict)
    changes: str = ""
    outdir: str = "separated"
    template: str = TEMPLATE
    ext: str = "wav"
    subtype: str | None = None
    clip_mode: str = "common"
    residual: bool = False
    stems: tuple[str, ...] = ()
    allow_any_codec: bool = False
    inputs: tuple[str, ...] = ()
    memory_limit: int | None = None
    report: bool = False
    debug: bool = False
    run: str = field(default_factory=lambda: uuid4().hex)

    @property
    def method_name(self) -> str:
        """The method's name, or that of its class."""
        return str(getattr(self.method, "name", type(self.method).__name__))

    def check_transform(self) -> None:
        """Refuse options of an STFT for a method, or a front-end, that is none.

        Raises
        ------
        ParameterError
        """
        kind = self.transform.get("frontend")
        own = default_frontend(self.method, 44100)
        typed = [f"--{name.replace('_', '-')}" for name in self.transform if name != "frontend"]
        if typed and kind is None and not isinstance(own, STFT):
            raise ParameterError(
                f"{self.method_name} works on {type(own).__name__}, which has no {typed[0]}; add --frontend stft"
            )
        if typed and kind not in (None, "stft"):
            raise ParameterError(f"--frontend {kind} has no {typed[0]}; that is of --frontend stft")

    @property
    def asked(self) -> dict[str, Any]:
        """What `separate` is asked for beside method, transform and place."""
        names = ("mask", "phase", "groups", "n_sources", "order", "positions")
        return {name: getattr(self, name) for name in names}

    def frontend(self, sample_rate: int) -> FrontEnd | None:
        """Return the transform asked for, the rest of it being the method's own; None leaves all to the method."""
        if not self.transform:
            return None
        own = default_frontend(self.method, sample_rate)
        kind = self.transform.get("frontend", "stft")
        if kind == "waveform":
            return Waveform()
        if kind == "constant_q":
            return own if isinstance(own, ConstantQ) else ConstantQ(sample_rate=sample_rate)
        options = {name: value for name, value in self.transform.items() if name != "frontend"}
        if "n_fft" in options:
            options = {"hop": None, **options}
        return dataclasses.replace(own if isinstance(own, STFT) else STFT(), **options)


def process(job: Job, settings: Settings, tell: Tell | None = None) -> Record:
    """Separate one file and return its record; a failure is a record too.

    Parameters
    ----------
    job : Job
        What to read.
    settings : Settings
        What to do with it.
    tell : callable, optional
        Called with what is being done: ``reading``, ``separating 20/200``, ``writing``.

    Returns
    -------
    dict
        Plain values: ``status`` is ``"ok"`` or ``"error"``. Strings of ``warnings`` in both.
    """
    return recorded(job, settings, lambda: _separated(job, settings, tell or (lambda text: None)))


def recorded(job: Job, settings: Settings, make: Callable[[], Record]) -> Record:
    """Return what ``make`` returns as the record of a job, with warnings and seconds; a failure is a record too."""
    begun = time.perf_counter()
    with warnings_kept() as kept:
        record = attempted(job, settings, make)
    return {**record, **ending(job, kept, time.perf_counter() - begun)}


def attempted(job: Job, settings: Settings, make: Callable[[], Record]) -> Record:
    """Return what ``make`` returns as the record of a job; a failure is a record too."""
    record: Record = {"status": "ok", "input": job.source, "track": job.track}
    try:
        record |= make()
    except BrokenPipeError:
        raise
    except Exception as error:
        failure = describe(error)
        record |= {"status": "error", "error": _named(failure.message, job)}
        record |= {"kind": failure.kind, "exit_code": failure.exit_code}
        if settings.debug:
            record["traceback"] = "".join(traceback.format_exception(error))
    return record


def ending(job: Job, warnings: list[str], seconds: float) -> Record:
    """Return what every record ends with: the warnings, without the name of the file, and the seconds it took."""
    lines = [line.removeprefix(f"{job.source}: ") for line in warnings]
    return {"warnings": lines, "seconds": round(seconds, 4)}


def _separated(job: Job, settings: Settings, tell: Tell) -> Record:
    tell("reading")
    if job.problem:
        raise AudioError(job.problem)
    with opened(job) as file:
        source = too_long(file, settings)
        if source is not None:
            return _in_pieces(source, job, settings, tell)
        sound = loaded(job, settings, file)
    tell("separating")
    found = _found(sound, settings, tell)
    tell("writing")
    return written(found, job, settings)


def _in_pieces(source: FileSource, job: Job, settings: Settings, tell: Tell) -> Record:
    rate = source.sample_rate
    outputs, info = separated(source, job, settings, tell)
    if settings.report:
        outputs |= page_of_files(outputs["outputs"], source, job, settings)
    frontend = frontend_of(settings, rate)
    size = (source.channels, info["n_samples"])
    return recorded_work(settings, outputs, size=size, rate=rate, frontend=frontend, info=info)


def loaded(job: Job, settings: Settings, file: Any = None) -> audio.Audio:
    """Return the sound of a job, of ``file`` where that is open already.

    Raises
    ------
    AudioError, OutputError
        It or its stems are no good.
    """
    if job.problem:
        raise AudioError(job.problem)
    sound = audio.load(job.source if file is None else file, allow_any_codec=settings.allow_any_codec)
    check_encoding(settings, sound)
    return sound


def written(found: Separation, job: Job, settings: Settings) -> Record:
    """Write the stems that are wanted, all or none, and return what the record says about them."""
    if settings.save_model:
        save_model(settings.save_model.format(track=job.track), found, frames=False)
    outputs = write_stems(chosen_stems(found, settings), job, settings)
    facts: dict[str, Any] = {"frontend": found.frontend, "info": found.info}
    return recorded_work(settings, outputs, size=found.mixture.shape, rate=found.sample_rate, **facts)


def recorded_work(
    settings: Settings, outputs: Record, *, size: tuple[int, int], rate: int, frontend: Any, info: Record
) -> Record:
    """Return what the record says about files of stems, and what made them."""
    channels, n_samples = size
    return {
        **outputs,
        "duration": n_samples / rate,
        "sample_rate": rate,
        "channels": channels,
        "method": settings.method_name,
        "parameters": _parameters(settings.method),
        "frontend": {"name": type(frontend).__name__, **_parameters(frontend)},
        **({"examples": settings.examples} if settings.examples else {}),
        **({"model": settings.model} if settings.model else {}),
        **settings.denoising,
        **({"changes": settings.changes} if settings.changes else {}),
        "device": info["device"],
        **facts_of(info),
        "versions": versions(),
    }


def _found(sound: audio.Audio, settings: Settings, tell: Tell) -> Separation:
    rate = sound.sample_rate
    frontend = settings.frontend(rate)
    where: dict[str, Any] = {
        "frontend": frontend,
        "device": settings.device,
        "memory_limit": settings.memory_limit,
    }
    if settings.denoising:
        return denoise(sound.samples, rate, method=settings.method, **where, **settings.denoising)
    if settings.changes:
        return remix(sound.samples, settings.changes, rate, method=settings.method, **where)
    if settings.model:
        return apply(
            saved_model(settings.model, settings.run),
            sound.samples,
            rate,
            mask=settings.mask,
            phase=settings.phase,
            groups=settings.groups,
            n_sources=settings.n_sources,
            device=settings.device,
            memory_limit=settings.memory_limit,
        )
    return separate(
        sound.samples,
        rate,
        method=taught_method(settings, rate, sound.samples[:, :1]),
        **settings.asked,
        callback=_callback(settings.method, tell),
        **where,
    )


def versions() -> dict[str, str]:
    """Return the versions that results depend on."""
    return {
        "sigsep_classic": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def _callback(method: Any, tell: Tell) -> Callable[[int, Any], None] | None:
    total = getattr(method, "n_iter", None)

    def after_step(i: int, model: Any) -> None:
        tell(f"separating {i}/{total}")

    return after_step if total else None


def _parameters(method: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(method):
        return {}
    return {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.name not in FILLED_IN}


def _named(message: str, job: Job) -> str:
    """Return the message with the input's name before it, unless it begins with that."""
    name = "<stdin>" if job.source == STDIN else job.source
    return message if message.startswith(name) else f"{name}: {message}"
