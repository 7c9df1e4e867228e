"""The package's warnings not printed for a while, where inputs are odd on purpose."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_errors() -> Iterator[None]:
    """Let the package log errors alone inside."""
    logger = logging.getLogger("sigsep_classic")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
