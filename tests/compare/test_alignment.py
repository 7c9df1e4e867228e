"""Alignment: delays found, lengths and channels made equal, and a word about each."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.compare.alignment import aligned, find_offset, shifted

RATE = 16000


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    smooth = np.ones(8) / 8  # neighbouring samples alike, as in music
    return {
        name: np.stack([np.convolve(rng.standard_normal(3 * RATE), smooth) for _ in range(2)]).astype(
            "float32"
        )
        for name in ("voice", "rest")
    }


def late(truth, samples, noise=1.0):
    rng = np.random.default_rng(1)
    moved = {name: shifted(x, -samples) for name, x in truth.items()}
    return {name: x + noise * x.std() * rng.standard_normal(x.shape) for name, x in moved.items()}


@pytest.mark.parametrize("samples", [0, 1, 400, -123, 800])
def test_a_delay_is_found_and_taken_back(truth, samples):
    estimates = late(truth, samples, noise=0.1)
    assert find_offset(truth, estimates, max_lag=800).samples == samples
    found, words = aligned(truth, estimates, RATE)
    assert all(found[name].shape == x.shape for name, x in truth.items())
    end = 3 * RATE - 1000
    assert all(np.corrcoef(found[n][0, 200:end], x[0, 200:end])[0, 1] > 0.9 for n, x in truth.items())
    assert any("moved" in word and f"{abs(samples)} samples" in word for word in words) == (samples != 0)


def test_an_aligned_estimate_is_left_as_it_is_and_nothing_is_said(truth):
    estimates = late(truth, 0, noise=3.0)  # -10 dB
    found, words = aligned(truth, estimates, RATE)
    assert words == []
    assert all(
        found[name] is estimates[name] or np.array_equal(found[name], estimates[name]) for name in truth
    )


def test_noise_is_not_moved(truth):
    rng = np.random.default_rng(2)
    for _ in range(5):
        noise = {name: rng.standard_normal(x.shape) for name, x in truth.items()}
        found = find_offset(truth, noise, max_lag=800)
        both, words = aligned(truth, {n: noise[n] + 0.5 * truth[n] for n in truth}, RATE)
        assert words == []
        assert np.isfinite(found.gain_db)
        assert both["voice"].shape == truth["voice"].shape


def test_silence_has_no_delay(truth):
    silent = {name: np.zeros_like(x) for name, x in truth.items()}
    assert find_offset(truth, silent, max_lag=800).samples == 0
    assert aligned(truth, silent, RATE)[1] == []


def test_a_delay_stays_where_it_is_not_looked_for(truth):
    estimates = late(truth, 400, noise=0.1)
    assert not any("moved" in word for word in aligned(truth, estimates, RATE, search=False)[1])


def test_lengths_are_cut_or_padded_with_a_word(truth):
    estimates = {"voice": truth["voice"][:, :-10], "rest": np.pad(truth["rest"], ((0, 0), (0, 7)))}
    found, words = aligned(truth, estimates, RATE)
    assert_allclose(found["rest"], truth["rest"])
    assert_allclose(found["voice"][:, -10:], 0)
    assert words == [
        "voice: 10 samples (0.0006 s) of silence added at the end, as long as the truth",
        "rest: 7 samples (0.0004 s) cut at the end, as long as the truth",
    ]


def test_channels_are_repeated_or_averaged_with_a_word(truth):
    mono = {name: x[:1] for name, x in truth.items()}
    found, words = aligned(truth, mono, RATE)
    assert_allclose(found["voice"][1], truth["voice"][0])
    assert "voice: its one channel was taken for all 2" in words
    found, words = aligned(mono, truth, RATE, search=False)
    assert_allclose(found["voice"][0], truth["voice"].mean(axis=0))
    assert "rest: its 2 channels were averaged" in words
