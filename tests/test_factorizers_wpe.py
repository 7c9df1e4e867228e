"""Dereverberation by weighted prediction error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import STFT, TISS, WPE, AuxIVA, separate
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError


def autoregressive(seed=0, frames=1500, channels=3, bins=5):
    """Return X made of its own past through known filters, and the dry sound."""
    rng = np.random.default_rng(seed)
    dry = rng.standard_normal((2, channels, bins, frames)) * rng.choice([0.05, 1], (1, 1, 1, frames))
    dry = dry[0] + 1j * dry[1]
    X = dry.copy()
    for t in range(3, frames):
        X[..., t] += 0.6 * X[::-1, :, t - 3]
    return X, dry


def test_sound_made_of_its_own_past_is_made_dry():
    X, dry = autoregressive()
    model = WPE(n_taps=2).fit(X)
    G = np.zeros((6, 3))
    G[:3] = 0.6 * np.eye(3)[::-1]
    assert_allclose(model.G, np.broadcast_to(G, model.G.shape), atol=0.02)
    assert (abs(model.reconstruct()[0] - dry) ** 2).mean() < 1e-3 * (abs(dry) ** 2).mean()


def test_the_parts_add_up_to_the_mixture():
    X, _ = autoregressive()
    assert_allclose(WPE().fit(X).reconstruct().sum(axis=0), X, rtol=1e-12)


def test_the_likelihood_never_falls():
    method = WPE(n_taps=3, n_iter=8)
    X, _ = autoregressive(frames=200)
    losses = [method.loss(X, model) for model in method.iterate(X)]
    assert all(b <= a + 1e-9 * abs(a) for a, b in itertools.pairwise(losses))
    assert losses[-1] < losses[0]


def test_a_tolerance_ends_the_iterations():
    X, _ = autoregressive()
    model = WPE(n_taps=1, n_iter=50, tol=1e-4).fit(X)
    assert 2 < model.losses[-1][0] < 50
    assert WPE(n_taps=1, n_iter=1).fit(X, start=model).losses[0][1] <= model.losses[-1][1] + 1e-6


def test_filters_of_one_recording_dry_another_of_the_same_room():
    model = WPE(n_taps=2).fit(autoregressive(0)[0])
    X, dry = autoregressive(1)
    assert (abs(model.apply(X).reconstruct()[0] - dry) ** 2).mean() < 1e-3 * (abs(dry) ** 2).mean()


@pytest.mark.parametrize(("real", "within"), [("float32", 1e-3), ("float64", 1e-7)])
def test_filters_are_those_of_nara_wpe(real, within):
    peer = pytest.importorskip("nara_wpe.wpe")
    X, _ = autoregressive(frames=300)
    X = X.astype(np.result_type(real, np.complex64))
    wanted = peer.wpe_v8(
        X.swapaxes(0, 1).astype(complex), taps=4, delay=3, iterations=3, statistics_mode="full"
    )
    found = WPE(n_taps=4).fit(X).reconstruct()[0]
    assert_allclose(found.swapaxes(0, 1), wanted, rtol=0, atol=within)


def test_an_echo_is_taken_away():
    """Bursts of noise in an echo of 96 ms: the silence after each burst becomes silent again."""
    rng = np.random.default_rng(0)
    rate, n = 8000, 40000
    burst = np.repeat(rng.random(n // 2000) < 0.3, 2000)
    dry = rng.standard_normal((1, n)) * burst
    wet = np.concatenate([dry, 0.5 * np.roll(dry, 3)])
    wet[:, 768:] += 0.5 * wet[::-1, :-768]
    wet += 0.01 * rng.standard_normal(wet.shape)
    sep = separate(wet, rate, method="wpe", n_taps=12)
    after = (~burst) & np.roll(burst, 1200)
    before, left = ((x[:, after] ** 2).mean() for x in (wet, sep["dereverberated"]))
    assert 10 * np.log10(before / left) > 10
    assert_allclose(sum(sep.values()), wet, atol=1e-9)


def test_what_does_not_fit_is_refused():
    X, _ = autoregressive(frames=20)
    with pytest.raises(ParameterError, match="delay is 0"):
        WPE(delay=0)
    with pytest.raises(ParameterError, match="n_taps"):
        WPE(n_taps=0)
    with pytest.raises(ShapeError, match="expected \\(channels, freq, frames\\)"):
        WPE().fit(X[0])
    with pytest.raises(NumericalError, match="not finite"):
        WPE().fit(X * np.nan)
    with pytest.raises(ShapeError, match="start has G"):
        WPE(n_taps=3).fit(X, start=WPE(n_taps=2).fit(X))


def test_short_and_silent_recordings_have_no_reverberation():
    frontend = STFT(n_fft=64, hop=16)
    for x in (np.ones((2, 20)), np.zeros((2, 500))):
        X = frontend.analyze(x)
        late = WPE(delay=max(3, X.shape[2])).fit(X).reverberation
        assert_allclose(late, 0)


@pytest.mark.parametrize("method", [WPE, TISS])
@pytest.mark.parametrize(
    ("channels", "frames", "taps"),
    [(2, 1000, None), (2, 63, 2), (4, 63, 1), (8, 63, 1), (8, 250, 2), (8, 31, 0)],
)
def test_short_recordings_of_many_channels_have_fewer_taps(method, channels, frames, taps):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((channels, 3, frames)) + 1j * rng.standard_normal((channels, 3, frames))
    model = method(n_iter=3).fit(X)
    assert model.n_taps == (taps if taps is not None else 10 if method is WPE else 5)
    if method is WPE:
        dry = model.reconstruct()[0]
        assert (abs(dry) ** 2).sum() > 0.6 * (abs(X) ** 2).sum()  # white noise has no reverberation
        assert_allclose(WPE(n_iter=1).fit(X, start=model).reconstruct().sum(axis=0), X, atol=1e-9)


def test_taps_that_are_too_many_are_told_and_those_that_leave_nothing_are_not_taken(caplog):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((8, 3, 60)) + 1j * rng.standard_normal((8, 3, 60))
    WPE(n_taps=1).fit(X)
    assert not caplog.text
    assert WPE(n_taps=3).fit(X).n_taps == 3
    assert "60 frames of 8 channels are few for n_taps=3: sound may pass" in caplog.text
    caplog.clear()
    for method in (WPE, TISS):
        assert method(n_taps=10).fit(X).n_taps == 1
        assert "1 are taken" in caplog.text
        caplog.clear()
        assert_allclose(method().fit(X[:, :, :20]).reconstruct().sum(axis=0), X[:, :, :20])
        assert "too few: no reverberation is removed" in caplog.text
        caplog.clear()


def test_a_tiss_without_a_past_is_iva():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 3, 14)) + 1j * rng.standard_normal((4, 3, 14))
    model = TISS(n_iter=5).fit(X)
    assert model.P.shape == (3, 4, 0)
    assert_allclose(model.W, AuxIVA(prior="gauss", rule="iss1", n_iter=5).fit(X).W, rtol=1e-6)
