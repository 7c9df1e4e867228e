"""Several problems in one call have the models of as many single fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import HPSS, NMF, NMFD, fit_many
from sigsep_classic.errors import ParameterError

RNG = np.random.default_rng(0)
XS = [RNG.gamma(0.5, size=(1, 17, n)) + 0.01 for n in (40, 33, 40)]


def test_models_come_in_the_order_of_the_problems_whatever_the_methods() -> None:
    methods: list[Any] = [
        NMF(n_components=3, n_iter=4),
        HPSS(),
        NMFD(n_components=2, n_iter=3),
        NMF(n_components=2, n_iter=4),
    ]
    models = fit_many(methods, XS[0])
    for method, model in zip(methods, models, strict=True):
        assert_array_equal(model.reconstruct(), method.fit(XS[0]).reconstruct())


def test_one_method_goes_with_every_mixture() -> None:
    method = NMFD(n_components=2, n_iter=3)
    for models in (fit_many(method, XS), method.fit_many(XS)):
        for X, model in zip(XS, models, strict=True):
            assert_array_equal(model.reconstruct(), method.fit(X).reconstruct())


def test_the_callback_is_told_the_problem_and_stops_it_alone() -> None:
    told: list[tuple[int, int]] = []

    def callback(n: int, i: int, model: object) -> bool:
        told.append((n, i))
        return n == 1 and i == 2

    methods: list[Any] = [
        NMFD(n_components=2, n_iter=3, tol=0),
        HPSS(),
        NMFD(n_components=1, n_iter=3, tol=0),
    ]
    fit_many(methods, XS[:1] * 3, callback=callback)
    assert sorted(told) == [(0, 1), (0, 2), (0, 3), (2, 1), (2, 2), (2, 3)]
    told.clear()
    methods[0].fit_many(XS, callback=callback)
    assert sorted(told) == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]


def test_as_many_methods_as_mixtures_are_asked_for() -> None:
    with pytest.raises(ParameterError, match="2 methods and 3 mixtures"):
        fit_many([NMF(), NMF(seed=1)], XS)
    assert fit_many(NMF(), []) == []
