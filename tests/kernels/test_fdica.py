"""All iterations of a bin in one go: the twins are the textbook's loops, and what holds of every step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.fdica import SOLVERS, fdica
from tests.reference import fdica as reference

IDENTITY = np.eye(2)[None] + 0j


def data(freq, dims, frames, real="float64", seed=0):
    """Return Z of sources that come and go, mixed at random and whitened, and a start."""
    rng = np.random.default_rng(seed)
    shape = (freq, dims, frames)
    s = rng.gamma(0.5, size=shape) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    A = rng.standard_normal((freq, dims, dims)) + 1j * rng.standard_normal((freq, dims, dims))
    x = A @ s
    values, E = np.linalg.eigh(x @ x.conj().swapaxes(1, 2) / frames + 1e-9 * np.eye(dims))
    z = (E / np.sqrt(values)[:, None]).conj().swapaxes(1, 2) @ x
    R = np.eye(dims) + 0.2 * (
        rng.standard_normal((freq, dims, dims)) + 1j * rng.standard_normal((freq, dims, dims))
    )
    return np.stack([z.real, z.imag], axis=2).astype(real), R


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("freq", "dims", "frames"), [(1, 1, 3), (3, 2, 37), (2, 3, 129), (2, 5, 40)])
def test_every_twin_is_the_naive_loop(twin, real, freq, dims, frames, solver):
    Z, R = data(freq, dims, frames, real)
    load = np.linspace(0, 0.1, freq)
    options = {"n_iter": 2, "solver": solver, "load": load}
    got, cost = twin(fdica, Z, R, **options)
    naive, naive_cost = reference.fdica(Z, R, **options)
    assert (got.dtype, cost.dtype) == (np.complex128, np.float64)
    tolerance = 1e-9 if real == "float64" else 2e-3
    assert_allclose(got, naive, rtol=tolerance, atol=tolerance)
    assert_allclose(cost, naive_cost, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_prior_is_that_of_the_naive_loop(twin, solver, beta):
    Z, R = data(2, 2, 50)
    options = {"n_iter": 2, "solver": solver, "beta": beta, "floor": 1e-3, "step_size": 1.0}
    for mine, naive in zip(twin(fdica, Z, R, **options), reference.fdica(Z, R, **options), strict=True):
        assert_allclose(mine, naive, rtol=1e-9)


def test_data_beyond_the_cache_and_bins_beyond_a_group_are_covered(twin, real):
    for freq, dims, frames in ((19, 2, 33), (1, 2, 4700), (2, 6, 700)):
        Z, R = data(freq, dims, frames, real)
        got, cost = twin(fdica, Z, R, n_iter=1)
        z = Z[:, :, 0] + 1j * Z[:, :, 1].astype(float)
        u = abs(got @ z) ** 2 + 1e-6
        expected = 2 * np.sqrt(u).mean(axis=2).sum(axis=1) - 2 * np.linalg.slogdet(got)[1]
        assert_allclose(cost, expected, rtol=1e-10 if real == "float64" else 1e-4)
        last, last_cost = (
            reference.fdica(Z[-1:, :, :, :], R[-1:], n_iter=1) if frames < 100 else (got[-1:], cost[-1:])
        )
        assert_allclose(got[-1:], last, rtol=1e-9 if real == "float64" else 1e-3)
        assert_allclose(cost[-1:], last_cost, rtol=1e-9 if real == "float64" else 1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_iteration_raises_the_cost_of_any_bin(twin, solver):
    Z, R = data(5, 3, 60, seed=1)
    load = np.array([0, 0, 0.01, 0, 1.0])
    costs = [twin(fdica, Z, R, n_iter=n, solver=solver, load=load, step_size=1.0)[1] for n in range(0, 21, 4)]
    for before, after in itertools.pairwise(costs):
        assert (after <= before + 1e-12 * abs(before)).all()


@pytest.mark.parametrize("solver", SOLVERS)
def test_many_iterations_at_once_are_as_many_calls_of_one(twin, real, solver):
    Z, R = data(3, 2, 40, real)
    at_once, cost = twin(fdica, Z, R, n_iter=3, solver=solver)
    for _ in range(3):
        R, last = twin(fdica, Z, R, solver=solver)
    if twin.name == "numpy":
        assert_allclose(R, at_once, rtol=1e-12)
    else:
        assert_array_equal(R, at_once)
        assert_array_equal(cost, last)


def test_no_iteration_leaves_r_as_it_is(twin):
    Z, R = data(2, 2, 20)
    assert_array_equal(twin(fdica, Z, R, n_iter=0)[0], R)


def test_both_solvers_end_where_the_scores_and_the_outputs_are_orthogonal():
    Z, R = data(4, 2, 400, seed=2)
    for solver, n_iter in (("auxiliary", 300), ("natural", 2000)):
        found, _ = fdica(Z, R, n_iter=n_iter, solver=solver)
        y = found @ (Z[:, :, 0] + 1j * Z[:, :, 1])
        phi = 1 / np.sqrt(abs(y) ** 2 + 1e-6)
        stationary = (phi * y) @ y.conj().swapaxes(1, 2) / y.shape[2]
        assert_allclose(stationary, np.broadcast_to(np.eye(2), stationary.shape), atol=1e-6)


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    Z, R = data(40, 2, 50, real)
    for solver in SOLVERS:
        use_threads(1)
        one = fdica(Z, R, n_iter=3, solver=solver)
        use_threads(4)
        for a, b in zip(one, fdica(Z, R, n_iter=3, solver=solver), strict=True):
            assert_array_equal(a, b)


def test_a_silent_bin_with_a_load_stays_finite_and_its_neighbours_do_not_notice(twin, real):
    Z, R = data(3, 2, 40, real)
    alone = twin(fdica, Z[:1], R[:1], n_iter=4)[0]
    Z[1] = 0
    got, cost = twin(fdica, Z, R, n_iter=4, load=np.array([0, 1e-6, 0]))
    assert np.isfinite(got).all()
    assert np.isfinite(cost).all()
    assert_allclose(got[:1], alone, rtol=1e-12)


def test_not_a_number_stays_one(twin, real):
    Z, R = data(2, 2, 40, real)
    Z[0, 0, 0, 5] = np.nan
    with np.errstate(invalid="ignore"):
        cost = twin(fdica, Z, R, n_iter=1)[1]
    assert np.isnan(cost[0])
    assert np.isfinite(cost[1])


def test_what_does_not_fit_is_refused():
    Z, R = data(2, 2, 10)
    with pytest.raises(ParameterError, match="solver is 'newton'"):
        fdica(Z, R, solver="newton")
    for wrong in ({"beta": 2.0}, {"beta": 0.0}, {"floor": 0.0}):
        with pytest.raises(ParameterError, match="expected 0 < beta < 2"):
            fdica(Z, R, **wrong)
    for bad in ((Z[0], R), (Z, R[:1]), (Z, R[:, :1])):
        with pytest.raises(ShapeError, match="do not fit"):
            fdica(*bad)
    with pytest.raises(ShapeError, match="do not fit"):
        fdica(Z, R, load=np.zeros(3))
