"""Signals as exceptions, so that whatever is half-written is taken back on the way out."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sigsep_classic.errors import Interrupted

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def as_exceptions() -> Iterator[None]:
    """Raise `Interrupted` on the first SIGINT, SIGTERM or SIGHUP, and take no notice of more while cleaning up.

    A signal that is ignored on entry, as under ``nohup``, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    caught: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        caught.append(number)
        raise Interrupted(number)

    def unraisable(lost: Any) -> None:
        if not isinstance(lost.exc_value, Interrupted):
            hook(lost)

    hook, sys.unraisablehook = sys.unraisablehook, unraisable

    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
        if caught:  # in a finalizer or a callback from C, where exceptions get lost
            raise Interrupted(caught[0])
    finally:
        sys.unraisablehook = hook
        for number in taken:
            signal.signal(number, before[number])
