"""`sliding_median` in every twin is the sorted-window loop, and SciPy's median filter, to the bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import median_filter

from sigsep_classic.errors import ParameterError
from sigsep_classic.kernels.layout import frames_first
from sigsep_classic.kernels.median_network import BOTH, HIGH, LOW, OUTPUT, program
from sigsep_classic.kernels.sliding_median import LANES, MODES, sliding_median
from tests.kernels.conftest import in_order
from tests.reference import sliding_median as reference

SHAPES = [(1, 1), (1, 7), (5, 1), (2, 9, 13), (1, 3, 130), (3, 131, 2)]
EMULATED_SIZES = (2, 3, 17)  # each size is one more text for g++


def noise(shape, real, seed=0):
    return np.random.default_rng(seed).random(shape).astype(real)


def scipy_median(V, size, axis, mode="reflect"):
    sizes = [1] * V.ndim
    sizes[axis] = size
    return median_filter(V, size=sizes, mode=mode)


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("size", EMULATED_SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_twin_is_the_naive_loop(twin, real, shape, size, axis):
    V = noise(shape, real)
    got = twin(sliding_median, V, size, axis=axis)
    assert got.dtype == real
    assert_array_equal(got, reference.sliding_median(V, size, axis=axis))


@pytest.mark.parametrize("axis", [-1, -2])
def test_memory_order_changes_nothing_and_is_kept(twin, real, order, axis):
    V = noise((2, 11, 8), real)
    got = twin(sliding_median, in_order(V, order), 3, axis=axis)
    assert_array_equal(got, reference.sliding_median(V, 3, axis=axis))
    assert frames_first(got) == (order == "frames")


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("size", EMULATED_SIZES)
def test_many_equal_values_and_zeros_are_no_trouble(twin, real, size, axis):
    V = np.floor(3 * noise((2, 20, 21), real))
    assert_array_equal(twin(sliding_median, V, size, axis=axis), reference.sliding_median(V, size, axis=axis))


def test_the_emulated_grid_covers_segments_of_lanes(twin):
    V = noise((1, 300, 140), np.float32)
    assert_array_equal(twin(sliding_median, V, 17, axis=-2), scipy_median(V, 17, -2))


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("size", [*range(2, 18), 31, 64, 201])
def test_numba_is_scipys_median_filter_to_the_bit(real, size, axis):
    V = noise((2, 37, LANES + 5), real, size)
    assert_array_equal(sliding_median(V, size, axis=axis), scipy_median(V, size, axis))


@pytest.mark.slow
@pytest.mark.parametrize("size", range(2, 202))
def test_every_size_and_edge_on_long_and_short_axes_is_scipys_to_the_bit(size):
    long = ((1, 300, 53), (1, 53, LANES + 17)) if size < 34 or size % 4 == 1 else ()
    for shape in (*long, (1, 41, 30)):  # SciPy errs from 8 times the length on
        V = noise(shape, np.float32, size)
        for axis, mode in itertools.product((-1, -2), MODES if shape == (1, 41, 30) else ("reflect",)):
            assert_array_equal(
                sliding_median(V, size, axis=axis, mode=mode), scipy_median(V, size, axis, mode)
            )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axis", [-1, -2])
def test_what_is_beyond_an_edge_is_what_scipy_puts_there(twin, axis, mode):
    V = noise((2, 9, 13), np.float64)
    for size in (2, 3, 17):
        got = twin(sliding_median, V, size, axis=axis, mode=mode)
        assert_array_equal(got, scipy_median(V, size, axis, mode))


@pytest.mark.parametrize("size", [2, 3, 8, 31, 101])
def test_the_network_takes_any_zeros_and_ones_to_their_medians(size):
    """What sorts all zeros and ones right sorts everything right (Knuth 5.3.4, the zero-one principle)."""
    plan = program(size)
    rng = np.random.default_rng(size)
    inputs = rng.random((size + plan.n_outputs - 1, 4000)) < rng.random(4000)
    rows: dict[int, np.ndarray] = {-1 - i: row for i, row in enumerate(inputs)}
    outputs = np.zeros((plan.n_outputs, 4000), bool)
    for kind, a, b, low, high in plan.code.tolist():
        if kind == OUTPUT:
            outputs[b] = rows[a]
            continue
        x, y = rows[a], rows[b]
        assert not {low, high} & {a, b} or kind != BOTH
        if kind != HIGH:
            rows[low] = x & y
        if kind != LOW:
            rows[high] = x | y
    for i in range(plan.n_outputs):
        ones = inputs[i : i + size].sum(axis=0)
        assert_array_equal(outputs[i], ones >= size - size // 2)


def test_windows_share_most_comparisons():
    exchanges = {size: len(program(size).code) / program(size).n_outputs for size in (9, 31, 101, 401)}
    assert exchanges[9] < 10
    assert exchanges[31] < 22
    assert exchanges[101] < 44
    assert exchanges[401] < 120


@pytest.mark.slow
@pytest.mark.parametrize("size", [*range(4, 11), 16, 17, 31, 32, 41, 64, 101, 200, 201])
def test_emulated_cuda_is_scipys_median_filter_to_the_bit(emulated_gpu, size):
    V = noise((2, 37, 70), np.float32, size)
    for axis in (-1, -2):
        assert_array_equal(sliding_median(V, size, axis=axis), scipy_median(V, size, axis))
    assert {op for op, _ in emulated_gpu.launches} == {"sliding_median"}


@pytest.mark.parametrize("axis", [-1, -2])
def test_a_window_longer_than_the_signal_reflects_as_often_as_needed(twin, axis):
    V = noise((1, 4, 3), np.float64)
    assert_array_equal(twin(sliding_median, V, 17, axis=axis), scipy_median(V, 17, axis))


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    V = noise((3, 150, 200), real)
    use_threads(1)
    one = [sliding_median(V, 17, axis=axis) for axis in (-1, -2)]
    use_threads(4)
    four = [sliding_median(V, 17, axis=axis) for axis in (-1, -2)]
    assert_array_equal(one, four)


def test_a_window_of_one_returns_a_copy(twin, real):
    V = noise((1, 4, 5), real)
    got = twin(sliding_median, V, 1, axis=-1, launches=False)
    assert_array_equal(got, V)
    assert not np.shares_memory(got, V)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_an_empty_array_stays_empty(twin, shape):
    assert twin(sliding_median, np.zeros(shape), 3, axis=-1, launches=False).shape == shape


def test_a_median_commutes_with_a_rising_function_and_with_time_reversal():
    V = noise((1, 40, 50), np.float64)
    M = sliding_median(V, 9, axis=-1)
    assert_array_equal(sliding_median(V**3, 9, axis=-1), M**3)
    assert_array_equal(sliding_median(V[..., ::-1], 9, axis=-1), M[..., ::-1])


@pytest.mark.parametrize(
    ("size", "axis", "said"), [(0, -1, "size is 0"), (3, 0, "axis is 0"), (3, 1, "axis is 1")]
)
def test_wrong_size_or_axis_is_a_parameter_error(size, axis, said):
    with pytest.raises(ParameterError, match=said):
        sliding_median(np.zeros((2, 2)), size, axis=axis)
    with pytest.raises(ParameterError, match="mode is 'odd'"):
        sliding_median(np.zeros((2, 2)), 3, axis=-1, mode="odd")
