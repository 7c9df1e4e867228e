"""`permutation_sweep` in every twin: values as the naive sum tells them, moves that only ever raise them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels import permutation_loops as loops
from sigsep_classic.kernels.permutation_sweep import permutation_sweep
from tests.reference import permutation_sweep as reference


def problem(n_freq, n_sources, dims, starts=1, real="float64", noise=0.5, seed=0):
    """Return features that are each source's own and some noise, starts, decays and amplitudes; and the truth."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((n_sources, dims))
    truth = np.array([rng.permutation(n_sources) for _ in range(n_freq)])
    Z = np.empty((n_freq, n_sources, dims))
    for f in range(n_freq):
        Z[f, truth[f]] = own + noise * rng.standard_normal(own.shape)
    orders = np.array([[rng.permutation(n_sources) for _ in range(n_freq)] for _ in range(starts)])
    decays = np.array([np.ones(n_freq - 1), *rng.uniform(0.3, 0.95, (2, n_freq - 1))])
    return Z.astype(real), orders, decays, np.array([0.1, 0.5, 1.0]), truth


@pytest.mark.parametrize(
    ("n_freq", "n_sources", "dims"), [(2, 2, 1), (3, 1, 3), (7, 3, 5), (16, 4, 33), (13, 6, 2)]
)
def test_without_a_cycle_the_value_is_the_naive_sum(twin, real, n_freq, n_sources, dims):
    Z, orders, decays, amplitudes, _ = problem(n_freq, n_sources, dims, starts=2, real=real)
    same, values = twin(permutation_sweep, Z, orders, decays, amplitudes, cycles=0)
    naive = [reference.value(Z, order, decays, amplitudes) for order in orders]
    assert_array_equal(same, orders)
    assert_allclose(
        values, naive, rtol=1e-5 if real == "float32" else 1e-12, atol=1e-4 if real == "float32" else 1e-12
    )


@pytest.mark.parametrize(
    ("n_freq", "n_sources", "dims"), [(2, 3, 4), (5, 2, 3), (17, 3, 7), (33, 5, 40), (12, 9, 20)]
)
def test_the_truth_is_found_from_any_start(twin, real, n_freq, n_sources, dims):
    Z, orders, decays, amplitudes, truth = problem(n_freq, n_sources, dims, starts=3, real=real, noise=0.1)
    found, values = twin(permutation_sweep, Z, orders, decays, amplitudes)
    naive = reference.value(Z, truth, decays, amplitudes)
    for order, value in zip(found, values, strict=True):
        back = np.argsort(truth, axis=1)  # which source each output is
        names = np.take_along_axis(back, order, axis=1)
        assert_array_equal(names, np.tile(names[0], (n_freq, 1)))
        assert_allclose(value, naive, rtol=1e-5 if real == "float32" else 1e-12)


def test_all_twins_find_the_same_order_among_many_that_are_nearly_as_good(twin):
    Z, orders, decays, amplitudes, _ = problem(40, 3, 8, starts=3, noise=3.0)
    found, values = twin(permutation_sweep, Z, orders, decays, amplitudes)
    for order, start, value in zip(found, orders, values, strict=True):
        assert value >= reference.value(Z, start, decays, amplitudes)
        assert_allclose(value, reference.value(Z, order, decays, amplitudes), rtol=1e-12)
    expected = permutation_sweep(Z, orders, decays, amplitudes)
    assert_array_equal(found, expected[0])


def test_each_cycle_raises_the_value():
    Z, orders, decays, amplitudes, _ = problem(65, 4, 6, starts=4, noise=4.0)
    values = [permutation_sweep(Z, orders, decays, amplitudes, cycles=n)[1] for n in range(5)]
    for before, after in itertools.pairwise(values):
        assert (after >= before - 1e-12 * abs(before)).all()
    assert (values[1] > values[0]).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_single_frequency_can_be_improved_where_it_ends(seed):
    Z, orders, decays, amplitudes, _ = problem(9, 3, 4, noise=2.0, seed=seed)
    found, values = permutation_sweep(Z, orders, decays, amplitudes, cycles=50)
    for f in range(9):
        for turn in itertools.permutations(range(3)):
            moved = found[0].copy()
            moved[f] = moved[f][list(turn)]
            assert reference.value(Z, moved, decays, amplitudes) <= values[0] * (1 + 1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_small_problem_is_solved_to_within_a_tenth_of_the_best_there_is(seed):
    Z, orders, decays, amplitudes, _ = problem(5, 3, 4, starts=4, noise=1.0, seed=seed)
    _, most = reference.best_order(Z, decays, amplitudes)
    _, values = permutation_sweep(Z, orders, decays, amplitudes)
    assert values.max() <= most * (1 + 1e-12)
    assert values.max() >= 0.9 * most


@pytest.mark.parametrize("n", range(1, 10))
def test_the_hungarian_algorithm_is_scipys(n):
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(n)
    for _ in range(30):
        S = rng.standard_normal((n, n))
        best = np.empty(n, np.int64)
        loops.assign(S, best, np.empty((4, n + 1)))
        expected = linear_sum_assignment(-S)[1]
        assert_allclose(S[np.arange(n), best].sum(), S[np.arange(n), expected].sum(), rtol=1e-12)
        assert sorted(best) == list(range(n))


def test_one_and_four_threads_give_the_same(use_threads, real):
    Z, orders, decays, amplitudes, _ = problem(30, 3, 10, starts=5, real=real, noise=2.0)
    use_threads(1)
    one = permutation_sweep(Z, orders, decays, amplitudes)
    use_threads(4)
    for a, b in zip(one, permutation_sweep(Z, orders, decays, amplitudes), strict=True):
        assert_array_equal(a, b)


def test_features_of_nothing_are_left_in_order(twin, real):
    orders = np.tile(np.arange(3), (1, 6, 1))
    found, values = twin(permutation_sweep, np.zeros((6, 3, 4), real), orders, np.ones((1, 5)), np.ones(1))
    assert_array_equal(found, orders)
    assert_array_equal(values, [0.0])


def test_shapes_that_do_not_fit_are_refused():
    Z, orders, decays, amplitudes, _ = problem(5, 2, 3)
    for wrong in (
        (Z[:4], orders, decays, amplitudes),
        (Z, orders[:, :4], decays, amplitudes),
        (Z, orders, decays[:1], amplitudes),
        (Z[:1], orders[:, :1], decays[:, :0], amplitudes),
        (np.zeros((2, 40, 1)), np.zeros((1, 2, 40), int), np.ones((1, 1)), np.ones(1)),
    ):
        with pytest.raises(ShapeError, match="do not fit"):
            permutation_sweep(*wrong)
