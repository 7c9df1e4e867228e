"""What NMF holds while it iterates, and what it hands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sigsep_classic.backend import to_host
from sigsep_classic.factorizers.lowrank.solvers import Run
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.factorizers.templates import Templates
from sigsep_classic.typing import Array


@dataclass(frozen=True, kw_only=True)
class NMFModel(LowRankModel):
    """`LowRankModel` with what the solver remembers between steps.

    Parameters
    ----------
    gain : float
        Power of two nearest to 1 / mean(V): V and H are multiplied by it inside the kernels.
    level : float
        Mean of gain V: near 1, and 1 for silence.
    weights : array (freq, frames) or None
        Of the entries, frame after frame in memory.
    run : Run
        Of the extrapolated solvers: where momentum has led.
    stride : float
        Of the projected gradient, where activations have a given sparseness.
    zeros : bool
        The user's start has zeros, which are to stay.
    """

    gain: float
    level: float = 1.0
    weights: Array = None
    run: Run = field(default_factory=Run)
    stride: float = 0.1
    zeros: bool = False

    @property
    def value(self) -> float | None:
        """The loss in units of gain V, where the solver has computed it."""
        return self.run.value


@dataclass(frozen=True, kw_only=True)
class FittedNMF(LowRankModel):
    """`LowRankModel` that can go on: new frames with the same templates, stems where sources have names.

    Parameters
    ----------
    stems : mapping of str to sequence of int, or None
        Components of each named source and of ``rest``; None where nothing was named.
    method : NMF
        What fitted it.
    """

    stems: Mapping[str, Sequence[int]] | None = None  # type: ignore[assignment]
    method: Any = None

    def apply(self, X: Array) -> FittedNMF:
        """Return a model of other frames with the same templates: only the activations are learnt.

        Parameters
        ----------
        X : array (channels, freq, frames)
            Of the same front-end.

        Returns
        -------
        FittedNMF
            With the same W and stems.
        """
        found: FittedNMF = with_templates(self.method, self.W).fit(X)
        return replace(found, stems=self.stems, method=self.method)


def with_templates(method: Any, W: Array) -> Any:
    """Return the NMF ``method`` with no templates but W, which stay."""
    return replace(
        method,
        templates=Templates({"all": to_host(W)}),
        n_components=0,
        adapt_templates=False,
        notes=None,
        weights=None,
        ard=0.0,
        initial="random",
        n_starts=1,
    )
