"""Masks from the true stems give back the true stems where a mask can."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import STFT, oracle, synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=1.0, sample_rate=16000)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_estimates_sum_to_the_mixture_and_are_far_better_than_it(song, power):
    estimates = oracle.ideal_ratio_mask(song.mixture, song.stems, power=power)
    assert list(estimates) == list(song.stems)
    assert_allclose(sum(estimates.values()), song.mixture, atol=1e-6)
    for name, truth in song.stems.items():
        assert estimates[name].dtype == truth.dtype
        assert np.mean(si_sdr(truth, estimates[name])) > np.mean(si_sdr(truth, song.mixture)) + 5


def test_stems_that_nowhere_overlap_are_given_back():
    rng = np.random.default_rng(0)
    stems = {"early": np.zeros((1, 8000)), "late": np.zeros((1, 8000))}
    stems["early"][:, :3000] = rng.standard_normal((1, 3000))
    stems["late"][:, 5000:] = rng.standard_normal((1, 3000))
    estimates = oracle.ideal_ratio_mask(sum(stems.values()), stems, frontend=STFT(n_fft=512))
    for name, truth in stems.items():
        assert_allclose(estimates[name], truth, atol=1e-12)


def test_a_silent_stem_gets_nothing(song):
    stems = {"all": song.mixture, "silence": 0 * song.mixture}
    estimates = oracle.ideal_ratio_mask(song.mixture, stems)
    assert_allclose(estimates["silence"], 0 * song.mixture, atol=1e-6)
    assert_allclose(estimates["all"], song.mixture, atol=1e-6)


def test_without_stems_there_is_no_oracle(song):
    with pytest.raises(ParameterError, match="stems is empty"):
        oracle.ideal_ratio_mask(song.mixture, {})
