"""Noise trackers: all twins agree with the papers point by point, are unbiased on noise and follow it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.noise_tracking import RULES, mean_of_minimum, track_noise
from tests.reference import noise_tracking as reference

RATE = 40.0


def powers(shape=(2, 9, 160), real="float64", seed=0):
    """Noise with bursts, a silent stretch and a bin that is always silent."""
    rng = np.random.default_rng(seed)
    P = rng.exponential(size=shape) * (1 + 100 * (rng.random((1, 1, shape[2])) > 0.8))
    P[:, 2] = 0
    P[..., 30:40] = 0
    return P.astype(real), np.full(shape[:2], 0.8, real)


@pytest.mark.parametrize("rule", ["mmse", "imcra"])
def test_every_twin_is_the_naive_loop(twin, real, rule):
    P, start = powers(real=real)
    got = twin(track_noise, P, start, rule=rule, frame_rate=RATE)
    assert got.dtype == real
    for c in range(len(P)):
        if rule == "imcra":
            wanted = reference.imcra(P[c].astype(float), start[c].astype(float), RATE)
        else:
            wanted = np.stack([reference.mmse(row, start[c, 0], RATE) for row in P[c].astype(float)])
        assert_allclose(got[c], wanted, rtol=1e-5)


@pytest.mark.slow
def test_twins_of_minimum_statistics_agree(twin):
    P, start = powers()
    got = twin(track_noise, P, start, rule="minimum", frame_rate=RATE)
    assert_allclose(got, track_noise(P, start, rule="minimum", frame_rate=RATE), rtol=1e-9)


@pytest.mark.parametrize(("rule", "within"), [("mmse", 1.3), ("imcra", 0.8), ("minimum", 0.8)])
def test_stationary_noise_is_estimated_without_much_bias(rule, within):
    P = np.random.default_rng(1).exponential(size=(1, 80, 1500))
    found = track_noise(P, np.ones((1, 80)), rule=rule, frame_rate=125.0)
    assert abs(10 * np.log10(found[..., 400:].mean())) < within


@pytest.mark.parametrize("rule", RULES)
def test_a_rise_of_ten_decibels_is_followed_within_four_seconds(rule):
    P = np.random.default_rng(2).exponential(size=(1, 60, 1000))
    P[..., 400:] *= 10
    found = track_noise(P, np.ones((1, 60)), rule=rule, frame_rate=125.0)
    levels = 10 * np.log10(found.mean(axis=1)[0])
    assert abs(levels[390]) < 1.5
    assert abs(levels[-1] - 10) < 1.5


@pytest.mark.parametrize("rule", RULES)
def test_bursts_of_speech_hardly_raise_the_estimate(rule):
    rng = np.random.default_rng(3)
    P = rng.exponential(size=(1, 60, 1000))
    P += 300 * rng.exponential(size=P.shape) * (np.arange(1000) % 60 > 35)
    found = track_noise(P, np.ones((1, 60)), rule=rule, frame_rate=125.0)
    assert 10 * np.log10(found[..., 300:].mean()) < 3  # of bursts 25 dB above it


@pytest.mark.parametrize("rule", RULES)
def test_scaling_the_input_scales_the_estimate_and_silence_changes_nothing(twin, rule):
    P, start = powers()
    one = twin(track_noise, P, start, rule=rule, frame_rate=RATE)
    assert_allclose(track_noise(P * 1e-6, start * 1e-6, rule=rule, frame_rate=RATE), one * 1e-6, rtol=1e-6)
    assert_array_equal(one[..., 30:40], np.repeat(one[..., 29:30], 10, axis=-1))
    assert (one > 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_any_number_of_threads_gives_the_same_bits(use_threads, rule):
    P, start = powers((3, 150, 60))
    use_threads(1)
    one = track_noise(P, start, rule=rule, frame_rate=RATE)
    use_threads(4)
    assert_array_equal(one, track_noise(P, start, rule=rule, frame_rate=RATE))


def test_the_mean_of_the_minimum_interpolates_its_table():
    assert [mean_of_minimum(D) for D in (1, 20, 120)] == [0.0, 0.705, 0.89]
    assert 0.61 < mean_of_minimum(12) < 0.668


def test_wrong_requests_are_refused():
    P, start = powers()
    with pytest.raises(ParameterError, match="noise rule"):
        track_noise(P, start, rule="median", frame_rate=RATE)
    with pytest.raises(ParameterError, match="frame_rate"):
        track_noise(P, start, rule="mmse", frame_rate=0)
    with pytest.raises(ShapeError, match="do not fit"):
        track_noise(P, start[:, :2], rule="mmse", frame_rate=RATE)
