"""`low_rank_sweep` does at once what `sweep`, `variance_weights` and `variance_sums` do one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.demixing import RULES
from sigsep_classic.kernels.low_rank_sweep import low_rank_sweep, raised
from tests.reference import low_rank_sweep as reference


def data(n_freq, dims, n_frames, components, real="float64"):
    rng = np.random.default_rng(0)
    Z = (rng.gamma(0.5, size=n_frames) * rng.standard_normal((n_freq, dims, 2, n_frames))).astype(real)
    R = rng.standard_normal((n_freq, dims, dims)) + 1j * rng.standard_normal((n_freq, dims, dims))
    T = rng.uniform(0.1, 1, (dims, n_freq, components)).astype(real)
    V = rng.uniform(0.1, 1, (dims, components, n_frames)).astype(real)
    return Z, R, T, V, rng.uniform(1, 2, n_freq).astype(real)


@pytest.mark.parametrize("exponent", [0.5, 0.7, 1.0])
@pytest.mark.parametrize("size", [(3, 2, 37, 2), (2, 3, 64, 3), (1, 1, 9, 1)])
def test_every_twin_takes_the_steps_of_the_definition(twin, real, size, exponent):
    Z, R, T, V, share = data(*size, real)
    load = np.full(size[0], 1e-3)
    launches = "cuda" not in twin.name  # which launches kernels of the steps it is made of
    got = twin(low_rank_sweep, Z, R, T, V, share, exponent=exponent, load=load, launches=launches)
    wanted = reference.low_rank_sweep(Z, R, T, V, share, exponent, load)
    within = 1e-9 if real == "float64" else 2e-3
    for found, exact in zip(got, wanted, strict=True):
        assert_allclose(abs(found), abs(exact), rtol=within, atol=within * abs(exact).max())
    assert {a.dtype for a in got[1:]} == {Z.dtype}


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_long_recordings_are_covered_to_the_last_frame_whatever_the_rule(twin, rule):
    Z, R, T, V, share = data(3, 2, 1031, 4)
    got = twin(low_rank_sweep, Z, R, T, V, share, exponent=0.5, rule=rule, launches="cuda" not in twin.name)
    wanted = reference.low_rank_sweep(Z, R, T, V, share, 0.5, np.zeros(3), rule)
    for found, exact in zip(got, wanted, strict=True):
        assert_allclose(abs(found), abs(exact), rtol=1e-7, atol=1e-9 * abs(exact).max())


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    arrays, found = data(40, 3, 600, 2, real), []
    for n in (1, 4):
        use_threads(n)
        found.append(low_rank_sweep(*arrays, exponent=0.5))
    for one, four in zip(*found, strict=True):
        assert_array_equal(one, four)


def test_arguments_are_left_as_they_were():
    arrays = data(3, 2, 30, 2)
    before = [a.copy() for a in arrays]
    low_rank_sweep(*arrays, exponent=0.5)
    for one, other in zip(arrays, before, strict=True):
        assert_array_equal(one, other)


def test_a_factor_that_no_cell_knows_of_stays_and_no_step_is_beyond_a_million():
    factor, sums = np.ones(3), np.array([[1.0, 0.0, 1e20], [0.0, 1.0, 1.0]])
    assert_allclose(raised(factor, sums, 1.0), [1, 1e-6, 1e6])


def test_what_does_not_fit_is_refused():
    Z, R, T, V, share = data(3, 2, 30, 2)
    with pytest.raises(ParameterError, match="rule is 'newton'"):
        low_rank_sweep(Z, R, T, V, share, exponent=0.5, rule="newton")
    for wrong in ((T[:1], V, share), (T, V[:1], share), (T, V[:, :1], share), (T, V, share[:2])):
        with pytest.raises(ShapeError, match="do not fit"):
            low_rank_sweep(Z, R, *wrong, exponent=0.5)
