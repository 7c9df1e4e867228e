"""Recordings read, moved and computed side by side: the engine of `separate_many` and of the command line on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sigsep_classic import audio
from sigsep_classic.api.ahead import ahead
from sigsep_classic.api.ends import given_back, placed, samples_on
from sigsep_classic.api.separating import Request
from sigsep_classic.backend import (
    device_of,
    free_device_memory,
    from_foreign,
    is_out_of_memory,
    to_device,
)
from sigsep_classic.pipeline import batches
from sigsep_classic.separation import Separation
from sigsep_classic.streaming.arrays import separate_planned
from sigsep_classic.streaming.running import limit_of
from sigsep_classic.transfers import Moving, Transfers, is_resident, transfers
from sigsep_classic.typing import Array

READ_AHEAD = 2
"""Recordings that are read before they are asked for."""

BATCH_ON_GPU = 16
"""Clips in a batch: enough to keep a GPU busy with clips of a few seconds."""

BATCH_SAMPLES = 1 << 24
"""Samples in a batch, all channels counted; what is longer keeps a GPU busy by itself."""

LIKE_LENGTHS = 1.25
"""Ratio of the longest to the shortest clip of a batch."""

Ask = Callable[[int], Request]


def batch_size(method: Any, device: str, wanted: int | None = None, *, callback: Any = None) -> int:
    """Return how many recordings are fitted at once; see ``batch`` of `separate_many`."""
    if callback is not None or not batches(method):
        return 1
    return wanted or (1 if device == "cpu" else BATCH_ON_GPU)


def run(
    sources: Iterable[Any],
    load: Callable[[Any], tuple[Any, int, str, dict[str, Any]]],
    ask: Ask,
    *,
    device: str,
    stay: bool = False,
    batch: int = 1,
    limit: int | None = None,
    around: Callable[[list[Any]], AbstractContextManager[Any]] = nullcontext,
) -> Generator[tuple[Any, Separation | Exception]]:
    """Yield each source with its separation, or what went wrong with it; the engine of `separate_many`.

    Parameters
    ----------
    sources : iterable
        Whatever ``load`` takes.
    load : callable
        Returns samples of any kind of array, the rate in Hz, a track name and the first entries of ``info``; called in
        another thread.
    ask : callable
        Returns what is asked of recordings of a rate in Hz.
    device : str
        As `backend.resolve_device` gave it.
    stay : bool
        What lies on a GPU already is computed where it is.
    batch : int
        From `batch_size`.
    limit : int, optional
        Bytes that a recording, or a batch, may take; what takes more goes in pieces, or alone. Default: on the CPU the
        share of what is free that `separate` takes, on a GPU what there is.
    around : callable
        Is given the sources that are to be computed at once, and returns a context that they are computed in.
    """
    moves = transfers(device)
    clips = ahead((_loaded(source, load, moves) for source in sources), max(READ_AHEAD, batch))
    work = _Work(ask, None if stay else device, moves, around, {}, _limit(limit, device))
    done = _computed(_windows(clips, batch), work)
    try:
        with closing(ahead(done, 1) if moves.overlap else done) as results:
            for clip in results:
                yield clip.source, _finished(clip, moves)
    finally:
        moves.settle()


@dataclass
class _Clip:
    """A recording on its way through: read, sent, computed, fetched."""

    source: Any
    given: Any = None
    sample_rate: int = 0
    track: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    samples: np.ndarray | None = None
    sent: Moving | None = None
    result: Separation | Exception | None = None
    fetched: Moving | None = None


def _loaded(source: Any, load: Callable[[Any], Any], moves: Transfers) -> _Clip:
    """Return a recording with its samples on their way to the device, or what went wrong."""
    clip = _Clip(source)
    try:
        clip.given, clip.sample_rate, clip.track, clip.info = load(source)
        if not is_resident(clip.given):
            clip.samples = audio.check_samples(from_foreign(clip.given))
    except Exception as error:
        clip.result = error
    if clip.samples is not None:
        with suppress(Exception):  # where there is no room now there may be when its turn comes
            clip.sent = moves.send(clip.samples)
    return clip


def _windows(clips: Generator[_Clip], batch: int) -> Generator[list[_Clip]]:
    """Yield recordings in lists of at most ``batch`` that are not too long together."""
    window: list[_Clip] = []
    size = 0
    with closing(clips):
        for clip in clips:
            own = 0 if clip.samples is None else clip.samples.size
            if window and size + own > BATCH_SAMPLES:
                yield window
                window, size = [], 0
            window.append(clip)
            size += own
            if len(window) == batch:
                yield window
                window, size = [], 0
        if window:
            yield window


class _Work(NamedTuple):
    """What is the same for all recordings that are computed."""

    ask: Ask
    device: str | None
    moves: Transfers
    around: Callable[[list[Any]], AbstractContextManager[Any]]
    learnt: dict[Any, tuple[Any, list[str]]]
    limit: int | None

    def fits(self, clips: list[_Clip]) -> bool:
        """Say whether recordings fit, one or as a batch."""
        if self.limit is None:
            return True
        sizes = [
            self.ask(clip.sample_rate).takes(clip.samples, clip.sample_rate)
            for clip in clips
            if clip.samples is not None
        ]
        return sum(sizes) <= self.limit


def _limit(limit: int | None, device: str) -> int | None:
    return limit_of(None, device) if limit is None and device == "cpu" else limit


def _computed(windows: Generator[list[_Clip]], work: _Work) -> Generator[_Clip]:
    """Yield recordings with their results, whose stems are on their way to the host."""
    with closing(windows), work.moves.working():
        for window in windows:
            for group in _alike(window, work):
                with work.around([clip.source for clip in group]):
                    _compute(group, work)
            yield from window


def _alike(window: list[_Clip], work: _Work) -> list[list[_Clip]]:
    """Return the recordings that wait for a result in lists of those that can be fitted at once."""
    waiting = [clip for clip in window if clip.result is None]
    if len(waiting) == 1:
        return [waiting]
    kinds: dict[Any, list[tuple[int, _Clip]]] = {}
    for n, clip in enumerate(waiting):
        kind, length = _kind(clip, work.ask) or (n, 0)
        kinds.setdefault(kind, []).append((length, clip))
    groups: list[list[_Clip]] = []
    for members in kinds.values():
        shortest = -1.0
        for length, clip in sorted(members, key=lambda member: member[0]):
            if length > LIKE_LENGTHS * shortest or not work.fits([*groups[-1], clip]):
                groups.append([])
                shortest = length
            groups[-1].append(clip)
    return groups


def _kind(clip: _Clip, ask: Ask) -> tuple[Any, int] | None:
    """Return what recordings of one batch have in common, and the length; None for those that are computed alone."""
    x, rate = clip.samples, clip.sample_rate
    try:
        alone = x is None or ask(rate).in_blocks(x, rate)
    except Exception:  # it will be raised again, when it can be said of which recording
        alone = True
    return None if alone or x is None else ((rate, len(x), x.dtype), x.shape[1])


def _compute(group: list[_Clip], work: _Work) -> None:
    """Give recordings that can be fitted at once their results; if that fails, one by one."""
    try:
        if len(group) == 1 and not _fits(group[0], work):
            group[0].result = _in_pieces(group[0], work, work.limit)
            return
        _fulfil(group, work)
    except Exception as error:
        if len(group) == 1:
            group[0].result = _in_pieces(group[0], work, None) if is_out_of_memory(error) else error
            return
        for clip in group:
            _compute([clip], work)


def _fits(clip: _Clip, work: _Work) -> bool:
    try:
        return work.fits([clip])
    except Exception:  # it will be raised again, when it can be said of which recording
        return True


def _in_pieces(clip: _Clip, work: _Work, limit: int | None) -> Separation | Exception:
    """Return the separation of a recording that memory does not do for: piece by piece, at last on the CPU."""
    clip.sent = None
    free_device_memory()
    rate, request = clip.sample_rate, work.ask(clip.sample_rate)
    try:
        checked = clip.samples
        if checked is None:
            checked = audio.check_samples(from_foreign(clip.given), host=False)
        x, where = placed(checked, work.device)
        learnt = work.learnt.get((rate, x.dtype))
        method, _ = learnt or request.learnt(rate, like=to_device(x[:, :1], where))
        sep, facts = separate_planned(x, rate, request.of(method), where, limit)
    except Exception as error:
        return error
    return sep.replace(info=facts)


def _fulfil(group: list[_Clip], work: _Work) -> None:
    rate = group[0].sample_rate
    request = work.ask(rate)
    xs = [_on_device(clip, work) for clip in group]
    with device_of(xs[0]):
        known = rate, xs[0].dtype
        if known not in work.learnt:
            work.learnt[known] = request.learnt(rate, like=xs[0])
        method, warnings = work.learnt[known]
        for clip, sep in zip(group, request.fulfilled(xs, rate, method, limit=work.limit), strict=True):
            if warnings:
                clip.info["warnings"] = [*clip.info.get("warnings", ()), *warnings]
            if clip.samples is not None:
                clip.fetched = work.moves.fetch(sep.stems)
            clip.result = sep


def _on_device(clip: _Clip, work: _Work) -> Array:
    """Return the samples of a recording where they are to be computed."""
    if clip.sent is not None:
        return work.moves.received(clip.sent)
    return samples_on(audio.check_samples(from_foreign(clip.given), host=False), work.device)


def _finished(clip: _Clip, moves: Transfers) -> Separation | Exception:
    """Return the separation of a recording in the caller's kind of arrays, or what went wrong."""
    sep = clip.result
    if not isinstance(sep, Separation):
        assert sep is not None
        return sep
    try:
        stems = None if clip.fetched is None else moves.fetched(clip.fetched)
        return given_back(
            sep, clip.given, track=clip.track, info=clip.info, stems=stems, mixture=clip.samples
        )
    except Exception as error:
        return error
