"""What every metric begins with: references and estimates checked and paired, and float64 sums over blocks.

Signals are long and often float32. Sums run in float64 over blocks, so that a metric's memory does
not grow with the signal and no float64 copy of it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from sigsep_classic.backend import from_foreign, namespace
from sigsep_classic.errors import ArrayTypeError, NumericalError, ShapeError
from sigsep_classic.typing import Array

Signals: TypeAlias = Array | Sequence[Array]
"""(sources, channels, samples), (sources, samples), (samples,), or a list of (channels, samples)."""

BLOCK = 1 << 16
"""Samples of one channel that are in float64 at a time: fits the second-level cache, costs no speed."""


def _as_images(x: Signals, role: str) -> list[Array]:
    """Return a list over sources of (channels, samples) views."""
    if any(hasattr(part, "mask") for part in (x, *(x if isinstance(x, (list, tuple)) else ()))):
        raise ArrayTypeError(f"{role} are masked, and have no sound where they are; pass x.filled(0)")
    images = list(x) if isinstance(x, (list, tuple)) else _split(from_foreign(x), role)
    images = [from_foreign(image) for image in images]
    images = [_as_array(image, role) for image in images]
    images = [image[None] if image.ndim == 1 else image for image in images]
    if not images:
        raise ShapeError(f"{role} hold no source; give (sources, channels, samples)")
    for image in images:
        if image.ndim != 2 or 0 in image.shape:
            raise ShapeError(
                f"a source of the {role} has shape {image.shape}; give (channels, samples), none of them 0"
            )
        if image.dtype.kind not in "fiu":
            raise ArrayTypeError(f"{role} have dtype {image.dtype}; metrics need real numbers")
    return images


def _as_array(x: Array, role: str) -> Array:
    try:
        return namespace(x).asarray(x)
    except ValueError:
        raise ShapeError(f"{role}: rows differ in length; give one array a source") from None


def _split(x: Array, role: str) -> list[Array]:
    x = _as_array(x, role)
    if x.ndim not in (1, 2, 3):
        raise ShapeError(f"{role} have shape {x.shape}; give (sources, channels, samples)")
    return [x] if x.ndim == 1 else list(x)


def pair(references: Signals, estimates: Signals) -> tuple[list[Array], list[Array]]:
    """Return references and estimates as lists over sources of (channels, samples) views.

    Parameters
    ----------
    references, estimates : array or sequence of array, real
        (sources, channels, samples); (sources, samples) has one channel, (samples,) one source and
        one channel; a list or tuple holds one (channels, samples) array a source. NumPy, CuPy or PyTorch.

    Raises
    ------
    ShapeError
        A wrong number of axes, an empty axis, or shapes of a reference and its estimate that differ.
    ArrayTypeError
        Numbers are not real, or NumPy and CuPy arrays are mixed.
    """
    refs, ests = _as_images(references, "references"), _as_images(estimates, "estimates")
    if len(refs) != len(ests):
        raise ShapeError(f"{len(refs)} references but {len(ests)} estimates; give one estimate a reference")
    for n, (ref, est) in enumerate(zip(refs, ests, strict=True)):
        if ref.shape != est.shape:
            raise ShapeError(
                f"source {n}: reference has shape {ref.shape} but estimate {est.shape}; "
                "cut or pad to one (channels, samples)"
            )
    if len({namespace(x).__name__ for x in refs + ests}) > 1:
        raise ArrayTypeError("references and estimates are on different devices; move them to one")
    return refs, ests


def require_alike(images: list[Array]) -> None:
    """Raise unless all sources have as many channels and samples as the first.

    Raises
    ------
    ShapeError
        They differ.
    """
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ShapeError(
            f"sources have shapes {sorted(shapes)}; cut, pad or mix them to one (channels, samples)"
        )


def blocks(ref: Array, est: Array) -> Iterator[tuple[Array, Array]]:
    """Yield float64 copies of the same BLOCK samples of ref and est, (channels, at most BLOCK)."""
    for start in range(0, ref.shape[-1], BLOCK):
        span = slice(start, start + BLOCK)
        yield ref[:, span].astype("float64"), est[:, span].astype("float64")


def require_finite(sums: Array) -> None:
    """Raise if a sum over samples is not finite: NaN and infinity survive every sum of squares.

    Raises
    ------
    NumericalError
        Some value is NaN or infinite.
    """
    if not bool(namespace(sums).isfinite(sums).all()):
        raise NumericalError("references or estimates hold NaN or infinity; metrics need finite samples")


def decibel(numerator: Array, denominator: Array) -> Array:
    """Return ``10 log10(numerator / denominator)``; +inf over 0, -inf for 0 over a positive number.

    0 over 0 gives +inf, as in museval: nothing was asked for and nothing is wrong. Metrics that
    call such a case undefined put NaN there themselves.
    """
    xp = namespace(numerator)
    positive = denominator > 0
    # Divided as logarithms, since the ratio of two representable energies can overflow.
    with np.errstate(divide="ignore"):
        level = 10 * (xp.log10(numerator) - xp.log10(xp.where(positive, denominator, 1.0)))
    return xp.where(positive, level, xp.inf)
