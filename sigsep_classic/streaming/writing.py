"""Blocks of stems written as they come, all of them or nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.errors import OutputError, ParameterError
from sigsep_classic.streaming.sources import SoundSource, Source
from sigsep_classic.synthesis import RESIDUAL
from sigsep_classic.typing import Array

Blocks = Iterator[dict[str, Array]]


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


class Louder(Exception):
    """Stems go beyond full scale, and need a gain that is known only now."""

    def __init__(self, peak: float) -> None:
        self.peak = peak


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where stems go, and how.

    Parameters
    ----------
    paths_of : callable
        From names of stems to paths, as `namer` makes it.
    subtype, clip_mode, inputs
        As for `audio.save_all`.
    stems : tuple of str
        Those to write; all if empty.
    residual : bool
        Also write what the stems leave of the mixture.
    forward : callable, optional
        In place of files: returns a context with ``write``, given ``sample_rate``, ``channels`` and ``n_samples``;
        see `audio.ForwardWriter`.
    tell : callable, optional
        Is told how far it is.
    """

    paths_of: Callable[[list[str]], dict[str, str]]
    subtype: str | None = None
    clip_mode: str = "common"
    inputs: Any = ()
    stems: tuple[str, ...] = ()
    residual: bool = False
    forward: Callable[..., Any] | None = None
    tell: Callable[[str], None] | None = None

    def writer(self, paths: list[str], gain: float, **shape: Any) -> Any:
        """Return what takes the blocks."""
        if self.forward is not None:
            return self.forward(**shape)
        return audio.StemWriter(paths, gain=gain, subtype=self.subtype, inputs=self.inputs, **shape)


def written(
    blocks: Blocks, source: SoundSource, target: Target, *, gain: float
) -> tuple[audio.SaveRecord, dict[str, str], int]:
    """Write blocks of stems, all of them or nothing; return what was written, where, and how many samples.

    Raises
    ------
    Louder
        ``clip_mode`` is "common", and the gain does not do.
    OutputError
        It is "none", and stems go beyond full scale.
    """
    first = next(blocks)
    paths, done, rate = target.paths_of(list(first)), 0, source.sample_rate
    channels = len(next(iter(first.values())))
    writer = target.writer(
        list(paths.values()), gain, sample_rate=rate, channels=channels, n_samples=source.n_samples
    )
    with writer as out:
        for stems in itertools.chain([first], blocks):
            out.write({paths[name]: stem for name, stem in stems.items() if stem.shape[1]})
            done += next(iter(stems.values())).shape[1]
            if target.tell is not None:
                target.tell(f"separating {done // rate}/{source.n_samples // rate} s")
        peak = out.limited_peak
        if peak > 1 and target.clip_mode == "none":
            raise OutputError(
                f"{next(iter(paths.values()))}: peak {peak:.4g} is beyond full scale; write float32 wav, or use "
                "clip_mode common or clamp"
            )
        if peak > 1 and target.clip_mode == "common" and gain == 1:
            raise Louder(peak)
    return out.record, paths, done


def chosen(blocks: Blocks, source: Source, target: Target) -> Blocks:
    """Yield the stems to write, and what all of them leave of the mixture."""
    wanted, mixture = target.stems, Pieces(source) if target.residual else None
    for stems in blocks:
        found = dict(stems)
        if mixture is not None:
            x = mixture.take(next(iter(stems.values())).shape[1])
            found.setdefault(RESIDUAL, x - sum(stems.values()))
        for name in wanted:
            if name not in found:
                raise ParameterError(f"stem {name!r} is not there; the method makes {', '.join(found)}")
        yield {name: found[name] for name in wanted} if wanted else found


class Pieces:
    """The mixture once more, in pieces as long as asked for."""

    def __init__(self, source: Source) -> None:
        self._pieces = source.pieces()
        self._held: Array = None

    def take(self, n: int) -> Array:
        """Return the next n samples, (channels, samples)."""
        parts = [] if self._held is None else [self._held]
        while sum(part.shape[1] for part in parts) < n:
            parts.append(next(self._pieces))
        joined = np.concatenate(parts, axis=1) if len(parts) != 1 else parts[0]
        self._held = joined[:, n:]
        return joined[:, :n]
