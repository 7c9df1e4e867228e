"""A recording of any length without its mains hum, made while it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sigsep_classic.backend import device_of, to_device
from sigsep_classic.factorizers.denoising.dehum import Dehum
from sigsep_classic.pipeline import default_frontend, separate_array, told
from sigsep_classic.planning import BLOCK_SECONDS
from sigsep_classic.streaming.neighbourhood import in_blocks, returned
from sigsep_classic.streaming.sources import SoundSource
from sigsep_classic.streaming.writing import Blocks, Pieces
from sigsep_classic.typing import Array

HUM = "hum"


@dataclass(frozen=True, kw_only=True)
class HumlessSource:
    """What `Dehum` calls ``clean`` of a recording; a source itself.

    Parameters
    ----------
    source : SoundSource
        The recording.
    method : Dehum
        With a frequency, or one that takes nothing off, so that blocks are exact.
    device : str or None
        Where it is worked on; samples are on the host.
    """

    source: SoundSource
    method: Dehum
    device: str | None = None

    @classmethod
    def of(cls, source: SoundSource, method: Dehum, device: str | None = None) -> HumlessSource:
        """Return the source for a `Dehum` with or without a frequency; to find it the recording is read once."""
        rate = source.sample_rate
        known = told(method, grid=default_frontend(method, rate).grid(rate))
        if known.frequency is None:
            known = known.settled_at(known.heard_in(source.pieces(), source.n_samples))
        return cls(source=source, method=replace(known, grid=None), device=device)

    @property
    def channels(self) -> int:
        """Its channels."""
        return self.source.channels

    @property
    def n_samples(self) -> int:
        """Its samples."""
        return self.source.n_samples

    @property
    def sample_rate(self) -> int:
        """Its rate in Hz."""
        return self.source.sample_rate

    @property
    def _context(self) -> int:
        rate = self.sample_rate
        return told(self.method, grid=default_frontend(self.method, rate).grid(rate)).context or 0

    def pieces(self) -> Iterator[Array]:
        """Yield it block by block."""
        block = max(round(BLOCK_SECONDS * self.sample_rate), self._context)
        options: dict[str, Any] = {"frontend": None, "mask": None, "block": block, "margin": self._context}
        for stems in in_blocks(
            self.source.pieces(), self.sample_rate, self.method, device=self.device, **options
        ):
            yield stems["clean"]

    def excerpt(self, start: int, stop: int) -> Array:
        """Return samples ``start … stop - 1``, (channels, samples)."""
        first, last = max(0, start - self._context), min(self.n_samples, stop + self._context)
        x = self.source.excerpt(first, last)
        x = x if self.device is None else to_device(x, self.device)
        with device_of(x):
            clean = separate_array(x, self.sample_rate, self.method)["clean"]
            return returned(clean[:, start - first : stop - first], self.device)

    def with_hum(self, blocks: Blocks) -> Blocks:
        """Yield blocks of stems that add up to this source, with the hum as one more."""
        mixture = Pieces(self.source)
        for stems in blocks:
            clean: Array = sum(stems.values())
            yield {**stems, HUM: mixture.take(clean.shape[1]) - clean}
