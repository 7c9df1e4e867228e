"""FDICA: every bin is an ICA of its own, and what it finds is what others and theory say."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from sigsep_classic import FDICA, METHODS, STFT
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.typing import Grid


def mixed(freq=6, dims=2, frames=400, seed=0):
    """Return X of sources that come and go together at all frequencies, and A (freq, channels, sources)."""
    rng = np.random.default_rng(seed)
    levels = rng.gamma(0.4, size=(dims, 1, frames)) * rng.gamma(2.0, size=(dims, freq, frames))
    S = levels * (rng.standard_normal(levels.shape) + 1j * rng.standard_normal(levels.shape))
    A = rng.standard_normal((freq, dims, dims)) + 1j * rng.standard_normal((freq, dims, dims))
    return np.einsum("fcn,nft->cft", A, S), A


def disorder(gains):
    """Return what is left of other sources in each output, (freq, sources), and which source it mostly is."""
    gains = np.sort(gains, axis=2), gains.argmax(axis=2)
    return gains[0][:, :, -2] / gains[0][:, :, -1], gains[1]


@pytest.mark.parametrize("options", [{}, {"prior": "generalized"}, {"solver": "natural", "n_iter": 300}])
def test_each_bin_is_unmixed_up_to_scale_and_order(options):
    X, A = mixed(dims=3)
    leak, _ = disorder(abs(FDICA(permutation=None, **options).fit(X).W @ A))
    assert leak.max() < 0.1


def test_with_an_order_sources_are_the_same_in_all_bins():
    X, A = mixed(freq=40, dims=3)
    _, found = disorder(abs(FDICA(reestimate=0).fit(X).W @ A))
    assert_array_equal(found, np.broadcast_to(found[0], found.shape))


def test_estimating_once_more_leaves_less_of_sources_whose_levels_change_slowly():
    before, after = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        levels = gaussian_filter(rng.standard_normal((2, 1, 120)), (0, 0, 4))
        levels = np.exp(levels / levels.std()) * np.ones((1, 40, 1))
        S = levels * (rng.standard_normal(levels.shape) + 1j * rng.standard_normal(levels.shape))
        A = rng.standard_normal((40, 2, 2)) + 1j * rng.standard_normal((40, 2, 2))
        X, grid = np.einsum("fcn,nft->cft", A, S), Grid(frame_rate=15.6, bin_hz=8.0)
        for n, found in ((0, before), (5, after)):
            found.append(disorder(abs(FDICA(reestimate=n, grid=grid).fit(X).W @ A))[0].mean())
    assert sum(after) < 0.8 * sum(before)


def test_one_frequency_is_ica():
    from sigsep_classic import ICA

    rng = np.random.default_rng(0)
    S = rng.laplace(size=(2, 1, 4000))
    X = np.tensordot([[1.0, 0.5], [0.4, 1.0]], S, axes=1)
    ours, ica = FDICA(n_iter=200).fit(X), ICA(solver="auxiliary").fit(X)
    assert ours.W.dtype == np.float64
    assert_allclose(ours.A, ica.A, atol=0.05)


def test_all_iterations_at_once_are_the_iterations_one_by_one():
    X = mixed()[0].astype("complex64")
    at_once = FDICA(n_iter=7).fit(X)
    stepped = FDICA(n_iter=7).fit(X, callback=lambda i, model: None)
    *_, last = FDICA(n_iter=7, permutation=None).iterate(X)
    assert_array_equal(at_once.W, stepped.W)
    assert at_once.losses == stepped.losses
    assert_array_equal(last.W, FDICA(n_iter=7, permutation=None).fit(X).W)


def test_a_start_goes_on_where_it_ended_and_a_tolerance_stops():
    X, _ = mixed()
    method = FDICA(n_iter=20, permutation=None)
    twice = method.fit(X, start=method.fit(X))
    assert_allclose(twice.losses[-1][1], FDICA(n_iter=40, permutation=None).fit(X).losses[-1][1], atol=1e-4)
    stopped = FDICA(n_iter=500, tol=1e-4, permutation=None).fit(X)
    assert stopped.converged
    assert stopped.losses[-1][0] < 200


@pytest.mark.parametrize("within", [1e-6])
def test_the_demixing_is_that_of_ssspy_up_to_scale_and_order_after_as_many_iterations(within):
    bss = pytest.importorskip("ssspy.bss.fdica")
    X, _ = mixed(freq=5)
    peer = bss.AuxLaplaceFDICA(spatial_algorithm="IP1", scale_restoration=False)
    peer(X, n_iter=15, initial_call=False)
    W = np.broadcast_to(np.eye(2), (5, 2, 2))
    start = FDICA(n_iter=0, permutation=None).fit(X)
    ours = FDICA(n_iter=15, permutation=None, floor=1e-12).fit(X, start=replace(start, W=W, A=W))
    gains = abs(peer.demix_filter @ np.linalg.inv(ours.W))  # rows of ours come in another order and scale
    assert_allclose(np.sort(gains, axis=2)[:, :, 0], 0, rtol=0, atol=within * gains.max())


def test_fewer_sources_leave_a_residual_and_silence_stays_silent(caplog):
    X, _ = mixed(dims=3)
    model = FDICA(n_sources=2).fit(X)
    assert (model.n_components, model.residual) == (2, True)
    assert_array_equal(FDICA().fit(0 * X).reconstruct(), 0)
    X[1] = 0
    with caplog.at_level(logging.WARNING):
        assert np.isfinite(FDICA().fit(X).W).all()
    assert "channel 2 is silent" in caplog.text


@pytest.mark.parametrize(
    "case", ["quiet", "loud", "half silent", "clipped", "mismatched", "tone", "low", "dc", "short"]
)
def test_hard_inputs_give_finite_images_that_do_not_depend_on_the_level(case):
    rng = np.random.default_rng(0)
    x = rng.laplace(size=(2, 16_000)) * np.repeat(rng.gamma(0.5, size=(2, 50)), 320, axis=1)
    x = np.array([[1.0, 0.6], [0.5, 1.0]]) @ x
    t = np.arange(x.shape[1])
    x = {
        "quiet": lambda: 1e-6 * x,
        "loud": lambda: 32768 * x,
        "half silent": lambda: x * (t > 8000),
        "clipped": lambda: np.clip(x, -0.1, 0.1),
        "mismatched": lambda: x * np.array([[1.0], [1e-3]]),
        "tone": lambda: np.stack([np.sin(0.1 * t), np.sin(0.1 * t + 0.3)]),
        "low": lambda: np.cumsum(x, axis=1),
        "dc": lambda: x + 0.5,
        "short": lambda: x[:, :3000],
    }[case]()
    frontend = STFT(n_fft=1024, hop=256)
    for real in ("float32", "float64"):
        X = frontend.analyze(x.astype(real))
        images = FDICA().fit(X).reconstruct()
        assert np.isfinite(images).all()
        assert_allclose(images.sum(axis=0), X, atol=1e-4 * abs(X).max())
        again = FDICA().fit(X * X.dtype.type(2.0**-12)).reconstruct() * 2.0**12
        assert abs(again - images).max() < 1e-3 * abs(images).max()


def test_what_is_out_of_range_is_refused():
    assert METHODS["fdica"] is FDICA
    for wrong in (
        {"solver": "newton"},
        {"prior": "gauss"},
        {"shape": 0.0},
        {"floor": 0.0},
        {"step_size": 2.0},
        {"permutation": "oracle"},
        {"reestimate": -1},
    ):
        with pytest.raises(ParameterError):
            FDICA(**wrong)
    X, _ = mixed()
    with pytest.raises(ShapeError, match="n_sources is 3"):
        FDICA(n_sources=3).fit(X)
    X[0, 0, 0] = np.nan
    with pytest.raises(NumericalError, match="not finite"):
        FDICA().fit(X)


def test_the_usual_transform_is_half_a_second_with_seven_eighths_overlap():
    frontend = FDICA().default_frontend(16_000)
    assert (frontend.n_fft, frontend.hop) == (8192, 1024)
