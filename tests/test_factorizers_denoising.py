"""Denoising: what noise alone, silence and a marked interval must give, and how much better speech gets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.api import denoise, separate
from sigsep_classic.errors import ArrayTypeError, ParameterError, ShapeError
from sigsep_classic.factorizers.denoising import gains, profiles
from sigsep_classic.factorizers.denoising.denoise import GAINS, NOISES, Denoise
from sigsep_classic.frontends import STFT
from sigsep_classic.metrics import si_sdr
from sigsep_classic.typing import Grid

RATE = 8000
GRID = STFT(n_fft=256).grid(RATE)


def talk(seconds=3.0, seed=0):
    """Harmonic syllables with pauses, (samples,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voice = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 12))
    return 0.2 * voice * (np.sin(2 * np.pi * 1.7 * t) > 0) * np.hanning(len(t) + 2)[1:-1] ** 0.2


def noisy(snr=5.0, seconds=3.0, seed=1):
    """Return speech, speech in white noise, and a second of that noise."""
    s = talk(seconds)
    w = np.random.default_rng(seed).standard_normal(len(s) + RATE)
    w *= s.std() / w.std() * 10 ** (-snr / 20)
    return s, s + w[RATE:], w[:RATE]


def improvement(s, x, y):
    return float((si_sdr(s[None], y[None]) - si_sdr(s[None], x[None])).mean())


@pytest.mark.parametrize("noise", ["clip", "mmse", "imcra", "minimum", "quantile"])
def test_every_noise_estimate_makes_speech_better(noise):
    s, x, clip = noisy()
    sep = denoise(x, RATE, noise=clip if noise == "clip" else noise)
    assert list(sep) == ["speech", "noise"]
    assert improvement(s, x, sep["speech"]) > 6
    assert_allclose(sep["speech"] + sep["noise"], x, atol=1e-12)


@pytest.mark.parametrize("gain", GAINS)
def test_every_gain_makes_speech_better_and_is_a_gain(gain):
    s, x, clip = noisy()
    sep = denoise(x, RATE, noise=clip, method=gain.replace("_", "-"))
    assert improvement(s, x, sep["speech"]) > 5
    masks = sep.model.masks
    assert masks.min() >= 10 ** (-25 / 20) * (1 - 1e-9)
    assert masks.max() <= 1


@pytest.mark.parametrize("snr", [0, 10, 20])
def test_what_comes_out_is_not_worse_than_what_went_in(snr):
    s, x, clip = noisy(snr)
    assert improvement(s, x, denoise(x, RATE)["speech"]) > 0
    begun = RATE // 4  # causal ones take the beginning for noise
    whole = np.concatenate([clip[:begun], x])
    assert improvement(s, x, denoise(whole, RATE, causal=True)["speech"][begun:]) > 0


def test_noise_alone_is_turned_down_to_the_floor():
    w = 0.1 * np.random.default_rng(0).standard_normal(3 * RATE)
    sep = denoise(w[RATE:], RATE, noise=w[:RATE], floor_db=-20)
    assert sep["speech"].std() < 0.2 * w.std()
    assert sep.model.masks.min() == pytest.approx(0.1)


def test_a_clip_an_interval_and_a_profile_of_the_same_noise_do_the_same():
    _, x, clip = noisy()
    whole = np.concatenate([clip, x])
    a = denoise(whole, RATE, noise=clip)["speech"]
    b = denoise(whole, RATE, noise=(0, 1.0))["speech"]
    assert_allclose(a[RATE:], b[RATE:], atol=0.1 * a.std())
    frontend = Denoise().default_frontend(RATE)
    profile = profiles.profile_of(clip[None], frontend)
    assert_array_equal(separate(whole, RATE, method=Denoise(profile=profile))["speech"], a)


@pytest.mark.parametrize("factor", [1e-3, 37.0])
def test_a_clip_is_at_the_level_of_the_recording(factor):
    _, x, clip = noisy()
    one = denoise(x, RATE, noise=clip)["speech"]
    assert_allclose(
        denoise(x * factor, RATE, noise=clip * factor)["speech"], one * factor, rtol=1e-6, atol=1e-9
    )


def test_linked_channels_share_a_gain_and_a_silent_one_does_not_count():
    _, x, _ = noisy()
    both = np.stack([x, 0.25 * x[::-1]])
    assert denoise(both, RATE).model.masks.shape[1] == 1
    assert denoise(both, RATE, linked=False).model.masks.shape[1] == 2
    alone = denoise(x, RATE)["speech"]
    with_silence = denoise(np.stack([x, 0 * x]), RATE)
    assert_allclose(with_silence["speech"][0], alone, atol=1e-9)
    assert_array_equal(with_silence["speech"][1], 0 * x)


def test_turning_one_channel_up_does_not_change_linked_gains():
    _, x, _ = noisy()
    a = denoise(np.stack([x, x[::-1]]), RATE).model.masks
    b = denoise(np.stack([x, 16 * x[::-1]]), RATE).model.masks
    assert_allclose(a, b, rtol=1e-9)


