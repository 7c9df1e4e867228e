"""`beat_spectrum` is the autocorrelation of the power by its sum."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.kernels.beat_spectrum import beat_spectrum
from tests.kernels.conftest import in_order
from tests.reference import beat_spectrum as reference

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def noise(shape, real, seed=0):
    return np.random.default_rng(seed).random(shape).astype(real)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (3, 17), (65, 30), (130, 7)])
def test_it_is_the_naive_sum(real, shape):
    V = noise(shape, real)
    got = beat_spectrum(V)
    assert got.dtype == real
    assert_allclose(got, reference.beat_spectrum(V), rtol=TOLERANCE[real.name])


def test_memory_order_and_a_frozen_input_change_nothing(real, order):
    V = in_order(noise((7, 23), real), order)
    V.flags.writeable = False
    assert_allclose(beat_spectrum(V), reference.beat_spectrum(V), rtol=TOLERANCE[real.name])


def test_a_periodic_spectrogram_is_as_like_itself_at_every_multiple_of_the_period(real):
    V = np.tile(noise((12, 10), real), 5)
    assert_allclose(beat_spectrum(V)[::10], np.ones(5), rtol=TOLERANCE[real.name])


def test_the_level_does_not_matter(real):
    V = noise((12, 20), real)
    assert_array_equal(beat_spectrum(V * real.type(2**-9)), beat_spectrum(V))


def test_silence_repeats_nowhere(real):
    assert_array_equal(beat_spectrum(np.zeros((3, 5), real)), np.zeros(5))


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    V = noise((200, 300), real)
    use_threads(1)
    one = beat_spectrum(V)
    use_threads(4)
    assert_array_equal(one, beat_spectrum(V))
