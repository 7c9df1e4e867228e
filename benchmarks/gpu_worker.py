"""A process of its own for what may crash or never come back, as a kernel on its first GPU may."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import Queue
from typing import Any


class WorkerError(RuntimeError):
    """A function failed in its process, or the process did; the message is one line."""


class Worker:
    """Runs functions one after the other in another process, and begins a new one after a crash.

    A CUDA error that is not of the arguments leaves a process without its GPU: after any, too, a new one begins.
    """

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Any = None

    def ask(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
        """Return ``function(*args)``; both ways by pickle.

        Raises
        ------
        WorkerError
            It raised, the process died, or there was no answer within ``timeout`` seconds.
        """
        if self._process is None:
            self._begin()
        self._pipe.send((function, args))
        try:
            if not self._pipe.poll(timeout):
                self.stop()
                raise WorkerError(f"no answer within {timeout:.0f} s")
            failed, found = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            code = self._process.exitcode
            self.stop()
            raise WorkerError(f"the process died with exit code {code}") from None
        if failed:
            if "cuda" in found.lower():
                self.stop()
            raise WorkerError(found)
        return found

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def _begin(self) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()


class Workers:
    """Several of them, to be asked from several threads; each question goes to one that is idle."""

    def __init__(self, n: int) -> None:
        self._all = [Worker() for _ in range(n)]
        self._idle: Queue[Worker] = Queue()
        for worker in self._all:
            self._idle.put(worker)

    def ask(self, function: Callable[..., Any], *args: Any, timeout: float) -> Any:
        """Return ``function(*args)`` as `Worker.ask` does."""
        worker = self._idle.get()
        try:
            return worker.ask(function, *args, timeout=timeout)
        finally:
            self._idle.put(worker)

    def stop(self) -> None:
        """End them all."""
        for worker in self._all:
            worker.stop()


def one_line(error: BaseException) -> str:
    """Return an error's kind and words."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _serve(pipe: Connection) -> None:
    while True:
        try:
            function, args = pipe.recv()
        except EOFError:
            return
        try:
            answer = (False, function(*args))
        except Exception as error:
            answer = (True, one_line(error))
        pipe.send(answer)
