"""SIMM takes the steps its papers define, and parts a voice with formants from what accompanies it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from sigsep_classic import METHODS, STFT, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.pitch import voice_updates
from sigsep_classic.factorizers.pitch.glottal import (
    glottal_harmonics,
    glottal_spectra,
    hann_lobe,
    smooth_bumps,
)
from sigsep_classic.factorizers.pitch.voice_updates import FLOOR, Factors, Observed
from sigsep_classic.metrics import scores
from sigsep_classic.pipeline import separate_array
from tests.reference import voice_model as reference
from tests.test_factorizers_melody import FRONTEND, GRID, RATE, cents, sung

SIMM = METHODS["simm"]


def problem(shape=(17, 13), n_sources=6, n_bumps=4, n_filters=3, n_components=4, seed=0):
    """Return observed powers and factors, all random."""
    rng = np.random.default_rng(seed)
    (T, F), draw = shape, lambda *size: rng.random(size) + 0.1
    seen = Observed(
        V=draw(T, F) ** 3, W_F0=draw(F, n_sources), W_G=draw(F, n_bumps), pitches=np.ones(n_sources)
    )
    factors = {
        "H_F0": draw(T, n_sources),
        "H_P": draw(T, n_filters),
        "H_M": draw(T, n_components),
        "H_G": draw(n_bumps, n_filters),
        "W_M": draw(F, n_components),
    }
    return seen, factors


def with_source(seen, factors):
    copies = {name: value.copy() for name, value in factors.items()}
    return Factors(**copies, S=voice_updates.source(seen, copies["H_F0"]))


def powers(seen, factors):
    """Return V̂."""
    names = ("H_F0", "H_P", "H_M", "H_G", "W_M")
    return reference.model(seen.W_F0, seen.W_G, *(getattr(factors, name) for name in names), FLOOR)


@pytest.mark.parametrize("rows", [4, 1000])
def test_a_step_is_the_multiplicative_update_of_each_factor(rows, monkeypatch):
    seen, factors = problem()
    monkeypatch.setattr(voice_updates, "TILE", rows * seen.V.shape[1])
    stepped = voice_updates.updated(seen, with_source(seen, factors))
    wanted = reference.update(seen.V, seen.W_F0, seen.W_G, factors, FLOOR)
    expected = reference.model(seen.W_F0, seen.W_G, floor=FLOOR, **wanted)
    assert_allclose(powers(seen, stepped), expected, rtol=1e-10)
    assert_allclose(stepped.S, stepped.H_F0 @ seen.W_F0.T, rtol=1e-12)


def test_the_loss_is_the_itakura_saito_divergence():
    seen, factors = problem()
    start = with_source(seen, factors)
    expected = reference.divergence(seen.V, powers(seen, start))
    assert_allclose(voice_updates.divergence(seen, start), expected, rtol=1e-12)


def test_balancing_changes_no_model():
    seen, factors = problem()
    before = powers(seen, with_source(seen, factors))
    after = voice_updates.balanced(with_source(seen, factors))
    assert_allclose(powers(seen, after), before, rtol=1e-12)
    assert_allclose(after.H_P.sum(axis=1), 1)
    assert_allclose(after.H_G.sum(axis=0), 1)


def test_what_the_model_made_is_a_fixed_point():
    seen, factors = problem()
    made = powers(seen, with_source(seen, factors))
    seen = Observed(V=made, W_F0=seen.W_F0, W_G=seen.W_G, pitches=seen.pitches)
    stepped = voice_updates.updated(seen, with_source(seen, factors))
    assert_allclose(powers(seen, stepped), made, rtol=1e-9)
    assert voice_updates.divergence(seen, stepped) < 1e-12


def test_the_loss_falls_whatever_the_start():
    for seed in range(3):
        seen, factors = problem((40, 30), seed=seed)
        state = with_source(seen, factors)
        losses = []
        for _ in range(60):
            losses.append(voice_updates.divergence(seen, state))
            state = voice_updates.updated(seen, state)
        assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(losses))


@pytest.mark.parametrize("O", [0.25, 0.6, 1.0])
def test_harmonics_of_the_glottis_are_its_fourier_integrals(O):
    found = glottal_harmonics(6, O)
    for n in range(1, 7):
        parts = [
            quad(lambda t, wave=wave, n=n: (2 * t - 3 * t * t / O) * wave(2 * np.pi * n * t), 0, O)[0]
            for wave in (np.cos, np.sin)
        ]
        assert_allclose(found[n - 1], parts[0] ** 2 + parts[1] ** 2, rtol=1e-7)


def test_a_lobe_is_that_of_the_hann_window():
    window = np.hanning(65)[:-1]
    spectrum = abs(np.fft.rfft(window, 64 * 8)) ** 2
    assert_allclose(hann_lobe(np.arange(16) / 8), spectrum[:16] / spectrum[0], atol=1e-3)


def test_a_source_is_the_spectrum_of_a_pulse_train():
    hertz = GRID.bin_hz * np.arange(513)
    W = glottal_spectra(np.array([200.0]), hertz, open_quotient=0.25)[:, 0]
    levels = np.sqrt(glottal_harmonics(39, 0.25))
    t = np.arange(RATE) / RATE
    x = sum(level * np.cos(2 * np.pi * 200 * n * t) for n, level in enumerate(levels, 1))
    V = abs(FRONTEND.analyze(x[None]))[0, :, 10:-10].mean(axis=1) ** 2
    heard = (1e-3 * W.max() < W) & (hertz < 7500)
    assert_allclose(V[heard] / V.max(), W[heard], rtol=0.2)


def test_bumps_add_up_to_one():
    assert_allclose(smooth_bumps(np.arange(0, 8001, 40.0), 20).sum(axis=1), 1)
    assert_array_equal(smooth_bumps(np.zeros(0), 20), [[1]])


def test_sources_sound_only_next_to_a_known_melody():
    x, pitch = sung(250.0, vibrato=30)
    X = FRONTEND.analyze(x[None])
    f0 = pitch[: X.shape[-1]].copy()
    f0[:10] = np.nan
    model = SIMM(f0=f0, grid=GRID, n_iter=5).fit(X)
    away = abs(cents(model.dictionary.pitches, f0[:, None]))
    assert_array_equal(model.H_F0[np.nan_to_num(away, nan=np.inf) > 50], 0)
    assert_array_equal(model.f0, f0)
    assert (model.H_F0[10:].max(axis=1) > 0).all()


def test_the_melody_of_a_voice_over_a_drone_is_found():
    x, pitch = sung(310.0, 1.5, vibrato=35)
    t = np.arange(len(x)) / RATE
    drone = 0.12 * sum(np.sin(2 * np.pi * f * t) for f in (131.0, 530.0, 784.0, 1190.0))
    method = SIMM(n_iter=20, n_components=6, grid=GRID)
    track = method.melody(FRONTEND.analyze((x + drone)[None]))
    off = abs(cents(track.f0, pitch[: len(track.f0)]))[4:-4]
    assert np.nanmedian(off) < 20
    assert (off < 100).mean() > 0.9


def test_a_warm_start_goes_on_where_the_search_ended():
    x, pitch = sung(250.0, 0.4)
    X = FRONTEND.analyze(x[None])
    method = SIMM(f0=pitch[: X.shape[-1]], grid=GRID, n_iter=6, tol=0, n_components=5)
    first = method.fit(X)
    again = method.fit(X, start=first)
    at_once = SIMM(f0=pitch[: X.shape[-1]], grid=GRID, n_iter=12, tol=0, n_components=5).fit(X)
    assert_allclose(again.reconstruct(), at_once.reconstruct(), rtol=1e-6, atol=1e-12)
    with pytest.raises(ShapeError, match="give a model of the same kind"):
        method.fit(X[:, :, :20], start=first)


@pytest.mark.slow
def test_the_voice_of_a_song_gains_five_decibels():
    song = synthesize("song")
    truth = {"vocals": song.stems["vocals"], "accompaniment": song.mixture - song.stems["vocals"]}
    sep = separate_array(song.mixture, song.sample_rate, SIMM())
    rows = [
        scores(truth, estimates, metrics=("csdr",), sample_rate=song.sample_rate)
        for estimates in (dict.fromkeys(truth, song.mixture / 2), dict(sep))
    ]
    for name in truth:
        assert rows[1][name]["csdr"] > rows[0][name]["csdr"] + 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_filters": 0}, "n_filters is 0"),
        ({"n_components": 1.5}, "n_components is 1.5"),
        ({"open_quotient": 0}, "open_quotient is 0"),
        ({"max_hz": 50}, "max_hz is 50"),
        ({"width_semitones": 0}, "width_semitones is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        SIMM(**options)


def test_what_can_not_be_done_is_said():
    with pytest.raises(ParameterError, match="give grid"):
        SIMM().fit(np.ones((1, 513, 4), complex))
    with pytest.raises(ShapeError, match="X has 4 frames"):
        SIMM(f0=np.ones(3), grid=STFT(n_fft=1024).grid(RATE)).fit(np.ones((1, 513, 4), complex))
