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
def test_multichannel_wiener_is_norberts(channels, n_iter):
    """norbert adds 1.5e-8 to each covariance where we add a millionth of its mean eigenvalue: 1e-4 apart."""
    norbert = pytest.importorskip("norbert")
    V, X = spectrograms((3, channels, 6, 40)) + 0.1, mixture((channels, 6, 40))
    Y = masking.multichannel_wiener(V, X, n_iter=n_iter)
    v_tfcj, x_tfc = (V**2).transpose(3, 2, 1, 0).copy(), X.transpose(2, 1, 0).copy()
    theirs = norbert.wiener(v_tfcj, x_tfc, iterations=n_iter).transpose(3, 2, 1, 0)
    assert_allclose(Y, theirs, atol=1e-12 if n_iter == 0 else 1e-4)


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


def test_multichannel_wiener_in_blocks_of_frequencies_is_the_same(monkeypatch):
    V, X = spectrograms((2, 1, 9, 30)), mixture((2, 9, 30))
    Y = masking.multichannel_wiener(V, X, n_iter=2)
    monkeypatch.setattr(masking, "_BLOCK_CELLS", 1)
    assert_allclose(masking.multichannel_wiener(V, X, n_iter=2), Y, atol=1e-12)


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


def test_every_mask_users_can_name_exists():
    V = spectrograms((2, 1, 3, 4))
    assert set(masking.MASKS) == {"ratio", "wiener", "binary", "multichannel_wiener"}
    for function in masking.GAINS.values():
        assert masking.is_partition(function(V, 1.0))
