"""Arrays that are wrong, and arrays that are right in an unusual way, each made of an array that works."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

Make = Callable[[np.ndarray], Any]


class LooksLikeAnArray:
    """An array of objects in the clothes of another library, such as a data frame with a column of text."""

    def __init__(self, values: np.ndarray) -> None:
        self.shape, self.ndim, self.values = values.shape, values.ndim, values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values.astype(object)


def _poisoned(value: float) -> Make:
    def make(a: np.ndarray) -> np.ndarray:
        b = np.array(a)
        b.flat[b.size // 2] = value
        return b

    return make


WRONG: dict[str, Make] = {
    "no array": lambda a: None,
    "text": lambda a: "sound",
    "an object": lambda a: object(),
    "a dictionary": lambda a: {"a": 1},
    "0-d": lambda a: np.array(0.5),
    "empty": lambda a: a[..., :0],
    "empty list": lambda a: [],
    "two axes more": lambda a: a[None, None],
    "objects": lambda a: a.astype(object),
    "objects of another library": LooksLikeAnArray,
    "strings": lambda a: a.astype(str),
    "booleans": lambda a: np.real(a) > 0,
    "masked": lambda a: np.ma.masked_array(a, np.real(a) > 0.2),
    "ragged": lambda a: [[1.0, 2.0], [3.0]],
    "dates": lambda a: np.zeros(a.shape, "datetime64[s]"),
    "fields": lambda a: np.zeros(a.shape, [("left", float), ("right", float)]),
}
"""What no array of samples or spectra may be."""

NOT_FINITE: dict[str, Make] = {"NaN": _poisoned(np.nan), "infinity": _poisoned(np.inf)}
"""What no recording may hold; functions of spectra pass it on."""

WRONG_SOUND: dict[str, Make] = {
    "transposed": lambda a: np.ascontiguousarray(np.swapaxes(a, -1, -2)),
    "complex": lambda a: a + 1j,
    "64-bit integers": lambda a: (a * 1000).astype(np.int64),
}
"""What no array of samples may be either."""


def _strided(a: np.ndarray) -> np.ndarray:
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), 7, a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def _read_only(a: np.ndarray) -> np.ndarray:
    b = np.array(a)
    b.flags.writeable = False
    return b


def _memory_mapped(a: np.ndarray) -> np.ndarray:
    with tempfile.NamedTemporaryFile() as file:
        b = np.memmap(file.name, a.dtype, "w+", shape=a.shape)
        b[...] = a
        return b  # the file is gone, the pages are there


UNUSUAL: dict[str, Make] = {
    "strided": _strided,
    "backwards": lambda a: np.array(a[..., ::-1])[..., ::-1],
    "Fortran": np.asfortranarray,
    "read-only": _read_only,
    "memory-mapped": _memory_mapped,
    "a subclass": lambda a: np.array(a).view(type("Mine", (np.ndarray,), {})),
}
"""The same numbers in another place: results are those of the plain array."""

NARROW: dict[str, Make] = {
    "float16": lambda a: a.astype(np.complex64 if np.iscomplexobj(a) else np.float16),
    "longdouble": lambda a: a.astype(np.clongdouble if np.iscomplexobj(a) else np.longdouble),
    "lists": lambda a: a.tolist(),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
}
"""The same numbers in another type: results are near those of the plain array, or one of our errors."""
