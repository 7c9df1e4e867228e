"""Fusion adds log-odds; `vocals`, `drums`, `four_stems`, `speech_music_effects` part a song or a soundtrack by it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.frontends import STFT
from sigsep_classic.recipes import Vocals
from sigsep_classic.recipes.cues import CUES, Song
from sigsep_classic.recipes.fusion import Weights, fitted, fuse, log_odds

FREQUENCIES = np.array([0.0, 100.0, 1000.0, 8000.0])


def weights(**more):
    given = {
        "offset": 0.0,
        "bands": (100.0, 1000.0),
        "cues": {},
        "hertz": (100.0, 1000.0),
        "prior": (0.0, 0.0),
    }
    return Weights(**{**given, **more})


@pytest.fixture(scope="module")
def song():
    mix = ssc.synthesize("song", seconds=4.0, sample_rate=16000)
    return Song(x=mix.mixture, sample_rate=16000, frontend=STFT(n_fft=1024))


def test_one_cue_of_weight_one_is_itself_up_to_the_floor():
    m = np.linspace(0, 1, 12).reshape(4, 3)
    alone = fuse({"a": m}, weights(cues={"a": (1.0, 1.0)}), FREQUENCIES)
    assert_allclose(log_odds(alone.clip(0.02, 0.98)), log_odds((m + 0.02) / 1.04), atol=0.1)
    assert_allclose(alone, (m + 0.02) / 1.04)


def test_weights_and_prior_are_linear_in_log_frequency_and_constant_outside():
    w = weights(cues={"a": (1.0, 3.0)}, prior=(-1.0, 1.0))
    at = np.array([10.0, 100.0, 10**2.5, 1000.0, 9000.0])
    assert_allclose(w.weight_at(at, "a"), [1, 1, 2, 3, 3])
    assert_allclose(w.prior_at(at), [-1, -1, 0, 1, 1], atol=1e-12)


def test_cues_that_agree_are_surer_than_each():
    m = np.full((4, 2), 0.8)
    both = fuse({"a": m, "b": m}, weights(cues={"a": (1.0, 1.0), "b": (1.0, 1.0)}), FREQUENCIES)
    assert (both > m).all()
    assert_allclose(fuse({"a": m, "b": 1 - m}, None, FREQUENCIES), 0.5)


def test_masks_that_do_not_fit_are_refused():
    m = np.full((4, 2), 0.5)
    with pytest.raises(ParameterError, match="nothing to fuse"):
        fuse({}, None, FREQUENCIES)
    with pytest.raises(ShapeError):
        fuse({"a": m, "b": m[:2]}, None, FREQUENCIES)
    with pytest.raises(ParameterError, match="'a' is missing"):
        fuse({"b": m}, weights(cues={"a": (1.0, 1.0)}), FREQUENCIES)
    with pytest.raises(ParameterError, match="unknown"):
        fitted("trumpets")


@pytest.mark.parametrize("name", CUES)
def test_a_cue_is_a_mask_on_the_grid_of_the_song_and_level_does_not_matter(name, song):
    mask = CUES[name](song)
    assert mask.shape == song.S.shape
    assert mask.dtype == np.float32
    assert mask.min() >= -1e-6
    assert mask.max() <= 1 + 1e-6
    louder = Song(x=song.x * np.float32(64), sample_rate=16000, frontend=song.frontend)
    assert_allclose(CUES[name](louder), mask, atol=2e-3)


def test_a_cue_nearby_is_its_mean_weighted_by_power(song):
    near = song.cue("struck_around")
    power, mask = song.S.astype(float) ** 2, song.cue("struck")
    f, t = 40, 30
    cells = np.s_[f - 2 : f + 3, t - 2 : t + 3]
    assert_allclose(near[f, t], (power[cells] * mask[cells]).sum() / power[cells].sum(), rtol=1e-4)
    assert song.cue("struck") is mask
    with pytest.raises(ParameterError, match="did you mean 'struck'"):
        song.cue("stuck")


def test_what_is_in_the_middle_is_centred_and_what_is_on_one_side_is_not(song):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 16000)).astype("float32")
    x[0, 8000:] = x[1, 8000:]  # first one on each side, then one in the middle
    mask = CUES["centred"](Song(x=x, sample_rate=16000, frontend=song.frontend))
    assert mask[:, 40:].mean() > 0.75
    assert mask[:, 4:28].mean() < 0.3
    middle = Song(x=np.stack([x[0], x[0]]), sample_rate=16000, frontend=song.frontend)
    assert_allclose(CUES["centred"](middle), 0.5, atol=1e-3)  # where all is there, it says nothing
    mono = Song(x=x[:1], sample_rate=16000, frontend=song.frontend)
    assert (CUES["centred"](mono) == 0.5).all()


def test_a_tone_is_not_struck_and_a_click_is():
    x = np.zeros((1, 16000), np.float32)
    x[0] = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    tone = Song(x=x, sample_rate=16000, frontend=STFT(n_fft=1024))
    click = np.zeros_like(x)
    click[0, 8000] = 1
    click = Song(x=click, sample_rate=16000, frontend=STFT(n_fft=1024))
    assert CUES["struck"](tone)[64, 10:-10].max() < 0.05
    assert CUES["struck"](click)[100:400, 31].min() > 0.95
    assert CUES["attack"](click)[100, 31] > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vocals", "drums", "four_stems"])
def test_the_kept_weights_part_a_song_better_than_their_prior_alone(method):
    mix = ssc.synthesize("song", seconds=6.0, sample_rate=22050, seed=3)
    stem = "drums" if method == "drums" else "vocals"
    found = ssc.separate(mix.mixture, mix.sample_rate, method=method)
    assert_allclose(sum(found.values()), mix.mixture, atol=1e-6)
    truth = mix.stems[stem]

    def snr(y):
        return 10 * np.log10(np.sum(truth**2) / np.sum((truth - y) ** 2))

    frontend = STFT(n_fft=2048)
    X = frontend.analyze(mix.mixture)
    frequencies = np.arange(X.shape[1]) * mix.sample_rate / 2048
    flat = fuse({"none": np.zeros(X.shape[1:], np.float32)}, fitted(f"{stem}_prior"), frequencies)
    prior = frontend.synthesize(flat * X, truth.shape[-1])
    assert snr(found[stem]) > snr(prior) + 1


def test_speech_is_parted_from_music():
    talk = ssc.synthesize("hum", seconds=4.0, sample_rate=16000).stems["speech"]
    song = ssc.synthesize("song", seconds=4.0, sample_rate=16000)
    music = song.mixture - song.stems["vocals"]
    speech = np.repeat(talk, 2, axis=0) * np.sqrt(np.sum(music**2) / np.sum(talk**2) / 2)
    sep = ssc.separate(speech + music, 16000, method="speech_music_effects")
    assert_allclose(sum(sep.values()), speech + music, atol=1e-6)
    for truth, stem in ((speech, "speech"), (music, "music")):
        assert ssc.metrics.si_sdr([truth], [sep[stem]]) > ssc.metrics.si_sdr([truth], [speech + music]) + 1


def test_coefficients_alone_will_do_with_their_transform(song):
    grid = song.frontend.grid(16000)
    model = Vocals(frontend=song.frontend, grid=grid).fit(song.X)
    whole = ssc.separate(song.x, 16000, method="vocals", frontend=song.frontend)
    assert (
        abs(model.gains() - whole.model.gains()).mean() < 0.01
    )  # at the end, where samples are missing, less so
    with pytest.raises(ParameterError, match="several transforms"):
        Vocals().fit(song.X)


def test_weights_are_kept_ones_own_or_none():
    own = weights(cues={"struck": (1.0, 1.0)})
    mix = ssc.synthesize("song", seconds=2.0, sample_rate=16000)
    found = ssc.separate(mix.mixture, 16000, method=Vocals(weights=own))
    assert list(found) == ["vocals", "accompaniment"]
    assert list(ssc.separate(mix.mixture, 16000, method="vocals", weights=None)) == list(found)
    with pytest.raises(ParameterError, match="weights"):
        Vocals(weights="mine")
