"""Many recordings, one after the other: read ahead, fitted together where that pays, moved while the GPU computes."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any

from sigsep_classic.api.ends import read
from sigsep_classic.api.methods import make_method
from sigsep_classic.api.overlap import batch_size, run
from sigsep_classic.api.progress import counted
from sigsep_classic.api.separating import Request
from sigsep_classic.backend import resolve_device
from sigsep_classic.checks import check_choice, check_count
from sigsep_classic.errors import ParameterError
from sigsep_classic.memory import memory_bytes
from sigsep_classic.separation import Separation

ON_ERROR = ("raise", "yield")


def separate_many(
    sources: Iterable[Any],
    sample_rate: int | None = None,
    *,
    method: Any = "hpss",
    device: str | None = None,
    batch: int | None = None,
    on_error: str = "raise",
    frontend: Any = None,
    mask: str | None = None,
    phase: str | None = None,
    groups: Any = None,
    n_sources: int | None = None,
    examples: Any = None,
    order: str | None = None,
    positions: Any = None,
    callback: Any = None,
    memory_limit: str | int | None = None,
    progress: bool = False,
    **parameters: Any,
) -> Iterator[Separation]:
    """Return an iterator over the stems of many recordings, in their order.

    It works while it is iterated over: a thread reads a few recordings ahead, and on a GPU the next ones go up and the
    last ones come down while one is computed. A folder of thousands of files needs the memory of a few, as long as the
    caller keeps none; each separation keeps its model, on the GPU if it was made there.

    Parameters
    ----------
    sources : iterable of str, path, binary file, or array
        As for `separate`, of any kinds and lengths. A generator is run by the thread that reads.
    sample_rate : int, optional
        In Hz; needed with arrays. Files are resampled to it.
    method : str or Factorizer
        A name in `METHODS`, or an instance.
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        As for `separate`.
    batch : int, optional
        At most so many recordings of one rate, as many channels and similar lengths are fitted at once, by methods
        that have a way to (``fit_problems``), without a callback. Default: 16 on a GPU, 1 on the CPU.
    on_error : {"raise", "yield"}
        An error ends the iteration, or comes in place of the separation.
    frontend, mask, phase, groups, n_sources, examples, order, positions, callback
        As for `separate`.
    memory_limit : str or int, optional
        As for `separate`, for each recording, and for all of a batch; those that are read ahead are beside it. On a
        GPU the default is what there is: a recording goes in pieces once memory has run out.
    progress : bool
        Show a bar of the recordings, in a terminal or a notebook.
    **parameters
        Parameters of a method given by name.

    Returns
    -------
    iterator of Separation
        As `separate` gives them for each; of a batch, equal to rounding.

    Raises
    ------
    ParameterError, DeviceError
        At once. What is wrong with one recording is raised, or given, in its place.

    Examples
    --------
    >>> import numpy as np
    >>> clips = [np.sin(0.1 * f * np.arange(4000)) for f in (1, 2, 3)]
    >>> [list(sep) for sep in separate_many(clips, 8000)]
    [['harmonic', 'percussive'], ['harmonic', 'percussive'], ['harmonic', 'percussive']]
    """
    check_choice("on_error", on_error, ON_ERROR)
    if batch is not None:
        check_count("batch", batch)
    _check_several(sources)
    request = Request(
        method=make_method(method, **parameters),
        frontend=frontend,
        mask=mask,
        phase=phase,
        groups=groups,
        n_sources=n_sources,
        examples=examples,
        order=order,
        positions=positions,
        callback=callback,
    ).checked()
    where = resolve_device(device)
    results = run(
        sources,
        lambda source: read(source, sample_rate),
        lambda rate: request,
        device=where,
        stay=device is None,
        batch=batch_size(request.method, where, batch, callback=callback),
        limit=memory_bytes(memory_limit),
    )
    return counted(progress, _separations(results, on_error), sources)


def _check_several(sources: Any) -> None:
    """Refuse one recording in place of several."""
    if isinstance(sources, (str, bytes, os.PathLike)) or hasattr(sources, "read"):
        given = repr(sources)
    elif getattr(sources, "ndim", 3) < 3:
        given = f"an array of shape {tuple(sources.shape)}"
    elif not isinstance(sources, Iterable):
        given = repr(sources)
    else:
        return
    raise ParameterError(f"sources is {given:.80}; give a list of recordings, or use separate for one")


def _separations(results: Generator[tuple[Any, Separation | Exception]], on_error: str) -> Iterator[Any]:
    with closing(results):
        for _, result in results:
            if isinstance(result, Exception) and on_error == "raise":
                raise result
            yield result
