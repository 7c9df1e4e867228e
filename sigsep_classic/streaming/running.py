"""Plans carried out: on the device there is, in smaller pieces where memory runs out, and at last on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sigsep_classic.backend import device_memory, free_device_memory, is_out_of_memory
from sigsep_classic.errors import OutOfMemoryError
from sigsep_classic.memory import SHARE, free_memory, size
from sigsep_classic.pipeline import default_frontend, told
from sigsep_classic.planning import Plan, Scene, halved, plan, with_piece
from sigsep_classic.streaming.chunks import in_chunks
from sigsep_classic.streaming.neighbourhood import in_blocks
from sigsep_classic.streaming.online import frame_by_frame
from sigsep_classic.streaming.sampled import Fitted, applied, applies, fit_sample
from sigsep_classic.streaming.sources import Source
from sigsep_classic.typing import Array, FrontEnd

logger = logging.getLogger("sigsep_classic")

T = TypeVar("T")

DEVICE_SHARE = 0.8
"""Of the free memory of a GPU, taken by default."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for, whatever the recording: as for `separate`.

    Parameters
    ----------
    method, frontend, mask, phase, groups, n_sources, order, positions, callback
        As for `pipeline.separate_array`.
    """

    method: Any
    frontend: FrontEnd | None = None
    mask: str | None = None
    phase: str | None = None
    groups: Any = None
    n_sources: int | None = None
    order: str | None = None
    positions: Any = None
    callback: Any = field(default=None, compare=False)

    @property
    def options(self) -> dict[str, Any]:
        """All but the method and the front-end, by name."""
        names = ("mask", "phase", "groups", "n_sources", "order", "positions", "callback")
        return {name: getattr(self, name) for name in names}

    def scene(self, *, channels: int, n_samples: int, sample_rate: int, itemsize: int = 4) -> Scene:
        """Return what the planner is told of a recording."""
        return Scene(
            channels=channels,
            n_samples=n_samples,
            sample_rate=sample_rate,
            itemsize=itemsize,
            mask=self.mask,
            phase=self.phase,
            plain=all(value is None for name, value in self.options.items() if name != "mask"),
        )


def limit_of(memory_limit: int | None, device: str) -> int:
    """Return how many bytes the work may take: what was given, or a share of what is free where it is done."""
    if memory_limit is not None:
        return memory_limit
    return int(SHARE * free_memory() if device == "cpu" else DEVICE_SHARE * device_memory(device))


def carried_out(
    request: Request,
    scene: Scene,
    attempt: Callable[[Plan, str], T],
    *,
    device: str,
    memory_limit: int | None = None,
    **bounds: Any,
) -> tuple[T, dict[str, Any]]:
    """Return what ``attempt(plan, device)`` returns, and what was done as plain values.

    Where it runs out of memory it is called again with half the block, and half of that, and at last, if that was on
    a GPU, on the CPU.

    Parameters
    ----------
    request : Request
        What is asked for.
    scene : Scene
        The recording.
    attempt : callable
        Does it; may be called several times.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    memory_limit : int, optional
        Bytes. Default: a share of what is free.
    **bounds
        ``long_seconds`` of `plan`.

    Raises
    ------
    OutOfMemoryError
        Not even the shortest blocks fit.
    """
    longest: int | None = None
    fell_back: list[str] = []
    while True:
        tried = plan(
            request.method,
            scene,
            limit=limit_of(memory_limit, device),
            frontend=request.frontend,
            longest=longest,
            **bounds,
        )
        try:
            result = attempt(tried, device)
            break
        except Exception as error:
            if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
                raise
        free_device_memory()
        longest = halved(tried)
        if longest is not None:
            fell_back.append(f"{device}: at most {longest / scene.sample_rate:.1f} s at a time")
        elif device != "cpu":
            device = "cpu"
            fell_back.append("cpu")
        else:
            raise _too_large(request.method, scene, tried)
    if fell_back:
        logger.warning("out of memory; went on with less at a time (%s)", "; ".join(fell_back))
    return result, {**tried.facts, "device": device.partition(":")[0], "fell_back": fell_back}


def _too_large(method: Any, scene: Scene, tried: Plan) -> OutOfMemoryError:
    name = getattr(method, "name", type(method).__name__)
    return OutOfMemoryError(
        f"out of memory: {name} needs about {size(tried.estimate)} for {tried.largest / scene.sample_rate:.1f} s of "
        f"{scene.channels} channels; use a shorter window (n_fft), fewer channels or components, or fewer jobs (-j)"
    )


@dataclass
class Work:
    """A plan for a recording, and the stems block by block.

    Parameters
    ----------
    request : Request
        What is asked for.
    source : Source
        The recording.
    plan : Plan
        One of any kind but ``"whole"``.
    device : str or None
        Where blocks are worked on; None: where they are.
    fitted : Fitted or None
        What was learnt of a sample, once it was.
    """

    request: Request
    source: Source
    plan: Plan
    device: str | None = None
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        method, rate = self.request.method, self.plan.sample_rate
        span = getattr(method, "span", None)
        if span is not None:  # a time of the recording, which no piece has of its own
            own = default_frontend(method, rate) if self.request.frontend is None else self.request.frontend
            clip = self.source.excerpt(*(round(seconds * rate) for seconds in span))
            self.request = replace(self.request, method=method.known_from(clip, own))

    def stems(self) -> Iterator[dict[str, Array]]:
        """Yield the stems of consecutive blocks of the recording."""
        request, plan, rate = self.request, self.plan, self.plan.sample_rate
        method, frontend = request.method, request.frontend
        if plan.kind == "blocks":
            options: dict[str, Any] = {"block": plan.piece, "margin": plan.margin, "mask": request.mask}
            yield from in_blocks(
                self.source.pieces(), rate, method, frontend=frontend, device=self.device, **options
            )
        elif plan.kind == "stream":
            own: Any = default_frontend(method, rate) if frontend is None else frontend
            method = told(method, grid=own.grid(rate), frontend=own)
            yield from frame_by_frame(
                self.source.pieces(), method, frontend=own, block=plan.piece, device=self.device
            )
        elif plan.kind == "sample":
            yield from self._sampled()
        else:
            yield from self._chunked(plan)

    def _sampled(self) -> Iterator[dict[str, Array]]:
        request, plan, rate = self.request, self.plan, self.plan.sample_rate
        if self.fitted is None:
            self.fitted = fit_sample(
                self.source,
                rate,
                request.method,
                plan,
                frontend=request.frontend,
                device=self.device,
                **request.options,
            )
        if applies(self.fitted):
            yield from applied(self.source, rate, self.fitted, plan, mask=request.mask, device=self.device)
            return
        # Some methods know only then that their model is of these frames alone.
        self.fitted = None
        overlap = min(5 * rate, plan.sample // 4)
        self.plan = with_piece(plan, kind="chunks", piece=plan.sample, margin=overlap, sample=0)
        yield from self._chunked(self.plan)

    def _chunked(self, plan: Plan) -> Iterator[dict[str, Array]]:
        request = self.request
        yield from in_chunks(
            self.source.pieces(),
            plan.sample_rate,
            request.method,
            frontend=request.frontend,
            chunk=plan.piece,
            overlap=plan.margin,
            device=self.device,
            **request.options,
        )
