"""Delays and directions of sound that comes from known places."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import STFT, ConstantQ, Waveform
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.geometry import (
    SPEED_OF_SOUND,
    Delays,
    azimuths,
    check_positions,
    frequencies,
    gcc_phat,
    source_order,
    srp_phat,
    tdoa,
    unit_vectors,
)
from sigsep_classic.typing import Grid

RATE = 16000
FRONTEND = STFT(n_fft=1024, hop=256)
GRID = FRONTEND.grid(RATE)
TRIANGLE = np.array([[0.0, 0.0], [0.05, 0.0], [0.0, 0.05]])


def delayed(signal, seconds):
    """Return a signal later by any number of seconds (circular, on a padded axis)."""
    n = 2 * len(signal)
    omega = 2 * np.pi * np.fft.rfftfreq(n, 1 / RATE)
    return np.fft.irfft(np.fft.rfft(signal, n) * np.exp(-1j * omega * seconds), n)[: len(signal)]


def noise(seed=0, n_samples=16000):
    return np.random.default_rng(seed).standard_normal(n_samples)


def heard(signal, azimuth, positions):
    """Return a plane wave at microphones, X (channels, freq, frames)."""
    late = -(positions @ unit_vectors(azimuth)[:2, 0]) / SPEED_OF_SOUND
    return FRONTEND.analyze(np.stack([delayed(signal, 1e-3 + seconds) for seconds in late]))


def steering(delays, gains=None):
    """Return mixing matrices (freq, channels, sources) of pure delays (channels, sources)."""
    omega = 2 * np.pi * frequencies(GRID, 513)
    return np.exp(-1j * omega[:, None, None] * np.asarray(delays)) * (1 if gains is None else gains)


def test_gcc_phat_finds_delays_between_samples():
    late = [0.0, 1.3e-4, -2.25e-4]
    X = FRONTEND.analyze(np.stack([delayed(noise(), 1e-3 + seconds) for seconds in late]))
    found = gcc_phat(X, GRID, max_delay=1e-3)
    assert_allclose(found.seconds, late, atol=2e-7)
    assert (found.coherence > 0.95).all()


def test_delays_are_told_from_any_channel():
    X = FRONTEND.analyze(np.stack([delayed(noise(), 1e-3), delayed(noise(), 1.2e-3)]))
    assert_allclose(gcc_phat(X, GRID, reference=1).seconds, [-2e-4, 0], atol=2e-7)


def test_independent_noises_have_no_delay_to_be_sure_of():
    X = FRONTEND.analyze(np.stack([noise(0), noise(1)]))
    assert gcc_phat(X, GRID).coherence[1] < 0.1


def test_columns_of_mixing_matrices_tell_delays_at_any_scale():
    delays = np.array([[0, 0], [1e-4, -2e-4], [3e-4, 0.5e-4]])
    scale = np.random.default_rng(0).standard_normal((513, 1, 2)) + 1j
    found = tdoa(steering(delays, gains=np.array([[1], [0.5], [2]])) * scale, GRID)
    assert_allclose(found.seconds, delays, atol=2e-7)
    assert_allclose(found.coherence, 1, atol=1e-3)


@pytest.mark.parametrize("azimuth", [30, -100, 170])
def test_a_plane_wave_comes_from_where_it_comes_from(azimuth):
    X = heard(noise(), azimuth, TRIANGLE)
    assert_allclose(azimuths(gcc_phat(X, GRID, max_delay=3e-4), TRIANGLE), azimuth, atol=0.2)
    assert_allclose(srp_phat(X, TRIANGLE, GRID).peaks(1), azimuth, atol=1)


def test_two_microphones_tell_the_side_they_are_taken_to_have():
    for azimuth in (30, 100):
        for mirrored in (azimuth, -azimuth):
            X = heard(noise(), mirrored, TRIANGLE[:2])
            assert_allclose(azimuths(gcc_phat(X, GRID, max_delay=3e-4), TRIANGLE[:2]), azimuth, atol=0.5)


def test_the_map_has_a_peak_for_each_of_two_sources():
    positions = 0.1 * unit_vectors(np.arange(4) * 90)[:2].T
    X = heard(noise(0), 20, positions) + heard(noise(1), 120, positions)
    peaks = srp_phat(X, positions, GRID).peaks(2)
    assert_allclose(sorted(peaks), [20, 120], atol=5)


def test_sources_are_ordered_by_angle():
    angles = np.array([100.0, -20.0, 45.0])
    late = -(TRIANGLE @ unit_vectors(angles)[:2]) / SPEED_OF_SOUND
    assert_array_equal(source_order(steering(late), GRID, by="angle", positions=TRIANGLE), [1, 2, 0])
    line = np.array([[0.0, 0.0], [0.05, 0.0]])
    late = -(line @ unit_vectors(angles)[:2]) / SPEED_OF_SOUND
    assert_array_equal(source_order(steering(late), GRID, by="angle"), [1, 2, 0])


def test_the_nearest_source_is_the_one_heard_directly():
    rng = np.random.default_rng(0)
    A = steering(np.array([[0, 0], [1e-4, -1e-4]]))
    diffuse = rng.standard_normal(A.shape) + 1j * rng.standard_normal(A.shape)
    assert_array_equal(source_order(A + [0.8, 0.1] * diffuse, GRID, by="distance"), [1, 0])


def test_silence_is_nowhere():
    found = gcc_phat(np.zeros((2, 513, 4), complex), GRID)
    assert_array_equal(found.seconds, 0)
    assert_array_equal(found.coherence, 0)


def test_what_has_no_delays_is_refused():
    X = np.ones((2, 513, 4), complex)
    for frontend in (Waveform(), ConstantQ(sample_rate=RATE)):
        with pytest.raises(ParameterError, match="evenly spaced"):
            gcc_phat(X, frontend.grid(RATE))
    with pytest.raises(ShapeError, match="reference is 2"):
        gcc_phat(X, GRID, reference=2)
    with pytest.raises(ShapeError, match="three axes"):
        tdoa(X[0], GRID)
    with pytest.raises(ShapeError, match="positions have shape"):
        srp_phat(X, TRIANGLE, GRID)
    with pytest.raises(ShapeError, match="same place"):
        azimuths(Delays(seconds=np.zeros((2, 1)), coherence=np.ones((2, 1))), np.zeros((2, 2)))
    with pytest.raises(ParameterError, match="by is"):
        source_order(steering(np.zeros((2, 1))), Grid(frame_rate=1, bin_hz=1), by="name")


@pytest.mark.parametrize(
    ("positions", "error", "said"),
    [
        ("square", ParameterError, "positions is 'square'; give x and y"),
        ([[0, 0], [1]], ParameterError, "give x and y"),
        ([[0, 0], [np.nan, 1]], ParameterError, "NaN or infinity"),
        ([[0, 0], [np.inf, 1]], ParameterError, "NaN or infinity"),
        ([[1, 2], [1, 2]], ShapeError, "same place"),
        ([[0, 0], [1, 0], [2, 0]], ShapeError, r"expected \(2, 2 or 3\)"),
    ],
)
def test_places_that_are_none_are_refused_in_one_line(positions, error, said):
    X = np.ones((2, 513, 4), complex)
    for use in (lambda: srp_phat(X, positions, GRID), lambda: check_positions(positions, 2)):
        with pytest.raises(error, match=said):
            use()
    with pytest.raises(error, match=said):
        source_order(steering(np.zeros((2, 1))), GRID, by="angle", positions=positions)


def test_one_channel_has_no_order_of_places():
    with pytest.raises(ShapeError, match="takes two"):
        source_order(steering(np.zeros((1, 2))), GRID, by="distance")
