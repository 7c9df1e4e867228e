"""Updates from a point ahead of the iterate, taken back whenever the loss would rise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from sigsep_classic.backend import namespace
from sigsep_classic.typing import Array

M = TypeVar("M", bound=Any)


def extrapolated(
    model: M, update: Callable[[Array, Array], object], value: Callable[[Array, Array], float]
) -> M:
    """Return the model after ``update`` from A + a [A − A_before]₊ for A = W, H, or from A where that is worse.

    Parameters
    ----------
    model : model
        Has ``W``, ``H`` and what this function remembers: ``W_before``, ``H_before`` (None at first; written
        over), ``momentum`` (1 at first) and ``value`` (the loss, None where not known).
    update : callable
        Changes W and H in place; must not raise ``value``.
    value : callable
        The loss of W and H.

    References
    ----------
    L. T. K. Hien, V. Leplat and N. Gillis, "Block majorization minimization with extrapolation and application
    to β-NMF", arXiv:2401.06646, 2024.
    """
    best = model.value if model.value is not None else value(model.W, model.H)
    following = (1 + math.sqrt(1 + 4 * model.momentum**2)) / 2
    ahead = (model.momentum - 1) / following
    if model.W_before is None:
        W, H = model.W.copy(), model.H.copy(order="K")
    else:
        W = _ahead(model.W, model.W_before, ahead)
        H = _ahead(model.H, model.H_before, ahead)
    update(W, H)
    reached = value(W, H)
    if reached > best and ahead > 0:
        W[:], H[:], following = model.W, model.H, 1.0
        update(W, H)
        reached = value(W, H)
    if reached > best:  # rounding at the optimum: keep the better of the two
        W[:], H[:], reached = model.W, model.H, best
    return replace(model, W=W, H=H, W_before=model.W, H_before=model.H, momentum=following, value=reached)


def _ahead(now: Array, before: Array, ahead: float) -> Array:
    """Return ``now + ahead * [now - before]_+`` in the buffer of ``before``."""
    xp = namespace(now)
    xp.subtract(now, before, out=before)
    xp.maximum(before, 0, out=before)
    before *= ahead
    before += now
    return before
