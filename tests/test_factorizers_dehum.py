"""Hum: its frequency is found to a tenth of a hertz, it is taken off, and what is no hum stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.api import denoise, separate
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.denoising import hum
from sigsep_classic.factorizers.denoising.dehum import Dehum
from sigsep_classic.frontends import STFT
from sigsep_classic.metrics import si_sdr
from tests.test_factorizers_denoising import RATE, noisy, talk


def mains(frequency, n_samples, level=0.05):
    t = np.arange(n_samples) / RATE
    return level * sum(np.sin(2 * np.pi * k * frequency * t + k) / k for k in (1, 2, 3, 5, 7))


@pytest.mark.parametrize("frequency", [49.83, 50.0, 50.12, 59.94, 60.07])
@pytest.mark.parametrize("frontend", [None, STFT(n_fft=256)])
def test_the_frequency_is_found_to_a_tenth_of_a_hertz(frequency, frontend):
    s = talk(4.0)
    sep = separate(s + mains(frequency, len(s)), RATE, method="dehum", frontend=frontend)
    assert abs(sep.model.frequency - frequency) < 0.1


def test_hum_is_taken_off_and_the_stems_add_up():
    s = talk(4.0)
    h = mains(50.1, len(s))
    sep = separate(s + h, RATE, method="dehum")
    assert list(sep) == ["clean", "hum"]
    assert si_sdr(s[None], sep["clean"][None]) > si_sdr(s[None], (s + h)[None]) + 3
    assert_allclose(sep["clean"] + sep["hum"], s + h, atol=1e-12)


def test_steady_hum_alone_is_taken_off_whole():
    h = mains(60.0, 2 * RATE)
    sep = separate(h, RATE, method="dehum", frequency=60.0)
    middle = slice(RATE // 2, -RATE // 2)
    assert abs(sep["clean"][middle]).max() < 0.02 * abs(h).max()


def test_without_hum_nothing_is_taken_off():
    for x in (talk(4.0), np.random.default_rng(0).standard_normal(4 * RATE)):
        sep = separate(x, RATE, method="dehum")
        assert sep.model.frequency is None
        assert_array_equal(sep["hum"], 0 * x)


def test_through_an_stft_most_of_it_goes_too():
    s = talk(4.0)
    h = mains(50.1, len(s))
    sep = separate(s + h, RATE, method="dehum", frontend=STFT(n_fft=256))
    assert si_sdr(h[None], sep["hum"][None]) > 3


def test_a_notch_is_narrow():
    t = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * 53.0 * t)
    clean = separate(tone, RATE, method="dehum", frequency=50.0)["clean"]
    assert_allclose(clean[RATE:-RATE], tone[RATE:-RATE], atol=0.02)


def test_denoise_with_hum_gives_three_stems_that_add_up():
    s, x, clip = noisy(10)
    h = mains(59.95, len(x))
    sep = denoise(x + h, RATE, noise=clip, hum=True)
    assert list(sep) == ["speech", "noise", "hum"]
    assert abs(sep.info["hum_hz"] - 59.95) < 0.1
    assert_allclose(sum(sep.values()), x + h, atol=1e-12)
    assert si_sdr(s[None], sep["speech"][None]) > si_sdr(s[None], (x + h)[None]) + 8
    given = denoise(x + h, RATE, noise=clip, hum=59.95)
    assert si_sdr(given["hum"][None], sep["hum"][None]) > 15


def test_a_recording_too_short_to_tell_has_no_hum():
    assert hum.find(np.ones((1, 1, 500)), STFT(n_fft=2, hop=1).grid(8000)) is None


def test_what_is_taken_off_is_the_windowed_mean_of_the_signal_turned_down_to_zero():
    rng = np.random.default_rng(0)
    for n_samples, seconds in ((700, 0.05), (300, 1.0), (1, 1.0)):
        x = rng.standard_normal(n_samples)
        half = min(round(seconds * RATE / 2), n_samples)
        expected = np.zeros(n_samples)
        for hz in (1500.0, 3000.0):
            carrier = np.exp(2j * np.pi * hz / RATE * np.arange(n_samples))
            for t in range(n_samples):
                near = np.arange(max(0, t - half), min(n_samples, t + half + 1))
                window = 0.5 + 0.5 * np.cos(np.pi * (near - t) / (half + 1))
                mean = (window * x[near] * carrier[near].conj()).sum() / window.sum()
                expected[t] += 2 * (mean * carrier[t]).real
        model = Dehum(frequency=1500.0, seconds=seconds).fit(x[None, None])
        assert_allclose(model.hum[0, 0], expected, atol=1e-12)


def test_the_hum_of_a_long_recording_is_found_in_pieces():
    x = 0.1 * np.random.default_rng(0).standard_normal(61 * RATE) + mains(50.03, 61 * RATE, 0.02)
    assert abs(hum.find(x[None, None], STFT(n_fft=2, hop=1).grid(RATE)).frequency - 50.03) < 0.01


def test_hum_above_the_sample_rate_is_refused():
    with pytest.raises(ParameterError, match="below 4000"):
        separate(talk(1.0), RATE, method="dehum", frequency=4000.0)


def test_wrong_parameters_are_refused():
    for options in ({"frequency": 0.0}, {"seconds": 0.0}, {"n_harmonics": 0}):
        with pytest.raises(ParameterError, match=next(iter(options))):
            Dehum(**options)
