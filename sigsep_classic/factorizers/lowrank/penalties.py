"""Penalties on W and H as additions to the two sums of a multiplicative update, each by a separable majoriser.

A factor is multiplied by the ratio r that minimises the majoriser. Its derivative is P r^a + S + Q r − N r^(−b) − C
with a = max(β − 1, 0), b = max(2 − β, 0), the sums N and P of the divergence, and from the penalties a linear
term S, a quadratic one Q and a pull upwards C, all at least 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sigsep_classic.backend import namespace, to_host
from sigsep_classic.typing import Array

ARD_SHAPE = 5.0
"""Shape a of the inverse-gamma prior of the relevances; more than 2."""


class Terms(NamedTuple):
    """What penalties add to the equation of the ratio, in shapes that broadcast to the factor; None is 0."""

    linear: Array | None = None
    quadratic: Array | None = None
    pull: Array | None = None

    def __add__(self, other: Terms) -> Terms:  # type: ignore[override]
        """Return the terms of both."""
        return Terms(
            *(b if a is None else a if b is None else a + b for a, b in zip(self, other, strict=True))
        )


@dataclass(frozen=True, kw_only=True)
class Penalties:
    """Strengths of all penalties, for data scaled to a mean ``level`` near one, and H scaled with it.

    Parameters
    ----------
    sparsity, smoothness, ard : float
        As in `NMF`, each at least 0.
    beta : float
        β of the divergence the penalties are added to.
    level : float
        Mean of the scaled data; strengths are relative to it, so that the level of the input does not matter.
    """

    sparsity: float = 0.0
    smoothness: float = 0.0
    ard: float = 0.0
    beta: float = 1.0
    level: float = 1.0

    def __bool__(self) -> bool:
        return self.sparsity > 0 or self.smoothness > 0 or self.ard > 0

    def value(self, W: Array, H: Array) -> float:
        """Return what is added to the divergence."""
        total = 0.0
        if self.sparsity > 0:
            total += self._cost * float((_norms(W) * H.sum(axis=1)).sum(dtype=np.float64))
        if self.smoothness > 0 and H.shape[1] > 1:
            jumps = H[:, 1:] - H[:, :-1]
            roughness = (W * W).sum(axis=0) * (jumps * jumps).sum(axis=1)
            total += self._stiffness * float(roughness.sum(dtype=np.float64))
        if self.ard > 0:
            strength, offset = self._relevance(W, H)
            shares = (_sizes(W, H) + offset) / math.sqrt(self.level)
            total += strength * float(namespace(W).log(shares).sum(dtype=np.float64))
        return total

    def terms(self, W: Array, H: Array, factor: str) -> Terms:
        """Return what all penalties add to the equation of ``factor``, "W" (freq, components) or "H"."""
        terms = Terms()
        if self.sparsity > 0:
            terms += self._sparse(W, H, factor)
        if self.smoothness > 0 and H.shape[1] > 1:
            terms += self._smooth(W, H, factor)
        if self.ard > 0:
            strength, offset = self._relevance(W, H)
            tangent = strength / (_sizes(W, H) + offset)
            terms += Terms(linear=tangent[:, None] if factor == "H" else tangent)
        return terms

    def _sparse(self, W: Array, H: Array, factor: str) -> Terms:
        """Cost of ‖w_k‖₂ ‖h_k‖₁: linear in h; |w| is bounded by the square that touches it."""
        norms = _norms(W)
        if factor == "H":
            return Terms(linear=(self._cost * norms)[:, None] * namespace(H).ones_like(H[:1]))
        weight = self._cost * len(W) * H.sum(axis=1) / namespace(W).where(norms > 0, norms, 1)
        return Terms(quadratic=weight * W)

    def _smooth(self, W: Array, H: Array, factor: str) -> Terms:
        """Cost of ‖w_k‖² Σ (h_t − h_{t−1})²: quadratic in w; pairs of h are parted at their old mean."""
        xp, stiffness = namespace(W), self._stiffness
        if factor == "W":
            jumps = H[:, 1:] - H[:, :-1]
            return Terms(quadratic=2 * stiffness * (jumps * jumps).sum(axis=1) * W)
        scale = (2 * stiffness * (W * W).sum(axis=0))[:, None]
        neighbours = xp.zeros_like(H)
        neighbours[:, 1:] += H[:, :-1]
        neighbours[:, :-1] += H[:, 1:]
        count = xp.full(H.shape[1], 2, H.dtype)
        count[0] = count[-1] = 1
        return Terms(quadratic=2 * scale * count * H, pull=scale * (count * H + neighbours))

    @property
    def _cost(self) -> float:
        return self.sparsity * self.level ** (self.beta - 1)

    @property
    def _stiffness(self) -> float:
        return self.smoothness * self.level ** (self.beta - 2)

    def _relevance(self, W: Array, H: Array) -> tuple[float, float]:
        """Return φ (F + T + a + 1) and b."""
        shape = len(W) + H.shape[1] + ARD_SHAPE + 1
        return self.ard * self.level**self.beta * shape, _offset(self.level, W.shape[1])


def ratio(
    numerator: Array, denominator: Array, terms: Terms, *, beta: float, exponent: float, factor: Array
) -> Array:
    """Return what to multiply ``factor`` by: the root of the equation, or a ratio nearer to one that is no worse.

    Parameters
    ----------
    numerator, denominator : array
        N and P; overwritten.
    terms : Terms
        Of the penalties.
    beta : float
        β.
    exponent : float
        γ of the update without quadratic terms.
    factor : array
        Where it is 0, or nothing pushes against it, the ratio is 1.

    Notes
    -----
    Without Q and C the root is (N / (P + S))^γ: for 1 < β < 2 the linear term is bounded by the power that touches
    it. With them it is exact for β = 1 and β = 2; else every term is bounded by the highest or lowest power
    present, r ≤ r^p / p + const, which leaves one exponent.
    """
    xp, (linear, quadratic, pull) = namespace(numerator), terms
    if linear is not None:
        denominator = denominator + linear
    if quadratic is None:
        return _powered(numerator, denominator, exponent)
    if beta == 1:
        slope = denominator if pull is None else denominator - pull
        root = xp.sqrt(slope * slope + 4 * quadratic * numerator)
        safe = xp.where(quadratic > 0, quadratic, 1)
        upward = xp.where(
            slope > 0, 2 * numerator / xp.maximum(slope + root, _least(root)), (root - slope) / (2 * safe)
        )
        return xp.where(factor > 0, upward, 1)
    if pull is not None:
        numerator = numerator + pull
    top, bottom = max(beta - 1, 1.0), max(2 - beta, 0.0)
    return _powered(numerator, denominator + quadratic, 1 / (top + bottom))


def _powered(numerator: Array, denominator: Array, exponent: float) -> Array:
    xp = namespace(numerator)
    has = denominator > 0
    quotient = xp.where(has, numerator / xp.where(has, denominator, 1), 1)
    return quotient if exponent == 1 else quotient ** quotient.dtype.type(exponent)


def _least(like: Array) -> float:
    return float(np.finfo(like.dtype).tiny)


def _norms(W: Array) -> Array:
    """‖w_k‖₂ √F: F times the root mean square."""
    xp = namespace(W)
    return xp.sqrt((W * W).sum(axis=0) * len(W))


def _sizes(W: Array, H: Array) -> Array:
    return W.sum(axis=0) + H.sum(axis=1)


def relevant(W: Array, H: Array, *, level: float, always: int = 0) -> Array:
    """Return the indices of components whose size is more than a hundredth of the prior's offset b, at least one.

    Parameters
    ----------
    W, H : array (freq, components), (components, frames)
        H in the scale of the penalties.
    level : float
        As in `Penalties`.
    always : int
        So many components at the beginning are kept in any case.
    """
    sizes = to_host(_sizes(W, H))
    kept = np.flatnonzero((sizes > 0.01 * _offset(level, len(sizes))) | (np.arange(len(sizes)) < always))
    return kept if len(kept) else np.array([int(sizes.argmax())])


def _offset(level: float, n_components: int) -> float:
    """b by the moments of V: Tan & Févotte 2013."""
    return math.sqrt((ARD_SHAPE - 1) * (ARD_SHAPE - 2) * level / n_components)
