"""`soft_mask` in every twin is the share computed pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.kernels.soft_mask import RUN, soft_mask
from tests.kernels.conftest import in_order
from tests.reference import soft_mask as reference

POWERS = (0.5, 1.0, 2.0, 3.7, math.inf)
TOLERANCE = {"float32": 4e-7, "float64": 1e-14}


def pair(shape, real, seed=0):
    """Return two arrays with zeros, equal values and a range of 60 dB."""
    rng = np.random.default_rng(seed)
    A, B = (10 ** rng.uniform(-2, 1, (2, *shape))).astype(real)
    for array, every in ((A, 5), (B, 7)):
        array.reshape(-1)[::every] = 0
    B.reshape(-1)[::3] = A.reshape(-1)[::3]
    return A, B


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("power", POWERS)
def test_every_twin_is_the_naive_loop(twin, real, power, margin):
    A, B = pair((2, 7, 31), real)
    got = twin(soft_mask, A, B, power=power, margin=margin)
    assert got.dtype == real
    assert_allclose(got, reference.soft_mask(A, B, power=power, margin=margin), atol=TOLERANCE[real.name])


@pytest.mark.parametrize("order_of_B", ["C", "frames"])
def test_memory_order_changes_nothing_and_is_kept(twin, real, order, order_of_B):
    A, B = pair((2, 5, 9), real)
    got = twin(soft_mask, in_order(A, order), in_order(B, order_of_B))
    assert_allclose(got, reference.soft_mask(A, B), atol=TOLERANCE[real.name])
    assert frames_first(got) == (order == "frames")


@pytest.mark.parametrize("shape", [(1, 1), (1, 257), (3, 1, 1), (1, RUN + 1)])
def test_odd_sizes_are_covered_to_the_last_element(twin, shape):
    A, B = pair(shape, np.float64)
    assert_allclose(twin(soft_mask, A, B), reference.soft_mask(A, B), atol=1e-14)


@pytest.mark.parametrize("power", POWERS)
def test_the_two_shares_sum_to_one_also_at_zero(twin, real, power):
    A, B = pair((1, 20, 30), real)
    B[A == B] *= 2 if math.isinf(power) else 1  # a binary mask gives ties to nobody
    both = twin(soft_mask, A, B, power=power) + twin(soft_mask, B, A, power=power)
    assert_allclose(both, np.ones_like(A), atol=TOLERANCE[real.name])


@pytest.mark.parametrize("power", POWERS)
def test_the_range_of_float32_neither_overflows_nor_underflows(twin, power):
    levels = np.array([0, 1e-44, 1e-38, 1e-30, 1e-10, 1, 1e10, 1e30, 3e38], np.float32)
    A, B = np.meshgrid(levels, levels)
    got = twin(soft_mask, A, B, power=power)
    assert_allclose(got, reference.soft_mask(A, B, power=power), atol=1e-5)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize(("margin", "share"), [(1.0, 0.5), (2.0, 0.0)])
def test_silence_is_shared_out_with_margin_one_and_nobodys_else(twin, real, power, margin, share):
    zeros = np.zeros((1, 3, 4), real)
    assert_array_equal(twin(soft_mask, zeros, zeros, power=power, margin=margin), zeros + real.type(share))


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    A, B = pair((2, 100, 333), real)
    use_threads(1)
    one = [soft_mask(A, B, power=p) for p in POWERS]
    use_threads(4)
    assert_array_equal(one, [soft_mask(A, B, power=p) for p in POWERS])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    a=st.floats(0, 2.0**99, width=32, allow_subnormal=False),
    b=st.floats(0, 2.0**99, width=32, allow_subnormal=False),
    power=st.sampled_from([1.0, 2.0, 1.3, 8.0]),
    margin=st.sampled_from([1.0, 2.5]),
)
def test_a_gain_is_a_number_from_zero_to_one(a, b, power, margin):
    (gain,) = soft_mask(np.float32([a]), np.float32([b]), power=power, margin=margin)
    assert 0 <= gain <= 1
    assert_allclose(gain, reference.share(a, b, power, margin), atol=3e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"power": 0}, "power is 0"), ({"power": math.nan}, "power is nan"), ({"margin": -1}, "margin is -1")],
)
def test_wrong_power_or_margin_is_a_parameter_error(options, said):
    with pytest.raises(ParameterError, match=said):
        soft_mask(np.ones((1, 1)), np.ones((1, 1)), **options)
