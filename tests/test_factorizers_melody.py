"""Melody finds the pitch of a leading voice, and lets through what lies on its harmonics."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS, STFT, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.pitch.comb import harmonic_comb, level_between
from sigsep_classic.factorizers.pitch.paths import best_path
from sigsep_classic.factorizers.pitch.tracking import at_frames, track_pitch
from sigsep_classic.metrics import scores, si_sdr
from sigsep_classic.pipeline import separate_array
from sigsep_classic.typing import Grid
from tests.peers import librosa_or_skip
from tests.reference import best_path as reference

Melody = METHODS["melody"]
RATE = 16000
FRONTEND = STFT(n_fft=1024, hop=256)
GRID = FRONTEND.grid(RATE)


def sung(f0, seconds=1.0, *, vibrato=0.0, n_harmonics=12, first=1):
    """Return a tone with harmonics (samples,), and its pitch in Hz at each frame of FRONTEND."""
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = f0 * 2 ** (vibrato / 1200 * np.sin(2 * np.pi * 5 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    x = sum(np.sin(k * phase + k) / k for k in range(first, n_harmonics + 1))
    return 0.2 * x, np.append(pitch[:: FRONTEND.step], pitch[-1])


def cents(a, b):
    return 1200 * np.log2(np.asarray(a) / np.asarray(b))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("costs", [(0.1, 0.4, 0.5), (0.0, 0.0, 0.0), (5.0, 9.0, 0.1), (0.3, 100.0, 2.0)])
def test_the_best_path_is_worth_what_the_textbooks_is(seed, costs):
    rng = np.random.default_rng(seed)
    table = rng.random((9, 30))
    options = dict(zip(("step", "jump", "toggle"), costs, strict=True), silent=rng.uniform(0, 1))
    mine, his = best_path(table, **options), reference.best_path(table, **options)
    worth = [reference.value(path, table, **options) for path in (mine, his)]
    assert_allclose(worth[0], worth[1], rtol=1e-12)


def test_without_costs_the_path_is_the_largest_score_of_each_frame():
    table = np.random.default_rng(0).random((7, 20))
    assert_array_equal(best_path(table, step=0, jump=0, silent=-1, toggle=0), table.argmax(axis=0))


@pytest.mark.parametrize("f0", [90.0, 147.0, 220.0, 313.0, 440.0, 700.0])
def test_a_tone_has_its_own_pitch_and_not_an_octave(f0):
    x, _ = sung(f0)
    track = track_pitch(abs(FRONTEND.analyze(x[None]))[0], GRID)
    assert np.nanmax(abs(cents(track.f0[4:-4], f0))) < 12
    assert not np.isnan(track.f0[4:-4]).any()


def test_a_pitch_is_heard_without_its_fundamental():
    x, _ = sung(200.0, first=2)
    track = track_pitch(abs(FRONTEND.analyze(x[None]))[0], GRID)
    assert np.nanmax(abs(cents(track.f0[4:-4], 200))) < 12


def test_vibrato_is_followed_through_noise():
    x, pitch = sung(300.0, vibrato=40)
    x = x + 0.02 * np.random.default_rng(0).standard_normal(len(x))
    track = track_pitch(abs(FRONTEND.analyze(x[None]))[0], GRID)
    assert np.median(abs(cents(track.f0, pitch[: len(track.f0)]))[4:-4]) < 10


def test_silence_and_a_front_end_of_one_frequency_are_pauses():
    for V, grid in ((np.zeros((513, 8)), GRID), (np.ones((1, 8)), Grid(frame_rate=RATE, bin_hz=0))):
        track = track_pitch(V, grid)
        assert np.isnan(track.f0).all()
        assert_array_equal(track.salience, 0)


def test_the_comb_is_one_on_harmonics_a_half_halfway_down_and_nothing_between():
    grid = Grid(frame_rate=100, bin_hz=5.0)
    comb = harmonic_comb(np.array([200.0, np.nan, 0.0]), grid, 201, width_hz=30, width_cents=0, max_hz=900)
    assert_allclose(comb[[40, 80, 160], 0], 1)
    assert_allclose(comb[[37, 43], 0], 0.5, atol=1e-12)
    assert_array_equal(comb[[20, 60, 200], 0], 0)
    assert_array_equal(comb[:, 1:], 0)


def test_teeth_widen_by_cents():
    grid = Grid(frame_rate=100, bin_hz=1.0)
    comb = harmonic_comb(np.array([100.0]), grid, 1200, width_hz=0, width_cents=100)
    for order in (1, 5):
        outside = int(order * 100 * 2 ** (100 / 1200)) + 1
        assert comb[order * 100 + 1, 0] > 0.5
        assert comb[outside, 0] == 0


def test_between_the_harmonics_of_a_lone_voice_is_next_to_nothing_and_of_noise_as_much_as_on_them():
    x, _ = sung(250.0)
    V = abs(FRONTEND.analyze(x[None]))[0]
    f0 = np.full(V.shape[1], 250.0)
    B = level_between(V, f0, GRID)
    on = harmonic_comb(f0, GRID, 513, max_hz=3000)[:, 10:-10] > 0.9
    assert B[:, 10:-10][on].mean() < 0.02 * V[:, 10:-10][on].mean()
    V = abs(FRONTEND.analyze(np.random.default_rng(0).standard_normal((1, RATE))))[0]
    B = level_between(V, f0, GRID)[20:-20]
    assert_allclose(B.mean(), V[20:-20].mean(), rtol=0.05)
    assert_array_equal(level_between(V, 0 * f0, GRID), 0)


@pytest.mark.parametrize("given", [True, False])
def test_a_voice_is_parted_from_a_steady_drone(given):
    x, pitch = sung(310.0, 1.5, vibrato=35)
    t = np.arange(len(x)) / RATE
    drone = 0.12 * sum(np.sin(2 * np.pi * f * t) for f in (131.0, 530.0, 784.0, 1190.0))
    n_frames = FRONTEND.analyze(x[None]).shape[-1]
    method = Melody(f0=pitch[:n_frames] if given else None)
    sep = separate_array((x + drone)[None], RATE, method, frontend=FRONTEND)
    for name, truth in (("vocals", x), ("accompaniment", drone)):
        before = si_sdr(truth[None, None], (x + drone)[None, None])[0]
        assert si_sdr(truth[None, None], sep[name][None])[0] > before + 6


def test_pitches_of_others_are_brought_to_the_frames():
    grid = Grid(frame_rate=10, bin_hz=1)
    assert_array_equal(
        at_frames([0, 0.26, 0.5], [100, -90, 200], grid, 7), [100, 100, *[np.nan] * 2, 200, 200, 200]
    )
    with pytest.raises(ShapeError, match="one pitch a time"):
        at_frames([0, 1], [100], grid, 3)


@pytest.mark.slow
def test_pyin_hears_a_voice_alone_as_the_salience_does():
    librosa_or_skip()
    x, pitch = sung(220.0, 1.5, vibrato=30)
    sep = separate_array(x[None], RATE, Melody(tracker="pyin"), frontend=FRONTEND)
    f0 = sep.model.extra["f0"]
    heard = ~np.isnan(f0)
    assert heard.mean() > 0.8
    assert np.median(abs(cents(f0[heard], pitch[: len(f0)][heard]))) < 20


@pytest.mark.slow
def test_the_voice_of_a_song_gains_three_decibels():
    song = synthesize("song")
    truth = {"vocals": song.stems["vocals"], "accompaniment": song.mixture - song.stems["vocals"]}
    sep = separate_array(song.mixture, song.sample_rate, Melody())
    rows = [
        scores(truth, estimates, metrics=("csdr",), sample_rate=song.sample_rate)
        for estimates in (dict.fromkeys(truth, song.mixture / 2), dict(sep))
    ]
    for name in truth:
        assert rows[1][name]["csdr"] > rows[0][name]["csdr"] + 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tracker": "crepe"}, "use one of salience, pyin"),
        ({"min_hz": 0}, "min_hz is 0"),
        ({"max_hz": 80}, "max_hz is 80"),
        ({"voicing": -1}, "voicing is -1"),
        ({"width_hz": 0}, "width_hz is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        Melody(**options)


def test_what_can_not_be_done_is_said():
    X = np.ones((1, 513, 4), complex)
    with pytest.raises(ParameterError, match="give grid"):
        Melody().fit(X)
    with pytest.raises(ShapeError, match="X has 4 frames"):
        Melody(f0=np.ones(3), grid=GRID).fit(X)
    with pytest.raises(ParameterError, match="negative"):
        Melody(f0=-np.ones(4), grid=GRID).fit(X)
    with pytest.raises(ParameterError, match="hears samples"):
        Melody(tracker="pyin", grid=GRID).fit(X)
