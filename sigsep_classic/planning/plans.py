"""What is done with a recording: a choice made of numbers alone, that reads no clock, memory or file.

It can therefore be asked about any machine, and tested as a function.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from sigsep_classic.errors import OutOfMemoryError
from sigsep_classic.frontends import STFT, Waveform
from sigsep_classic.memory import size
from sigsep_classic.pipeline import default_frontend, told
from sigsep_classic.planning.footprints import memory_estimate
from sigsep_classic.planning.lengths import length_of
from sigsep_classic.typing import FrontEnd

LOCAL_MASKS = (None, "ratio", "wiener", "binary", "logit")
"""Masks whose gain at a point needs no other points."""

LONG_SECONDS = 20.0
"""Recordings this long go block by block by themselves where that changes nothing."""

BLOCK_SECONDS = 3.0
"""Of stems at a time: with HPSS as long as is worth its neighbourhood, about a second, and short for memory."""

APPLY_SECONDS = 20.0
"""Of a block that a fitted model is applied to, at most."""

SAMPLE_SECONDS = 180.0
"""Of what is fitted, spread over the recording, at most."""

CHUNK_SECONDS = 600.0
"""Of what is fitted anew and joined, at most."""

OVERLAP_SECONDS = 5.0
"""In which neighbouring chunks are compared and crossfaded, at most."""

ROOM = 0.75
"""Of the limit that pieces are cut for: estimates are estimates, and what is read and written takes some too."""

LEAST_SECONDS = 1.0
"""Less is not worth a try."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done with a recording, and how much memory that is thought to take.

    Parameters
    ----------
    kind : {"whole", "blocks", "stream", "sample", "chunks"}
        As `Length.kind`; ``"chunks"`` is what becomes of a method that needs the whole where that does not fit.
    piece : int
        Samples that are separated at a time, without their neighbourhood; all of them for ``"whole"``.
    margin : int
        Samples of neighbourhood on either side of a piece, or in which chunks overlap.
    sample : int
        Samples that are fitted first, for ``"sample"``; else 0.
    estimate : int
        Bytes.
    limit : int
        Bytes there are.
    sample_rate : int
        In Hz.
    """

    kind: str
    piece: int
    margin: int = 0
    sample: int = 0
    estimate: int
    limit: int
    sample_rate: int

    @property
    def largest(self) -> int:
        """Samples of the longest array that is worked on at once."""
        return max(
            self.sample, self.piece if self.kind in ("whole", "chunks") else self.piece + 2 * self.margin
        )

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values for records."""
        rate = self.sample_rate
        found: dict[str, Any] = {"plan": self.kind}
        if self.kind != "whole":
            found["block_seconds"] = round(self.piece / rate, 3)
            found["context_seconds"] = round(self.margin / rate, 3)
        if self.sample:
            found["sample_seconds"] = round(self.sample / rate, 3)
        return {**found, "memory_estimate": self.estimate, "memory_limit": self.limit}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What `plan` knows of a recording and of what is asked for.

    Parameters
    ----------
    channels, n_samples : int
        Of the recording.
    sample_rate : int
        In Hz.
    itemsize : int
        Bytes of a sample, 4 or 8.
    mask : str or None
        As for `separate`.
    plain : bool
        Nothing else is asked for: no phases, groups, order, callback.
    phase : str or None
        As for `separate`.
    applied : int or None
        Frames of neighbourhood of a model that is there already, and is applied; None where a method is fitted.
    """

    channels: int
    n_samples: int
    sample_rate: int
    itemsize: int = 4
    mask: str | None = None
    plain: bool = True
    phase: str | None = None
    applied: int | None = None


def plan(
    method: Any,
    scene: Scene,
    *,
    limit: int,
    frontend: FrontEnd | None = None,
    longest: int | None = None,
    long_seconds: float = LONG_SECONDS,
) -> Plan:
    """Return how a recording is separated in so much memory.

    Parameters
    ----------
    method : Factorizer
        With its parameters.
    scene : Scene
        The recording.
    limit : int
        Bytes that the work may take beyond the input and the stems it writes.
    frontend : FrontEnd, optional
        Default: the one the method asks for.
    longest : int, optional
        Samples that may be worked on at once: what is left after memory ran out, say.
    long_seconds : float
        From this length on what can go in exact blocks does.

    Returns
    -------
    Plan
        Where not even `LEAST_SECONDS` fit it has an estimate above the limit, and may be tried all the same.

    Raises
    ------
    OutOfMemoryError
        A model is to be applied in a way that needs all frames, which do not fit.
    """
    return _Planner(method, scene, limit, frontend, longest).choose(long_seconds)


class _Planner:
    """The method told its grid, the scene and the bounds, for the choices below."""

    def __init__(
        self, method: Any, scene: Scene, limit: int, frontend: FrontEnd | None, longest: int | None
    ) -> None:
        self.given, self.scene, self.limit, self.frontend = method, scene, limit, frontend
        self.own = default_frontend(method, scene.sample_rate) if frontend is None else frontend
        self.method = told(method, grid=self.own.grid(scene.sample_rate), frontend=self.own)
        self.longest = scene.n_samples if longest is None else min(longest, scene.n_samples)

    def choose(self, long_seconds: float) -> Plan:
        """Return the plan."""
        if self.scene.applied is not None:
            return self.apply(self.scene.applied)
        scene, length = self.scene, length_of(self.method)
        framed = isinstance(self.own, (STFT, Waveform))
        kind = length.kind if framed else "whole"
        if kind in ("blocks", "stream") and not (scene.plain and scene.mask in LOCAL_MASKS):
            kind = "whole"
        if kind == "stream" and (scene.mask is not None or not isinstance(self.own, STFT)):
            kind = "whole"
        if kind == "sample" and (scene.phase not in (None, "mixture") or scene.mask not in LOCAL_MASKS):
            kind = "whole"
        whole = self.bytes(scene.n_samples)
        fits = whole <= self.limit and scene.n_samples <= self.longest
        near = 4 * margin_of(self.own, length.context or 0) <= BLOCK_SECONDS * scene.sample_rate
        if fits and not (kind == "blocks" and near and scene.n_samples >= long_seconds * scene.sample_rate):
            return self.plan("whole", piece=scene.n_samples, estimate=whole)
        if kind == "blocks":
            return self.blocks("blocks", length.context or 0, BLOCK_SECONDS)
        if kind == "stream":
            return self.blocks("stream", 0, BLOCK_SECONDS)
        if kind == "sample":
            return self.sampled()
        return self.chunks()

    def apply(self, context: int) -> Plan:
        """Return a plan to apply a model that is there already."""
        scene = self.scene
        whole = self.bytes(scene.n_samples)
        if whole <= self.limit and scene.n_samples <= self.longest:
            return self.plan("whole", piece=scene.n_samples, estimate=whole)
        local = scene.phase in (None, "mixture") and scene.mask in LOCAL_MASKS
        if local and isinstance(self.own, (STFT, Waveform)):
            return self.blocks("sample", context, APPLY_SECONDS)
        asked = scene.mask if scene.mask not in LOCAL_MASKS else scene.phase
        raise OutOfMemoryError(
            f"{asked or type(self.own).__name__} needs the whole recording, about {size(whole)}, which is beyond "
            f"{size(self.limit)}; raise the memory limit, use a shorter excerpt, or leave it out"
        )

    def bytes(self, n_samples: int) -> int:
        """Return what so many samples take."""
        scene = self.scene
        return memory_estimate(
            self.given,
            channels=scene.channels,
            n_samples=max(1, n_samples),
            sample_rate=scene.sample_rate,
            frontend=self.frontend,
            itemsize=scene.itemsize,
        )

    def fitting(self, seconds: float) -> int:
        """Return the most samples, up to so many seconds, that fit."""
        low, high = 0, min(self.longest, round(seconds * self.scene.sample_rate))
        limit = ROOM * self.limit
        if self.bytes(high) <= limit:
            return high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.bytes(middle) <= limit else (low, middle)
        return low

    @property
    def hop(self) -> int:
        """Samples from frame to frame."""
        return int(getattr(self.own, "step", 1))

    def blocks(self, kind: str, context: int, seconds: float, sample: int = 0) -> Plan:
        """Return a plan of blocks with so many frames of context, as long as fit."""
        margin = margin_of(self.own, context)
        seconds = max(seconds, 4 * margin / self.scene.sample_rate)  # what is done twice should be little
        most = self.fitting(seconds + 2 * margin / self.scene.sample_rate) - 2 * margin
        # Blocks shorter than their neighbourhood save little: only where memory has run out they are tried.
        most = max(most, min(margin, self.longest - 2 * margin))
        piece = max(1, min(most, round(seconds * self.scene.sample_rate)) // self.hop) * self.hop
        estimate = max(self.bytes(piece + 2 * margin), self.bytes(sample) if sample else 0)
        return self.plan(kind, piece=piece, margin=margin, sample=sample, estimate=estimate)

    def sampled(self) -> Plan:
        """Return a plan that fits a sample as long as fits, and applies it to blocks."""
        least = min(round(LEAST_SECONDS * self.scene.sample_rate), self.longest)
        sample = max(self.fitting(SAMPLE_SECONDS), least)
        return self.blocks("sample", 0, APPLY_SECONDS, sample)

    def chunks(self) -> Plan:
        """Return a plan of chunks as long as fit, that overlap by at most a quarter."""
        rate, n = self.scene.sample_rate, self.scene.n_samples
        least = min(round(LEAST_SECONDS * rate), self.longest)
        piece = max(self.fitting(CHUNK_SECONDS), least)
        overlap = min(round(OVERLAP_SECONDS * rate), piece // 4)
        if n > piece:  # all of one length: no short rest at the end
            count = math.ceil((n - overlap) / max(1, piece - overlap))
            piece = min(piece, math.ceil((n + (count - 1) * overlap) / count))
        return self.plan("chunks", piece=piece, margin=overlap, estimate=self.bytes(piece))

    def plan(self, kind: str, **facts: Any) -> Plan:
        """Return a plan of this recording."""
        return Plan(kind=kind, limit=self.limit, sample_rate=self.scene.sample_rate, **facts)


def margin_of(frontend: FrontEnd, context: int) -> int:
    """Return the neighbourhood of a block in samples.

    A cut reaches half a window into the frames, they ``context`` further into the gains, these half a window into the
    samples. Samples themselves have no windows.

    Parameters
    ----------
    frontend : STFT or Waveform
        The transform.
    context : int
        Frames a frame depends on, on either side.
    """
    if not isinstance(frontend, STFT):
        return context
    return (context + -(-frontend.n_fft // frontend.step)) * frontend.step


def halved(tried: Plan) -> int | None:
    """Return how many samples may be worked on at once after a plan ran out of memory; None: there is no use."""
    half = tried.largest // 2
    least = LEAST_SECONDS * tried.sample_rate
    if tried.kind in ("blocks", "stream"):  # their neighbourhood stays, the rest can become one frame
        return half if tried.largest - 2 * tried.margin > least / 4 else None
    return half if half >= least / 2 else None


def with_piece(tried: Plan, **facts: Any) -> Plan:
    """Return a plan with other numbers."""
    return dataclasses.replace(tried, **facts)
