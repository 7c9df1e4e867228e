"""Methods that need to see everything, on more than fits: fitted to overlapping chunks, whose stems are joined.

What two neighbouring chunks make of the samples they share says which stem of one is which of the other; there the one
fades into the other. Fades add up to one, so stems still add up to the mixture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sigsep_classic.backend import device_of, namespace, to_device, to_host
from sigsep_classic.frontends import STFT
from sigsep_classic.permutation import align_chunks
from sigsep_classic.pipeline import separate_array
from sigsep_classic.streaming.neighbourhood import returned
from sigsep_classic.typing import Array, FrontEnd

Stems = dict[str, Array]

_NUMBERED = re.compile(r"(source|component)\d+")


def in_chunks(
    pieces: Iterable[Array],
    sample_rate: int,
    method: Any,
    *,
    frontend: FrontEnd | None,
    chunk: int,
    overlap: int,
    device: str | None = None,
    **options: Any,
) -> Iterator[Stems]:
    """Yield the stems of a recording, a chunk less its overlap at a time.

    Parameters
    ----------
    pieces : iterable of array (channels, samples)
        A recording in pieces of any length.
    chunk, overlap : int
        Samples of a chunk, and how many of them it shares with the next.
    device : str, optional
        As for `in_blocks`.
    sample_rate, method, frontend, **options
        As for `separate_array`.
    """

    def parts() -> Iterator[tuple[Stems, int]]:
        asked = options
        for x, shared in overlapping(pieces, chunk, overlap):
            buffer = x if device is None else to_device(x, device)
            with device_of(buffer):
                sep = separate_array(buffer, sample_rate, method, frontend=frontend, **asked)
                yield {name: returned(stem, device) for name, stem in sep.items()}, shared
            asked = {
                **options,
                "order": None,
                "positions": None,
            }  # the first chunk says; the others follow it

    return joined_chunks(parts(), overlap)


def joined_chunks(parts: Iterable[tuple[Stems, int]], overlap: int) -> Iterator[Stems]:
    """Yield the stems of chunks, each less the overlap with the next, which it fades into.

    Parameters
    ----------
    parts : iterable of (dict of str to array (channels, samples), int)
        Stems of a chunk, and how many of its first samples were in the chunk before.
    overlap : int
        Samples that chunks share at least.
    """
    tail: Stems | None = None
    for stems, shared in parts:
        if tail is not None:
            stems = {name: stem[:, shared - overlap :] for name, stem in stems.items()}
            stems = faded(tail, matched(tail, stems), overlap)
        length = next(iter(stems.values())).shape[1] - overlap
        tail = {name: stem[:, length:].copy() for name, stem in stems.items()}
        yield {name: stem[:, :length] for name, stem in stems.items()}
    if tail is not None and overlap:
        yield tail


def overlapping(pieces: Iterable[Array], chunk: int, overlap: int) -> Iterator[tuple[Array, int]]:
    """Yield chunks, each with how many of its first samples were in the chunk before, the overlap among them.

    All are of one length, the last too: where less is left it begins earlier.
    """
    xp, held, known = None, None, 0  # of what is held the first `known` samples have been in a chunk
    for piece in pieces:
        xp = namespace(piece)
        held = piece if held is None else xp.concatenate([held, piece], axis=1)
        while held.shape[1] - max(0, known - overlap) > chunk:
            first = max(0, known - overlap)
            yield held[:, first : first + chunk], overlap if known else 0
            end = first + chunk
            drop = max(0, end - chunk)
            held, known = held[:, drop:], end - drop
    if held is not None and held.shape[1] > known:
        first = max(0, held.shape[1] - chunk)
        yield held[:, first:], max(0, known - first)


def matched(tail: Stems, stems: Stems) -> Stems:
    """Return the stems of a chunk under the names of the chunk before, by what they share.

    Numbered stems are matched by the permutation solver (`permutation.align_chunks`, on the spectra of the shared
    samples); others by name. What a chunk has more of goes to the stem it is most like, what it has not is silent.

    Parameters
    ----------
    tail : dict of str to array (channels, samples)
        The last samples of the chunk before.
    stems : dict of str to array (channels, samples)
        Of this chunk; the first samples are those of ``tail``.
    """
    like = next(iter(stems.values()))
    found = {name: namespace(like).zeros_like(like) for name in tail}
    left = {}
    for name, stem in stems.items():
        if name in tail and not _NUMBERED.fullmatch(name):
            found[name] = stem
        else:
            left[name] = stem
    open_ = [name for name in tail if _NUMBERED.fullmatch(name) or name not in stems]
    n = next(iter(tail.values())).shape[1]
    order = _order([tail[name] for name in open_], [stem[:, :n] for stem in left.values()])
    names = dict(zip(order, open_, strict=False))
    for k, stem in enumerate(left.values()):
        if k in names:
            name = names[k]
        else:
            likeness = {old: _correlation(tail[old], stem[:, :n]) for old in tail}
            name = max(likeness, key=likeness.__getitem__)
        found[name] = found[name] + stem
    return found


def _order(previous: list[Array], following: list[Array]) -> list[int]:
    """Return which of the following goes on with each of the previous; where there are fewer, silence is added."""
    if not previous or not following or not previous[0].shape[1]:
        return list(range(len(following)))
    xp, n = namespace(previous[0]), max(len(previous), len(following))
    frontend = STFT(n_fft=min(2048, max(16, 2 ** (previous[0].shape[1] // 4).bit_length())))
    spectra = []
    for some in (previous, following):
        silence = [xp.zeros_like(some[0])] * (n - len(some))
        Y = frontend.analyze(xp.concatenate([*some, *silence]))  # all channels of all sources
        spectra.append(Y.reshape(n, -1, Y.shape[-1]))
    return [int(k) for k in to_host(align_chunks(*spectra))]


def _correlation(a: Array, b: Array) -> float:
    """Return the correlation of two signals; 0 where one is silent."""
    product = float(to_host((a * b).sum(dtype=np.float64)))
    energies = [float(to_host((z * z).sum(dtype=np.float64))) for z in (a, b)]
    return product / (energies[0] * energies[1]) ** 0.5 if min(energies) > 0 else 0.0


def faded(tail: Stems, stems: Stems, overlap: int) -> Stems:
    """Return stems whose first ``overlap`` samples come out of those of the chunk before."""
    found = {}
    for name, stem in stems.items():
        if overlap:
            xp = namespace(stem)
            rising = xp.asarray(
                0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 0.5) / overlap), dtype=stem.dtype
            )
            stem = stem.copy()
            stem[:, :overlap] = tail[name] + (stem[:, :overlap] - tail[name]) * rising
        found[name] = stem
    return found
