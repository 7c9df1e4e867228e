"""Arrays as audio: what is taken at the public edge, and what is refused with the way out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.errors import ArrayTypeError, NotFiniteError, ShapeError
from sigsep_classic.typing import Array

_FULL_SCALE = {"i1": 2.0**7, "i2": 2.0**15, "i4": 2.0**31, "u1": 2.0**7, "u2": 2.0**15}

# More channels than this, and more channels than samples, is (samples, channels) read the wrong way round.
# (2, 1) is one sample of stereo and stays valid; a 64-microphone array has more than 64 samples.
_MANY_CHANNELS = 32


def check_samples(x: Array, *, name: str = "input", host: bool = True) -> Array:
    """Return ``x`` as audio: (channels, samples), float32 or float64, contiguous, native, finite.

    Parameters
    ----------
    x : array_like
        (channels, samples) or (samples,), real. float32 and float64 stay what they are, float16 becomes
        float32, longer floats float64. Integers of 8, 16 and 32 bits are divided by their full scale
        (unsigned ones are centred first) and become float32.
    name : str
        What messages call it.
    host : bool
        Copy a CuPy array to the host. False: it is looked at, and stays, where it is.

    Returns
    -------
    ndarray
        ``x`` itself where nothing had to change. ``x`` is never written to.

    Raises
    ------
    ArrayTypeError
        bool, complex, 64-bit integers, objects, text or a masked array.
    ShapeError
        No or more than two axes, no samples, or axes that look transposed.
    AudioError
        NaN or infinity, with their count and the first position.

    Examples
    --------
    >>> check_samples(np.array([0, 16384, -32768], dtype=np.int16))
    array([[ 0. ,  0.5, -1. ]], dtype=float32)
    """
    array = _as_float(_as_array(x, name, host=host), name)
    _check_shape(array.shape, name)
    array = namespace(array).ascontiguousarray(array if array.ndim == 2 else array[np.newaxis])
    scan = FiniteScan(name)
    scan.see(array)
    scan.raise_if_bad()
    return array


def _as_array(x: Array, name: str, *, host: bool) -> Array:
    if isinstance(x, np.ma.MaskedArray):
        raise ArrayTypeError(f"{name}: a masked array has no sound where it is masked; pass x.filled(0)")
    try:
        return to_host(x) if host or namespace(x) is np else x
    except ValueError:
        raise ShapeError(f"{name}: rows differ in length; pass one (channels, samples) array") from None


def _as_float(x: Array, name: str) -> Array:
    kind, size = x.dtype.kind, x.dtype.itemsize
    if kind == "f":
        # newbyteorder: arrays read from big-endian files keep their byte order until somebody computes.
        target = {2: np.dtype(np.float32), 4: np.dtype(np.float32)}.get(size, np.dtype(np.float64))
        return x if x.dtype == target and x.dtype.isnative else x.astype(target)
    scale = _FULL_SCALE.get(f"{kind}{size}")
    if scale is None:
        way = {"c": "pass x.real", "b": "pass a float array", "i": "divide by its full scale"}.get(kind)
        raise ArrayTypeError(
            f"{name}: dtype {x.dtype} is no audio; {way or 'pass float32, float64 or 16-bit integers'}"
        )
    offset = scale if kind == "u" else 0.0
    # float64 in between: 32-bit integers lose their last bits before the division otherwise.
    return ((x.astype(np.float64) - offset) / scale).astype(np.float32)


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    if len(shape) not in (1, 2):
        raise ShapeError(
            f"{name}: shape {shape} has {len(shape)} axes; pass (channels, samples) or (samples,)"
        )
    if 0 in shape:
        raise ShapeError(f"{name}: shape {shape} holds no samples; pass at least one")
    if len(shape) == 2 and shape[0] > max(_MANY_CHANNELS, shape[1]):
        raise ShapeError(
            f"{name}: shape {shape} is {shape[0]} channels of {shape[1]} samples; pass x.T if transposed (as "
            "soundfile.read has it)"
        )


class FiniteScan:
    """Counts NaN and infinity over successive blocks (channels, samples) and knows where the first was."""

    def __init__(self, name: str, *, sample_rate: float | None = None, start: int = 0) -> None:
        self._name, self._rate, self._position = name, sample_rate, start
        self._count = 0
        self._first: tuple[int, int] | None = None

    def see(self, block: Array) -> None:
        """Take in the next block."""
        # Both extremes are NaN or infinite if any sample is: no mask the size of the block is made.
        if block.size and not (math.isfinite(block.min()) and math.isfinite(block.max())):
            bad = ~namespace(block).isfinite(block)
            self._count += int(bad.sum())
            if self._first is None:
                sample = int(bad.any(axis=0).argmax())
                self._first = int(bad[:, sample].argmax()), self._position + sample
        self._position += block.shape[1]

    def raise_if_bad(self) -> None:
        """Raise NotFiniteError if any block held NaN or infinity."""
        if self._first is None:
            return
        channel, sample = self._first
        when = f" ({sample / self._rate:.3f} s)" if self._rate else ""
        raise NotFiniteError(
            f"{self._name}: {self._count} samples are NaN or infinite, the first in channel {channel} "
            f"at sample {sample}{when}; repair or cut them out"
        )


def as_dtype(dtype: Any) -> str:
    """Return ``"float32"`` or ``"float64"`` for a dtype, or raise."""
    name = np.dtype(dtype).name
    if name not in ("float32", "float64"):
        raise ArrayTypeError(f"dtype {name!r} is not one sound is read in; use float32 or float64")
    return name
