"""What the lab's worker does: read a recording, separate it, make page, sounds and pictures, and send news of it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sigsep_classic import audio
from sigsep_classic.api import separate
from sigsep_classic.datasets import synthesize
from sigsep_classic.errors import ParameterError, SigsepError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.lab.code import Ask, Example, Uploaded
from sigsep_classic.messages import warnings_kept
from sigsep_classic.separation import Separation

BETWEEN_NEWS_S = 0.1
"""Iterations may be thousands a second; nobody sees more of them than this."""

DPI = 110


@dataclass(frozen=True, kw_only=True)
class Step:
    """An iteration is done.

    Parameters
    ----------
    i : int
        Which, from 1.
    n_iter : int or None
        Of at most how many.
    losses : tuple of (int, float)
        Those known so far, as `Model.losses`.
    """

    i: int
    n_iter: int | None
    losses: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A recording was read.

    Parameters
    ----------
    sample_rate, channels : int
    seconds : float
    warnings : tuple of str
        What was wrong with the file.
    page : str
        A player of it.
    """

    sample_rate: int
    channels: int
    seconds: float
    warnings: tuple[str, ...]
    page: str


@dataclass(frozen=True, kw_only=True)
class Stems:
    """A recording was separated.

    Parameters
    ----------
    files : dict of str to bytes
        Name and WAV (32-bit float) of each stem: what `Separation.save` writes.
    seconds : float
        What it took.
    warnings : tuple of str
        What the method has to say.
    losses : tuple of (int, float)
        The model's.
    """

    files: dict[str, bytes]
    seconds: float
    warnings: tuple[str, ...]
    losses: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page of `compare.separation_page.report` is made.

    Parameters
    ----------
    text : str
        HTML.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture is drawn.

    Parameters
    ----------
    view : str
        A name in `plot.dispatch.VIEWS`.
    png : bytes
    """

    view: str
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Something else is done from now on.

    Parameters
    ----------
    text : str
        What.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """It came to nothing.

    Parameters
    ----------
    line : str
        Why, and the way out.
    """

    line: str


News = Stage | Step | Heard | Stems | Page | Picture | Failed
Tell = Callable[[News], None]


def work(task: Mapping[str, Any], tell: Tell, *, stopped: Callable[[], bool] = lambda: False) -> None:
    """Do a task and tell of it; a failure is told too.

    Parameters
    ----------
    task : mapping
        Either ``sound`` and ``data`` (a recording to look at) or ``ask`` and ``data``.
    tell : callable
        Gets the news, in order.
    stopped : callable
        Asked before each picture whether they are still wanted.
    """
    try:
        with warnings_kept() as kept:
            if "ask" in task:
                _separate(task["ask"], task["data"], tell, stopped, kept)
            else:
                _look(task["sound"], task["data"], tell)
    except Exception as error:
        tell(Failed(line=failure(error)))


def failure(error: Exception) -> str:
    """Return one line about what went wrong."""
    if isinstance(error, SigsepError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory; take a shorter recording, or fewer components"
    return f"internal error: {type(error).__name__}: {error}"


class _Upload(io.BytesIO):
    """Bytes under the name that the browser told, which is for messages alone: nothing is opened by it."""

    def __init__(self, name: str, data: bytes) -> None:
        super().__init__(data)
        self.name = name


def _source(sound: Uploaded | Example, data: bytes) -> tuple[Any, int | None]:
    """Return what `separate` is given: a file, or samples and their rate."""
    if isinstance(sound, Example):
        mix = synthesize(sound.variant, seed=sound.seed)
        return mix.mixture, mix.sample_rate
    return _Upload(sound.name, data), None


def _look(sound: Uploaded | Example, data: bytes, tell: Tell) -> None:
    tell(Stage(text="reading"))
    source, rate = _source(sound, data)
    warnings: tuple[str, ...] = ()
    if rate is None:
        read = audio.load(source)
        source, rate, warnings = read.samples, read.sample_rate, read.warnings
    alone = Separation(stems={}, mixture=source, sample_rate=rate, track=sound.track)
    seconds = source.shape[1] / rate
    heard = Heard(
        sample_rate=rate, channels=len(source), seconds=seconds, warnings=warnings, page=_page(alone)
    )
    tell(heard)


def _page(sep: Separation) -> str:
    from sigsep_classic.compare.separation_page import render

    return render(sep)


def _separate(ask: Ask, data: bytes, tell: Tell, stopped: Callable[[], bool], kept: list[str]) -> None:
    tell(Stage(text="separating"))
    source, rate = _source(ask.sound, data)
    begun = time.perf_counter()
    more = {**ask.parameters, **ask.options}
    sep = separate(source, rate, method=ask.method, callback=_told(ask, tell), **more)
    seconds = time.perf_counter() - begun
    losses = tuple(
        getattr(sep.__dict__["model"], "losses", ())
    )  # one that is still to be fitted tells none yet
    tell(Stage(text="writing stems and page"))
    files = {name: _wav(x, sep.sample_rate) for name, x in sep.items()}
    warnings = dict.fromkeys([*sep.info.get("warnings", ()), *kept])
    tell(Stems(files=files, seconds=seconds, warnings=tuple(warnings), losses=losses))
    tell(Page(text=_page(sep)))
    for picture in _pictures(sep, tell, stopped):
        tell(picture)


def _told(ask: Ask, tell: Tell) -> Callable[[int, Any], None]:
    """Return a callback that tells of iterations, not too often."""
    n_iter = ask.parameters.get("n_iter", getattr(METHODS.find(ask.method), "n_iter", None))
    known: list[tuple[int, float]] = []
    last = -BETWEEN_NEWS_S

    def after_step(i: int, model: Any) -> None:
        nonlocal last
        if isinstance(model, float):  # rpca has no model before the end, but its residual
            known.append((i, model))
        losses = tuple(known or getattr(model, "losses", ()))
        now = time.monotonic()
        if now - last >= BETWEEN_NEWS_S:
            last = now
            total = n_iter if isinstance(n_iter, int) else None
            tell(Step(i=i, n_iter=total, losses=tuple((int(n), float(value)) for n, value in losses)))

    return after_step


def _wav(x: Any, rate: int) -> bytes:
    buffer = io.BytesIO()
    audio.write_stream(buffer, x, rate, format="wav")
    return buffer.getvalue()


def _pictures(sep: Separation, tell: Tell, stopped: Callable[[], bool]) -> Iterator[Picture]:
    """Yield the pictures that this separation has."""
    from sigsep_classic.plot.dispatch import VIEWS

    tell(Stage(text="drawing pictures"))
    for view in VIEWS:
        if stopped():
            return
        buffer = io.BytesIO()
        try:
            sep.plot(view).savefig(buffer, format="png", dpi=DPI)
        except ParameterError:  # it has no such picture
            continue
        yield Picture(view=view, png=buffer.getvalue())
