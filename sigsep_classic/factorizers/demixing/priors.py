"""Priors of a source as one random vector over all frequencies: functions of its mean power in a frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sigsep_classic.backend import namespace
from sigsep_classic.checks import check_choice, check_range
from sigsep_classic.typing import Array

PRIORS = ("laplace", "gauss", "generalized", "student", "logcosh")

_SCALINGS = 20


@dataclass(frozen=True, kw_only=True)
class Prior:
    """C(u), what a frame of a source costs a frequency, of its power u averaged over frequencies.

    ======================  ==================================  ================================
    prior                   C(u)                                C'(u), the weight of the frame
    ======================  ==================================  ================================
    ``"laplace"``           2 √u                                1 / √u
    ``"gauss"``             log u                               1 / u
    ``"generalized"``       (2 / β) (u^(β/2) - 1)               u^(β/2 - 1)
    ``"student"``           (1 + κ) log(u + κ), κ = ν / (2 F)   (1 + κ) / (u + κ)
    ``"logcosh"``           2 log cosh √u                       tanh(√u) / √u
    ======================  ==================================  ================================

    All are concave, so that their tangents lie above them. Below u = 1e-10 + 1e-3 / F² they go on as their tangent
    there: what the weight says stays exact, silence has a finite weight, and a waveform (F = 1), which passes through
    zero all the time, does not hang on the few samples next to it. The best scale of a source is near u = 1.

    Parameters
    ----------
    kind : str
        Which; ``"gauss"`` is a Gaussian whose variance is that of the frame.
    shape : float
        β of ``"generalized"``, in (0, 2]: 1 is Laplace's, towards 0 that of ``"gauss"``, 2 a steady Gaussian (which
        separates nothing).
    dof : float
        ν of ``"student"``, above 0: degrees of freedom of a Student's t vector of F complex numbers.
    n_freq : int
        F, number of frequencies.
    """

    kind: str
    n_freq: int
    shape: float = 1.0
    dof: float = 1.0

    def __post_init__(self) -> None:
        check_choice("prior", self.kind, PRIORS)
        check_range("shape", self.shape, 0, 2, above=True)
        check_range("dof", self.dof, 0, above=True)

    def weights(self, u: Array) -> Array:
        """Return C' of powers u (sources, frames), in their dtype."""
        xp = namespace(u)
        u = xp.maximum(u, self._floor)
        if self.kind == "gauss":
            return 1 / u
        if self.kind == "student":
            k = self.dof / (2 * self.n_freq)
            return (1 + k) / (u + k)
        if self.kind == "logcosh":
            return xp.tanh(xp.sqrt(u)) / xp.sqrt(u)
        return u ** (self._exponent - 1)

    def costs(self, u: Array) -> Array:
        """Return C of powers u (sources, frames), float64."""
        xp = namespace(u)
        u = u.astype(xp.float64)
        v = xp.maximum(u, self._floor)
        return self._cost(v) + self.weights(v) * (u - v)

    @property
    def steep(self) -> bool:
        """Whether weights fall faster than those of ``"laplace"``: quiet frames may then drown all others."""
        return self.kind in ("gauss", "student") or (self.kind == "generalized" and self.shape < 1)

    @property
    def _floor(self) -> float:
        return 1e-10 + 1e-3 / self.n_freq**2

    @property
    def _exponent(self) -> float:
        return 0.5 if self.kind == "laplace" else self.shape / 2

    def _cost(self, u: Array) -> Array:
        xp = namespace(u)
        if self.kind == "gauss":
            return xp.log(u)
        if self.kind == "student":
            k = self.dof / (2 * self.n_freq)
            return (1 + k) * xp.log(u + k)
        if self.kind == "logcosh":
            r = xp.sqrt(u)
            return 2 * (r + xp.log1p(xp.exp(-2 * r)) - math.log(2))
        if self.kind == "laplace":
            return 2 * xp.sqrt(u)
        return (u**self._exponent - 1) / self._exponent

    def gains(self, u: Array) -> Array:
        """Return the factors (sources,) of powers u (sources, frames) that bring each source to its best scale.

        By the same majorisation as the rows: u gains = mean of C'(u gains) u gains = 1 at the best scale, from
        mean 1. A silent source is left as it is.
        """
        xp = namespace(u)
        u = u.astype(xp.float64)
        mean = u.mean(axis=1)
        gains = 1 / xp.where(mean > 0, mean, 1)
        for _ in range(_SCALINGS):
            scaled = u * gains[:, None]
            slope = (self.weights(scaled) * scaled).mean(axis=1)
            gains = gains / xp.where(slope > 0, slope, 1)
        return gains
