"""The objective of NMF with penalties, weights and known templates, and the updates that do not raise it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sigsep_classic.backend import namespace
from sigsep_classic.errors import NumericalError
from sigsep_classic.factorizers.lowrank.penalties import Penalties, ratio
from sigsep_classic.factorizers.lowrank.sparseness import projected_step
from sigsep_classic.factorizers.lowrank.starts import beyond_range
from sigsep_classic.kernels.beta_divergence import divergence
from sigsep_classic.kernels.beta_nmf import joint_update, multiplicative_update, statistics
from sigsep_classic.kernels.hals import hals_update, products
from sigsep_classic.typing import Array

SWEEPS, SWEEP_TOL = 3, 0.1
"""Most passes of coordinate descent over a factor, and the share of the first pass below which one is the last."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """D_β(gain V | W (gain H)) plus penalties, as a function of W and H.

    Parameters
    ----------
    beta, exponent : float
        β, and γ of the multiplicative updates.
    update_order : str
        "WH" or "HW".
    gain : float
        What V and H are multiplied by inside.
    weights : array (freq, frames) or None
        Of the entries.
    penalties : Penalties
        On W and gain H.
    n_fixed : int
        So many columns of W, the first ones, stay.
    sparseness : float or None
        Of the rows of H, kept by projection.
    rule : {"ratios", "joint", "hals"}
        Update by ratios, by ratios of both factors from one look at V (not with penalties or sparseness), or by
        coordinate descent (β = 2 and nothing but fixed templates).
    """

    beta: float
    exponent: float
    update_order: str
    gain: float
    weights: Array | None
    penalties: Penalties
    n_fixed: int = 0
    sparseness: float | None = None
    rule: str = "ratios"

    @property
    def plain(self) -> bool:
        """Whether it is the divergence alone."""
        return not (self.penalties or self.weights is not None or self.n_fixed or self.sparseness is not None)

    def value(self, V: Array, W: Array, H: Array) -> float:
        """Return the objective.

        Raises
        ------
        NumericalError
            It is not finite.
        """
        value = divergence(V, W, H, beta=self.beta, gain=self.gain, weights=self.weights)
        if self.penalties:
            value += self.penalties.value(W, H * self.gain)
        if not math.isfinite(value):
            raise NumericalError(f"NMF: the loss is {value}; {beyond_range(V, self.beta)}")
        return value

    def update(self, V: Array, W: Array, H: Array, *, stride: float = 0.0) -> float:
        """Update both factors in place, and return the stride for the next projected gradient."""
        if self.rule == "joint" and self.n_fixed < W.shape[1]:
            known = W[:, : self.n_fixed].copy()
            joint_update(V, W, H, beta=self.beta, gain=self.gain, weights=self.weights)
            W[:, : self.n_fixed] = known
            return stride
        if self.rule == "hals":
            self._descend(V, W, H)
            return stride
        for factor in self.update_order:
            if factor == "H" and self.sparseness is not None:
                stride = self._project(V, W, H, self.sparseness, stride)
            elif factor == "H" or self.n_fixed < W.shape[1]:
                known = W[:, : self.n_fixed].copy()
                self._multiply(V, W, H, factor)
                W[:, : self.n_fixed] = known
        return stride

    def _multiply(self, V: Array, W: Array, H: Array, factor: str) -> None:
        """Multiply one factor by the ratio that lowers the objective."""
        data: dict[str, Any] = {"beta": self.beta, "gain": self.gain, "weights": self.weights}
        if not self.penalties:
            multiplicative_update(V, W, H, factor=factor, exponent=self.exponent, **data)
            return
        numerator, denominator = statistics(V, W, H, factor=factor, **data)
        scaled = H * self.gain
        terms = self.penalties.terms(W, scaled, factor)
        A, seen = (W, W) if factor == "W" else (H, scaled)
        A *= ratio(numerator, denominator, terms, beta=self.beta, exponent=self.exponent, factor=seen)

    def _descend(self, V: Array, W: Array, H: Array) -> None:
        """Coordinate descent on gain V ≈ W (gain H): sums of squares stay in the range of numbers."""
        xp, fixed, gain = namespace(V), self.n_fixed, V.dtype.type(self.gain)
        for factor in self.update_order:
            scaled = xp.ascontiguousarray(H.T * gain)
            gram, cross = products(V, W, scaled.T, factor=factor)
            cross *= gain
            if factor == "H":
                hals_update(scaled, gram, cross, n_sweeps=SWEEPS, tol=SWEEP_TOL)
                H.T[:] = scaled * (1 / gain)
            elif fixed < W.shape[1]:
                free = xp.ascontiguousarray(W[:, fixed:])
                left = cross[:, fixed:] - W[:, :fixed] @ gram[:fixed, fixed:]  # what the fixed ones leave
                hals_update(free, gram[fixed:, fixed:], left, n_sweeps=SWEEPS, tol=SWEEP_TOL)
                W[:, fixed:] = free

    def _project(self, V: Array, W: Array, H: Array, target: float, stride: float) -> float:
        xp = namespace(V)
        data: dict[str, Any] = {"beta": self.beta, "gain": self.gain, "weights": self.weights}
        numerator, denominator = statistics(V, W, H, factor="H", **data)
        H[:], stride = projected_step(
            H,
            denominator - numerator,
            lambda moved: divergence(V, W, xp.ascontiguousarray(moved.T).T, **data),
            target=target,
            stride=stride,
        )
        return stride
