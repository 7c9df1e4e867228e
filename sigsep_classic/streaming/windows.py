"""Pieces of any length as blocks with their neighbourhood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class Window:
    """A block with its neighbourhood; positions are samples of the recording.

    Parameters
    ----------
    buffer : array (channels, samples)
        The block with what is before and after it.
    start : int
        Where the buffer begins.
    begin, stop : int
        Where the block begins and ends.
    last : bool
        Nothing comes after the buffer.
    """

    buffer: Array
    start: int
    begin: int
    stop: int
    last: bool

    def own(self, stem: Array) -> Array:
        """Return of a stem (..., samples) of the buffer the part of the block, a copy."""
        return stem[..., self.begin - self.start : self.stop - self.start].copy()


def windows(pieces: Iterable[Array], *, block: int, margin: int) -> Iterator[Window]:
    """Yield consecutive blocks of so many samples, the last as long as it comes, with the neighbourhood there is.

    Parameters
    ----------
    pieces : iterable of array (channels, samples)
        A recording in pieces of any length; not written to.
    block, margin : int
        Samples.
    """
    held: list[Array] = []
    start = done = length = 0  # what is held begins at sample `start`; blocks are out up to `done`
    for piece in pieces:
        held.append(piece)
        length += piece.shape[1]
        if start + length < done + block + margin:
            continue
        joined = _joined(held)
        while start + joined.shape[1] >= done + block + margin:
            buffer = joined[:, : done + block + margin - start]
            yield Window(buffer=buffer, start=start, begin=done, stop=done + block, last=False)
            done += block
            joined, start = joined[:, max(0, done - margin - start) :], max(start, done - margin)
        held, length = [joined], joined.shape[1]
    if held and start + length > done:
        yield Window(buffer=_joined(held), start=start, begin=done, stop=start + length, last=True)


def _joined(pieces: list[Array]) -> Array:
    return pieces[0] if len(pieces) == 1 else namespace(pieces[0]).concatenate(pieces, axis=1)
