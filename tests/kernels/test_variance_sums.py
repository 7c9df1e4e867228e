"""`variance_weights` and `variance_sums` in every twin are what they are cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.variance_sums import OVER, variance_sums
from sigsep_classic.kernels.variance_weights import FLOOR, contrasts, slopes, variance_weights
from tests.reference import variance_sums as reference_sums
from tests.reference import variance_weights as reference_weights

CASES = (("gauss", 2.0), ("student", 3.0), ("generalized", 1.0), ("generalized", 1.4))
SIZES = ((1, 1, 1, 1, False), (2, 5, 37, 2, False), (3, 33, 9, 3, True), (2, 2, 530, 5, False))


def data(sources, freq, frames, components, shared, real="float64", seed=0):
    rng = np.random.default_rng(seed)
    P = rng.gamma(0.5, size=(sources, freq, frames))
    if frames > 1:
        P[:, :, ::5] = -1
    scales = rng.uniform(0.5, 2, (sources, freq))
    T = rng.random((sources, freq, components)) * (rng.random((sources, freq, components)) > 0.2)
    V = rng.uniform(0.1, 1, (1 if shared else sources, components, frames))
    share = rng.uniform(1, 2, freq)
    return [a.astype(real) for a in (P, scales, T + 0.01, V, share)]


def near(real):
    return 1e-12 if real == "float64" else 3e-5


@pytest.mark.parametrize(("density", "shape"), CASES)
@pytest.mark.parametrize("size", SIZES)
def test_weights_of_every_twin_are_the_naive_loop(twin, real, size, density, shape):
    arrays = data(*size, real)
    got = twin(variance_weights, *arrays, density=density, shape=shape)
    naive = reference_weights.variance_weights(*arrays, density=density, shape=shape)
    assert got.dtype == real
    assert_allclose(got, naive, rtol=near(real), atol=0)


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize(("density", "shape"), CASES)
@pytest.mark.parametrize("size", SIZES)
def test_sums_of_every_twin_are_the_naive_loop(twin, real, size, density, shape, over):
    arrays = data(*size, real)[:-1]
    got = twin(variance_sums, *arrays, over=over, density=density, shape=shape)
    naive = reference_sums.variance_sums(*arrays, over=over, density=density, shape=shape)
    assert got.dtype == real
    assert_allclose(got, naive, rtol=near(real), atol=0)


def test_a_cell_no_component_reaches_has_the_floor_as_variance(twin):
    P, scales, T, V, share = data(2, 3, 4, 2, False)
    weights = twin(variance_weights, P, scales, 0 * T, V, share)
    assert_allclose(weights, np.broadcast_to(share[:, None] / FLOOR, P.shape), rtol=1e-12)


@pytest.mark.parametrize("over", OVER)
def test_one_and_four_threads_give_the_same_bits(use_threads, real, over):
    arrays = data(3, 70, 600, 2, False, real)
    found = []
    for n in (1, 4):
        use_threads(n)
        found.append((variance_weights(*arrays), variance_sums(*arrays[:-1], over=over)))
    for one, four in zip(*found, strict=True):
        assert_array_equal(one, four)


@pytest.mark.parametrize(("density", "shape"), CASES)
def test_the_slope_is_the_derivative_of_the_contrast(density, shape):
    kind = ("gauss", "student", "generalized").index(density)
    x, step = np.array([1e-11, 1e-6, 0.3, 1.0, 50.0]), 1e-4
    change = contrasts(x * (1 + step), kind, shape) - contrasts(x * (1 - step), kind, shape)
    assert_allclose(change / (2 * step * x), slopes(x, kind, shape), rtol=1e-6)


def test_an_unknown_density_or_arrays_that_do_not_fit_are_refused():
    P, scales, T, V, share = data(2, 3, 4, 2, False)
    with pytest.raises(ParameterError, match="density is 'laplace'"):
        variance_weights(P, scales, T, V, share, density="laplace")
    with pytest.raises(ParameterError, match="over is 'time'"):
        variance_sums(P, scales, T, V, over="time")
    for wrong in ((P, scales[:1], T, V), (P, scales, T[:1], V), (P, scales, T, V[:, :1])):
        with pytest.raises(ShapeError, match="do not fit"):
            variance_weights(*wrong, share)
