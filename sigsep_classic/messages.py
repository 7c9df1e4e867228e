"""What the package and Python warn of while something is done, collected in place of being printed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Keeper(logging.Handler):
    """Collects the text of warnings."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.lines.append(record.getMessage())


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """Collect what the package logs as a warning, and Python's warnings, in place of printing them."""
    lines: list[str] = []
    logger = logging.getLogger("sigsep_classic")
    keeper, propagate = _Keeper(lines), logger.propagate
    logger.addHandler(keeper)
    logger.propagate = False
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield lines
        lines += [f"{item.category.__name__}: {item.message}" for item in caught]
    finally:
        logger.removeHandler(keeper)
        logger.propagate = propagate
