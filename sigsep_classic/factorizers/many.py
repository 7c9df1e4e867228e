"""Many fits as one call: excerpts, seeds or ranks, worked on together where the method can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sigsep_classic.backend import from_foreign
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import ManyCallback, Problem, one_by_one
from sigsep_classic.typing import Array


def fit_many(methods: Any, Xs: Array | Sequence[Array], *, callback: ManyCallback | None = None) -> list[Any]:
    """Return the model of each method and mixture, in order; one alone goes with each of the many.

    Parameters
    ----------
    methods : Factorizer, or sequence of them
        One method for all mixtures, or one for each: other seeds, other numbers of components.
    Xs : array (channels, freq, frames), or sequence of them
        One mixture for all methods, or one for each; their numbers of frames may differ.
    callback : callable, optional
        Called as ``callback(n, i, model)`` after step i of problem n; returning True stops that problem. The model's
        arrays may be reused: copy what you keep.

    Returns
    -------
    list of Model
        What ``method.fit(X)`` gives for each pair, up to rounding.

    Raises
    ------
    ParameterError
        There are several methods and several mixtures, but not as many of the one as of the other, or one is none.

    Notes
    -----
    A class of methods whose ``fit_problems`` works on several problems at once (`NMF`) is given all of its own; the
    others are fitted one after the other.

    Examples
    --------
    Three seeds of one mixture; the best has the least loss.

    >>> import numpy as np
    >>> from sigsep_classic import NMF, fit_many
    >>> X = np.random.default_rng(0).random((1, 20, 40))
    >>> models = fit_many([NMF(n_components=4, seed=seed) for seed in range(3)], X)
    >>> best = min(models, key=lambda model: model.losses[-1][1])

    Two excerpts of different length with one method.

    >>> [model.H.shape for model in fit_many(NMF(n_components=4), [X, X[:, :, :25]])]
    [(4, 40), (4, 25)]
    """
    problems = _paired(methods, Xs)
    found: dict[int, Any] = {}
    by_class: dict[type, list[int]] = {}
    for n, (method, _) in enumerate(problems):
        by_class.setdefault(type(method), []).append(n)
    for kind, members in by_class.items():
        fit = getattr(kind, "fit_problems", None) or one_by_one
        own = None if callback is None else _renumbered(callback, members)
        found |= zip(members, fit([problems[n] for n in members], callback=own), strict=True)
    return [found[n] for n in range(len(problems))]


def _paired(methods: Any, Xs: Any) -> list[Problem]:
    several = [isinstance(methods, (list, tuple)), isinstance(Xs, (list, tuple))]
    methods = list(methods) if isinstance(methods, (list, tuple)) else [methods]
    for method in methods:
        if isinstance(method, type) or not hasattr(method, "fit"):
            raise ParameterError(
                f"method is {method!r:.60}; give an instance such as NMF(n_components=4), or a list"
            )
    Xs = [from_foreign(X) for X in (Xs if several[1] else [Xs])]
    if len(methods) != len(Xs) and all(several):
        raise ParameterError(
            f"there are {len(methods)} methods and {len(Xs)} mixtures; give as many, or one of either"
        )
    n = len(methods) if several[0] else len(Xs) if several[1] else 1
    return list(zip(methods if several[0] else methods * n, Xs if several[1] else Xs * n, strict=True))


def _renumbered(callback: ManyCallback, members: Sequence[int]) -> Any:
    return lambda n, i, model: callback(members[n], i, model)
