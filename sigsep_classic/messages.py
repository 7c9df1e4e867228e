"""What the package and Python warn of while something is done, kept in place of being printed, by file."""

from __future__ import annotations

import logging
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """Collect what the package logs as a warning, and Python's warnings, in place of printing them."""
    kept = WarningsByFile()
    with kept.listening(), kept.at([""]):
        yield kept.lines[""]


class WarningsByFile(logging.Handler):
    """Collects the text of warnings by file: that which the thread is at that they come from.

    Threads that are at none work for the one that computes, and so for its files.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: dict[str, list[str]] = defaultdict(list)
        self._files: dict[int, Sequence[str]] = {}
        self._computed: Sequence[str] = ()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect inside, from all threads."""
        logger = logging.getLogger("sigsep_classic")
        propagate = logger.propagate
        logger.addHandler(self)
        logger.propagate = False
        try:
            with warnings.catch_warnings():
                warnings.showwarning = self._show
                yield
        finally:
            logger.removeHandler(self)
            logger.propagate = propagate

    @contextmanager
    def at(self, files: Sequence[str], *, computing: bool = True) -> Iterator[None]:
        """Say which files this thread is at inside, and whether it computes them."""
        thread = threading.get_ident()
        before = self._files.get(thread, ())
        self._files[thread] = files
        if computing:
            self._computed = files
        try:
            yield
        finally:
            self._files[thread] = before

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._keep(record.getMessage())

    def _show(self, message: Any, category: type[Warning], *args: Any, **options: Any) -> None:
        self._keep(f"{category.__name__}: {message}")

    def _keep(self, line: str) -> None:
        for file in self._files.get(threading.get_ident()) or self._computed:
            self.lines[file].append(line)
