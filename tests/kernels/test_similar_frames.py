"""`similar_frames` in every twin finds the peaks of the similarity rows that comparing every pair finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic.kernels.similar_frames import similar_frames
from tests.kernels.conftest import in_order
from tests.reference import similar_frames as reference


def noise(n_bins, n_frames, real, seed=0):
    return np.random.default_rng(seed).random((n_bins, n_frames)).astype(real)


def exact(n_frames, real, seed=0):
    """Return frames of four ones in sixteen bins: every similarity is a whole quarter, with no rounding."""
    rng = np.random.default_rng(seed)
    V = np.zeros((16, n_frames), real)
    for t in range(n_frames):
        V[rng.choice(16, 4, replace=False), t] = 1
    return V


def same(got, expected):
    for mine, theirs in zip(got, expected, strict=True):
        assert mine.dtype == np.int32
        assert_array_equal(mine, theirs)


@pytest.mark.parametrize("threshold", [0.0, 0.8])
@pytest.mark.parametrize("distance", [1, 3, 100])
@pytest.mark.parametrize("number", [1, 4, 40])
def test_every_twin_is_the_naive_search(twin, real, number, distance, threshold):
    V = noise(9, 41, real)
    options = {"number": number, "distance": distance, "threshold": threshold}
    same(twin(similar_frames, V, **options), reference.similar_frames(V, **options))


@pytest.mark.parametrize("seed", range(6))
def test_of_equals_the_earlier_comes_first_and_two_equal_neighbours_are_no_peak(twin, real, seed):
    V = exact(37, real, seed)
    options = {"number": 5, "distance": 1 + seed % 3, "threshold": 0.25}
    same(twin(similar_frames, V, **options), reference.similar_frames(V, **options))


@pytest.mark.parametrize("n_frames", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (256, 259))])
def test_blocks_of_rows_are_seamless(twin, n_frames):
    V = noise(5, n_frames, np.float64)
    options = {"number": 3, "distance": 4}
    U = V / np.linalg.norm(V, axis=0)
    expected = [reference.peaks(row, threshold=0.0, **options) for row in U.T @ U]
    frames, counts = twin(similar_frames, V, **options)
    assert [list(row[:count]) for row, count in zip(frames, counts, strict=True)] == expected


def test_memory_order_changes_nothing(twin, real, order):
    V = exact(30, real)
    options = {"number": 4, "distance": 2}
    same(twin(similar_frames, in_order(V, order), **options), reference.similar_frames(V, **options))


def test_a_frame_without_candidates_keeps_itself(twin, real):
    silence = np.zeros((3, 6), real)
    frames, counts = twin(similar_frames, silence, number=2, distance=2)
    assert_array_equal(frames, np.stack([np.arange(6), np.zeros(6)], axis=1))
    assert_array_equal(counts, np.ones(6))


def test_the_level_of_a_frame_does_not_matter(twin):
    V = exact(30, np.float32)
    levels = 2.0 ** np.random.default_rng(1).integers(-5, 6, 30)
    options = {"number": 4, "distance": 2}
    same(
        twin(similar_frames, (V * levels).astype(np.float32), **options),
        reference.similar_frames(V, **options),
    )


def test_each_frame_of_a_periodic_piece_finds_its_repetitions(twin):
    V = np.tile(np.eye(8, dtype=np.float32), 4)
    frames, counts = twin(similar_frames, V, number=10, distance=4)
    for t in range(32):
        assert_array_equal(frames[t, : counts[t]], np.arange(t % 8, 32, 8))


def test_one_and_four_threads_give_the_same_lists(use_threads, real):
    V = noise(20, 1100, real)
    use_threads(1)
    one = similar_frames(V, number=10, distance=9)
    use_threads(4)
    same(similar_frames(V, number=10, distance=9), one)


@pytest.mark.parametrize(("memory", "ring"), [(1, False), (7, False), (7, True), (100, False)])
def test_with_a_memory_every_twin_searches_the_last_frames_alone(twin, memory, ring):
    V, options = noise(9, 41, np.float64), {"number": 4, "distance": 2, "memory": memory, "ring": ring}
    expected = reference.recent_frames(V, **options)
    first = memory - 1 if ring else 0  # before it the ring is not full
    frames, counts = twin(similar_frames, V, **options)
    found = [list(row[:count]) for row, count in zip(frames, counts, strict=True)]
    assert found[first:] == expected[first:]
    later = twin(similar_frames, V, first=20, **options)
    same(later, (frames[20:], counts[20:]))


def test_where_silence_hides_no_frame_near_a_silent_one_is_similar(twin, real):
    V = noise(9, 41, real)
    V[:, 20] = 0
    frames, counts = twin(similar_frames, V, number=40, distance=3, silence_hides=True)
    listed = {int(u) for row, count in zip(frames, counts, strict=True) for u in row[:count]}
    assert listed & set(range(17, 24)) == {20}  # the silent frame itself keeps itself
    assert list(frames[20, : counts[20]]) == [20]


def test_a_distance_of_zero_takes_every_frame_above_the_threshold(twin, real):
    V = exact(30, real)
    _, counts = twin(similar_frames, V, number=30, distance=0, threshold=0.5)
    S = reference.similarity(V)
    assert_array_equal(counts, (S >= 0.5).sum(axis=1))
