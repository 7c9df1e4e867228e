"""Models, methods and what they hold as plain JSON values and arrays, and back.

A JSON object with the key ``$`` stands for what JSON has no word for; all others are dictionaries. Arrays are named
in place, with the order their axes have in memory: sums run along memory, and results are to be the same bits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.storage.kinds import class_named, kind_of
from sigsep_classic.typing import Array

Arrays = dict[str, np.ndarray]

_DEPTH = 32
"""Levels of values inside values; models have six."""


def encoded(value: Any, arrays: Arrays) -> Any:
    """Return a value as JSON; its arrays are added to ``arrays`` under names of their own.

    Raises
    ------
    ParameterError
        It holds a function, or an object of another package.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$": "float", "value": str(value)}
    if type(value) is list:
        return [encoded(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"$": "tuple", "items": [encoded(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return _encoded_mapping(value, arrays)
    if type(value) is slice:
        return {"$": "slice", "items": [value.start, value.stop, value.step]}
    if isinstance(value, np.generic):
        return {"$": "scalar", **_stored(np.asarray(value), arrays)}
    if is_array(value):
        return {"$": "array", **_stored(to_host(value), arrays)}
    return _encoded_object(value, arrays)


def decoded(value: Any, arrays: Mapping[str, np.ndarray], *, depth: int = 0) -> Any:
    """Return the value that `encoded` made JSON of.

    Raises
    ------
    ParameterError
        There is no such kind, field or array, or a method's parameters are out of range.
    """
    if depth > _DEPTH:
        raise ParameterError("holds values inside values without end")

    def inside(item: Any) -> Any:
        return decoded(item, arrays, depth=depth + 1)

    if isinstance(value, list):
        return [inside(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: inside(item) for key, item in value.items()}
    try:
        return _DECODERS[value["$"]](value, arrays, inside)
    except ParameterError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ParameterError(f"holds a {value['$']!r:.40} that is none ({error})") from None


def is_array(value: Any) -> bool:
    """Say whether a value is an array of NumPy or CuPy."""
    return hasattr(value, "flags") and hasattr(value, "dtype")


def mapped(value: Any, change: Callable[[Array], Array]) -> Any:
    """Return a model, or what one holds, with every array replaced by ``change(array)``."""
    if is_array(value):
        return change(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if kind_of(value) is None or kind_of(value)[0] == "method":  # type: ignore[index]
            return value
        fields = {f.name: mapped(getattr(value, f.name), change) for f in dataclasses.fields(value) if f.init}
        return type(value)(**fields)
    if type(value) is dict:
        return {key: mapped(item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(mapped(item, change) for item in value)
    return value


def on_device_of(model: Any, like: Array) -> Any:
    """Return a model with its arrays where ``like`` is; the model itself where they are there."""
    xp = namespace(like)
    return mapped(model, lambda array: array if namespace(array) is xp else xp.asarray(to_host(array)))


def _encoded_mapping(value: Mapping[Any, Any], arrays: Arrays) -> Any:
    if not all(type(key) is str for key in value):
        raise ParameterError(f"{type(value).__name__} has keys that are no text; it can't be saved")
    plain = {key: encoded(item, arrays) for key, item in value.items()}
    return {"$": "dict", "items": plain} if "$" in plain else plain


def _encoded_object(value: Any, arrays: Arrays) -> Any:
    kind = kind_of(value) if dataclasses.is_dataclass(value) else None
    if kind is None:
        what = getattr(value, "__qualname__", type(value).__qualname__)
        raise ParameterError(
            f"{what} can't be saved; models of this package's methods, without functions, can"
        )
    fields = {f.name: encoded(getattr(value, f.name), arrays) for f in dataclasses.fields(value) if f.init}
    return {"$": kind[0], "name": kind[1], "fields": fields}


def _stored(array: np.ndarray, arrays: Arrays) -> dict[str, Any]:
    """Keep an array with its axes turned to their order in memory, once; return its name and that order."""
    if array.dtype.kind not in "biufcU":
        raise ParameterError(f"an array of {array.dtype} can't be saved; arrays of numbers can")
    # Axes without a length, or without a place of their own in memory, first.
    strides = [
        abs(step) if n > 1 and array.size else 0 for step, n in zip(array.strides, array.shape, strict=True)
    ]
    axes = sorted(range(array.ndim), key=lambda axis: (strides[axis] > 0, -strides[axis]))
    turned = array.transpose(axes)
    for name, known in arrays.items():
        if _same_place(known, turned):
            return {"name": name, "axes": axes}
    name = f"a{len(arrays)}"
    arrays[name] = turned
    return {"name": name, "axes": axes}


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    told = a.__array_interface__, b.__array_interface__
    same = all(told[0][key] == told[1][key] for key in ("data", "shape", "typestr"))
    return same and a.strides == b.strides and a.size > 0


def _restored(value: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return an array with its axes in place."""
    array, axes = arrays[value["name"]], value["axes"]
    if sorted(axes) != list(range(array.ndim)):
        raise ParameterError(f"holds an array of {array.ndim} axes with the axes {axes!r:.60}")
    return array.transpose(np.argsort(axes)) if axes else array


def _method(value: dict[str, Any], arrays: Any, inside: Callable[[Any], Any]) -> Any:
    return _made(METHODS.find(value["name"]), value, inside)


def _object(value: dict[str, Any], arrays: Any, inside: Callable[[Any], Any]) -> Any:
    return _made(class_named(value["name"]), value, inside)


def _made(kind: Any, value: dict[str, Any], inside: Callable[[Any], Any]) -> Any:
    known = {f.name for f in dataclasses.fields(kind) if f.init}
    for name in value["fields"]:
        if name not in known:
            raise ParameterError(
                f"holds a {value['name']} with {name!r:.60}, which this version does not know"
            )
    return kind(**{name: inside(item) for name, item in value["fields"].items()})


_DECODERS: dict[str, Callable[[dict[str, Any], Mapping[str, np.ndarray], Callable[[Any], Any]], Any]] = {
    "float": lambda value, arrays, inside: {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[
        value["value"]
    ],
    "tuple": lambda value, arrays, inside: tuple(inside(item) for item in value["items"]),
    "dict": lambda value, arrays, inside: {key: inside(item) for key, item in value["items"].items()},
    "slice": lambda value, arrays, inside: slice(*value["items"]),
    "scalar": lambda value, arrays, inside: _restored(value, arrays)[()],
    "array": lambda value, arrays, inside: _restored(value, arrays),
    "method": _method,
    "object": _object,
}
