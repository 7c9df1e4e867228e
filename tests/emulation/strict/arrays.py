"""The stand-in's ``ndarray``: what a NumPy array does not do, or does otherwise, on a GPU.

It holds a host array and never is one. Results lie in memory as CuPy's do: those of elementwise functions,
reductions and selections are C-contiguous, whatever order the arguments had.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.emulation.strict import facts, indexing
from tests.emulation.strict.memory import POOL, current
from tests.emulation.strict.recorder import RECORD

NUMBERS = (bool, int, float, complex, np.generic)
"""Scalars that go to a kernel as an argument, without a transfer."""
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")


class Flags:
    """Says how an array lies; CuPy's has no ``writeable``."""

    __module__ = "cupy._core.flags"

    def __init__(self, flags: Any, owndata: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, owndata
        self.fnc, self.forc = flags.fnc, flags.forc

    def __getitem__(self, name: str) -> bool:
        return getattr(self, name.lower())


class ndarray:
    """An array that lies on the device that is stood in for."""

    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ):
        if memptr is not None or strides is not None:
            raise NotImplementedError("the stand-in makes arrays of new memory only")
        shape = shape if np.isscalar(shape) else tuple(int(n) for n in shape)
        self._take_over(np.empty(shape, dtype, order=order or "C"))

    def _take_over(self, host: np.ndarray) -> None:
        if host.dtype.kind not in "?biufc" or host.dtype.char in "gG":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        self._host, self._buffer = host, POOL.buffer_of(host)

    # ---- what it is

    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: Flags(self._host.flags, self._host.base is None))
    device = property(lambda self: current().cuda.Device(0))
    T = property(lambda self: wrap(self._host.T))
    mT = property(lambda self: wrap(np.swapaxes(self._host, -1, -2)))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._host.shape

    @shape.setter
    def shape(self, value: Any) -> None:
        self._host = self._host.reshape(value, copy=False)

    @property
    def real(self) -> ndarray:
        return wrap(self._host.real)

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> ndarray:
        """A view; of real numbers new zeros, as in CuPy."""
        return wrap(self._host.imag if self.dtype.kind == "c" else np.zeros(self.shape, self.dtype))

    @imag.setter
    def imag(self, value: Any) -> None:
        self.imag[...] = value

    @property
    def base(self) -> Any:
        return None if self._host.base is None else self._buffer

    @property
    def data(self) -> Any:
        return Pointer(self._host.ctypes.data, self._buffer)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        strides = None if self._host.flags.c_contiguous else self.strides
        place = (self._host.ctypes.data, False)
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": place,
            "strides": strides,
            "version": 3,
        }

    # ---- to the host

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        """Return a copy on the host."""
        return down(self, "get", order=order, out=out)

    def set(self, arr: Any, stream: Any = None) -> None:
        """Fill with what lies on the host."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if (arr.dtype, arr.shape) != (self.dtype, self.shape):
            raise TypeError(f"{arr.dtype} {arr.shape} cannot be set to {self.dtype} {self.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        RECORD.add("up", arr.nbytes, "set")
        self._host[...] = arr

    def __array__(self, dtype: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
            "array explicitly."
        )

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return down(self, "item").item()

    def tolist(self) -> Any:
        return down(self, "tolist").tolist()

    def __bool__(self) -> bool:
        return bool(down(self, "bool"))

    def __int__(self) -> int:
        return int(down(self, "int"))

    def __float__(self) -> float:
        return float(down(self, "float"))

    def __complex__(self) -> complex:
        return complex(down(self, "complex"))

    def __repr__(self) -> str:
        return repr(down(self, "repr"))

    def __str__(self) -> str:
        return str(down(self, "str"))

    def __format__(self, spec: str) -> str:
        return format(down(self, "format"), spec)

    # ---- elements

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, slices: Any) -> ndarray:
        return indexing.get(self, slices)

    def __setitem__(self, slices: Any, value: Any) -> None:
        indexing.put(self, slices, value)

    # ---- copies of it

    def copy(self, order: str = "C") -> ndarray:
        return wrap(self._host.copy(order))

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        host = self._host.astype(dtype, order=order, casting=casting or "unsafe", copy=copy)
        return self if host is self._host else wrap(host)

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return wrap(self._host.view() if dtype is None else self._host.view(dtype))

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.shape != ():
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._host.fill(_given(value))

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> ndarray:
        return wrap(self._host.copy("K"))

    def __reduce__(self) -> Any:
        return current().array, (self.get(),)

    # ---- as an argument of NumPy's functions

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or not hasattr(current(), ufunc.__name__):
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        given = (*inputs, *([kwargs["out"]] if "out" in kwargs else []))
        if not all(isinstance(x, (ndarray, np.ndarray, *NUMBERS)) for x in given):
            return NotImplemented
        if ufunc.__name__ in COMPARISONS:  # NumPy makes arrays of its scalars before it compares
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        return getattr(current(), ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        module = current()
        try:
            for name in func.__module__.split(".")[1:]:
                module = getattr(module, name)
            found = getattr(module, func.__name__)
        except AttributeError:
            return NotImplemented
        if found is func or not all(t in (ndarray, np.ndarray) for t in types):
            return NotImplemented
        return found(*args, **kwargs)


class Pointer:
    """Where an array begins; keeps its memory alive."""

    __module__ = "cupy.cuda.memory"

    def __init__(self, ptr: int, mem: Any) -> None:
        self.ptr, self.mem, self.device_id = ptr, mem, 0


def wrap(host: Any) -> Any:
    """Return a device array of what NumPy computed; scalars become arrays without axes."""
    made = ndarray.__new__(ndarray)
    made._take_over(host if isinstance(host, np.ndarray) else np.asarray(host))
    return made


def down(x: ndarray, what: str, *, order: str = "C", out: Any = None) -> np.ndarray:
    """Return a copy of ``x`` on the host, noted down."""
    RECORD.add("down", x.nbytes, what)
    if out is None:
        return x._host.copy("F" if order == "A" and x._host.flags.fnc else "C" if order == "A" else order)
    if not isinstance(out, np.ndarray) or (out.dtype, out.shape) != (x.dtype, x.shape):
        raise TypeError(f"out must be a numpy.ndarray of {x.dtype} {x.shape}")
    out[...] = x._host
    return out


def up(host: Any, what: str) -> ndarray:
    """Return a copy on the device of what lies on the host, noted down."""
    host = np.array(host)
    RECORD.add("up", host.nbytes, what)
    return wrap(host)


def _given(value: Any) -> Any:
    """Return what NumPy is to work with: the host array of a device array, scalars as they are."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, NUMBERS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _operator(name: str, function: str, *, swapped: bool = False, in_place: bool = False) -> Any:
    def method(self: ndarray, other: Any) -> Any:
        if function in COMPARISONS and isinstance(other, np.ndarray) and other.ndim == 0:
            other = other.item()
        if not isinstance(other, (ndarray, np.ndarray, *NUMBERS, list, tuple)):
            return NotImplemented
        call = getattr(current(), function)
        if in_place:
            return call(self, other, self)
        return call(other, self) if swapped else call(self, other)

    return method


_BINARY = {
    **{name: name for name in ("add", "subtract", "multiply", "remainder", "power", "matmul")},
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "sub": "subtract",
    "mul": "multiply",
    "mod": "remainder",
    "pow": "power",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__", _BINARY[_name]))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__", _BINARY[_name], swapped=True))
    if _name != "matmul":  # CuPy 14 has no __imatmul__
        setattr(ndarray, f"__i{_name}__", _operator(f"__i{_name}__", _BINARY[_name], in_place=True))
for _name, _function in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}.items():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__", _function))
for _name, _function in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{_name}__", lambda self, f=_function: getattr(current(), f)(self))


def _method(name: str, parameters: str) -> Any:
    signature = inspect.signature(eval(f"lambda self, {parameters[1:-1]}: 0"))

    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        signature.bind(self, *args, **kwargs)
        return current()._called(f"ndarray.{name}", getattr(np.ndarray, name, None), (self, *args), kwargs)

    method.__name__ = name
    return method


for _name, _fact in facts.known()["ndarray"].items():
    if _fact != "property" and not hasattr(ndarray, _name) and hasattr(np.ndarray, _name):
        setattr(ndarray, _name, _method(_name, _fact))
