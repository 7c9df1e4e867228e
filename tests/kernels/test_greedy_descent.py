"""`greedy_descent` in every twin ends where plain cyclic coordinate descent does, and where no code wants to move."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels import greedy_descent as module
from sigsep_classic.kernels.greedy_descent import BLOCK, LISTED, greedy_descent
from sigsep_classic.kernels.jit import enabled
from tests.reference import greedy_descent as reference

TOLERANCE = {"float32": 2e-4, "float64": 1e-5}


def problem(n, n_k, length, *, real=np.float64, events=12, seed=0, coherent=False):
    """Return (beta, G) of a signal of ``n`` shifts of random atoms, or of smooth ones that are much alike."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((n_k, length))
    if coherent:
        D = np.hanning(length + 2)[1:-1] * np.cos(0.1 * np.arange(1, n_k + 1)[:, None] * np.arange(length))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Z = np.zeros((n_k, n))
    Z.flat[rng.choice(Z.size, min(events, Z.size), replace=False)] = rng.standard_normal(min(events, Z.size))
    y = sum(np.convolve(z, d) for z, d in zip(Z, D, strict=True))
    y += 0.02 * rng.standard_normal(y.size)
    beta = np.array([np.correlate(y, d, "valid") for d in D])
    G = np.array([[np.correlate(a, b, "full") for b in D] for a in D])
    return beta.astype(real), G.astype(real)


def solve(twin, beta, G, *, ratio=0.1, signed=True, tol=1e-6, max_updates=10**6, start=None):
    """Return what the twin finds, and λ."""
    penalty = ratio * float(abs(beta).max())
    Z = np.zeros_like(beta) if start is None else start
    options = {"penalty": penalty, "signed": signed, "tol": tol, "max_updates": max_updates}
    return twin(greedy_descent, Z, beta, G, **options), penalty


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("n", "n_k", "length"), [(200, 3, 9), (1, 2, 4), (65, 1, 1), (40, 2, 60), (700, 2, 70)]
)
def test_every_twin_ends_where_the_naive_loop_does(twin, real, n, n_k, length, signed):
    beta, G = problem(n, n_k, length, real=real)
    (Z, slopes, largest, _), penalty = solve(twin, beta, G, signed=signed)
    options = {"penalty": penalty, "signed": signed, "tol": 1e-8}
    Z_loop, slopes_loop = reference.greedy_descent(np.zeros_like(beta), beta, G, **options)
    scale = float(abs(beta).max())
    assert Z.dtype == real
    assert_allclose(Z, Z_loop, rtol=0, atol=TOLERANCE[real.name] * scale)
    assert_allclose(slopes, slopes_loop, rtol=0, atol=TOLERANCE[real.name] * scale)
    assert_array_equal(Z != 0, Z_loop != 0)
    assert largest <= TOLERANCE[real.name] * scale


def test_no_code_wants_to_move_at_the_end(twin, real):
    beta, G = problem(300, 3, 20, real=real, coherent=True)
    (Z, slopes, largest, n_updates), penalty = solve(twin, beta, G, ratio=0.05, tol=1e-3)
    u = slopes + Z
    moves = abs(u - np.clip(u, -penalty, penalty) - Z)
    assert_allclose(moves.max(), largest, rtol=1e-2, atol=1e-6)
    assert moves.max() <= 1e-3 * penalty * (1 + 1e-3)
    assert (abs(slopes) <= penalty * (1 + 2e-3)).all()
    assert n_updates > 0


def test_correlations_come_back_as_those_of_the_residual(twin, real):
    beta, G = problem(150, 2, 11, real=real)
    (Z, slopes, _, _), _ = solve(twin, beta, G, ratio=0.02, tol=1e-4)
    expected = beta.astype(float)
    for k, t in zip(*np.nonzero(Z), strict=True):
        for s in range(-10, 11):
            if 0 <= t + s < Z.shape[1]:
                expected[:, t + s] -= float(Z[k, t]) * G[k, :, 10 + s]
    assert_allclose(slopes, expected, rtol=0, atol=TOLERANCE[real.name] * float(abs(beta).max()))


def test_codes_are_not_negative_unless_signed(twin):
    beta, G = problem(200, 2, 9)
    (Z, _, _, _), _ = solve(twin, beta, G, signed=False)
    assert Z.max() > 0
    assert Z.min() == 0


def test_a_start_at_the_optimum_stays(twin):
    beta, G = problem(200, 2, 9)
    (Z, slopes, _, _), penalty = solve(twin, beta, G)
    options = {"penalty": penalty, "signed": True, "tol": 1e-5, "max_updates": 100}
    again, _, _, n_updates = twin(greedy_descent, Z, slopes, G, **options)
    assert n_updates == 0
    assert_array_equal(again, Z)


