"""`hrps` puts each coefficient in one of three stems, by the definition of its paper."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, separate, synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.typing import Grid
from tests.reference.sliding_median import sliding_median

HRPS, HPSS = METHODS["hrps"], METHODS["hpss"]


def noise(shape=(2, 20, 25), seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("beta", [1, 1.2, 2])
def test_gains_are_those_of_the_definition(beta):
    X = noise()
    harmonic, percussive, residual = HRPS(harmonic_frames=5, percussive_bins=7, beta=beta).fit(X).gains()
    H, P = sliding_median(abs(X), 5, axis=-1), sliding_median(abs(X), 7, axis=-2)
    assert_array_equal(harmonic, beta < H / P)
    assert_array_equal(percussive, beta <= P / H)
    assert_array_equal(harmonic + percussive + residual, 1)
    assert set(np.unique(residual)) <= {0, 1}


def test_with_a_factor_of_one_nothing_is_left_over():
    assert HRPS(harmonic_frames=5, percussive_bins=5, beta=1).fit(noise()).gains()[2].sum() == 0


def test_a_larger_factor_leaves_more_over():
    methods = [HRPS(harmonic_frames=5, percussive_bins=5, beta=beta) for beta in (1, 1.5, 3)]
    left = [method.fit(noise()).gains()[2].sum() for method in methods]
    assert left[0] < left[1] < left[2]


def test_hpss_with_binary_masks_and_margins_is_the_same():
    X = noise()
    ours = HRPS(harmonic_frames=5, percussive_bins=7, beta=1.7).fit(X)
    margins = {"harmonic_margin": 1.7, "percussive_margin": 1.7, "mask_power": float("inf")}
    theirs = HPSS(harmonic_frames=5, percussive_bins=7, **margins).fit(X)
    assert ours.names == theirs.names
    assert_array_equal(ours.gains(), theirs.gains())


def test_turning_time_into_frequency_swaps_harmonic_and_percussive():
    X = noise((1, 30, 30))
    one = HRPS(harmonic_frames=7, percussive_bins=5).fit(X).gains()
    other = HRPS(harmonic_frames=5, percussive_bins=7).fit(X.swapaxes(-1, -2)).gains()
    assert_array_equal(one[[1, 0, 2]], other.swapaxes(-1, -2))


def test_seconds_and_hz_are_those_of_hpss():
    grid = Grid(frame_rate=100, bin_hz=10)
    assert HRPS(grid=grid).sizes == HPSS(grid=grid).sizes == (41, 41)
    assert HRPS(grid=grid).context == 20


@pytest.mark.parametrize("name", ["harmonic", "percussive", "residual"])
def test_tones_are_harmonic_strokes_percussive_noise_is_neither(name):
    rate = 8000
    time = np.arange(2 * rate) / rate
    strokes = np.zeros_like(time)
    strokes[1000::4000] = 20
    sounds = {
        "harmonic": np.sin(2 * np.pi * 440 * time),
        "percussive": strokes,
        "residual": np.random.default_rng(0).standard_normal(time.shape),
    }
    sep = separate(sounds[name], rate, method=HRPS(beta=1.5))
    energies = {stem: float((x**2).sum()) for stem, x in sep.items()}
    assert energies[name] > 0.6 * sum(energies.values())


def test_stems_add_up():
    mix = synthesize("song", seconds=1.0, sample_rate=8000)
    sep = separate(mix.mixture, 8000, method="hrps")
    assert list(sep) == ["harmonic", "percussive", "residual"]
    assert_allclose(sum(sep.values()), mix.mixture, atol=1e-6)


def test_a_factor_below_one_is_refused():
    with pytest.raises(ParameterError, match=r"beta is 0\.9; it must be at least 1"):
        HRPS(beta=0.9)
