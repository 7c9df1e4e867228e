"""Recordings of any length in constant memory: methods that look at a neighbourhood only, block after block.

A method says how many frames on either side it looks at (``context``). A block is separated together with as many
frames of its neighbours as that, and those the transform overlaps with, take; the stems of the block itself are then
those of the whole recording, to rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigsep_classic import audio
from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_array, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.frontends import STFT
from sigsep_classic.pipeline import default_frontend, separate_array, told
from sigsep_classic.separation import TEMPLATE, Later, Separation
from sigsep_classic.typing import Array, FrontEnd

LONG_SECONDS = 20.0
"""Arrays this long go block by block by themselves."""

BLOCK_SECONDS = 3.0
"""Of stems at a time: with HPSS as long as is worth its neighbourhood, about a second, and short for memory."""


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
    frontend : STFT, optional
        Default: the one the method asks for.
    mask : str, optional
        As for `separate`.
    block_seconds : float
        Length of the blocks that are yielded, greater than 0; the last one is as long as it comes. Memory is a few
        times that of a block with its neighbourhood.

    Raises
    ------
    ParameterError
        The method needs the whole recording, or the front-end is no STFT.
    """
    plan = _planned(method, sample_rate, frontend, block_seconds)
    buffer, start, done = None, 0, 0  # the buffer begins at sample `start`; stems are out up to `done`

    def stems(stop: int) -> dict[str, Array]:
        sep = separate_array(buffer, sample_rate, plan.method, frontend=plan.frontend, mask=mask)
        return {name: stem[:, done - start : stop - start].copy() for name, stem in sep.items()}

    for piece in blocks:
        check_array("block", piece, 2, kinds="fd")
        arrays = [piece] if buffer is None else [buffer, piece]
        joined = namespace(piece).concatenate(arrays, axis=1) if len(arrays) > 1 else piece
        while start + joined.shape[1] >= done + plan.block + plan.margin:
            buffer = joined[:, : done + plan.block + plan.margin - start]
            yield stems(done + plan.block)
            done += plan.block
            joined, start = joined[:, max(0, done - plan.margin - start) :], max(start, done - plan.margin)
        buffer = joined
    if buffer is not None and start + buffer.shape[1] > done:
        yield stems(start + buffer.shape[1])


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
    found: dict[str, Array] = {}
    at = 0
    for stems in separate_blocks(_pieces(x, sample_rate), sample_rate, method, **options):
        for name, stem in stems.items():
            if name not in found:
                found[name] = namespace(x).empty_like(x)
            found[name][:, at : at + stem.shape[1]] = stem
        at += stem.shape[1]
    return found


def goes_in_blocks(x: Array, sample_rate: int, method: Any, frontend: FrontEnd | None = None) -> bool:
    """Say whether a recording is long enough for blocks to save memory, and method and front-end allow them.

    Parameters
    ----------
    x : array (channels, samples)
        The recording.
    sample_rate : int
        In Hz.
    method : Factorizer
        What is to take it apart.
    frontend : FrontEnd, optional
        Default: the one the method asks for.
    """
    check_array("x", x, 2, kinds="fd")
    if not hasattr(method, "context") or x.shape[1] < LONG_SECONDS * sample_rate:
        return False
    frontend = default_frontend(method, sample_rate) if frontend is None else frontend
    return isinstance(frontend, STFT)


def separate_in_blocks(
    x: Array, sample_rate: int, method: Any, *, frontend: FrontEnd | None = None, mask: str | None = None
) -> Separation:
    """Return the stems of `separate_long`; the model, and other stems of it, are made when they are asked for.

    Parameters
    ----------
    x : array (channels, samples)
        float32 or float64, finite; not written to.
    sample_rate, method, frontend, mask
        As for `separate_blocks`.
    """

    plan = _planned(method, sample_rate, frontend, BLOCK_SECONDS)

    def whole() -> Separation:
        return separate_array(x, sample_rate, method, frontend=frontend, mask=mask)

    def other(**wanted: Any) -> tuple[dict[str, Array], dict[str, list[int]]]:
        again = whole().regroup(**wanted)
        return again.stems, again.groups or {}

    return Separation(
        stems=separate_long(x, sample_rate, method, frontend=frontend, mask=mask),
        mixture=x,
        sample_rate=sample_rate,
        model=Later(lambda: whole().model),
        method=plan.method,
        frontend=plan.frontend,
        mask=mask,
        grouped=other,
    )


def separate_file(
    source: Any,
    folder: Any,
    method: Any,
    *,
    sample_rate: int | None = None,
    template: str = TEMPLATE,
    ext: str = "wav",
    subtype: str | None = None,
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
        One with ``context``.
    sample_rate : int, optional
        Resample to it.
    template : str
        Of the file names: ``{track}``, ``{stem}``, ``{method}`` and ``{ext}``.
    ext : str
        Suffix, which says the format.
    subtype : str, optional
        Sample coding, as for `audio.save_all`; codings that end at full scale cut off what goes beyond.
    **options
        As for `separate_blocks`.

    Raises
    ------
    AudioError, OutputError, ParameterError
        It can't be read, or written, or the method needs the whole recording.
    """
    told_by_header = audio.info(source)
    rate = told_by_header.sample_rate if sample_rate is None else sample_rate
    pieces = audio.blocks(source, sample_rate=sample_rate, block_seconds=1.0)
    blocks = separate_blocks(pieces, rate, method, **options)
    first = next(blocks)
    facts = {"track": Path(told_by_header.name).stem, "method": getattr(method, "name", "stems"), "ext": ext}
    paths = {name: str(Path(folder) / template.format(stem=name, **facts)) for name in first}
    n_samples = round((told_by_header.duration or 0) * rate)
    writer = audio.StemWriter(
        paths.values(),
        sample_rate=rate,
        channels=len(next(iter(first.values()))),
        n_samples=n_samples,
        subtype=subtype,
        inputs=[source],
    )
    with writer as out:
        for stems in itertools.chain([first], blocks):
            out.write({paths[name]: stem for name, stem in stems.items()})
    return out.record


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Method and transform, and how long blocks and their neighbourhoods are in samples."""

    method: Any
    frontend: STFT
    block: int
    margin: int


def _planned(method: Any, sample_rate: int, frontend: FrontEnd | None, block_seconds: float) -> _Plan:
    check_range("block_seconds", block_seconds, 0, above=True)
    frontend = default_frontend(method, sample_rate) if frontend is None else frontend
    if not hasattr(method, "context"):
        able = [name for name in METHODS.built_in if hasattr(METHODS[name], "context")]
        raise ParameterError(
            f"{getattr(method, 'name', method)} needs the whole recording; {', '.join(able)} go block by block"
        )
    if not isinstance(frontend, STFT):
        raise ParameterError(f"frontend is {frontend!r}; block by block it must be an STFT")
    method = told(method, grid=frontend.grid(sample_rate), frontend=frontend)
    hop = frontend.step
    # A cut reaches n_fft / 2 into the frames, they `context` further into the gains, these n_fft / 2 into the samples.
    margin = (method.context + -(-frontend.n_fft // hop)) * hop
    return _Plan(
        method=method,
        frontend=frontend,
        block=max(1, round(block_seconds * sample_rate / hop)) * hop,
        margin=margin,
    )


def _pieces(x: Array, length: int) -> Iterator[Array]:
    """Yield x in views of ``length`` samples."""
    for at in range(0, x.shape[1], length):
        yield x[:, at : at + length]
