"""An iterator that works ahead in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_END = object()


def ahead(items: Iterator[T], depth: int) -> Generator[T]:
    """Yield what an iterator gives; a thread gets at most ``depth`` items before they are asked for.

    An error of the iterator is raised where its item would have come. Closing this one stops the thread, once what it
    is at is done, and closes the iterator there.

    Parameters
    ----------
    items : iterator
        Touched by the thread alone.
    depth : int
        At least 1.

    Examples
    --------
    >>> list(ahead(iter("abc"), 2))
    ['a', 'b', 'c']
    """
    free, ready = threading.Semaphore(depth), SimpleQueue[tuple[Any, BaseException | None]]()
    stopped = False

    def work() -> None:
        try:
            while True:
                free.acquire()
                if stopped:
                    return
                ready.put((next(items, _END), None))
        except BaseException as error:
            ready.put((_END, error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def stop() -> None:
        nonlocal stopped
        stopped = True
        free.release()

    thread = threading.Thread(target=work, name="sigsep-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            free.release()
            yield item
    finally:
        stop()
        thread.join()
