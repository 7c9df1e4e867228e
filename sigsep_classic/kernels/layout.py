"""Axis order in memory: kernels run on whatever contiguous order an array has and give the same order back."""

from __future__ import annotations

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array


def frames_first(V: Array) -> bool:
    """Say whether V (..., freq, frames) lies in memory frame after frame, as the STFT writes it."""
    return not V.flags.c_contiguous and V.swapaxes(-1, -2).flags.c_contiguous


def as_batch(V: Array) -> Array:
    """Return V (..., n, m) as a C-contiguous (batch, n, m) array; a view wherever that is possible."""
    return namespace(V).ascontiguousarray(V).reshape(-1, *V.shape[-2:])


def dense_alike(*arrays: Array) -> tuple[Array, ...]:
    """Return the arrays with one common gapless order in memory, copying only what differs from the first."""
    xp = namespace(arrays[0])
    if frames_first(arrays[0]):
        return tuple(xp.ascontiguousarray(V.swapaxes(-1, -2)).swapaxes(-1, -2) for V in arrays)
    return tuple(xp.ascontiguousarray(V) for V in arrays)


def empty_alike(V: Array) -> Array:
    """Return an uninitialised array of the shape, dtype and order in memory of a dense array."""
    xp = namespace(V)
    if frames_first(V):
        return xp.empty_like(V.swapaxes(-1, -2)).swapaxes(-1, -2)
    return xp.empty(V.shape, dtype=V.dtype)


def flat(V: Array) -> Array:
    """Return the elements of a dense array as one axis, in the order they have in memory; always a view."""
    return (V.swapaxes(-1, -2) if frames_first(V) else V).reshape(-1)
