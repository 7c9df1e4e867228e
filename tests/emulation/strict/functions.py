"""CuPy's functions: those there are, with its parameters, on device arrays alone; NumPy computes on the host arrays."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from tests.emulation.strict import arrays, facts, refusals, ufuncs
from tests.emulation.strict.memory import root_of
from tests.emulation.strict.recorder import RECORD

TAKE_HOST = {"broadcast_to", "take", "ndarray.take", "percentile", "quantile"}
"""Functions whose arguments may lie on the host: they are sent up. So does what makes arrays (`creation`)."""
KEEP_ORDER = {
    "empty_like",
    "zeros_like",
    "ones_like",
    "full_like",
    "pad",
    "empty",
    "zeros",
    "ones",
    "full",
    "eye",
}
KEEP_ORDER |= {"copy", "ndarray.copy", "ndarray.view", "asfortranarray", "ndarray.flatten", "ndarray.ravel"}
"""Functions whose results lie in memory as NumPy's do."""
ONLY_CUPY = {"blocking", "subok"}
"""Parameters that NumPy has not, or not so."""


def function(path: str, name: str, parameters: str) -> Callable[..., Any]:
    """Return a function of CuPy's: ``path`` is its module, ``parameters`` are what `facts` tell."""
    signature = inspect.signature(eval(f"lambda {_evaluable(parameters[1:-1])}: 0"))
    full = ".".join([*path.split(".")[1:], name])

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"cupy.{full}{parameters}: {error}") from None
        return called(full, _on_host(full), args, kwargs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = path
    return call


def called(full: str, host: Callable[..., Any] | None, args: Any, kwargs: dict[str, Any]) -> Any:
    """Return what ``host`` gives for unwrapped arguments, on the device; refused where CuPy refuses."""
    RECORD.calls[full] += 1
    if full in refusals.REFUSALS:
        refusals.REFUSALS[full](*args, **kwargs)
    if full in refusals.OWN:
        return refusals.OWN[full](*args, **kwargs)
    if host is None:
        raise NotImplementedError(f"the stand-in has no {full}; add it to tests/emulation/strict")
    if full in refusals.SIZED:
        RECORD.add("down", 8, f"size of what {full} finds")
    plain = {k: _unwrapped(full, v) for k, v in kwargs.items() if k not in ONLY_CUPY}
    given = [_unwrapped(full, a) for a in args]
    try:
        found = host(*given, **plain)
    except np.linalg.LinAlgError:
        found = refusals.undefined(host, given, plain)
    out = kwargs.get("out")
    return out if isinstance(out, arrays.ndarray) else _wrapped(full, found, [*given, *plain.values()])


def _on_host(full: str) -> Callable[..., Any] | None:
    """Return NumPy's function of that name, or SciPy's."""
    module: Any = np
    if full.startswith("scipy."):
        _, name, full = full.split(".")
        module = importlib.import_module(f"scipy.{name}")
    for part in full.split("."):
        module = getattr(module, part, None)
    return module


def _unwrapped(full: str, value: Any) -> Any:
    """Return the host array of a device array, also inside lists and tuples; refuse arrays of the host."""
    if isinstance(value, arrays.ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        if full not in TAKE_HOST:
            raise TypeError(f"{full}: Unsupported type {type(value)}")
        RECORD.add("up", value.nbytes, full)
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrapped(full, v) for v in value)
    return value


def _wrapped(full: str, found: Any, given: list[Any]) -> Any:
    """Return device arrays for arrays, views as views and all else as it lies in CuPy."""
    if isinstance(found, tuple):
        made = [_wrapped(full, f, given) for f in found]
        return type(found)(*made) if hasattr(found, "_fields") else tuple(made)
    if isinstance(found, list):
        return [_wrapped(full, f, given) for f in found]
    if isinstance(found, np.ndarray):
        if found.ndim and full not in KEEP_ORDER and not _is_view(found, given):
            found = refusals.LAYOUTS.get(full, np.ascontiguousarray)(found)
        return arrays.wrap(found)
    return (
        arrays.wrap(found) if isinstance(found, (np.generic, float, complex)) and full not in PLAIN else found
    )


PLAIN = {"ndim", "size", "result_type", "can_cast", "isscalar", "shape", "promote_types", "min_scalar_type"}
"""Functions that give what lies on the host."""


def _is_view(found: np.ndarray, given: list[Any]) -> bool:
    root = root_of(found)
    flat = [v for value in given for v in (value if isinstance(value, (list, tuple)) else (value,))]
    return any(isinstance(v, np.ndarray) and root_of(v) is root for v in flat)


def _evaluable(parameters: str) -> str:
    return parameters.replace("Ellipsis", "...").replace("<no value>", "None")


def creation(module: ModuleType) -> None:
    """Put in what makes arrays of what lies on the host."""

    def array(
        obj: Any,
        dtype: Any = None,
        copy: Any = True,
        order: Any = "K",
        subok: bool = False,
        ndmin: int = 0,
        *,
        blocking: bool = False,
    ) -> Any:
        if subok:
            raise NotImplementedError
        if isinstance(obj, arrays.ndarray):
            host = np.array(obj._host, dtype, copy=True if copy else None, order=order, ndmin=ndmin)
            return obj if host is obj._host else arrays.wrap(host)
        if isinstance(obj, (list, tuple)) and _holds_device(obj):
            return arrays.wrap(np.array(_unwrapped("array", obj), dtype, order="C", ndmin=ndmin))
        host = np.array(obj, dtype, copy=True, order=order or "K", ndmin=ndmin)
        if host.dtype == object:
            raise ValueError("Unsupported dtype object")
        RECORD.add("up", host.nbytes, "array")
        return arrays.wrap(host)

    def asarray(
        a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False
    ) -> Any:
        if copy is False and not isinstance(a, arrays.ndarray):
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        return array(a, dtype, bool(copy), order or "K")

    def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
        return array(_device(a), dtype, False, "C", ndmin=1)

    def asfortranarray(a: Any, dtype: Any = None) -> Any:
        return array(_device(a), dtype, False, "F")

    def asnumpy(
        a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
    ) -> Any:
        if isinstance(a, arrays.ndarray):
            return arrays.down(a, "asnumpy", order=order, out=out)
        return np.asarray(a, order=order)

    for made in (array, asarray, ascontiguousarray, asfortranarray, asnumpy):
        setattr(module, made.__name__, made)
    module.asanyarray = asarray


def _device(a: Any) -> Any:
    if not isinstance(a, arrays.ndarray):
        raise TypeError(f"Argument 'a' has incorrect type (expected cupy.ndarray, got {type(a).__name__})")
    return a


def _holds_device(obj: Any) -> bool:
    return any(
        isinstance(o, arrays.ndarray) or (isinstance(o, (list, tuple)) and _holds_device(o)) for o in obj
    )


class Namespace(ModuleType):
    """A module of CuPy's: a name is made when it is first asked for, from what `facts` tell of it."""

    def __getattr__(self, name: str) -> Any:
        fact = facts.known().get(self.__name__, {}).get(name)
        if fact is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        made = _member(self.__name__, name, fact)
        setattr(self, name, made)
        return made


@functools.cache
def _member(path: str, name: str, fact: str) -> Any:
    """Return a function, a type or a constant."""
    if fact.startswith("ufunc: ") and hasattr(np, name):
        return ufuncs.ufunc(name, fact.removeprefix("ufunc: ").split())
    if fact.startswith("("):
        return function(path, name, fact)
    on_host: Any = np
    for part in path.split(".")[1:]:
        on_host = getattr(on_host, part, None)
    if fact in ("type", "value") and hasattr(on_host, name):
        return getattr(on_host, name)
    raise NotImplementedError(f"the stand-in has no {path}.{name}; add it to tests/emulation/strict")
