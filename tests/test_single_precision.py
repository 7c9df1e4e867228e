"""Single precision is as good as double: on short recordings, at any level, in bins of rank one; kinds of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import METHODS, STFT
from sigsep_classic.errors import ArrayTypeError, NumericalError
from sigsep_classic.factorizers.base import Iterative

MULTICHANNEL = {
    "auxiva": {"n_iter": 2},
    "fdica": {"n_iter": 2},
    "overiva": {"n_sources": 1, "n_iter": 2},
    "five": {"n_iter": 2},
    "iva": {"n_iter": 2},
    "exclusion": {"n_iter": 2},
    "ilrma": {"n_iter": 2},
    "subband": {"n_iter": 2},
    "pds": {"n_iter": 2},
    "iva_online": {},
    "tiss": {"n_taps": 1, "n_iter": 2},
    "wpe": {"n_taps": 1, "n_iter": 2},
    "fastmnmf": {"n_iter": 2},
    "fastmnmf2": {"n_iter": 2},
    "mnmf": {"n_iter": 2},
    "cacgmm": {"n_iter": 2},
    "cwmm": {"n_iter": 2},
    "ica": {"n_iter": 2},
}


def room(n_channels, seconds, *, rate=16000):
    """Return a float32 mixture of as many sources as channels, (channels, samples), in a room that decays quickly."""
    rng, n = np.random.default_rng(0), int(seconds * rate)
    levels = np.repeat(rng.random((n_channels, n // 80 + 1)), 80, axis=1)[:, :n]
    sources = rng.laplace(size=(n_channels, n)) * levels
    h = rng.standard_normal((n_channels, n_channels, 400)) * np.exp(-np.arange(400) / 80)
    x = np.stack([sum(np.convolve(s, g)[:n] for s, g in zip(sources, own, strict=True)) for own in h])
    return (0.5 * x / abs(x).max()).astype(np.float32)


def bins_of(n_channels, n_frames, *, n_freq=9):
    """Return a complex64 mixture (channels, freq, frames) of sparse sources."""
    rng = np.random.default_rng(0)
    shape = (n_channels, n_freq, n_frames)
    S = rng.gamma(0.3, size=(n_channels, 1, n_frames)) * (
        rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    )
    A = rng.standard_normal((n_freq, n_channels, n_channels)) + 1j * rng.standard_normal(
        (n_freq, n_channels, n_channels)
    )
    return np.einsum("fcn,nft->cft", A, S).astype(np.complex64)


def searched(method, X):
    """Return the losses of all iterations, and the images of the last."""
    data = method.prepare(X)
    model = method.init(data)
    losses = [method.loss(data, model)]
    for _ in range(method.n_iter):
        model = method.step(data, model)
        losses.append(method.loss(data, model))
    return np.array(losses), method.finish(model).reconstruct()


def check_falling(losses, images, X):
    """Fail unless no loss is above the one before, and images add up to X."""
    assert np.isfinite(losses).all()
    assert (np.diff(losses) <= 1e-5 * abs(losses).max()).all()
    assert_allclose(images.sum(axis=0), X, rtol=0, atol=1e-5 * abs(X).max())


@pytest.mark.parametrize(("label", "parameters"), [("auxiva", {"prior": "gauss"}), ("ilrma", {})])
def test_a_moment_of_four_channels_is_demixed_in_single_precision_as_in_double(label, parameters):
    X = STFT(n_fft=256).analyze(room(4, 0.125))
    method = METHODS[label](**parameters)
    losses, images = searched(method, X)
    check_falling(losses, images, X)
    exact, wanted = searched(method, X.astype(np.complex128))
    assert_allclose(losses, exact, rtol=0, atol=1e-5 * abs(exact).max())
    assert_allclose(images, wanted, rtol=0, atol=1e-3 * abs(X).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "parameters"),
    [("auxiva", {"prior": "gauss"}), ("ilrma", {}), ("fastmnmf", {}), ("fastmnmf2", {})],
)
@pytest.mark.parametrize(("n_channels", "seconds"), [(2, 0.1), (4, 0.5)])
def test_losses_of_short_recordings_fall_in_single_precision(label, parameters, n_channels, seconds):
    X = STFT().analyze(room(n_channels, seconds))
    losses, images = searched(METHODS[label](**parameters), X)
    check_falling(losses, images, X)


@pytest.mark.parametrize("n_frames", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "parameters", [{}, {"prior": "generalized"}, {"solver": "natural"}], ids=["laplace", "sparse", "natural"]
)
def test_fdica_of_about_as_many_frames_as_channels_is_the_same_in_single_precision(n_frames, parameters):
    X = bins_of(4, n_frames)
    method = METHODS["fdica"](n_iter=20, permutation=None, **parameters)
    losses, images = searched(method, X)
    check_falling(losses, images, X)
    exact, _ = searched(method, X.astype(np.complex128))
    assert_allclose(losses, exact, rtol=0, atol=1e-3 * abs(exact).max())


@pytest.mark.parametrize(("n_channels", "n_frames"), [(3, 120), (6, 60)])
@pytest.mark.parametrize("solver", ["auxiliary", "natural"])
def test_fdica_falls_in_bins_of_lower_rank_in_single_precision(n_channels, n_frames, solver):
    X = bins_of(n_channels, n_frames)
    X[:, 0], X[1:, 1] = X[0, 0], X[0, 1]
    X[:, 2, 2:], X[:, 3, n_channels - 1 :] = 0, 0
    check_falling(*searched(METHODS["fdica"](n_iter=40, permutation=None, solver=solver), X), X)


@pytest.mark.parametrize("label", ["fdica", "auxiva", "ilrma", "fastmnmf", "fastmnmf2", "mnmf"])
def test_a_bin_of_rank_one_does_no_harm_in_single_precision(label):
    X = bins_of(3, 120)
    X[:, 0] = 1
    losses, images = searched(METHODS[label](n_iter=40), X)
    check_falling(losses, images, X)


@pytest.mark.parametrize("label", ["fastmnmf", "fastmnmf2", "mnmf"])
@pytest.mark.parametrize("n_frames", [1, 2])
def test_a_frame_or_two_are_enough_in_single_precision(label, n_frames):
    X = bins_of(4, n_frames)
    losses, images = searched(METHODS[label](n_iter=5), X)
    assert np.isfinite(losses).all()
    assert_allclose(images.sum(axis=0), X, rtol=0, atol=1e-5 * abs(X).max())


def test_ilrma_is_safe_where_most_of_a_recording_is_digital_silence():
    X = np.zeros((4, 65, 1100), np.complex64)
    X[:, :, :20] = bins_of(4, 20, n_freq=65)
    losses, images = searched(METHODS["ilrma"](n_iter=30), X)
    check_falling(losses, images, X)


# ---- levels


@pytest.mark.parametrize("label", MULTICHANNEL)
@pytest.mark.parametrize("gain", [2.0**-60, 2.0**60])
def test_no_level_is_too_high_or_low_for_single_precision(label, gain):
    X = bins_of(2, 60)
    method = METHODS[label](**MULTICHANNEL[label])
    wanted = method.fit(X).reconstruct()
    found = method.fit(X * np.float32(gain)).reconstruct() / np.float32(gain)
    assert_allclose(found, wanted, rtol=0, atol=1e-3 * abs(wanted).max())


def test_templates_of_ilrma_are_finite_at_any_level():
    model = METHODS["ilrma"](n_iter=2).fit(bins_of(2, 60) * np.float32(2.0**80))
    assert np.isfinite(model.templates).all()
    assert np.isfinite(model.variances).all()


# ---- kinds of numbers


@pytest.mark.parametrize("label", MULTICHANNEL)
def test_whole_numbers_are_taken_as_float64(label):
    X = np.round(1000 * bins_of(2, 60).real).astype(np.int32)
    method = METHODS[label](**MULTICHANNEL[label])
    images = method.fit(X).reconstruct()
    assert images.dtype == np.float64
    assert_allclose(images, method.fit(X.astype(float)).reconstruct(), rtol=0, atol=1e-9 * abs(X).max())


@pytest.mark.parametrize("label", MULTICHANNEL)
@pytest.mark.parametrize("kind", ["float16", "clongdouble", "object", "list", "none"])
def test_other_kinds_of_numbers_are_refused_by_name(label, kind):
    X = bins_of(2, 6)
    X = {"list": X.tolist(), "none": None}.get(kind) if kind in ("list", "none") else X.real.astype(kind)
    with pytest.raises(ArrayTypeError, match=r"list|NoneType|float16|complex|object"):
        METHODS[label](**MULTICHANNEL[label]).fit(X)


def test_a_search_that_fails_in_single_precision_advises_double():
    class Failing(Iterative):
        name = "failing"

        def init(self, X):
            return None

        def step(self, X, model):
            return model

        def loss(self, X, model):
            return float("nan")

    with pytest.raises(NumericalError, match="use float64"):
        Failing().fit(bins_of(2, 6))
    with pytest.raises(NumericalError, match=r"iterations$"):
        Failing().fit(bins_of(2, 6).astype(np.complex128))