def test_causal_gains_do_not_know_the_future():
    x = noisy()[1]
    louder = (
        x[::-1] * np.linspace(0, 1, len(x)) ** 2 + np.random.default_rng(3).standard_normal(len(x)) * 0.01
    )
    X = STFT(n_fft=256).analyze(np.stack([x, louder]))
    cut = 120
    for gain in ("wiener", "om_lsa", "subtraction", "gate"):
        method = Denoise(causal=True, gain=gain, grid=GRID)
        whole, part = method.fit(X).masks, method.fit(X[..., :cut]).masks
        assert_allclose(whole[..., :cut], part, rtol=1e-9)
    assert (
        abs(Denoise(grid=GRID).fit(X).masks[..., :cut] - Denoise(grid=GRID).fit(X[..., :cut]).masks).max()
        > 0.01
    )


def test_quiet_frames_of_white_noise_have_its_power_and_silence_is_left_out():
    w = np.random.default_rng(0).standard_normal((1, 20 * RATE))
    P = abs(STFT(n_fft=256).analyze(w)) ** 2
    ratio = profiles.quiet_frames(P) / P.mean(axis=-1)
    assert abs(10 * np.log10(ratio[:, 2:-2].mean())) < 0.5
    silent = np.concatenate([P, np.zeros_like(P)], axis=-1)
    assert_allclose(profiles.quiet_frames(silent)[:, 2:-2] / profiles.quiet_frames(P)[:, 2:-2], 1, atol=0.2)


def test_an_interval_is_read_from_text_and_looks_at_its_own_frames_only():
    assert profiles.interval("0.25 - 1") == (0.25, 1.0)
    assert profiles.interval("mmse") is None
    P = np.ones((1, 3, 100))
    P[..., :40] = 5
    assert_array_equal(profiles.marked(P, (0.0, 0.3), Grid(frame_rate=100, bin_hz=10)), 5 * np.ones((1, 3)))
    with pytest.raises(ParameterError, match="no interval"):
        profiles.interval("1-0.5")
    with pytest.raises(ParameterError, match=r"ends at 0.99 s"):
        profiles.marked(P, (2.0, 3.0), Grid(frame_rate=100, bin_hz=10))


def test_subtraction_of_one_time_the_noise_is_power_subtraction():
    rng = np.random.default_rng(0)
    P, N = rng.exponential(size=(1, 20, 30)) * 4, np.ones((1, 20, 1))
    got = gains.subtraction(P, N, over=1.0, floor=0.0)
    assert_allclose(got, np.sqrt(np.maximum(1 - 1 / P, 0)), atol=1e-9)


def test_a_triangle_keeps_constants_and_is_what_convolution_gives():
    A = np.random.default_rng(0).random((1, 4, 50))
    assert_allclose(gains.triangular(np.ones((1, 4, 50)), 3, axis=2), 1)
    weights = np.convolve(np.ones(3), np.ones(4)) / 12
    inside = np.stack([np.convolve(row, weights, "valid") for row in A[0]])
    found = gains.triangular(A, 3, axis=2)[0]
    offset = next(k for k in range(6) if np.allclose(found[:, k : k + inside.shape[1]], inside))
    assert_allclose(found[:, offset : offset + inside.shape[1]], inside)


def test_presence_is_near_one_where_speech_is_strong_and_near_none_without():
    prior = np.full((1, 40, 60), 0.003)
    prior[..., 30:] = 30
    p = gains.presence(prior, np.where(prior > 1, 30.0, 1.0))
    assert p[..., 40:].min() > 0.9
    assert p[..., 15:30].max() < 0.1


def test_wrong_requests_are_refused():
    _, x, _ = noisy()
    for options, said in (
        ({"gain": "spectral"}, "gain"),
        ({"noise": "median"}, "noise"),
        ({"smoothing": 1.0}, "smoothing is 1"),
        ({"floor_db": 3}, "floor_db"),
        ({"causal": True, "noise": "quantile"}, "whole recording"),
        ({"over_subtraction": 0.5}, "over_subtraction"),
        ({"profile": np.ones(3)}, "profile"),
    ):
        with pytest.raises(ParameterError, match=said):
            Denoise(**options)
    with pytest.raises(ShapeError, match="profile has 3"):
        separate(x, RATE, method=Denoise(profile=np.ones((1, 3))))
    with pytest.raises(ParameterError, match="give grid"):
        Denoise(noise="0-1").fit(STFT(n_fft=64).analyze(x[None]))
    with pytest.raises(ParameterError, match="silent"):
        denoise(x, RATE, noise=np.zeros(500))
    with pytest.raises(ParameterError, match="less than a window of 256"):
        denoise(x, RATE, noise=x[:100])
    with pytest.raises(ParameterError, match="is no file"):
        denoise(x, RATE, noise="nosuch.wav")
    with pytest.raises(ParameterError, match="takes no noise"):
        denoise(x, RATE, method=dataclasses.replace(METHOD), noise="mmse")
    with pytest.raises(ParameterError, match="floor"):
        denoise(x, RATE, floor=3)
    with pytest.raises((ArrayTypeError, ParameterError)):
        denoise(x, RATE, noise=3)
    assert set(NOISES) >= {"mmse", "imcra", "minimum"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Other:
    """A method that is no `Denoise`."""

    name = "other"

    def fit(self, X, *, callback=None):
        raise AssertionError


METHOD = _Other()
