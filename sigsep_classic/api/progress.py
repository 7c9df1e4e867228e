"""A bar of tqdm's while something is computed: in a terminal, and as a widget in notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from sigsep_classic.checks import check_flag
from sigsep_classic.errors import SigsepError
from sigsep_classic.factorizers.base import Callback

T = TypeVar("T")


@contextmanager
def steps_shown(wanted: bool, method: Any, callback: Callback | None) -> Iterator[Callback | None]:
    """Give a callback that moves a bar by an iteration and then calls the one given; that one alone if none is wanted.

    A method that is fitted several times, to chunks of a long recording or within a recipe, begins the bar anew each
    time. One that calls nobody back has a bar with its name that stands still and goes.
    """
    check_flag("progress", wanted)
    if not wanted or not (callback is None or callable(callback)):  # what is no callback is refused by others
        yield callback
        return
    total = getattr(method, "n_iter", None)
    name = str(getattr(method, "name", type(method).__name__))
    with _tqdm()(total=total, desc=name, unit=" iterations", leave=False, dynamic_ncols=True) as bar:

        def told(i: int, model: Any) -> bool | None:
            if i <= bar.n:
                bar.reset()
            bar.update(i - bar.n)
            return None if callback is None else callback(i, model)

        yield told


def counted(wanted: bool, items: Iterator[T], given: Iterable[Any]) -> Iterator[T]:
    """Return items that move a bar as they come, as many as were given where that is known."""
    check_flag("progress", wanted)
    if not wanted:
        return items
    total = len(given) if isinstance(given, Sized) else None
    bar: Iterator[T] = iter(
        _tqdm()(items, total=total, desc="separating", unit=" recordings", dynamic_ncols=True)
    )
    return bar


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise SigsepError("progress=True needs the package tqdm; pip install tqdm") from None
    return tqdm
