"""Which options of NMF make sense, alone and together."""

from __future__ import annotations

import math
from typing import Any

from sigsep_classic.checks import check_choice, check_count, check_range
from sigsep_classic.errors import ParameterError

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
    _check_together(nmf)


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
