"""The common fate transform can be undone, and its model tells a vibrato from a steady tone of the same pitch."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.lowrank.common_fate import CommonFate
from sigsep_classic.factorizers.lowrank.common_fate_transform import Patches
from sigsep_classic.factorizers.lowrank.ntf import NTF
from sigsep_classic.metrics import si_sdr
from sigsep_classic.pipeline import separate_array


def spectrum(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@pytest.mark.parametrize("shape", [(2, 20, 30), (1, 1, 50), (1, 17, 1), (1, 1, 1), (2, 9, 13), (1, 3, 3)])
def test_the_transform_can_be_undone(shape):
    X = spectrum(shape)
    patches = Patches.of(shape, bins=8, frames=6)
    assert_allclose(patches.inverse(patches.forward(X)), X, atol=1e-13)


def test_the_transform_is_the_fourier_transform_of_windowed_patches():
    X = spectrum((2, 20, 30))
    patches = Patches.of(X.shape, bins=8, frames=6)
    Y = patches.forward(X)
    window = np.outer(np.hamming(9)[:8], np.hamming(7)[:6])
    assert Y.shape == (2, 4, 8, 6, 9)
    for f, t in ((0, 0), (2, 5), (3, 8)):
        patch = X[:, 4 * f : 4 * f + 8, 3 * t : 3 * t + 6]
        assert_allclose(Y[:, f, :, :, t], np.fft.fft2(patch * window), atol=1e-12)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_model_is_ntf_of_the_magnitudes(beta):
    X = spectrum((2, 12, 24))
    options = {"n_components": 3, "n_iter": 7, "tol": 0, "seed": 5, "beta": beta}
    model = CommonFate(patch_bins=4, patch_frames=6, **options).fit(X)
    V = abs(Patches.of(X.shape, bins=4, frames=6).forward(X)).reshape(2, -1, 7)
    expected = NTF(**options).fit(V)
    for name in "QWH":
        assert_allclose(getattr(model, name), getattr(expected, name), rtol=1e-10)
    assert_allclose(model.losses[-1][1], expected.losses[-1][1])


def test_a_step_is_that_of_ntf_for_h_and_then_of_em_for_textures_and_gains_together():
    method = CommonFate(n_components=3, patch_bins=4, patch_frames=6)
    data = method.prepare(spectrum((2, 12, 24)))
    model = method.init(data)
    before = method.loss(data, model)
    Q, W, H, V = (np.array(A) for A in (model.Q, model.W, model.H, data.V))
    ratio = V / np.einsum("ck,fk,kt->cft", Q, W, H)
    H = H * np.einsum("ck,fk,cft->kt", Q, W, ratio) / np.einsum("ck,fk->k", Q, W)[:, None]
    ratio = V / np.einsum("ck,fk,kt->cft", Q, W, H)
    counts = np.einsum("ck,fk,kt,cft->ckf", Q, W, H, ratio)
    Q = counts.sum(axis=2) / counts.sum(axis=(0, 2))
    W = counts.sum(axis=0).T / H.sum(axis=1)
    after = method.step(data, model)
    for name, expected in (("H", H), ("Q", Q), ("W", W)):
        assert_allclose(getattr(after, name), expected, rtol=1e-10)
    assert method.loss(data, after) < before


def test_estimates_are_shares_of_the_transform_and_add_up():
    X = spectrum((2, 12, 24))
    model = CommonFate(n_components=3, patch_bins=4, patch_frames=6, n_iter=5).fit(X)
    Q, W, H = model.Q, model.textures, model.H
    hat = np.einsum("ck,fabk,kt->kcfabt", Q, W, H)
    patches = Patches.of(X.shape, bins=4, frames=6)
    expected = patches.inverse(hat[1] / hat.sum(axis=0) * patches.forward(X))
    estimates = model.reconstruct()
    assert_allclose(estimates[1], expected, atol=1e-12)
    assert_allclose(estimates.sum(axis=0), X, atol=1e-12)


def test_spectra_lie_on_the_bins_of_the_input():
    X = spectrum((1, 21, 24))
    X[0, :12] = 0
    model = CommonFate(n_components=2, patch_bins=4, patch_frames=6, n_iter=5).fit(X)
    assert model.spectra.shape == (21, 2)
    assert_allclose(model.spectra[:10], 0, atol=1e-12)
    assert (model.spectra[14:] > 0).all()


def test_a_warm_start_goes_on():
    X = spectrum((1, 12, 24))
    method = CommonFate(n_components=2, patch_bins=4, patch_frames=6, n_iter=4, tol=0)
    again = method.fit(X, start=method.fit(X))
    assert again.losses[-1][1] < method.fit(X).losses[-1][1]


@pytest.mark.slow
def test_two_sources_in_unison_are_told_apart_by_vibrato():
    rate, seconds = 22050, 6
    t = np.arange(rate * seconds) / rate
    sources = []
    for depth, onset in ((0.012, 0.0), (0.0, 0.7)):
        phase = 2 * np.pi * np.cumsum(440 * (1 + depth * np.sin(12 * np.pi * t))) / rate
        envelope = np.convolve(t % 2 > onset, np.ones(400) / 400, "same")
        sources.append(0.1 * envelope * sum(np.sin(k * phase) / k for k in range(1, 15)))
    mixture = sum(sources)[None]
    sep = separate_array(mixture, rate, CommonFate(n_components=2), groups={"a": [0], "b": [1]})
    gained = np.array(
        [[si_sdr(s[None], y).mean() - si_sdr(s[None], mixture).mean() for y in sep.values()] for s in sources]
    )
    assert max(min(gained[0, 0], gained[1, 1]), min(gained[0, 1], gained[1, 0])) > 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_components": 0}, "n_components is 0"),
        ({"patch_bins": 5}, "patch_bins is 5; it must be even"),
        ({"patch_frames": 1}, "patch_frames is 1"),
        ({"beta": "kl"}, "beta is 'kl'"),
        ({"power": 0}, "power is 0"),
        ({"solver": "hals"}, "solver is 'hals'"),
    ],
)
def test_parameters_out_of_range_are_refused(options, said):
    with pytest.raises(ParameterError, match=said):
        CommonFate(**options)