def test_a_penalty_at_the_largest_correlation_leaves_all_codes_zero(twin, real):
    beta, G = problem(100, 2, 9, real=real)
    (Z, slopes, largest, n_updates), _ = solve(twin, beta, G, ratio=1.0)
    assert (largest, n_updates) == (0, 0)
    assert_array_equal(Z, np.zeros_like(beta))
    assert_array_equal(slopes, beta)


@pytest.mark.slow
def test_no_sweep_is_begun_after_the_last_update_allowed(twin):
    beta, G = problem(400, 2, 9, events=60)
    (_, _, largest, n_updates), _ = solve(twin, beta, G, ratio=0.01, max_updates=1)
    (_, _, least, total), _ = solve(twin, beta, G, ratio=0.01)
    assert 1 <= n_updates < total
    assert largest > least


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_data_that_are_not_finite_end_all_the_same(twin, real, wrong):
    beta, G = problem(200, 2, 9, real=real)
    beta[1, 70] = wrong
    options = {"penalty": 0.1, "signed": True, "tol": 1e-3, "max_updates": 10**5}
    with np.errstate(all="ignore"):
        Z, _, _, _ = twin(greedy_descent, np.zeros_like(beta), beta, G, **options)
    assert Z.shape == beta.shape


def test_sweeps_that_set_nothing_end():
    peaks, counts, sweeps = np.ones(3), np.zeros(3, int), []
    found = module._descend(lambda *args: sweeps.append(args), peaks, counts, 0.1, 1000)
    assert found == (1.0, 0)
    assert [colour for colour, _ in sweeps] == list(module.COLOURS)


def test_the_longest_move_may_be_an_array_of_a_device(real):
    class OnDevice:
        """As CuPy's: no NumPy type takes it."""

        def __float__(self):
            return 4.0

        def __array__(self, *args, **options):
            raise TypeError("implicit conversion to a NumPy array is not allowed")

    class Peaks:
        dtype = real

        def max(self):
            return OnDevice()

    bounds = []
    module._descend(lambda _, bound: bounds.append(bound), Peaks(), np.zeros(1, int), real.type(0.1), 10)
    assert {(bound, bound.dtype) for bound in bounds} == {(2.0, real)}


def test_moves_below_the_rounding_of_large_codes_are_left(twin):
    beta, G = problem(100, 2, 9, real=np.float32)
    Z = np.full_like(beta, 2e6)
    options = {"penalty": 1e-3, "signed": True, "tol": 1e-3, "max_updates": 10**5}
    _, _, _, n_updates = twin(greedy_descent, Z, np.full_like(beta, 1e-3) + np.float32(1e-2), G, **options)
    assert n_updates == 0


@pytest.mark.slow
def test_long_lists_of_nonzero_codes_are_polished_part_by_part(twin, monkeypatch):
    if twin.name == "numba":
        pytest.skip("compiled with the constants of the module: see the next test")
    monkeypatch.setattr(module, "CUDA_CONSTANTS", ({**module.CUDA_CONSTANTS[0], "LISTED": 5, "GREEDY": 4},))
    beta, G = problem(90, 2, 12, coherent=True, events=40)
    (Z, _, largest, _), penalty = solve(twin, beta, G, ratio=0.02, tol=1e-2)
    assert np.count_nonzero(Z) > 10
    assert largest <= 1e-2 * penalty


@pytest.mark.slow
def test_more_nonzero_codes_in_a_window_than_are_listed_at_once():
    beta, G = problem(700, 6, 500, events=600)
    (Z, slopes, _, _), penalty = solve(lambda op, *a, **o: op(*a, **o), beta, G, ratio=0.003, tol=0.05)
    assert np.count_nonzero(Z) > LISTED
    u = slopes + Z
    assert abs(u - np.clip(u, -penalty, penalty) - Z).max() <= 0.05 * penalty * (1 + 1e-6)


def test_one_two_and_four_threads_give_the_same_bits(use_threads, real):
    beta, G = problem(40 * BLOCK, 3, 50, real=real, events=300, coherent=True)
    found = []
    for n in (1, 2, 4):
        use_threads(n)
        found.append(solve(lambda op, *a, **o: op(*a, **o), beta, G, ratio=0.02, tol=1e-2)[0])
    for other in found[1:]:
        assert_array_equal(other[0], found[0][0])
        assert_array_equal(other[1], found[0][1])
        assert other[2:] == found[0][2:]


@pytest.mark.skipif(not enabled(), reason="NUMBA_DISABLE_JIT is set: the NumPy line makes greedy moves alone")
def test_dense_coherent_codes_take_far_fewer_updates_than_greedy_moves_alone():
    beta, G = problem(4000, 4, 100, events=300, coherent=True)
    (Z, _, largest, n_updates), penalty = solve(
        lambda op, *a, **o: op(*a, **o), beta, G, ratio=0.01, tol=1e-2
    )
    assert largest <= 1e-2 * penalty
    assert n_updates < 60 * np.count_nonzero(Z)
