"""`median_of_frames` in every twin is the standard library's median, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ShapeError
from sigsep_classic.kernels.median_of_frames import median_of_frames
from tests.kernels.conftest import in_order
from tests.reference import median_of_frames as reference


def lists(n_lists, longest, n_frames, seed=0):
    """Return lists of 1 … longest frames, the shortest and the longest among them."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, n_frames, (n_lists, longest)).astype(np.int32)
    counts = rng.integers(1, longest + 1, n_lists).astype(np.int32)
    counts[0], counts[-1] = 1, longest
    return frames, counts


def noise(shape, real, seed=0):
    return np.random.default_rng(seed).random(shape).astype(real)


@pytest.mark.parametrize(
    ("shape", "n_lists", "longest"),
    [((1, 1, 1), 1, 1), ((2, 5, 7), 7, 4), ((1, 66, 9), 3, 33), ((3, 1, 20), 20, 20), ((1, 129, 3), 5, 2)],
)
def test_every_twin_is_the_naive_loop(twin, real, shape, n_lists, longest):
    V, (frames, counts) = noise(shape, real), lists(n_lists, longest, shape[-1])
    got = twin(median_of_frames, V, frames, counts)
    assert got.dtype == real
    assert got.shape == (*shape[:2], n_lists)
    assert_allclose(got, reference.median_of_frames(V, frames, counts), rtol=2 * np.finfo(real).eps)


@pytest.mark.parametrize("count", range(1, 40))
def test_every_length_is_sorted(twin, count):
    V, frames = noise((1, 3, 50), np.float32, count), lists(2, count, 50, count)[0]
    counts = np.full(2, count, np.int32)
    assert_allclose(
        twin(median_of_frames, V, frames, counts), reference.median_of_frames(V, frames, counts), rtol=3e-7
    )


def test_memory_order_changes_nothing(twin, real, order):
    V, (frames, counts) = noise((2, 6, 9), real), lists(9, 5, 9)
    got = twin(median_of_frames, in_order(V, order), frames, counts)
    assert_allclose(got, reference.median_of_frames(V, frames, counts), rtol=2 * np.finfo(real).eps)


def test_equal_values_zeros_and_repeated_frames_count_each_time(twin, real):
    V = np.floor(3 * noise((2, 9, 12), real))
    frames, counts = lists(12, 9, 12)
    frames[3] = 5
    assert_array_equal(
        twin(median_of_frames, V, frames, counts), reference.median_of_frames(V, frames, counts)
    )


def test_values_from_the_smallest_to_the_largest_float_are_ordered(twin):
    V = np.array([0, 1e-45, 1e-38, 1e-20, 1, 1.0000001, 1e20, 1e38], np.float32)[None, None]
    frames = np.array([[7, 0, 3, 1, 5, 2, 4, 6]], np.int32)
    for count in range(1, 8):
        counts = np.array([count], np.int32)
        assert_allclose(
            twin(median_of_frames, V, frames, counts),
            reference.median_of_frames(V, frames, counts),
            rtol=2e-7,
        )


@pytest.mark.parametrize("kind", [np.int64, np.uint8])
def test_lists_may_be_of_any_integer_kind(twin, kind):
    V, (frames, counts) = noise((1, 4, 9), np.float64), lists(6, 5, 9)
    got = twin(median_of_frames, V, frames.astype(kind), counts.astype(kind))
    assert_allclose(got, reference.median_of_frames(V, frames, counts), rtol=1e-15)


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    V, (frames, counts) = noise((2, 130, 60), real), lists(60, 31, 60)
    use_threads(1)
    one = median_of_frames(V, frames, counts)
    use_threads(4)
    assert_array_equal(one, median_of_frames(V, frames, counts))


def test_more_lists_than_a_grid_has_rows_are_all_done(emulated_gpu):
    n_lists = 65_535 + 3
    V = noise((1, 1, 4), np.float32)
    frames = np.arange(n_lists, dtype=np.int32)[:, None] % 4
    got = median_of_frames(V, frames, np.ones(n_lists, np.int32))
    assert_array_equal(got[0, 0], V[0, 0, frames[:, 0]])
    assert emulated_gpu.launches == [("median_of_frames", "median_of_frames")]


@pytest.mark.parametrize(("frames", "counts"), [((3,), (3,)), ((3, 2), (2,)), ((3, 2), (3, 1))])
def test_lists_and_counts_that_disagree_are_a_shape_error(frames, counts):
    with pytest.raises(ShapeError, match="expected"):
        median_of_frames(np.ones((1, 2, 3)), np.zeros(frames, int), np.ones(counts, int))
