"""A loss as a small picture that grows while it falls."""

from __future__ import annotations

import math
from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 480, 96, 6


def points(losses: Sequence[tuple[int, float]], *, last: int | None = None) -> list[tuple[float, float]]:
    """Return losses as points of a picture, x to the right and y downwards.

    Parameters
    ----------
    losses : sequence of (int, float)
        Iteration and loss.
    last : int, optional
        The iteration at the right edge; default: the last one there is.

    Returns
    -------
    list of (float, float)
        The level is logarithmic where all losses are positive. What is not finite is left out.
    """
    kept = [(i, value) for i, value in losses if math.isfinite(value)]
    if not kept:
        return []
    levels = [math.log(value) if min(v for _, v in kept) > 0 else value for _, value in kept]
    low, high = min(levels), max(levels)
    end = max(last or 0, kept[-1][0], 1)
    return [
        (
            round(EDGE + (WIDTH - 2 * EDGE) * i / end, 1),
            round(EDGE + (HEIGHT - 2 * EDGE) * ((high - level) / (high - low) if high > low else 0.5), 1),
        )
        for (i, _), level in zip(kept, levels, strict=True)
    ]


def svg(losses: Sequence[tuple[int, float]], *, last: int | None = None) -> str:
    """Return the curve as SVG in the colour of the text around it, with its ends in words; empty without losses."""
    found = points(losses, last=last)
    if not found:
        return ""
    (first, begun), (i, now) = losses[0], losses[-1]
    said = f"Loss over iterations: {begun:.4g} at {first}, {now:.4g} at {i}"
    line = " ".join(f"{x},{y}" for x, y in found)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}" preserveAspectRatio="none">'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2" '
        f'stroke-linecap="round" vector-effect="non-scaling-stroke"/></svg>'
    )


def caption(losses: Sequence[tuple[int, float]]) -> str:
    """Return the last loss in words, and how far it fell from the first."""
    finite = [(i, value) for i, value in losses if math.isfinite(value)]
    if not finite:
        return ""
    (_, begun), (i, now) = finite[0], finite[-1]
    fallen = f", {100 * (1 - now / begun):.1f} % below the first" if begun > 0 and len(finite) > 1 else ""
    return f"loss {now:.4g} after {i} iterations{fallen}"
