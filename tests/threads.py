"""How many threads our kernels use, for a while; needs nothing but Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use ``n`` threads inside."""
    before = os.environ.get("SIGSEP_NUM_THREADS")
    os.environ["SIGSEP_NUM_THREADS"] = str(n)
    try:
        yield
    finally:
        os.environ.pop("SIGSEP_NUM_THREADS")
        if before is not None:
            os.environ["SIGSEP_NUM_THREADS"] = before
