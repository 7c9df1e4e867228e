"""Checks of parameters at the public edge: the wrong value, what was expected, one line."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from sigsep_classic.errors import ArrayTypeError, ParameterError, ShapeError


def check_range(
    name: str,
    value: Any,
    low: float,
    high: float | None = None,
    *,
    above: bool = False,
    infinite: bool = False,
) -> None:
    """Raise `ParameterError` unless ``low <= value <= high``, or ``low < value`` with ``above``.

    Infinity is refused unless ``infinite`` says that it means something.
    """
    check_number(name, value)
    inside = low < value if above else low <= value
    if not inside or (high is not None and value > high) or (math.isinf(value) and not infinite):
        bound = f"more than {low:g}" if above else f"at least {low:g}"
        bound += f" and at most {high:g}" if high is not None else "" if infinite else " and finite"
        if math.isinf(low):
            bound = bound.partition(" and ")[2]
        bounds = name, low, math.inf if high is None else high, above
        raise ParameterError(f"{name} is {value}; it must be {bound}", bounds=bounds)


def check_number(name: str, value: Any) -> None:
    """Raise `ParameterError` unless ``value`` is a real number (infinity is, NaN is not)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        raise ParameterError(f"{name} is {value!r}; it must be a number")


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Raise `ParameterError` unless ``value`` is a whole number (an ``int``) of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ParameterError(f"{name} is {value!r}; it must be a whole number")
    if value < low:
        bounds = name, low, math.inf, False
        raise ParameterError(f"{name} is {value}; it must be at least {low}", bounds=bounds)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise `ParameterError` unless ``value`` is one of ``choices``; the message tells a near one, if any."""
    if getattr(value, "ndim", 0) or value not in choices:  # an array equals no choice as a whole
        near = nearest(value, choices)
        hint = f"did you mean {near!r}? " if near else ""
        raise ParameterError(f"{name} is {value!r}; {hint}use one of {', '.join(choices)}")


def check_flag(name: str, value: Any) -> None:
    """Raise `ParameterError` unless ``value`` is True or False."""
    if getattr(value, "ndim", 0) or value not in (True, False):
        raise ParameterError(f"{name} is {value!r}; it must be True or False")


def did_you_mean(word: str, known: Sequence[str], listing: str) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or ``listing`` and all of them."""
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else f"{listing}: {', '.join(known)}"


def nearest(word: Any, known: Sequence[str]) -> str | None:
    """Return the known word most like ``word``; None if nothing is."""
    import difflib

    if not isinstance(word, str):
        return None
    lower = {each.lower(): each for each in known}
    return next((lower[each] for each in difflib.get_close_matches(word.lower(), lower, n=1)), None)


def check_array(name: str, x: Any, *axes: int, kinds: str = "fdFD") -> None:
    """Raise unless ``x`` is a NumPy or CuPy array that can be computed with.

    Parameters
    ----------
    name : str
        What messages call it.
    x : Any
        What was given.
    *axes : int
        Numbers of axes it may have; any from one on by default. None of them may be empty.
    kinds : str
        Characters of the dtypes it may have: float32, float64 and complex numbers of these by default.

    Raises
    ------
    ArrayTypeError
        It is no array, a masked one, or of other numbers.
    ShapeError
        It has another number of axes, or an empty one.
    """
    check_kind(name, x, kinds)
    if x.ndim not in (axes or range(1, 65)) or 0 in x.shape:
        wanted = " or ".join(map(str, axes)) or "one or more"
        raise ShapeError(f"{name} has shape {x.shape}; expected {wanted} axes, none of them 0")


def check_kind(name: str, x: Any, kinds: str = "fdFD") -> None:
    """Raise `ArrayTypeError` unless ``x`` is an array of such numbers; for the rest see `check_array`."""
    if hasattr(x, "mask") and hasattr(x, "filled"):
        raise ArrayTypeError(
            f"{name} is a masked array, which has no values where it is masked; pass x.filled(0)"
        )
    if not all(hasattr(x, part) for part in ("dtype", "shape", "ndim", "astype")):
        raise ArrayTypeError(f"{name} is of type {type(x).__name__}; give a NumPy or CuPy array")
    if not getattr(x.dtype, "isnative", True):
        raise ArrayTypeError(
            f"{name} has the bytes of its numbers in reverse; pass x.astype(x.dtype.newbyteorder('=')"
        )
    if getattr(x.dtype, "char", "?") not in kinds:
        known = "float32, float64 or complex numbers of these" if kinds == "fdFD" else f"one of {kinds}"
        raise ArrayTypeError(f"{name} is {x.dtype}; give {known}")
