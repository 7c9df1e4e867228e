"""A model of the same mixture as a start: the search goes on where it ended, and what is no model is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import METHODS
from sigsep_classic.errors import ParameterError, ShapeError
from tests.frequencywise import bin_mixture

EXACT = {
    "auxiva of fewer sources": ("auxiva", {"n_sources": 2}),
    "overiva": ("overiva", {"n_sources": 2}),
    "overiva Laplace": ("overiva", {"n_sources": 2, "prior": "laplace"}),
    "five": ("five", {}),
    "iva": ("iva", {}),
    "iva Laplace": ("iva", {"prior": "laplace"}),
    "fast iva": ("iva", {"solver": "fast"}),
    "fdica": ("fdica", {"reestimate": 0}),
    "exclusion": ("exclusion", {}),
    "ilrma": ("ilrma", {}),
    "ilrma partitioned": ("ilrma", {"partitioned": True, "n_components": 6}),
    "ilrma of Student's t": ("ilrma", {"density": "student", "nu": 3.0, "partitioned": True}),
    "auxiva": ("auxiva", {}),
    "auxiva of pairs": ("auxiva", {"prior": "gauss", "rule": "iss2"}),
    "tiss": ("tiss", {"n_taps": 2}),
    "tiss of fewer sources": ("tiss", {"n_taps": 2, "n_sources": 2}),
}


@pytest.mark.parametrize("case", EXACT)
@pytest.mark.parametrize("level", [1.0, 2.0**-10])
def test_a_search_begins_where_another_ended(case, level):
    name, options = EXACT[case]
    X = bin_mixture(3, n_frames=150)[0] * level
    method = METHODS[name](n_iter=10, **options)
    model, data = method.fit(X), method.prepare(X)
    ended, first = model.losses[-1][1], method.loss(data, method.init(data))
    assert abs(method.loss(data, method.adopt(data, model)) - ended) < 1e-6 * (first - ended)
    assert method.fit(X, start=model).losses[-1][1] <= ended + 1e-9 * abs(ended)


def test_what_was_estimated_once_more_begins_near_where_it_ended():
    X = bin_mixture(3, n_frames=150)[0]
    method = METHODS["fdica"]()
    model, data = method.fit(X), method.prepare(X)
    ended, first = model.losses[-1][1], method.loss(data, method.init(data))
    assert method.loss(data, method.adopt(data, model)) - ended < 0.2 * (first - ended)


def test_the_losses_of_primal_dual_splitting_go_on():
    X = bin_mixture(3, n_frames=150)[0]
    method = METHODS["pds"](n_iter=10)
    model = method.fit(X)
    assert_allclose(method.fit(X, start=model).losses[0][1], model.losses[-1][1])


def test_lengths_follow_their_sources():
    X = bin_mixture(3, n_frames=150)[0]
    method = METHODS["overiva"](n_iter=10)
    model, data = method.fit(X), method.prepare(X)
    turned = model.reordered([2, 0, 1])
    assert_allclose(method.loss(data, method.adopt(data, turned)), model.losses[-1][1])


def test_a_state_is_as_good_as_a_model():
    X = bin_mixture(3, n_frames=150)[0]
    for name, options in (("auxiva", {}), ("ilrma", {}), ("tiss", {"n_taps": 2})):
        method = METHODS[name](n_iter=5, **options)
        *_, state = method.iterate(X)
        data = method.prepare(X)
        assert_allclose(method.adopt(data, state).model.W, state.model.W, rtol=1e-6)


def test_a_start_without_lengths_has_rows_of_length_one():
    X = bin_mixture(2, n_frames=150)[0]
    method = METHODS["overiva"](n_iter=10)
    model = replace(method.fit(X), lengths=None)
    R = method.adopt(method.prepare(X), model).R
    assert_allclose((abs(R) ** 2).sum(axis=2), 1)


def test_filters_of_another_past_are_refused():
    X = bin_mixture(2, n_frames=150)[0]
    model = METHODS["tiss"](n_taps=2, n_iter=2).fit(X)
    with pytest.raises(ShapeError, match="start has n_taps=2 and delay=2; here they are 3 and 2"):
        METHODS["tiss"](n_taps=3, n_iter=2).fit(X, start=model)
    begun = METHODS["auxiva"](n_iter=2).fit(X)
    assert np.isfinite(METHODS["tiss"](n_taps=3, n_iter=2).fit(X, start=begun).W).all()


NEED_A_MODEL = (
    *("auxiva", "fdica", "overiva", "five", "iva", "exclusion", "ilrma", "tiss", "pds", "ica", "wpe"),
    *("cacgmm", "cwmm", "fastmnmf", "fastmnmf2", "mnmf", "nmfd", "nmf_2d", "siplca", "sparse_coding"),
)


@pytest.mark.parametrize("name", NEED_A_MODEL)
def test_what_is_no_model_is_refused_in_one_line(name):
    X = bin_mixture(2, n_freq=9, n_frames=40)[0]
    for start in (3, np.eye(3)):
        with pytest.raises(
            ParameterError, match=rf"start is a {type(start).__name__}; give a model"
        ) as caught:
            METHODS[name](n_iter=2).fit(X, start=start)
        assert "\n" not in str(caught.value)


def test_a_model_of_another_kind_is_refused():
    X = bin_mixture(2, n_freq=9, n_frames=40)[0]
    demixing, lowrank = METHODS["auxiva"](n_iter=2).fit(X), METHODS["nmf"](n_iter=2).fit(X)
    for name in ("cacgmm", "cwmm", "fastmnmf", "fastmnmf2", "mnmf", "wpe", "sparse_coding"):
        for start in (demixing, lowrank):
            with pytest.raises(ParameterError, match=r"start is a .*; give a model of"):
                METHODS[name](n_iter=2).fit(X, start=start)
    for name in ("nmfd", "nmf_2d", "siplca"):
        with pytest.raises(ShapeError, match="start has W"):
            METHODS[name](n_iter=2).fit(X, start=lowrank)
