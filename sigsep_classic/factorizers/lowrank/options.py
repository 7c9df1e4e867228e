"""Which options of NMF make sense, alone and together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sigsep_classic.backend import to_host
from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels.betas import snapped
from sigsep_classic.typing import Array

SOLVERS = ("extrapolated", "mu", "me", "joint", "hals")
INITS = ("pooled", "random", "nndsvd")


def check_options(nmf: Any) -> None:
    """Raise `ParameterError` unless every option is in range and all go together."""
    for name, low in (("n_components", 0), ("n_iter", 0), ("seed", 0), ("n_starts", 1), ("n_templates", 1)):
        check_count(name, getattr(nmf, name), low)
    check_range("tol", nmf.tol, 0)
    check_range("beta", nmf.beta, -math.inf)
    check_range("power", nmf.power, 0, above=True)
    for name in ("sparsity", "smoothness", "ard"):
        check_range(name, getattr(nmf, name), 0)
    if nmf.sparseness is not None:
        check_range("sparseness", nmf.sparseness, 0, 1)
    check_choice("solver", nmf.solver, SOLVERS)
    check_choice("update_order", nmf.update_order, ("HW", "WH"))
    check_choice("initial", nmf.initial, INITS)
    if nmf.weights is not None and not _numbers(nmf.weights):
        raise ParameterError(f"weights is {nmf.weights!r}; give an array of numbers (freq, frames)")
    _check_together(nmf)


def rule_of(nmf: Any, *, alone: bool) -> str:
    """Return the update of `Objective` that a solver is made of; ``alone``: the divergence and nothing else."""
    if nmf.solver in ("joint", "hals"):
        rule: str = nmf.solver
        return rule
    if nmf.solver == "extrapolated" and nmf.beta == 2 and alone:
        return "hals"
    any_penalty = nmf.sparsity > 0 or nmf.smoothness > 0 or nmf.ard > 0
    joint = nmf.solver == "extrapolated" and snapped(nmf.beta) >= 1 and not any_penalty
    return "joint" if joint else "ratios"


def same_array(a: Array | None, b: Array | None) -> bool:
    """Return whether both are None, or arrays of the same numbers."""
    if a is b or a is None or b is None:
        return a is b
    return np.array_equal(to_host(a), to_host(b))


def _numbers(values: Any) -> bool:
    try:
        return np.asarray(to_host(values)).dtype.kind in "biuf"
    except ValueError:  # rows of different lengths
        return False


def _check_together(nmf: Any) -> None:
    penalties = [name for name in ("sparsity", "smoothness", "ard") if getattr(nmf, name) > 0]
    if nmf.templates is not None and nmf.notes is not None:
        raise ParameterError("templates and notes both say what components are; give one of them")
    if nmf.solver in ("joint", "hals") and penalties:
        raise ParameterError(
            f"solver {nmf.solver!r} has no update for {penalties[0]}; use 'extrapolated', 'me' or 'mu'"
        )
    if nmf.solver == "hals" and nmf.beta != 2:
        raise ParameterError(f"solver 'hals' is for beta=2, not {nmf.beta}; use 'extrapolated'")
    if nmf.solver == "hals" and (nmf.weights is not None or nmf.notes is not None):
        unable = "notes" if nmf.weights is None else "weights"
        raise ParameterError(f"solver 'hals' takes no {unable}; use 'extrapolated', 'me' or 'mu'")
    if nmf.sparseness is not None and (nmf.solver not in ("mu", "me") or penalties):
        rule = f"leave out {penalties[0]}" if penalties else "use solver='me'"
        raise ParameterError(f"sparseness is kept by projection, on its own; {rule}")
    if nmf.n_starts > 1 and nmf.initial == "nndsvd":
        raise ParameterError(
            f"n_starts={nmf.n_starts} starts from {nmf.initial!r} would be equal; use initial='random'"
        )
