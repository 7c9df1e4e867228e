"""Where CuPy 14 refuses what NumPy takes, does it otherwise, or gives results that lie otherwise in memory.

Each was read in CuPy's sources. The functions are called with the arguments and raise what CuPy raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.emulation.strict import arrays
from tests.emulation.strict.recorder import RECORD

SIZED = {
    "nonzero",
    "ndarray.nonzero",
    "flatnonzero",
    "argwhere",
    "unique",
    "compress",
    "extract",
    "ndarray.compress",
}
"""Functions that wait for the device, as the host must know the size of the result."""


def _device_only(*args: Any, **kwargs: Any) -> None:
    for value in (*args, *kwargs.values()):
        if isinstance(value, (np.ndarray, list)):
            raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
        if isinstance(value, arrays.ndarray) and value.dtype.char not in "fdFD?bBhHiIlLqQ":
            raise TypeError(f"array type {value.dtype} is unsupported in linalg")


def _solve(a: Any, b: Any) -> None:
    """Batches are not broadcast: the leading axes must be equal, or b a vector."""
    _device_only(a, b)
    if b.ndim == 1:
        if a.shape[-1] != b.size:
            raise ValueError("a must have (..., M, M) shape and b must have (M,) for one-dimensional b")
    elif a.shape[:-1] != b.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")


def _stable(a: Any, axis: Any = -1, kind: Any = None) -> None:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")


def _lexsort(keys: Any) -> None:
    if not isinstance(keys, arrays.ndarray) or keys.ndim > 2:
        raise NotImplementedError("Keys with the rank of three or more is not supported in lexsort")


def _searchsorted(a: Any, v: Any, *args: Any, **kwargs: Any) -> None:
    if not isinstance(a, arrays.ndarray) or not isinstance(v, (arrays.ndarray, int, float, complex)):
        raise NotImplementedError("Only python scalars or ndarrays are supported")


def _quantile(a: Any, q: Any, **kwargs: Any) -> None:
    if kwargs.get("method", "linear") not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ValueError(f"{kwargs['method']!r} method is not yet supported.")


def _interp(x: Any, xp: Any, fp: Any, **kwargs: Any) -> None:
    if not x.flags.c_contiguous:
        raise NotImplementedError("Non-C-contiguous x is currently not supported")


def _real_only(a: Any, *args: Any, **kwargs: Any) -> None:
    if a.dtype.kind == "c":
        raise TypeError("complex is not supported")


def _device_lists(tup: Any, *args: Any, **kwargs: Any) -> None:
    if any(not isinstance(a, arrays.ndarray) for a in tup):
        raise TypeError("Only cupy arrays can be concatenated")


def _where(condition: Any, x: Any = None, y: Any = None) -> None:
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if not isinstance(condition, (arrays.ndarray, np.generic)):
        raise AttributeError(f"{type(condition).__name__!r} object has no attribute 'astype'")
    for value in (condition, x, y):
        if isinstance(value, (np.ndarray, list)):
            raise TypeError(f"Unsupported type {type(value)}")
    if x is None:
        RECORD.add("down", 8, "size of what where finds")


def _einsum(*operands: Any, **kwargs: Any) -> None:
    if unknown := set(kwargs) - {"dtype", "optimize", "casting"}:
        raise TypeError(f"Did not understand the following kwargs: {sorted(unknown)}")


def _matmul(*args: Any, **kwargs: Any) -> None:
    for value in args:
        if not isinstance(value, arrays.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")


def _repeat(a: Any, repeats: Any, axis: Any = None) -> None:
    if isinstance(repeats, (arrays.ndarray, np.ndarray)):
        raise ValueError("repeats must be an int, or a list or tuple of ints")


REFUSALS: dict[str, Callable[..., None]] = {
    **{
        f"linalg.{n}": _device_only
        for n in ("eigh", "eigvalsh", "inv", "qr", "svd", "cholesky", "slogdet", "det")
    },
    "linalg.solve": _solve,
    **dict.fromkeys(("sort", "argsort", "ndarray.sort", "ndarray.argsort"), _stable),
    "lexsort": _lexsort,
    **dict.fromkeys(("searchsorted", "ndarray.searchsorted"), _searchsorted),
    **dict.fromkeys(("percentile", "quantile"), _quantile),
    "interp": _interp,
    **dict.fromkeys(("median", "percentile"), _real_only),
    **dict.fromkeys(("concatenate", "stack", "vstack", "hstack", "dstack"), _device_lists),
    "where": _where,
    "einsum": _einsum,
    **dict.fromkeys(("matmul", "dot", "ndarray.dot", "tensordot"), _matmul),
    **dict.fromkeys(("repeat", "ndarray.repeat"), _repeat),
}
"""By name: raises where CuPy does."""


def _where_own(condition: Any, x: Any = None, y: Any = None) -> Any:
    host = getattr(condition, "_host", condition)
    if x is None:
        return tuple(arrays.wrap(np.ascontiguousarray(i)) for i in np.nonzero(host))
    found = np.where(host, getattr(x, "_host", x), getattr(y, "_host", y))
    return arrays.wrap(np.ascontiguousarray(found) if found.ndim else found)


def _as_strided(x: Any, shape: Any = None, strides: Any = None) -> Any:
    return arrays.wrap(np.lib.stride_tricks.as_strided(x._host, shape, strides))


def _sliding(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    if writeable:
        raise NotImplementedError("Writeable views are not supported.")
    return arrays.wrap(np.lib.stride_tricks.sliding_window_view(x._host, window_shape, axis))


def _sort_in_place(x: Any, axis: int = -1, kind: Any = None) -> None:
    x._host.sort(axis=axis, kind="stable")


def _reshape(x: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return arrays.wrap(x._host.reshape(*shape, order=order))


def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    if not isinstance(dst, arrays.ndarray) or isinstance(src, np.ndarray):
        raise TypeError("cupy.copyto takes arrays of the device, or numbers")
    mask = True if where is None else getattr(where, "_host", where)
    np.copyto(dst._host, getattr(src, "_host", src), casting=casting, where=mask)


OWN: dict[str, Callable[..., Any]] = {
    "where": _where_own,
    "lib.stride_tricks.as_strided": _as_strided,
    "lib.stride_tricks.sliding_window_view": _sliding,
    "ndarray.sort": _sort_in_place,
    "ndarray.reshape": _reshape,
    "copyto": _copyto,
}
"""By name: does it as CuPy does."""


def swapped(found: np.ndarray) -> np.ndarray:
    """Return an array whose last two axes lie in memory the other way round, as cuSOLVER leaves them."""
    if found.ndim < 2:
        return np.ascontiguousarray(found)
    return np.ascontiguousarray(found.swapaxes(-1, -2)).swapaxes(-1, -2)


def reversed_order(found: np.ndarray) -> np.ndarray:
    """Return an array whose axes lie in memory the other way round: nobody may count on what einsum gives."""
    return np.asfortranarray(found)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"linalg.{n}": swapped for n in ("solve", "eigh", "qr", "svd", "inv")},
    "einsum": reversed_order,
}
"""By name: how results lie in memory where they are not C-contiguous. Transforms lie so that their axis is the last."""


def undefined(host: Callable[..., Any], given: Any, options: dict[str, Any]) -> Any:
    """Return what cuSOLVER gives for matrices NumPy raises at, as CuPy does not look at its codes: here NaN."""
    regular = [np.broadcast_to(np.eye(*a.shape[-2:], dtype=a.dtype), a.shape) for a in given]
    found = host(*regular, **options)
    parts = found if isinstance(found, tuple) else (found,)
    made = tuple(np.full_like(part, np.nan) for part in parts)
    return type(found)(*made) if hasattr(found, "_fields") else made if isinstance(found, tuple) else made[0]


def transformed(name: str, parameters: Any, host: Callable[..., Any]) -> Callable[..., Any]:
    """Return an FFT whose result lies in memory as cuFFT leaves it: the axis of the transform last."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        bound = parameters.bind(x, *args, **kwargs)
        if not isinstance(x, arrays.ndarray):
            raise TypeError("The input array a must be a cupy.ndarray")
        RECORD.calls[f"fft.{name}"] += 1
        given = {k: v for k, v in bound.arguments.items() if k not in ("x", "a", "plan", "overwrite_x")}
        found = host(x._host, **given)
        axis = given.get("axis", -1)
        if isinstance(axis, int) and axis % found.ndim != found.ndim - 1:
            found = np.ascontiguousarray(found.swapaxes(axis, -1)).swapaxes(axis, -1)
        else:
            found = np.ascontiguousarray(found)
        return arrays.wrap(found)

    return call
