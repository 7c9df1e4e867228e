"""Putting bins in order, and the iterations with local variances after it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter1d

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.bins import bins
from sigsep_classic.factorizers.demixing.reestimation import blurred, ordered, reestimated
from sigsep_classic.typing import Grid
from tests.test_factorizers_fdica import disorder, mixed

GRID = Grid(frame_rate=15.6, bin_hz=10.0)


@pytest.mark.parametrize(("rows", "sigma"), [(200, 8.0), (70, 1.0), (300, 3.9), (5, 8.0)])
def test_the_mean_is_a_gaussian_one_and_keeps_constants(rows, sigma):
    P = np.random.default_rng(0).gamma(1.0, size=(rows, 3))
    got = blurred(P, sigma)
    inside = slice(int(4 * sigma) + 1, -int(4 * sigma) - 1)
    assert_allclose(got[inside], gaussian_filter1d(P, sigma, axis=0, truncate=4.0)[inside], rtol=2e-4)
    assert_allclose(blurred(np.ones((rows, 3)), sigma), 1, rtol=1e-12)
    assert got.min() > 0


def test_no_width_changes_nothing():
    P = np.ones((4, 3))
    assert blurred(P, 0.0) is P
    assert blurred(P[:1], 2.0) is not None


def test_rows_in_any_order_are_put_in_one():
    X, A = mixed(freq=30, dims=3)
    data = bins(X)
    rng = np.random.default_rng(0)
    R = np.stack([B[rng.permutation(3)] for B in np.linalg.inv(A) @ data.D])
    for solver in ("kernel", "dyadic"):
        leak, found = disorder(abs(ordered(data, R, solver, GRID) @ data.T @ A))
        assert leak.max() < 1e-9
        assert_array_equal(found, np.broadcast_to(found[0], found.shape))


def test_sources_that_are_apart_stay_apart_and_those_nearly_apart_get_further():
    X, A = mixed(freq=30, frames=120)
    data = bins(X)
    R = np.linalg.inv(A) @ data.D
    noise = np.random.default_rng(1).standard_normal((2, *R.shape))
    R = R + 0.1 * abs(R).mean() * (noise[0] + 1j * noise[1])
    leak = [disorder(abs(reestimated(data, R, GRID, n_iter=n) @ data.T @ A))[0].mean() for n in (0, 1, 5)]
    assert leak[2] < leak[1] < leak[0]
    assert leak[2] < 0.3 * leak[0]


def test_neither_the_scale_of_rows_nor_the_level_of_the_mixture_matters():
    X, A = mixed(freq=12)
    data, loud = bins(X), bins(1e4 * X)
    R = np.linalg.inv(A) @ data.D
    scales = np.random.default_rng(0).uniform(0.01, 100, size=(12, 2, 1))
    one = reestimated(data, R, GRID, n_iter=2)
    assert_allclose(reestimated(data, scales * R, GRID, n_iter=2), one, rtol=1e-8)
    assert_allclose(reestimated(loud, R, GRID, n_iter=2), one, rtol=1e-8)


def test_without_a_grid_and_without_iterations_it_works_too():
    X, _ = mixed(freq=8)
    data = bins(X)
    R = data.identity
    assert_array_equal(reestimated(data, R, n_iter=0), R)
    assert np.isfinite(reestimated(data, R)).all()
    assert np.isfinite(reestimated(data, R, sigma_hz=0.0, sigma_frames=0.0)).all()


def test_what_is_out_of_range_is_refused():
    data = bins(mixed()[0])
    for wrong in ({"n_iter": -1}, {"sigma_hz": -1.0}, {"sigma_frames": -1.0}, {"floor": 0.0}):
        with pytest.raises(ParameterError):
            reestimated(data, data.identity, **wrong)
