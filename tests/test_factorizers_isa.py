"""One microphone: independent dimensions of its spectrogram, and filters with independent outputs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import ISA, SCICA, STFT, Waveform, synthesize
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.clustering import by_distribution, by_envelope, ixegram
from sigsep_classic.factorizers.demixing.isa import leading_subspace
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array
from sigsep_classic.testing import check_method


def spectrogram(seed=0):
    """Return spectra (30, 3), seldom active time courses (3, 400), and their product."""
    rng = np.random.default_rng(seed)
    B = np.zeros((30, 3))
    for k in range(3):
        B[rng.permutation(30)[:6], k] = rng.uniform(0.5, 1, 6)
    H = rng.uniform(0.2, 1, (3, 400)) * (rng.random((3, 400)) < 0.15)
    return B, H, B @ H


# ---- ISA


def test_independent_time_courses_are_found():
    _B, H, V = spectrogram()
    model = ISA(n_components=3).fit(V[None])
    similar = abs(np.corrcoef(np.vstack([H, model.H]))[:3, 3:])
    assert (similar.max(axis=0) > 0.97).all()
    assert (similar.max(axis=1) > 0.97).all()
    assert_allclose(model.B @ model.H, V, atol=1e-9)


def test_independent_spectra_are_found():
    rng = np.random.default_rng(1)
    B = rng.uniform(0.2, 1, (400, 3)) * (rng.random((400, 3)) < 0.15)
    V = B @ rng.random((3, 40))
    model = ISA(n_components=3, independent="frequency").fit(V[None])
    similar = abs(np.corrcoef(np.vstack([B.T, model.B.T]))[:3, 3:])
    assert (similar.max(axis=0) > 0.97).all()
    assert_allclose(model.B @ model.H, V, atol=1e-9)


def test_a_component_is_the_positive_part_of_its_product():
    _, _, V = spectrogram()
    model = ISA(n_components=4).fit(V[None])
    for k, part in enumerate(model.reconstruct()):
        assert_allclose(part[0], np.maximum(np.outer(model.B[:, k], model.H[k]), 0), atol=1e-12)
    assert_allclose(model.energies, model.reconstruct().sum(axis=(1, 2, 3)))
    assert_allclose(model.spectra, model.reconstruct()[:, 0].mean(axis=2).T)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (7, 1), (1, 7)])
def test_the_subspace_is_that_of_the_singular_vectors(shape):
    V = np.random.default_rng(0).random(shape)
    U, s, Vt = np.linalg.svd(V)
    n = min(5, *shape)
    B, H = leading_subspace(V, 5)
    assert_allclose(B @ H, U[:, :n] * s[:n] @ Vt[:n], atol=1e-10)
    assert_allclose(H @ H.T, np.eye(n), atol=1e-10)


def test_components_distributed_alike_are_one_source():
    rng = np.random.default_rng(0)
    peaked, flat = rng.exponential(size=(3, 2000)), rng.uniform(size=(2, 2000))
    values = np.vstack([peaked, flat])
    groups = by_distribution(values, np.array([1.0, 1, 1, 5, 5]), 2)
    assert groups == {"source1": [3, 4], "source2": [0, 1, 2]}
    assert by_distribution(values[:1], np.ones(1), 2) == {"source1": [0], "source2": []}
    table = ixegram(values)
    assert_allclose(table, table.T)
    assert_allclose(ixegram(5 - 3 * values), table, atol=1e-9)  # neither scale nor sign matters
    assert (table >= 0).all()


def test_the_ixegram_gives_the_stems_if_asked_for():
    song = synthesize("song", seconds=2.0, sample_rate=16000)
    sep = separate_array(song.mixture, 16000, ISA(n_sources=3))
    assert list(sep) == ["source1", "source2", "source3"]
    assert ISA().fit(STFT().analyze(song.mixture)).stems is None


def test_drums_are_found_among_independent_components():
    song = synthesize("song")
    drums = song.stems["drums"]
    sep = separate_array(song.mixture, song.sample_rate, ISA(), groups="harmonic_percussive")
    gain = si_sdr(drums, sep["percussive"]) - si_sdr(drums, song.mixture)
    assert float(gain.mean()) > 6


# ---- single-channel ICA


def low_and_high(rate=8000, seconds=3.0, seed=0):
    """Return two noises in different bands whose levels change at different times."""
    rng = np.random.default_rng(seed)
    n = round(rate * seconds)
    spectra = np.fft.rfft(rng.standard_normal((2, n)))
    hz = np.fft.rfftfreq(n, 1 / rate)
    spectra[0, hz > 900] = 0
    spectra[1, hz < 1800] = 0
    levels = np.repeat(rng.gamma(0.5, size=(2, n // 400 + 1)), 400, axis=1)[:, :n]
    return np.fft.irfft(spectra, n) * levels


def test_sources_in_different_bands_come_apart_by_their_envelopes():
    S = low_and_high()
    sep = separate_array(S.sum(axis=0)[None], 8000, SCICA(), frontend=Waveform())
    assert list(sep) == ["source1", "source2"]
    table = np.array([[float(si_sdr(s[None], y).mean()) for y in sep.values()] for s in S])
    assert max(table.trace(), table[::-1].trace()) / 2 > 12


def test_the_filters_add_up_to_a_unit_impulse():
    model = SCICA(n_delays=6).fit(low_and_high().sum(axis=0)[None, None])
    assert_allclose(model.filters.sum(axis=0), np.eye(1, 11, 5)[0], atol=1e-9)


def test_a_component_is_the_mean_over_delays_of_what_the_vectors_give():
    rng = np.random.default_rng(0)
    X = rng.laplace(size=(1, 1, 300))
    model = SCICA(n_delays=3, max_samples=1000).fit(X)
    Y = model.reconstruct()[:, 0, 0]
    for k in range(3):
        expected = np.convolve(X[0, 0], model.filters[k])[2:-2]
        assert_allclose(Y[k], expected, atol=1e-12)


def test_fewer_components_than_delays_leave_a_residual():
    x = low_and_high().sum(axis=0)[None]
    sep = separate_array(x, 8000, SCICA(n_delays=8, n_components=3), frontend=Waveform())
    assert list(sep) == ["source1", "source2", "residual"]
    assert_allclose(sum(sep.values()), x, atol=1e-9)


def test_components_that_sound_together_are_one_source():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 50))
    envelopes = np.stack([3 * first, second, 0.2 * first, 0.5 * second, 1e-6 * rng.random(50)])
    groups = by_envelope(envelopes, 2)
    assert {0, 2} <= set(groups["source1"])
    assert {1, 3} <= set(groups["source2"])
    assert by_envelope(np.zeros((3, 5)), 2).keys() == groups.keys()


def test_filters_apply_to_other_frames():
    x = low_and_high()
    model = SCICA(n_delays=4).fit(x.sum(axis=0)[None, None])
    assert_allclose(model.apply(x[:, None]).reconstruct().sum(axis=0), x[:, None], atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        ISA(n_components=4, n_sources=2),
        ISA(n_components=4, independent="frequency"),
        SCICA(n_delays=3, n_components=2, max_samples=500),
    ],
    ids=str,
)
def test_the_options_keep_the_promises(method):
    check_method(method)


@pytest.mark.parametrize("method", [ISA(n_components=3, n_sources=2), SCICA(n_delays=4)], ids=str)
def test_a_callback_sees_every_step_and_can_stop(method):
    X, seen = np.random.default_rng(0).laplace(size=(1, 6, 500)), []
    model = method.fit(X, callback=lambda i, model: seen.append((i, model)) or i == 3)
    assert [i for i, _ in seen] == [1, 2, 3]
    assert seen[-1][1].losses == model.losses
    assert_array_equal(seen[-1][1].reconstruct(), model.reconstruct())
    assert seen[-1][1].stems is None
    assert len(model.stems) == 2
    assert_array_equal(method.fit(X, callback=lambda *_: None).reconstruct(), method.fit(X).reconstruct())


@pytest.mark.parametrize("method", [ISA(n_components=3), SCICA(n_delays=4)], ids=str)
def test_whole_numbers_are_taken_as_they_stand(method):
    X = np.random.default_rng(0).integers(-1000, 1000, (1, 4, 300))
    Y = method.fit(X).reconstruct()
    assert Y.dtype == np.float64
    assert_array_equal(Y, method.fit(X.astype(float)).reconstruct())


def test_wrong_values_are_refused_in_one_line():
    for kind, options in (
        (ISA, {"n_components": 65}),
        (ISA, {"n_sources": 0}),
        (ISA, {"n_sources": 13}),
        (SCICA, {"n_sources": 17}),
        (SCICA, {"n_sources": 4, "n_components": 3}),
        (ISA, {"independent": "both"}),
        (SCICA, {"n_delays": 65}),
        (SCICA, {"n_components": 17}),
        (SCICA, {"max_samples": 0}),
    ):
        with pytest.raises(ParameterError, match=next(iter(options))):
            kind(**options)
    for kind in (ISA, SCICA):
        with pytest.raises(NumericalError, match="not finite"):
            kind().fit(np.full((1, 3, 100), np.nan))
        with pytest.raises(ShapeError, match="expected"):
            kind().fit(np.ones((3, 100)))
