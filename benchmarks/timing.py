"""Interleaved timing: every candidate once a round, medians over rounds, ratios to the first."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any


def header(title: str, *packages: str) -> None:
    """Print a title with the versions of the packages compared."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("sigsep-classic", "numpy", *packages))
    print(f"\n{title}\n  {versions}; {platform.machine()}, Python {platform.python_version()}")


def compare(
    candidates: Mapping[str, Callable[[], Any]], *, rounds: int = 9, per_call: int = 1, unit: str = "ms"
) -> dict[str, float]:
    """Print and return the median wall time of each candidate in seconds, the first being ours.

    All are called once before; then each round calls each in turn, so that a change in the machine's speed
    meets all alike. ``per_call`` divides, for candidates that do a step several times.
    """
    scale = {"ms": 1e3, "s": 1.0}[unit]
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for call in candidates.values():
        call()
    for _ in range(rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) / per_call)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours = next(iter(medians))
    for name, seconds in medians.items():
        spread = f"{min(times[name]) * scale:.2f} … {max(times[name]) * scale:.2f}"
        ratios = [peer / own for peer, own in zip(times[name], times[ours], strict=True)]
        ratio = "" if name == ours else f"   {statistics.median(ratios):.2f} x ours"
        print(f"  {name:<34} {seconds * scale:9.2f} {unit}  ({spread}){ratio}")
    return medians
