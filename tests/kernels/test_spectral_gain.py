"""Gains: all twins are the naive loop, and what theory says of the rules holds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import exp1, i0e, i1e

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels import special
from sigsep_classic.kernels.spectral_gain import RULES, gains_of, spectral_gain
from tests.kernels.conftest import in_order
from tests.reference import spectral_gain as reference

OPTIONS = {"smoothing": 0.9, "least": 0.003}


def powers(shape=(2, 7, 40), real="float64", seed=0):
    rng = np.random.default_rng(seed)
    P = rng.exponential(size=shape) * rng.gamma(0.2, 50, size=(1, 1, shape[2]))
    P[:, 1] = 0
    P[..., 5:9] = 0
    N = rng.gamma(4.0, size=shape)
    N[0, 3] = 0
    return P.astype(real), N.astype(real)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("rule", RULES)
def test_every_twin_is_the_naive_loop(twin, real, rule, causal):
    P, N = powers(real=real)
    tolerance = 1e-6 if real == "float64" else 3e-5
    for noise in (N, N[..., 20:21]):
        got = twin(spectral_gain, P, noise, rule=rule, causal=causal, **OPTIONS)
        wanted = reference.spectral_gain(P.astype(float), noise, rule=rule, causal=causal, **OPTIONS)
        for mine, its in zip(got, wanted, strict=True):
            assert mine.dtype == real
            assert_allclose(mine, its, rtol=20 * tolerance, atol=tolerance)


def test_memory_order_changes_nothing(twin, order):
    P, N = powers()
    one = twin(spectral_gain, P, N, rule="wiener", causal=True, **OPTIONS)
    other = twin(spectral_gain, in_order(P, order), in_order(N, order), rule="wiener", causal=True, **OPTIONS)
    assert_array_equal(one, other)


def test_more_bins_than_a_block_and_any_number_of_threads_give_the_same_bits(use_threads):
    P, N = powers((2, 150, 20))
    use_threads(1)
    one = spectral_gain(P, N, rule="log_mmse", causal=False, **OPTIONS)
    use_threads(4)
    assert_array_equal(one, spectral_gain(P, N, rule="log_mmse", causal=False, **OPTIONS))


@pytest.mark.parametrize("name", ["exponential_integral", "bessel_i0e", "bessel_i1e"])
def test_the_special_functions_are_right_to_a_millionth(name):
    x = np.logspace(-7, 2, 300)
    theirs = {"exponential_integral": exp1, "bessel_i0e": i0e, "bessel_i1e": i1e}[name](x)
    assert_allclose([getattr(special, name)(value) for value in x], theirs, rtol=1e-6)


def test_mmse_stsa_is_the_mean_amplitude_of_the_posterior():
    # Given the observation, the speech coefficient is Gaussian about w Y with variance w N.
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(400_000) + 1j * rng.standard_normal(400_000)) / np.sqrt(2)
    for prior, posterior in ((0.5, 1.0), (3.0, 2.0), (0.1, 4.0)):
        w = prior / (1 + prior)
        amplitudes = abs(w * np.sqrt(posterior) + np.sqrt(w) * noise)
        found = [gains_of(i, np.array(prior), np.array(posterior)) * np.sqrt(posterior) for i in range(3)]
        assert_allclose(found[2], amplitudes.mean(), rtol=5e-3)
        assert_allclose(found[1], np.exp(np.log(amplitudes).mean()), rtol=5e-3)


def test_all_rules_agree_where_speech_is_much_stronger_than_noise():
    found = [gains_of(i, np.array(1e4), np.array(1e4)) for i in range(3)]
    assert_allclose(found, 1, rtol=1e-3)


def test_without_smoothing_and_noise_gains_come_from_the_point_alone(twin):
    P, N = powers()
    gain, prior = twin(spectral_gain, P, N, rule="wiener", smoothing=0.0, least=0.01, causal=True)
    heard = N > 0
    wanted = np.maximum(np.where(heard, P / np.where(heard, N, 1), np.where(P > 0, 1e8, 0)) - 1, 0.01)
    assert_allclose(prior, wanted, rtol=1e-9)
    assert_allclose(gain, prior / (1 + prior), rtol=1e-12)


def test_both_directions_are_symmetric_in_time(twin):
    P, N = powers()
    gain, _ = twin(spectral_gain, P, N, rule="wiener", causal=False, **OPTIONS)
    back, _ = twin(spectral_gain, P[..., ::-1], N[..., ::-1], rule="wiener", causal=False, **OPTIONS)
    assert_allclose(back[..., ::-1], gain, rtol=1e-12)


def test_wrong_requests_are_refused():
    P, N = powers()
    with pytest.raises(ParameterError, match="gain rule"):
        spectral_gain(P, N, rule="mmse", causal=True, **OPTIONS)
    with pytest.raises(ShapeError, match="do not fit"):
        spectral_gain(P, N[..., :3], rule="wiener", causal=True, **OPTIONS)
