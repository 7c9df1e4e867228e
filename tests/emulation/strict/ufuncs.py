"""Elementwise functions: those CuPy has, for the dtypes it has a loop for, without ``where``."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.emulation.strict import arrays
from tests.emulation.strict.memory import current
from tests.emulation.strict.recorder import RECORD

WEAK = (bool, int, float, complex)
_SCORES = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 2}


class ufunc:
    """One elementwise function.

    Parameters
    ----------
    name : str
        CuPy's name of it, and NumPy's.
    types : list of str
        The loops: codes of dtypes, ``"ff->f"``.
    """

    __module__ = "cupy._core._kernel"

    def __init__(self, name: str, types: list[str]) -> None:
        self.name = self.__name__ = name
        self.types = types
        self._host = getattr(np, name)
        ins, outs = types[0].split("->")
        self.n_in, self.n_out, self.n_args = len(ins), len(outs), len(ins) + len(outs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out, dtype = kwargs.pop("out", None), kwargs.pop("dtype", None)
        casting = kwargs.pop("casting", "same_kind")
        if kwargs:
            raise TypeError(f"Wrong arguments {kwargs}")
        if not self.n_in <= len(args) <= self.n_args:
            raise TypeError(f"Wrong number of arguments for {self.name!r}")
        given, outs = args[: self.n_in], list(args[self.n_in :])
        if out is not None:
            if outs:
                raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
            outs = list(out) if isinstance(out, tuple) else [out]
        for x in given:
            _supported(x)
        for x in outs:
            if x is not None and not isinstance(x, arrays.ndarray):
                raise TypeError("Output arguments type must be cupy.ndarray")
        RECORD.calls[self.name] += 1
        ins, results = self._loop(given, None if dtype is None else np.dtype(dtype))
        hosts = [_cast(x, t) for x, t in zip(given, ins, strict=True)]
        found = self._host(*hosts)
        found = found if isinstance(found, tuple) else (found,)
        outs += [None] * (self.n_out - len(outs))
        made = tuple(_result(f, t, o, casting) for f, t, o in zip(found, results, outs, strict=True))
        return made[0] if self.n_out == 1 else made

    def _loop(self, given: Any, dtype: np.dtype | None) -> tuple[list[np.dtype], list[np.dtype]]:
        """Return the dtypes of the first loop that takes the arguments; Python's numbers adapt to arrays."""
        kinds = [(type(x), True) if type(x) in WEAK else (x.dtype, False) for x in given]
        strong = [_score(kind) for kind, weak in kinds if not weak]
        weakly = [_score(np.dtype(kind)) for kind, weak in kinds if weak]
        adapts = bool(strong and weakly) and max(strong) >= max(weakly)
        for text in self.types:
            codes, results = ([np.dtype(c) for c in part] for part in text.split("->"))
            if dtype is not None:
                if all(t == dtype for t in results):
                    return codes, results
            elif all(_takes(c, kind, weak and adapts) for c, (kind, weak) in zip(codes, kinds, strict=True)):
                return codes, results
        shown = tuple(getattr(kind, "name", None) or kind.__name__ for kind, _ in kinds)
        raise TypeError(f"Wrong type {shown} of arguments for {self.name}")

    def outer(self, A: Any, B: Any, **kwargs: Any) -> Any:
        A, B = current().array(A), current().array(B)
        return self(A.reshape(A.shape + (1,) * B.ndim), B, **kwargs)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if self.name not in ("add", "maximum", "minimum"):
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if self.name == "add" and a.dtype.char not in "iIefdQ":
            raise TypeError("scatter_add only supports int32, float16, float32, float64, uint32, uint64")
        RECORD.calls[f"{self.name}.at"] += 1
        index = indices if isinstance(indices, tuple) else (indices,)
        self._host.at(a._host, tuple(_at(i) for i in index), getattr(b, "_host", b))

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return arrays.wrap(self._host.reduce(array._host, axis=axis, dtype=dtype, keepdims=keepdims))

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        return arrays.wrap(self._host.accumulate(array._host, axis=axis, dtype=dtype))

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.name != "add":
            raise NotImplementedError(f"`{self.name}.reduceat` is not supported yet")
        return arrays.wrap(self._host.reduceat(array._host, getattr(indices, "_host", indices), axis=axis))


def _at(index: Any) -> Any:
    if isinstance(index, (slice, int, type(Ellipsis))):
        return index
    return index._host if isinstance(index, arrays.ndarray) else arrays.up(index, "index")._host


def _score(dtype: np.dtype) -> int:
    return _SCORES[dtype.kind]


def _takes(code: np.dtype, kind: Any, adapts: bool) -> bool:
    """Say whether a loop's argument can be a ``kind``; a number that adapts must not widen the loop."""
    return np.can_cast(kind, code) or (adapts and np.result_type(kind(0), code) == code)


def _supported(x: Any) -> None:
    if not isinstance(x, (arrays.ndarray, *arrays.NUMBERS)):
        raise TypeError(f"Unsupported type {type(x)}")


def _cast(x: Any, dtype: np.dtype) -> Any:
    return x._host.astype(dtype, copy=False) if isinstance(x, arrays.ndarray) else np.asarray(x).astype(dtype)


def _result(found: Any, dtype: np.dtype, out: Any, casting: str) -> Any:
    """Return a result in C order of CuPy's dtype, or ``out`` with it inside."""
    found = np.asarray(found).astype(dtype, copy=False)
    if out is None:
        return arrays.wrap(np.asarray(found, order="C") if found.ndim else found)
    if out.shape != found.shape:
        raise ValueError("Out shape is mismatched")
    if not np.can_cast(found.dtype, out.dtype, casting):
        raise TypeError(
            f"Cannot cast ufunc output from {found.dtype} to {out.dtype} with casting rule {casting!r}"
        )
    out._host[...] = found
    return out
