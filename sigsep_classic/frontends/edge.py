"""What front-ends check of what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigsep_classic.checks import check_kind
from sigsep_classic.errors import ArrayTypeError, ShapeError
from sigsep_classic.typing import Array


def check_signal(x: Array, whose: str) -> None:
    """Raise `ArrayTypeError` or `ShapeError` unless x (..., samples) is float32 or float64 and not empty."""
    check_kind("x", x)
    if np.dtype(x.dtype).name not in ("float32", "float64"):
        raise ArrayTypeError(f"x has dtype {x.dtype}; {whose} takes float32 or float64, full scale at ±1")
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ShapeError(f"x has no samples; {whose} needs at least one")


def check_coefficients(X: Array, frontend: Any, n_samples: int) -> None:
    """Raise `ShapeError` unless X (..., freq, frames) has the bins and frames of ``n_samples``."""
    check_kind("X", X)
    shape = (frontend.n_bins, frontend.n_frames(n_samples))
    if X.shape[-2:] != shape:
        raise ShapeError(f"X has (freq, frames) = {X.shape[-2:]}; {n_samples} samples make {shape}")
