"""Where samples come from: an array or a sound file, in pieces, or an excerpt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sigsep_classic import audio
from sigsep_classic.typing import Array


class Source(Protocol):
    """A recording that can be read from its beginning several times."""

    @property
    def channels(self) -> int: ...
    @property
    def n_samples(self) -> int: ...

    def pieces(self) -> Iterator[Array]:
        """Yield it as arrays (channels, samples), one after the other."""

    def excerpt(self, start: int, stop: int) -> Array:
        """Return samples ``start … stop - 1``, (channels, samples)."""


class SoundSource(Source, Protocol):
    """One that knows its rate."""

    @property
    def sample_rate(self) -> int: ...


@dataclass(frozen=True)
class ArraySource:
    """An array (channels, samples)."""

    x: Array
    step: int = 1 << 16

    @property
    def channels(self) -> int:
        """Its channels."""
        return len(self.x)

    @property
    def n_samples(self) -> int:
        """Its samples."""
        return int(self.x.shape[1])

    def pieces(self) -> Iterator[Array]:
        """Yield views."""
        for at in range(0, self.n_samples, self.step):
            yield self.x[:, at : at + self.step]

    def excerpt(self, start: int, stop: int) -> Array:
        """Return a view."""
        return self.x[:, start:stop]


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """A sound file that is read in pieces.

    Parameters
    ----------
    path : str, path or binary file object
        The file; an object is read from its beginning each time.
    channels : int
        Of it.
    n_samples : int
        Of each at ``sample_rate``.
    sample_rate : int
        In Hz; the file is resampled to it.
    allow_any_codec : bool
        As for `audio.load`.
    on_warning : callable, optional
        Gets each line about what is wrong with it.
    """

    path: Any
    channels: int
    n_samples: int
    sample_rate: int
    allow_any_codec: bool = False
    on_warning: Callable[[str], None] | None = field(default=None, compare=False)

    @classmethod
    def open(
        cls,
        path: Any,
        *,
        sample_rate: int | None = None,
        allow_any_codec: bool = False,
        on_warning: Callable[[str], None] | None = None,
    ) -> FileSource:
        """Return the source for a file; where its header does not say how long it is, it is read once to count.

        Raises
        ------
        AudioError
            It can't be read.
        """
        told = audio.info(_rewound(path), allow_any_codec=allow_any_codec)
        rate = told.sample_rate if sample_rate is None else sample_rate
        n_samples = -(-(told.frames or 0) * rate // told.sample_rate)
        opened = cls(
            path=path,
            channels=told.channels,
            n_samples=n_samples,
            sample_rate=rate,
            allow_any_codec=allow_any_codec,
            on_warning=on_warning,
        )
        return opened.counted() if told.frames is None else opened

    def counted(self) -> FileSource:
        """Return it with the number of samples there are, whatever the header says; the file is read once for that."""
        return replace(
            self, n_samples=sum(block.shape[1] for block in replace(self, on_warning=None).pieces())
        )

    def pieces(self) -> Iterator[Array]:
        """Yield what is read, a second at a time."""
        return audio.blocks(
            _rewound(self.path),
            sample_rate=self.sample_rate,
            block_seconds=1.0,
            allow_any_codec=self.allow_any_codec,
            on_warning=self.on_warning,
        )

    def excerpt(self, start: int, stop: int) -> Array:
        """Read a part of it."""
        return audio.load(
            _rewound(self.path),
            sample_rate=self.sample_rate,
            start=start / self.sample_rate,
            duration=(stop - start) / self.sample_rate,
            allow_any_codec=self.allow_any_codec,
        ).samples


def _rewound(path: Any) -> Any:
    """Return a path as it is, and a file object at its beginning."""
    if hasattr(path, "seek"):
        path.seek(0)
    return path
