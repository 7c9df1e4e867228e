"""Sound files of any length: read, separated and written block by block, in constant memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.backend import resolve_device
from sigsep_classic.checks import check_range
from sigsep_classic.errors import OutputError, ParameterError
from sigsep_classic.pipeline import RESIDUAL, default_frontend
from sigsep_classic.planning import Plan, with_piece
from sigsep_classic.separation import TEMPLATE
from sigsep_classic.streaming.running import Request, Work, carried_out
from sigsep_classic.streaming.sources import FileSource
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
        namer(folder, Path(str(source)).stem, template, getattr(method, "name", "stems"), ext),
        device=resolve_device(device),
        memory_limit=memory_limit,
        block_seconds=block_seconds,
        subtype=subtype,
        clip_mode=clip_mode,
        inputs=[source],
    )
    return saved


def namer(
    folder: Any, track: str, template: str, method: str, ext: str
) -> Callable[[list[str]], dict[str, str]]:
    """Return a function from names of stems to paths.

    Raises
    ------
    ParameterError
        When that is called: the template is no good, or gives two stems one name.
    """

    def paths_of(names: list[str]) -> dict[str, str]:
        found = {}
        for name in names:
            try:
                file = template.format(track=track, stem=name, method=method, ext=ext)
            except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
                raise ParameterError(
                    f"template {template!r}: {error}; use {{track}}, {{stem}}, {{method}} and {{ext}}"
                ) from None
            found[name] = str(Path(folder) / file)
        if len(set(found.values())) < len(names):
            raise ParameterError(f"template {template!r} gives two stems one file; put {{stem}} in it")
        return found

    return paths_of


def separate_source(
    source: FileSource,
    request: Request,
    paths_of: Callable[[list[str]], dict[str, str]],
    *,
    device: str,
    memory_limit: int | None = None,
    block_seconds: float | None = None,
    subtype: str | None = None,
    clip_mode: str = "common",
    inputs: Any = (),
    stems: tuple[str, ...] = (),
    residual: bool = False,
    tell: Callable[[str], None] | None = None,
) -> tuple[audio.SaveRecord, dict[str, str], dict[str, Any]]:
    """Write the stems of a source; return the record, the path of each stem, and what was done in plain values.

    Parameters
    ----------
    source : FileSource
        The recording.
    request : Request
        What is asked for.
    paths_of : callable
        From names of stems to paths.
    device, memory_limit, block_seconds, subtype, clip_mode, inputs
        As for `separate_file`.
    stems : tuple of str
        Those to write; all if empty.
    residual : bool
        Also write what the stems leave of the mixture.
    tell : callable, optional
        Is told how far it is.
    """
    rate = source.sample_rate
    scene = request.scene(channels=source.channels, n_samples=source.n_samples, sample_rate=rate)

    def attempt(plan: Plan, where: str) -> tuple[audio.SaveRecord, dict[str, str], int, Plan]:
        plan = _suited(plan, request, block_seconds)
        work = Work(request=request, source=source, plan=plan, device=None if where == "cpu" else where)

        def written(gain: float) -> tuple[audio.SaveRecord, dict[str, str], int]:
            blocks = _chosen(work.stems(), source, stems, residual=residual)
            options = {"subtype": subtype, "inputs": inputs, "gain": gain, "clip_mode": clip_mode}
            return _written(blocks, paths_of, source, tell, **options)

        try:
            return *written(1.0), work.plan
        except _Louder as found:
            gain = 1 / found.peak
        return *written(gain), work.plan  # what was learnt from a sample is kept

    (saved, paths, n_samples, done), facts = carried_out(
        request, scene, attempt, device=device, memory_limit=memory_limit, long_seconds=0.0
    )
    return saved, paths, {**facts, **done.facts, "n_samples": n_samples}


class _Louder(Exception):
    """Stems go beyond full scale, and need a gain that is known only now."""

    def __init__(self, peak: float) -> None:
        self.peak = peak


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


def _written(
    blocks: Iterator[dict[str, Array]],
    paths_of: Callable[[list[str]], dict[str, str]],
    source: FileSource,
    tell: Callable[[str], None] | None,
    *,
    gain: float,
    clip_mode: str,
    **options: Any,
) -> tuple[audio.SaveRecord, dict[str, str], int]:
    """Write blocks of stems, all of them or nothing; return what was written, where, and how many samples.

    Raises
    ------
    _Louder
        ``clip_mode`` is "common", and the gain does not do.
    OutputError
        It is "none", and stems go beyond full scale.
    """
    first = next(blocks)
    paths, done = paths_of(list(first)), 0
    shape: dict[str, Any] = {"channels": len(next(iter(first.values()))), "n_samples": source.n_samples}
    writer = audio.StemWriter(paths.values(), sample_rate=source.sample_rate, gain=gain, **shape, **options)
    with writer as out:
        for stems in itertools.chain([first], blocks):
            out.write({paths[name]: stem for name, stem in stems.items() if stem.shape[1]})
            done += next(iter(stems.values())).shape[1]
            if tell is not None:
                tell(f"separating {done // source.sample_rate}/{source.n_samples // source.sample_rate} s")
        peak = out.limited_peak
        if peak > 1 and clip_mode == "none":
            raise OutputError(
                f"{next(iter(paths.values()))}: peak {peak:.4g} is beyond full scale; write float32 wav, or use "
                "clip_mode common or clamp"
            )
        if peak > 1 and clip_mode == "common" and gain == 1:
            raise _Louder(peak)
    return out.record, paths, done


def _chosen(
    blocks: Iterator[dict[str, Array]], source: FileSource, wanted: tuple[str, ...], *, residual: bool
) -> Iterator[dict[str, Array]]:
    """Yield the stems to write, and what all of them leave of the mixture."""
    mixture = _Pieces(source) if residual else None
    for stems in blocks:
        found = dict(stems)
        if mixture is not None:
            x = mixture.take(next(iter(stems.values())).shape[1])
            found.setdefault(RESIDUAL, x - sum(stems.values()))
        for name in wanted:
            if name not in found:
                raise ParameterError(f"stem {name!r} is not there; the method makes {', '.join(found)}")
        yield {name: found[name] for name in wanted} if wanted else found


class _Pieces:
    """The mixture once more, in pieces as long as asked for."""

    def __init__(self, source: FileSource) -> None:
        self._pieces = source.pieces()
        self._held: Array = None

    def take(self, n: int) -> Array:
        """Return the next n samples."""
        parts = [] if self._held is None else [self._held]
        while sum(part.shape[1] for part in parts) < n:
            parts.append(next(self._pieces))
        joined = np.concatenate(parts, axis=1) if len(parts) != 1 else parts[0]
        self._held = joined[:, n:]
        return joined[:, :n]
