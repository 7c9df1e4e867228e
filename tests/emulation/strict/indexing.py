"""How CuPy takes and puts elements: which indices cost a transfer or a wait, and what it refuses.

Lists and host arrays as indices are sent to the device; a selection by truth needs its size on the host. Host arrays
as values are refused where the indices are slices and numbers, and sent up where they are arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.emulation.strict import arrays
from tests.emulation.strict.recorder import RECORD

COUNT = 8  # bytes of a number of elements


def get(x: Any, slices: Any) -> Any:
    """Return ``x[slices]``: a view of basic indices, a new C-contiguous array of others."""
    index, is_advanced = _prepared(slices)
    host = x._host[index] if is_advanced else x._host[_with_ellipsis(index)]
    return arrays.wrap(np.ascontiguousarray(host) if is_advanced and host.ndim else host)


def put(x: Any, slices: Any, value: Any) -> None:
    """Write ``value`` to ``x[slices]``."""
    index, is_advanced = _prepared(slices)
    if isinstance(value, arrays.ndarray):
        x._host[index] = _without_leading_ones(value._host)
        return
    if isinstance(value, (np.ndarray, list, tuple)) and not is_advanced and np.ndim(value):
        raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
    if is_advanced and not np.isscalar(value):
        RECORD.add("up", np.asarray(value, x.dtype).nbytes, "value of an assignment")
    x._host[index] = value


def _prepared(slices: Any) -> tuple[tuple[Any, ...], bool]:
    """Return the indices for NumPy, and whether there are arrays among them."""
    found, is_advanced, n_masks = [], False, 0
    for s in slices if isinstance(slices, tuple) else (slices,):
        if s is None or s is Ellipsis:
            found.append(s)
        elif isinstance(s, slice):
            found.append(slice(*(_number(bound) for bound in (s.start, s.stop, s.step))))
        elif np.isscalar(s) and not isinstance(s, (bool, np.bool_)):
            found.append(s)
        else:
            found.append(_array(s))
            is_advanced = True
            n_masks += found[-1].dtype.kind == "b"
    if n_masks > 1:
        raise IndexError("more than one boolean array among the indices")
    if n_masks:
        RECORD.add("down", COUNT, "size of a selection")
    return tuple(found), is_advanced


def _number(bound: Any) -> Any:
    if isinstance(bound, arrays.ndarray):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return bound


def _array(s: Any) -> np.ndarray:
    if not isinstance(s, arrays.ndarray):
        host = np.asarray(s)
        s = arrays.up(host.astype(np.int32) if host.size == 0 else host, "index")
    if s.dtype.kind not in "biu":
        raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {s.dtype})")
    return s._host


def _with_ellipsis(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the index with an ellipsis, with which NumPy gives a view also of one element."""
    return index if any(s is Ellipsis for s in index) else (*index, Ellipsis)


def _without_leading_ones(host: np.ndarray) -> np.ndarray:
    """Return values without the leading axes of length one, which CuPy lets go."""
    while host.ndim and host.shape[0] == 1:
        host = host[0]
    return host
