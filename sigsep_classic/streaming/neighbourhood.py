"""Methods that look at a neighbourhood only, block after block: the stems are those of the whole, to rounding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sigsep_classic.backend import device_of, to_device, to_host
from sigsep_classic.pipeline import separate_array
from sigsep_classic.streaming.windows import windows
from sigsep_classic.typing import Array, FrontEnd


def in_blocks(
    pieces: Iterable[Array],
    sample_rate: int,
    method: Any,
    *,
    frontend: FrontEnd | None,
    mask: str | None,
    block: int,
    margin: int,
    device: str | None = None,
) -> Iterator[dict[str, Array]]:
    """Yield the stems of consecutive blocks.

    Parameters
    ----------
    pieces, block, margin
        As for `windows`.
    sample_rate, method, frontend, mask
        As for `separate_array`.
    device : str, optional
        Where each block is worked on; its stems come back to the host. Default: where the pieces are.
    """
    for window in windows(pieces, block=block, margin=margin):
        buffer = window.buffer if device is None else to_device(window.buffer, device)
        with device_of(buffer):
            sep = separate_array(buffer, sample_rate, method, frontend=frontend, mask=mask)
            yield {name: returned(window.own(stem), device) for name, stem in sep.items()}


def returned(stem: Array, device: str | None) -> Array:
    """Return a stem on the host, where blocks were moved to a device."""
    return stem if device is None else to_host(stem)
