"""What FastMNMF and MNMF ask alike: how many sources, of how many components, begun how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.factorizers.base import Iterative
from sigsep_classic.factorizers.covariance.start import START


@dataclass(frozen=True, kw_only=True)
class SourcesOfComponents(Iterative[Any]):
    """Base of the models of covariances times spectra.

    Parameters
    ----------
    n_sources : int or None
        Any number, more than there are channels too; None: as many as there are independent channels.
    n_components : int
        Templates of each source.
    initial : {"demixing", "diagonal"}
        Where to start; see `sigsep_classic.factorizers.covariance.start`.
    n_iter : int
        Largest number of iterations.
    tol : float
        Stop when the loss falls by less than this share of itself between two checks; 0 never stops early.
    seed : int
        Seed of the random templates and activations.
    """

    n_sources: int | None = None
    n_components: int = 16
    initial: str = "demixing"
    tol: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_sources is not None:
            check_count("n_sources", self.n_sources)
        check_count("n_components", self.n_components)
        check_choice("initial", self.initial, START)
        check_count("n_iter", self.n_iter, 0)
        check_range("tol", self.tol, 0)
        check_count("seed", self.seed, 0)
