"""Remixes of recordings of any length: blocks of stems in, blocks of the remix out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sigsep_classic.factorizers.dereverberation.wpe import WPE
from sigsep_classic.planning import BLOCK_SECONDS, Scene, plan
from sigsep_classic.remixing import Change, reach, remixed
from sigsep_classic.streaming.chunks import joined_chunks, overlapping
from sigsep_classic.streaming.sources import SoundSource
from sigsep_classic.streaming.windows import windows
from sigsep_classic.streaming.writing import Blocks, Pieces
from sigsep_classic.typing import Array

REMIX = "remix"


def remixed_blocks(
    blocks: Blocks, source: SoundSource, changes: Mapping[str, Change], *, limit: int
) -> Blocks:
    """Yield the blocks of the one stem ``remix``: those of the remix of the whole, to -90 dB.

    Filters are given the neighbourhood in which they ring. Late reverberation (``dry``) is found anew in each of
    several long chunks, whose remixes fade into one another.

    Parameters
    ----------
    blocks : iterator of dict of str to array (channels, samples)
        The stems, block after block.
    source : SoundSource
        The mixture, which is read once more.
    changes : mapping of str to Change
        By the name of the stem.
    limit : int
        Bytes that the work may take.

    Raises
    ------
    ParameterError
        As `remixing.remixed`.
    """
    rate, channels = source.sample_rate, source.channels
    first = next(blocks)
    names = [name for name in first if name in changes]

    def remix(x: Array) -> Array:
        mixture, *stems = np.split(x, len(x) // channels)
        return remixed(mixture, dict(zip(names, stems, strict=True)), rate, changes)

    if set(changes) - set(names):
        remixed(next(iter(first.values())), first, rate, changes)  # says which stems there are
    pieces = _stacked(first, blocks, names, source)
    if any(change.dry for change in changes.values()):
        chunk, overlap = _chunks(source, limit)
        parts = (({REMIX: remix(x)}, shared) for x, shared in overlapping(pieces, chunk, overlap))
        yield from joined_chunks(parts, overlap)
        return
    margin = max((reach(change, rate) for change in changes.values()), default=0)
    for window in windows(pieces, block=max(round(BLOCK_SECONDS * rate), margin), margin=margin):
        yield {REMIX: window.own(remix(window.buffer))}


def _stacked(
    first: dict[str, Array], blocks: Blocks, names: list[str], source: SoundSource
) -> Iterator[Array]:
    """Yield the mixture and the stems named, one below the other, (channels (1 + stems), samples)."""
    mixture, block = Pieces(source), first
    while block is not None:
        x = mixture.take(next(iter(block.values())).shape[1])
        yield np.concatenate([x, *(block[name] for name in names)])
        block = next(blocks, None)  # type: ignore[arg-type]


def _chunks(source: SoundSource, limit: int) -> tuple[int, int]:
    """Return the length of chunks that are dried, and of their overlap, in samples."""
    scene = Scene(channels=source.channels, n_samples=source.n_samples, sample_rate=source.sample_rate)
    planned = plan(WPE(), scene, limit=limit // 2, long_seconds=0.0)
    chunk = planned.sample or planned.piece
    return chunk, min(5 * source.sample_rate, chunk // 4)
