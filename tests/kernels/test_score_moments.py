"""`score_moments` in every twin is the average computed sample by sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.score_moments import CONTRASTS, score_moments
from tests.reference import score_moments as reference


def data(channels, rows, samples, real="float64", seed=0):
    rng = np.random.default_rng(seed)
    X = rng.laplace(size=(channels, samples)).astype(real)
    return X, rng.standard_normal((rows, channels)), 0.3 * rng.standard_normal(rows)


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize(("channels", "rows", "samples"), [(1, 1, 1), (2, 2, 515), (3, 2, 37), (2, 5, 300)])
def test_every_twin_is_the_naive_loop(twin, real, channels, rows, samples, contrast):
    X, W, offset = data(channels, rows, samples, real)
    got = twin(score_moments, X, W, offset, contrast=contrast)
    for mine, naive in zip(got, reference.score_moments(X, W, offset, contrast=contrast), strict=True):
        assert mine.dtype == np.float64
        assert_allclose(mine, naive, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", CONTRASTS)
def test_many_rows_and_many_blocks_are_covered_to_the_last_sample(twin, contrast):
    X, W, offset = data(3, 20, 16411)
    got = twin(score_moments, X, W, offset, contrast=contrast)
    y = W @ X - offset[:, None]
    g, slope, value = (np.vectorize(lambda v, k=k: reference.scores(v, contrast)[k])(y[:3]) for k in range(3))
    assert_allclose(got[0][:3], g @ y.T / 16411, rtol=1e-11, atol=1e-13)
    assert_allclose(got[1][:3], slope.mean(axis=1), rtol=1e-11, atol=1e-13)
    assert_allclose(got[2][:3], value.mean(axis=1), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-8, 1.0, 20.0, 360.0, 1e6])
def test_scores_are_exact_from_zero_to_saturation(twin, size):
    X, one = np.array([[size, -size]]), np.eye(1)
    for contrast in ("logcosh", "exp"):
        S, slope, value = twin(score_moments, X, one, np.zeros(1), contrast=contrast)
        g, bend, height = reference.scores(size, contrast)
        assert_allclose([S[0, 0], slope[0], value[0]], [g * size, bend, height], rtol=1e-12, atol=1e-15)


def test_the_value_has_the_score_as_derivative_and_the_score_the_slope():
    X, _, _ = data(1, 1, 1000)
    one, step = np.eye(1), 1e-6
    for contrast in CONTRASTS:
        (low, mid, high) = (
            score_moments(X, one, np.array([d]), contrast=contrast) for d in (step, 0.0, -step)
        )
        assert_allclose((high[2] + low[2] - 2 * mid[2]) / step**2, mid[1], rtol=2e-3)


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    X, W, offset = data(4, 4, 30_001, real)
    for contrast in CONTRASTS:
        use_threads(1)
        one = score_moments(X, W, offset, contrast=contrast)
        use_threads(4)
        for a, b in zip(one, score_moments(X, W, offset, contrast=contrast), strict=True):
            assert_array_equal(a, b)


def test_an_unknown_contrast_or_shapes_that_do_not_fit_are_refused():
    X, W, offset = data(2, 2, 10)
    with pytest.raises(ParameterError, match="contrast is 'tanh'"):
        score_moments(X, W, offset, contrast="tanh")
    for wrong in ((X[0], W, offset), (X, W[:, :1], offset), (X, W, offset[:1]), (X, W[:0], offset[:0])):
        with pytest.raises(ShapeError, match="do not fit"):
            score_moments(*wrong)


def test_the_gaussian_mean_of_each_contrast_is_the_constant_of_ica():
    from sigsep_classic.factorizers.demixing.contrast import GAUSSIAN

    nodes, weights = np.polynomial.hermite_e.hermegauss(180)
    for contrast, expected in GAUSSIAN.items():
        heights = [reference.scores(y, contrast)[2] for y in nodes]
        assert_allclose(weights @ heights / math.sqrt(2 * math.pi), expected, rtol=1e-7)
