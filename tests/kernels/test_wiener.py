"""`wiener` in every twin is the naive loop over points of the local Gaussian model."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.kernels.wiener import wiener
from tests.kernels.conftest import in_order
from tests.reference import multichannel_wiener as reference

TOLERANCE = {"float32": 2e-4, "float64": 1e-9}


def case(real, channels=2, models=2, shape=(5, 14), seed=0):
    rng = np.random.default_rng(seed)
    V = (rng.random((3, models, *shape)) + 0.05).astype(real)
    X = rng.standard_normal((channels, *shape)) + 1j * rng.standard_normal((channels, *shape))
    return V, X.astype(np.result_type(real, np.complex64))


@pytest.mark.parametrize(("channels", "models"), [(2, 2), (3, 1)])
@pytest.mark.parametrize(("n_iter", "squared"), [(0, True), (1, False), (2, True)])
def test_every_twin_is_the_naive_loop(twin, real, channels, models, n_iter, squared):
    V, X = case(real, channels, models)
    Y = twin(wiener, X, V=V, n_iter=n_iter, squared=squared)
    power = 1 if squared else 2
    expected = reference.multichannel_wiener(V, X, power=power, n_iter=n_iter, load=1e-6)
    assert Y.dtype == X.dtype
    assert frames_first(Y)
    assert_allclose(Y, expected, atol=TOLERANCE[real.name])


def test_every_twin_takes_estimates_to_begin_with_and_leaves_them_as_they_are(twin, real):
    V, X = case(real)
    first = np.ascontiguousarray(twin(wiener, X, V=V, n_iter=0))
    before = first.copy()
    assert_allclose(twin(wiener, X, Y=first), twin(wiener, X, V=V), atol=TOLERANCE[real.name])
    assert_array_equal(first, before)


def test_memory_order_changes_nothing(twin, order):
    V, X = case("float64")
    expected = wiener(X, V=V)
    assert_allclose(twin(wiener, in_order(X, order), V=in_order(V, order)), expected, atol=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_silence_stays_silence_and_is_no_ones_where_eps_is_more_than_the_models(twin, real, eps):
    V, X = case(real)
    V[:, :, 2], X[:, :, 3:5], X[:, 1] = 0, 0, 0
    Y = twin(wiener, X, V=V, eps=eps, n_iter=0)
    assert_allclose(Y[:, :, 2], np.broadcast_to(0 if eps else X[:, 2] / 3, Y[:, :, 2].shape), atol=1e-6)
    Y = twin(wiener, X, V=V, eps=eps, n_iter=2)
    assert np.isfinite(Y).all()
    assert_array_equal(Y[:, :, 1], np.zeros_like(Y[:, :, 1]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (33, 3)])
def test_odd_sizes_are_covered_to_the_last_bin(twin, shape):
    V, X = case("float64", shape=shape)
    Y = twin(wiener, X, V=V, n_iter=1)
    expected = reference.multichannel_wiener(V, X, power=2, n_iter=1, load=1e-6)
    assert_allclose(Y, expected, atol=1e-8)


def test_one_and_four_threads_and_any_blocks_give_the_same_bits(use_threads, monkeypatch, real):
    from sigsep_classic.kernels import wiener as module

    V, X = case(real, shape=(70, 40))
    use_threads(1)
    one = wiener(X, V=V, n_iter=2)
    use_threads(4)
    assert_array_equal(wiener(X, V=V, n_iter=2), one)
    monkeypatch.setattr(module, "_HELD_BYTES", 1)
    assert_array_equal(wiener(X, V=V, n_iter=2), one)


def test_arrays_that_do_not_fit_are_refused():
    V, X = case("float64")
    with pytest.raises(ShapeError, match="models None"):
        wiener(X)
    with pytest.raises(ShapeError, match="X has shape"):
        wiener(X, V=V[:, :, :-1])
