"""What a run on the stand-in did: bytes between host and device, calls, kernels; who asked for them."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

HERE = str(Path(__file__).parent)
PACKAGE = str(Path(__file__).parents[3] / "sigsep_classic")
PASSED_OVER = (str(Path(PACKAGE) / "backend.py"),)
"""Files that only hand arrays on: not they asked, their callers did."""


@dataclass(frozen=True)
class Transfer:
    """Bytes that went ``"up"`` to the device or ``"down"`` to the host.

    Parameters
    ----------
    way : {"up", "down"}
        Whither.
    n_bytes : int
        How many.
    what : str
        The function or conversion that did it: ``"asarray"``, ``"float"``, ``"size of a selection"``.
    file, line, function : str, int, str
        The code that called it: the path in the repository where it is in there.
    """

    way: str
    n_bytes: int
    what: str
    file: str
    line: int
    function: str

    @property
    def place(self) -> str:
        """Where in words: ``file:line (function)``."""
        return f"{self.file}:{self.line} ({self.function})"


@dataclass
class Record:
    """What happened since the stand-in was put in place, or since `clear`.

    Parameters
    ----------
    transfers : list of Transfer
        In order.
    launches : list of (str, str)
        Operation (the name of its ``.cu`` file) and kernel.
    calls : Counter
        Functions of the array library by name, kernels of the project not among them.
    """

    transfers: list[Transfer] = field(default_factory=list)
    launches: list[tuple[str, str]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """Forget everything."""
        self.transfers.clear()
        self.launches.clear()
        self.calls.clear()

    def add(self, way: str, n_bytes: int, what: str) -> None:
        """Note a transfer, and who is responsible for it."""
        file, line, function = _caller()
        self.transfers.append(Transfer(way, int(n_bytes), what, file, line, function))

    def n_bytes(self, way: str) -> int:
        """Return the sum of what went up or down."""
        return sum(t.n_bytes for t in self.transfers if t.way == way)


def _caller() -> tuple[str, int, str]:
    """Return file, line and function of the innermost code of the package; of any other where none is."""
    frame: FrameType | None = sys._getframe(2)
    first = None
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((HERE, "<")) or Path(name).name.startswith("test_"):
            first = first or frame
            if name.startswith(PACKAGE) and name not in PASSED_OVER:
                return _place(frame)
        frame = frame.f_back
    return ("?", 0, "?") if first is None else _place(first)


def _place(frame: FrameType) -> tuple[str, int, str]:
    root = str(Path(PACKAGE).parent) + "/"
    return frame.f_code.co_filename.removeprefix(root), frame.f_lineno, frame.f_code.co_qualname


RECORD = Record()
"""The record that all stand-ins write to; there is one stand-in at a time."""
