"""STOI and ESTOI: theorems, the definitions by loops, pystoi; PESQ through its package."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
import scipy.signal
from numpy.testing import assert_allclose

from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.metrics._resampling import low_pass, resampled
from sigsep_classic.metrics.perceptual import estoi, pesq_nb, pesq_wb, stoi
from tests.reference import intelligibility as reference

MEASURES = [stoi, estoi]


def speech_like(seconds, rate, *, seed=0, pauses=True):
    """Noise with the envelope of syllables, and pauses 60 dB down."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate)
    syllables = np.repeat(rng.gamma(0.7, size=int(seconds * 8) + 1), rate // 8)[:n]
    if pauses:
        syllables[n // 3 : n // 2] *= 1e-3
    return scipy.signal.lfilter([1], [1, -0.8], rng.standard_normal(n)) * syllables


def noisy(x, snr_db, *, seed=1):
    noise = np.random.default_rng(seed).standard_normal(x.shape)
    return x + noise * x.std() * 10 ** (-snr_db / 20)


@pytest.mark.parametrize("measure", MEASURES)
def test_speech_itself_is_wholly_intelligible_at_any_level(measure):
    x = speech_like(2, 10000)
    assert_allclose(measure(x, 0.01 * x, sample_rate=10000), [1.0], atol=1e-9)
    assert_allclose(
        measure(x, noisy(x, 5), sample_rate=10000), measure(100 * x, 3 * noisy(x, 5), sample_rate=10000)
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_more_noise_is_less_intelligible_and_noise_alone_is_not(measure):
    x = speech_like(3, 10000)
    scores = [measure(x, noisy(x, snr), sample_rate=10000)[0] for snr in (20, 10, 0, -10)]
    assert scores == sorted(scores, reverse=True)
    noise = np.random.default_rng(3).standard_normal(x.shape)
    assert abs(measure(x, noise, sample_rate=10000)[0]) < 0.25


@pytest.mark.parametrize(("measure", "by_hand"), [(stoi, reference.stoi), (estoi, reference.estoi)])
def test_scores_are_those_of_the_definition(measure, by_hand):
    x = speech_like(1.2, 10000)
    y = noisy(x, 5)
    assert_allclose(measure(x, y, sample_rate=10000), [by_hand(x, y)], atol=1e-10)


@pytest.mark.parametrize("rate", [8000, 10000, 16000, 44100])
@pytest.mark.parametrize("within", [1e-9])
def test_scores_are_those_of_pystoi(rate, within):
    peer = pytest.importorskip("pystoi")
    x = speech_like(1.5, rate)
    y = noisy(x, 3)
    assert_allclose(stoi(x, y, sample_rate=rate), [peer.stoi(x, y, rate)], rtol=0, atol=within)
    assert_allclose(
        estoi(x, y, sample_rate=rate), [peer.stoi(x, y, rate, extended=True)], rtol=0, atol=within
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_pauses_of_the_reference_do_not_count(measure):
    x = speech_like(2, 10000)
    y = noisy(x, 10)
    pause = np.zeros(128 * 100)
    louder = np.random.default_rng(4).standard_normal(pause.shape)
    with_pause = measure(np.concatenate([x, pause]), np.concatenate([y, louder]), sample_rate=10000)
    assert_allclose(with_pause, measure(x, y, sample_rate=10000), atol=0.01)


def test_a_source_has_the_mean_of_its_channels_but_silent_ones():
    x, other = speech_like(1, 10000), speech_like(1, 10000, seed=5)
    y, another = noisy(x, 0), noisy(other, 10)
    one, two = stoi(x, y, sample_rate=10000), stoi(other, another, sample_rate=10000)
    assert_allclose(
        stoi([np.stack([x, other])], [np.stack([y, another])], sample_rate=10000), (one + two) / 2
    )
    silence = np.zeros_like(x)
    assert_allclose(stoi([np.stack([x, silence])], [np.stack([y, another])], sample_rate=10000), one)
    several = stoi(np.stack([x, silence, other]), np.stack([y, y, another]), sample_rate=10000)
    assert_allclose(several, [one[0], np.nan, two[0]])


@pytest.mark.parametrize("measure", MEASURES)
def test_an_estimate_that_is_silent_or_constant_in_a_band_has_no_correlation(measure):
    x = speech_like(1, 10000)
    assert_allclose(measure(x, 0 * x, sample_rate=10000), [0.0], atol=1e-12)
    assert np.isfinite(measure(x, np.sin(2 * np.pi * np.arange(10000) / 10), sample_rate=10000)).all()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n", [1, 256, 300, 3900])
def test_what_is_too_short_has_no_score(measure, n):
    x = speech_like(1, 10000, pauses=False)[:n] + 0.1
    assert np.isnan(measure(x, noisy(x, 10), sample_rate=10000)).all()


def test_single_precision_and_integers_score_alike():
    x = np.round(1000 * speech_like(1, 16000))
    y = np.round(noisy(x, 5))
    expected = stoi(x, y, sample_rate=16000)
    assert_allclose(stoi(x.astype(np.int16), y.astype(np.int16), sample_rate=16000), expected)
    assert_allclose(stoi(x.astype(np.float32), y.astype(np.float32), sample_rate=16000), expected)


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [(16000, 10000), (44100, 10000), (8000, 10000), (48000, 16000), (7, 5), (10007, 10000)],
)
def test_resampling_is_polyphase_filtering(rate, wanted):
    shared = np.gcd(rate, wanted)
    up, down = int(wanted // shared), int(rate // shared)
    rng = np.random.default_rng(6)
    for n in (1, 999):
        x = rng.standard_normal((2, n))
        expected = scipy.signal.resample_poly(x, up, down, axis=-1, window=low_pass(up, down))
        assert_allclose(resampled(x, rate, wanted), expected, atol=1e-13)


def test_pesq_is_that_of_the_package_at_the_rates_it_takes():
    pesq = pytest.importorskip("pesq")
    x = speech_like(1.5, 16000)
    y = noisy(x, 10)
    assert_allclose(pesq_wb(x, y, sample_rate=16000), [pesq.pesq(16000, x, y, "wb")])
    assert_allclose(pesq_nb(x, y, sample_rate=16000), [pesq.pesq(16000, x, y, "nb")])
    assert_allclose(pesq_nb(x[::2], y[::2], sample_rate=8000), [pesq.pesq(8000, x[::2], y[::2], "nb")])
    up = resampled(np.stack([x, y]), 16000, 48000)
    assert_allclose(pesq_wb(*up, sample_rate=48000), [pesq.pesq(16000, x, y, "wb")], atol=0.05)
    silence = np.zeros_like(x)
    assert np.isnan(pesq_wb([x, silence, x], [silence, x, silence], sample_rate=16000)).all()
    with pytest.raises(ParameterError, match="quarter of a second"):
        pesq_wb(x[:3000], y[:3000], sample_rate=16000)


def test_pesq_of_minutes_is_the_mean_of_pieces_and_does_not_crash():
    pytest.importorskip("pesq")
    x = np.tile(speech_like(1.0, 8000) * (np.arange(8000) < 4500), 70)
    y = noisy(x, 10)
    pieces = [pesq_nb(*part, sample_rate=8000) for part in np.split(np.stack([x, y]), 4, axis=1)]
    assert_allclose(pesq_nb(x, y, sample_rate=8000), np.mean(pieces, axis=0))


def test_without_the_package_the_way_to_it_is_told(monkeypatch):
    found = builtins.__import__

    def hidden(name, *args, **kwargs):
        if name == "pesq":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", hidden)
    with pytest.raises(ParameterError, match=r'pip install "sigsep-classic\[metrics\]"'):
        pesq_wb(np.ones(16000), np.ones(16000), sample_rate=16000)


@pytest.mark.parametrize(
    ("x", "rate", "error", "said"),
    [
        (np.array([np.nan] * 10000), 10000, NumericalError, "NaN or infinity"),
        (np.ones(10000), 0, ParameterError, "sample_rate is 0"),
        (np.ones(10000), 44.1, ParameterError, "sample_rate is 44.1"),
    ],
)
def test_it_refuses_in_one_line(x, rate, error, said):
    with pytest.raises(error, match=said):
        stoi(x, x, sample_rate=rate)
