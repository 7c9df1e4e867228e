"""How methods handle length, told by what they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sigsep_classic.pipeline import default_frontend, told
from sigsep_classic.refusals import models_of

KINDS = ("blocks", "stream", "sample", "whole")
"""Ways to handle length, as `length_of` says them."""

USUAL_RATE = 44100
"""In Hz, where nobody says another: what frames and seconds of context are told for."""


@dataclass(frozen=True, kw_only=True)
class Length:
    """How a method handles length.

    Parameters
    ----------
    kind : str
        ``"blocks"``: a frame depends on ``context`` frames on either side, so block-wise work is exact. ``"stream"``:
        frame by frame with a state. ``"sample"``: what is learnt from some frames is applied to all, block by block.
        ``"whole"``: it needs to see everything; in chunks it is fitted to each, and the stems are joined.
    context : int or None
        Frames on either side, where that is all there is.
    """

    kind: str
    context: int | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        if self.kind == "blocks":
            return f"exact block by block, with {self.context} frames of context"
        return {
            "stream": "frame by frame with a state; any blocks give the same bits",
            "sample": "fitted to a sample of the frames, then applied block by block",
            "whole": "fitted to the whole recording; beyond the memory to overlapping chunks whose stems are joined",
        }[self.kind]


def length_of(method: Any) -> Length:
    """Return how a method with these parameters handles length.

    Parameters
    ----------
    method : Factorizer
        One with ``context`` frames goes in blocks, with ``start`` and ``process`` it is a stream, and where its models
        have ``apply``, or itself ``settled``, a sample is enough.
    """
    if getattr(method, "grid", ()) is None:  # nobody has told it seconds and Hz
        own = default_frontend(method, USUAL_RATE)
        method = told(method, grid=own.grid(USUAL_RATE), frontend=own)
    context = getattr(method, "context", None)
    if context is not None:
        return Length(kind="blocks", context=context)
    if hasattr(method, "start") and hasattr(method, "process") and streams(method):
        return Length(kind="stream")
    models = models_of(method)
    if hasattr(method, "settled") or (models and all(hasattr(kind, "apply") for kind in models)):
        return Length(kind="sample")
    return Length(kind="whole")


def streams(method: Any) -> bool:
    """Say whether these parameters are ones that a stream can have."""
    return bool(getattr(method, "can_stream", True))
