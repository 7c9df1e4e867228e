"""Gains sum to one whatever the models, and the multichannel filter is the one of its paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import masking
from sigsep_classic.errors import ParameterError, ShapeError
from tests.reference import multichannel_wiener as reference

PARTITIONS = {
    "ratio": masking.ratio,
    "ratio 0.3": lambda V: masking.ratio(V, exponent=0.3),
    "ratio 5": lambda V: masking.ratio(V, exponent=5),
    "wiener of magnitudes": masking.wiener,
    "wiener of powers": lambda V: masking.wiener(V, power=2),
    "binary": masking.binary,
    "logit": lambda V: masking.GAINS["logit"](V, 1.0),
}


def spectrograms(shape, real="float64", seed=0):
    return np.random.default_rng(seed).random(shape).astype(real)


def mixture(shape, kind="complex128", seed=1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(kind)


@pytest.mark.parametrize("mask", PARTITIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 5, 7), (4, 3, 5, 2)])
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_gains_are_a_partition_in_the_dtype_of_the_models(mask, shape, real):
    V = spectrograms(shape, real)
    V[:, :, ::2, ::3] = 0
    before = V.copy()
    V.flags.writeable = False
    gains = PARTITIONS[mask](V)
    assert (gains.shape, gains.dtype) == (V.shape, V.dtype)
    assert masking.is_partition(gains, tolerance=1e-6)
    assert_array_equal(V, before)


@pytest.mark.parametrize("mask", PARTITIONS)
@pytest.mark.parametrize("real", ["float32", "float64"])
def test_the_whole_range_of_floats_gives_numbers_from_zero_to_one(mask, real):
    levels = np.array([0, 1e-45, 1e-38, 1e-30, 1e-10, 1, 1e10, 1e30, 3e38]).astype(real)
    V = np.stack(np.meshgrid(levels, levels))[:, None]
    gains = PARTITIONS[mask](V)
    assert masking.is_partition(gains, tolerance=1e-6)
    louder = V[0] > V[1]
    assert (gains[0][louder] >= 0.5).all()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    values=st.lists(st.floats(0, 2.0**100, width=32), min_size=1, max_size=5),
    exponent=st.floats(0.5, 20),
)
def test_a_ratio_mask_is_the_ratio(values, exponent):
    V = np.array(values, np.float32).reshape(-1, 1, 1, 1)
    gains = masking.ratio(V, exponent=exponent).ravel()
    top = max(values)
    shares = [math.pow(v / top, exponent) if top else 1.0 for v in values]
    assert_allclose(gains, np.array(shares) / sum(shares), atol=1e-5)


def test_silence_is_shared_equally_and_comes_out_as_silence():
    V, X = np.zeros((4, 1, 3, 5), np.float32), np.zeros((2, 3, 5), np.complex64)
    for mask in (masking.ratio, masking.wiener):
        assert_array_equal(mask(V), np.full(V.shape, 0.25))
    for gain in masking.ratio(V):
        assert_array_equal(masking.apply(gain, X), X)


def test_the_wiener_filter_is_the_ratio_of_powers():
    V = spectrograms((3, 2, 4, 5))
    expected = V**2 / (V**2).sum(axis=0)
    assert_allclose(masking.wiener(V), expected, rtol=1e-12)
    assert_allclose(masking.wiener(V**2, power=2), expected, rtol=1e-12)
    assert_allclose(masking.wiener(V**0.5, power=0.5), expected, rtol=1e-12)


def test_a_binary_mask_gives_a_tie_to_the_first():
    V = np.array([[1.0, 2.0, 0.0], [1.0, 3.0, 0.0], [0.5, 3.0, 0.0]])[:, None, None]
    assert_array_equal(masking.binary(V)[:, 0, 0], [[1, 0, 1], [0, 1, 0], [0, 0, 0]])


def test_is_partition_says_no_to_what_is_none():
    half = np.full((2, 1, 1, 1), 0.5)
    assert masking.is_partition(half)
    assert not masking.is_partition(half + 1e-3)
    assert not masking.is_partition(np.array([1.5, -0.5]).reshape(2, 1, 1, 1))


@pytest.mark.parametrize("kind", ["complex64", "complex128", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames_first", [False, True])
def test_applying_a_gain_multiplies_and_keeps_dtype_and_order(kind, channels, frames_first):
    X = mixture((2, 5, 6)).astype(kind) if "complex" in kind else spectrograms((2, 5, 6), kind)
    if frames_first:
        X = np.ascontiguousarray(X.swapaxes(1, 2)).swapaxes(1, 2)
    gain = spectrograms((channels, 5, 6), X.real.dtype)
    X.flags.writeable = False
    Y = masking.apply(gain, X)
    assert Y.dtype == X.dtype
    assert Y.strides == X.strides or channels == 1 == X.shape[0]
    assert_array_equal(Y, gain * X)


@pytest.mark.parametrize("exponent", [0, -1, math.inf, math.nan])
def test_an_exponent_that_is_not_positive_and_finite_is_refused(exponent):
    with pytest.raises(ParameterError, match="mask exponent"):
        masking.ratio(np.ones((2, 1, 1, 1)), exponent=exponent)


@pytest.mark.parametrize("mask", [masking.ratio, masking.binary, masking.wiener])
@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 1, 3, 4), (2, 1, 0, 4)])
def test_models_without_four_filled_axes_are_refused(mask, shape):
    with pytest.raises(ShapeError, match="V has shape"):
        mask(np.ones(shape))


# ---- the multichannel Wiener filter


@pytest.mark.parametrize("n_iter", [0, 1, 2, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_multichannel_wiener_is_the_naive_loop(channels, n_iter, power):
    V, X = spectrograms((3, channels, 4, 15)) + 0.05, mixture((channels, 4, 15))
    Y = masking.multichannel_wiener(V, X, power=power, n_iter=n_iter)
    expected = reference.multichannel_wiener(V, X, power=power, n_iter=n_iter, load=1e-6)
    assert_allclose(Y, expected, atol=1e-8)


@pytest.mark.parametrize("n_iter", [0, 1, 2])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("softmask", [True, False])
@pytest.mark.parametrize("within", [1e-12])
def test_multichannel_wiener_with_its_eps_is_norberts(channels, n_iter, softmask, within):
    norbert = pytest.importorskip("norbert")
    V, X = spectrograms((4, channels, 6, 40)) + 0.1, mixture((channels, 6, 40)) * 20
    before = X.copy()
    start = "softmask" if softmask else "mixture_phase"
    power = 2 if softmask else 1  # what norbert takes: any V for the mask, magnitudes for the mixture's phase
    eps = np.finfo(float).eps
    Y = masking.multichannel_wiener(V, X, power=power, n_iter=n_iter, start=start, eps=eps)
    v_tfcj, x_tfc = V.transpose(3, 2, 1, 0).copy(), X.transpose(2, 1, 0).copy()
    theirs = norbert.wiener(v_tfcj, x_tfc, iterations=n_iter, use_softmask=softmask).transpose(3, 2, 1, 0)
    assert_allclose(Y, theirs, rtol=within, atol=within * abs(theirs).max())
    assert_array_equal(X, before)


@pytest.mark.parametrize("n_iter", [1, 3])
@pytest.mark.parametrize("within", [1e-12])
def test_expectation_maximization_with_its_eps_is_norberts(n_iter, within):
    norbert = pytest.importorskip("norbert")
    X = mixture((2, 6, 40))
    Y = masking.multichannel_wiener(spectrograms((3, 2, 6, 40)), X, n_iter=0)
    before = Y.copy()
    found = masking.expectation_maximization(Y, X, n_iter=n_iter, eps=np.finfo(float).eps)
    y, v, R = norbert.expectation_maximization(Y.transpose(3, 2, 1, 0).copy(), X.transpose(2, 1, 0), n_iter)
    assert_allclose(found.Y, y.transpose(3, 2, 1, 0), rtol=0, atol=within)
    assert_allclose(found.v, v.transpose(2, 1, 0), rtol=0, atol=within)
    assert_allclose(found.R, R.transpose(3, 0, 1, 2), rtol=0, atol=within)
    assert_array_equal(Y, before)
    same = masking.expectation_maximization(Y, X, n_iter=n_iter).Y
    assert_allclose(same.sum(axis=0), X, rtol=0, atol=within)


@pytest.mark.parametrize("n_iter", [0, 1, 4])
@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_multichannel_wiener_estimates_sum_to_the_mixture(channels, n_iter, kind):
    X = mixture((channels, 7, 30), kind)
    V = spectrograms((3, 1, 7, 30), X.real.dtype)
    Y = masking.multichannel_wiener(V, X, n_iter=n_iter)
    assert Y.dtype == X.dtype
    assert_allclose(Y.sum(axis=0), X, atol=3e-6 if kind == "complex64" else 1e-13)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_multichannel_wiener_is_finite_where_anything_is_silent(channels, kind):
    X = mixture((channels, 5, 20), kind)
    V = spectrograms((3, 1, 5, 20), X.real.dtype)
    X[:, :, 3:6] = 0  # frames
    X[:, 2] = 0  # a frequency
    X[-1:] = 0  # a channel
    V[1] = 0  # a source
    V[:, :, 4, :] = 0  # all models at one frequency
    Y = masking.multichannel_wiener(V, X, n_iter=3)
    assert np.isfinite(Y).all()
    assert_allclose(Y.sum(axis=0), X, atol=1e-5)


@pytest.mark.parametrize("level", [1e-12, 1e12])
def test_multichannel_wiener_scales_with_its_input(level):
    V, X = spectrograms((2, 1, 3, 30)), mixture((2, 3, 30))
    Y = masking.multichannel_wiener(V, X, n_iter=2)
    assert_allclose(masking.multichannel_wiener(V, X * level, n_iter=2) / level, Y, atol=1e-9)


def test_multichannel_wiener_separates_by_direction_what_gains_cannot():
    """Two sources that overlap everywhere, panned apart, models only half right: space finds the rest."""
    rng = np.random.default_rng(0)
    S = mixture((2, 4, 400)) * rng.gamma(0.3, 1, (2, 4, 400))
    images = np.stack(
        [np.outer([1, 0.2], [1] * 4)[..., None] * S[0], np.outer([0.2, 1], [1] * 4)[..., None] * S[1]]
    )
    X = images.sum(axis=0)
    V = abs(images) + 0.2 * abs(images[::-1])

    def error(Y):
        return (abs(Y - images) ** 2).sum() / (abs(images) ** 2).sum()

    single = error(masking.multichannel_wiener(V, X, n_iter=0))
    assert error(masking.multichannel_wiener(V, X, n_iter=3)) < 0.5 * single


def test_multichannel_wiener_of_magnitudes_to_any_power_is_the_same():
    V, X = spectrograms((3, 2, 4, 20)), mixture((2, 4, 20))
    Y = masking.multichannel_wiener(V, X)
    for power in (0.5, 2.0, 3.0):
        assert_allclose(masking.multichannel_wiener(V**power, X, power=power), Y, atol=1e-9)


# ---- other masks, and what is done to models


def test_no_gain_is_nearer_than_the_phase_sensitive_one_and_all_sum_to_one():
    S = mixture((3, 2, 4, 5))
    X = S.sum(axis=0)
    X[:, 0] = 0
    gains = masking.phase_sensitive(S, X, top=math.inf)
    assert_array_equal(gains[:, :, 0], np.zeros((3, 2, 5)))
    assert (gains >= 0).all()
    clipped = masking.phase_sensitive(S, X)
    assert_array_equal(clipped, np.minimum(gains, 1))
    inside = gains > 0
    for shift in (-1e-3, 1e-3):
        worse = abs((gains + shift) * X - S)[inside] >= abs(gains * X - S)[inside]
        assert worse[np.broadcast_to(X != 0, S.shape)[inside]].all()
    alike = np.array([0.2, 0.3, 0.5])[:, None, None, None] * mixture((1, 2, 4, 5))
    assert_allclose(masking.phase_sensitive(alike, alike.sum(axis=0)).sum(axis=0), np.ones((2, 4, 5)))


def test_filters_are_compressed_by_the_logistic_function_of_their_trace():
    """What ``norbert.compress_filter`` documents; it stops at ``np.finfo`` of an array."""
    gains = spectrograms((50, 1, 1))
    expected = [1 / (1 + math.exp(-15 * (g - 0.6))) for g in gains.ravel()]
    assert_allclose(masking.compress(gains).ravel(), expected, rtol=1e-12)
    assert_allclose(masking.logit(gains).ravel(), expected, rtol=1e-12)
    for W in (spectrograms((6, 2, 2)), mixture((6, 3, 3))):
        W.flags.writeable = False
        for filtered, plain in zip(masking.compress(W), W, strict=True):
            gain = np.trace(plain)
            step = 1 / (1 + np.exp(-15 * (gain - 0.6)))
            assert_allclose(filtered, plain / (np.finfo(float).eps + gain) * step, rtol=1e-12)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("within", [1e-10])
def test_residual_model_is_norberts_under_compat_and_completes_the_mixture_without(power, within):
    norbert = pytest.importorskip("norbert")
    V, X = spectrograms((3, 2, 4, 30)), mixture((2, 4, 30))
    theirs = norbert.residual_model(V.transpose(3, 2, 1, 0), X.transpose(2, 1, 0), power).transpose(
        3, 2, 1, 0
    )
    assert_allclose(masking.residual_model(V, X, power=power, compat="norbert"), theirs, rtol=within)
    models = masking.residual_model(V, X, power=power)
    assert (models.sum(axis=0) >= abs(X) ** power - 1e-12).all()
    exact = masking.residual_model(5 * abs(X)[None] ** power * [[[[0.25]]], [[[0.75]]]], X, power=power)
    assert_allclose(exact[-1], 0 * abs(X), atol=1e-12)
    assert masking.residual_model(V[:, :1], X).shape == (4, 2, 4, 30)


@pytest.mark.parametrize("within", [1e-9])
def test_reduce_interferences_is_norberts_under_compat_and_else_does_not_mix_sources(within):
    norbert = pytest.importorskip("norbert")
    V = spectrograms((3, 2, 20, 30))
    theirs = norbert.reduce_interferences(V.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    assert_allclose(masking.reduce_interferences(V, compat="norbert"), theirs, rtol=within)
    V[0] *= 20
    reduced = masking.reduce_interferences(V)
    assert (reduced <= V).all()
    assert (reduced[0] > 0.99 * V[0]).all()
    assert (reduced[1:] < 0.01 * V[1:]).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda V, X: masking.phase_sensitive(V, X[:1]),
        lambda V, X: masking.residual_model(V[..., :-1], X),
        lambda V, X: masking.multichannel_wiener(V[..., :-1], X),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call):
    with pytest.raises(ShapeError, match="has shape"):
        call(spectrograms((2, 2, 3, 4)), mixture((2, 3, 4)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda V, X: masking.multichannel_wiener(V, X, start="sharp"), "start is 'sharp'"),
        (lambda V, X: masking.multichannel_wiener(V, X, eps=0), "eps is 0"),
        (lambda V, X: masking.logit(V, threshold=2), "threshold is 2"),
        (lambda V, X: masking.residual_model(V, X, compat="nussl"), "compat is 'nussl'"),
        (lambda V, X: masking.phase_sensitive(V, X, top=0), "top is 0"),
    ],
)
def test_wrong_options_are_refused(call, said):
    with pytest.raises(ParameterError, match=said):
        call(spectrograms((2, 2, 3, 4)), mixture((2, 3, 4)))


def test_every_mask_users_can_name_exists():
    V = spectrograms((2, 1, 3, 4))
    assert set(masking.MASKS) == {"ratio", "wiener", "binary", "logit", "multichannel_wiener"}
    for function in masking.GAINS.values():
        assert masking.is_partition(function(V, 1.0))
