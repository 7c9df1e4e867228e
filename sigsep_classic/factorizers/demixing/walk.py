"""Searches for demixing matrices that take the first of several steps that lowers the loss, and end by themselves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sigsep_classic.factorizers.base import Callback
from sigsep_classic.factorizers.demixing.frequencywise import DemixingState, FrequencyDemixing
from sigsep_classic.factorizers.models import DemixingModel
from sigsep_classic.typing import Array

_ROUNDING = 1e-13


@dataclass(frozen=True, kw_only=True)
class WalkState(DemixingState):
    """`DemixingState` with what the next step starts from.

    Parameters
    ----------
    value : float
        The loss here.
    rate : float
        Size of the step that led here.
    settled : bool
        No step lowers the loss.
    """

    value: float
    rate: float
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Walk(FrequencyDemixing):
    """Base of the searches that have a step size; subclasses say what is at R, and where to go from there."""

    @abstractmethod
    def at(self, X: Any, R: Array, rate: float) -> WalkState:
        """Return the state at R."""

    @abstractmethod
    def candidates(self, X: Any, model: WalkState) -> Iterator[tuple[float, Array]]:
        """Yield step sizes and where they lead, the most promising first."""

    def step(self, X: Any, model: WalkState) -> WalkState:  # type: ignore[override]
        """Return the first candidate that lowers the loss, or the same state, settled, where none does."""
        if model.settled:
            return model
        least = model.value - _ROUNDING * abs(model.value)
        for rate, R in self.candidates(X, model):
            ahead = self.at(X, R, rate)
            if ahead.value < least:
                return ahead
        return replace(model, settled=True)

    def loss(self, X: Any, model: Any) -> float:
        """Return the loss, which the step has computed."""
        return float(model.value)

    def fit(self, X: Array, *, start: Any = None, callback: Callback | None = None) -> DemixingModel:  # type: ignore[override]
        """Return the demixing of X (channels, freq, frames); see `Iterative.fit`."""
        settled = False

        def stop(i: int, model: WalkState) -> bool:
            nonlocal settled
            settled = model.settled
            return bool(callback is not None and callback(i, model)) or settled

        model = super().fit(X, start=start, callback=stop)
        return replace(model, converged=model.converged or settled)
