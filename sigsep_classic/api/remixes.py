"""Remixes of a file or an array: separate, change stems, put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sigsep_classic.api.separating import separate
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.remixing import Change, method_for, parse
from sigsep_classic.separation import Separation
from sigsep_classic.typing import FrontEnd


def remix(
    source: Any,
    changes: str | Mapping[str, Change | float],
    sample_rate: int | None = None,
    *,
    method: Any = None,
    frontend: FrontEnd | None = None,
    device: str | None = None,
    memory_limit: str | int | None = None,
    **parameters: Any,
) -> Separation:
    """Return a recording with some of its stems changed: turned up or down, moved, filtered, dried.

    Parameters
    ----------
    source, sample_rate
        As for `separate`.
    changes : str, or mapping of str to Change or float
        A line such as ``"vocals -6dB; drums mute; bass pan left; other lowpass 4k"`` (`remixing.parse`), or changes
        or linear gains by the name of the stem.
    method : str or Factorizer, optional
        Gives the stems. Default: the first of `remixing.METHODS_FOR` that gives all that are named.
    frontend, device, memory_limit
        As for `separate`.
    **parameters
        Of the method.

    Returns
    -------
    Separation
        With the single stem ``remix``: exactly the recording where nothing changes.

    Raises
    ------
    ParameterError, ShapeError, ArrayTypeError, AudioError, DeviceError
        One line each, with the way out.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2, 16000)).astype("float32")
    >>> softer = remix(x, "percussive -6dB", 8000)
    >>> list(softer)
    ['remix']
    """
    if not isinstance(changes, (str, Mapping)) or not changes:
        raise ParameterError(f"changes is {changes!r:.60}; say them as 'vocals -6dB; drums mute', or by name")
    told = parse(changes) if isinstance(changes, str) else dict(changes)
    chosen = method_for(told, METHODS.__contains__) if method is None else method
    where: dict[str, Any] = {"device": device, "memory_limit": memory_limit}
    sep = separate(source, sample_rate, method=chosen, frontend=frontend, **where, **parameters)
    return sep.replace(stems={"remix": sep.remix(told)}, groups=None, grouped=None)
