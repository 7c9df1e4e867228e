"""`directional_mixture` in every twin is the naive loop over points."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.kernels.directional_mixture import DENSITIES, directional_mixture
from tests.reference import directional_mixture as reference


def data(freq, dims, sources, frames, real="float64", density="angular", seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((freq, dims, 2, frames))
    Z = (Z / np.sqrt((Z**2).sum(axis=(1, 2), keepdims=True))).astype(real)
    rows = dims if density == "angular" else 1
    K = rng.standard_normal((freq, sources, rows, dims)) + 1j * rng.standard_normal(
        (freq, sources, rows, dims)
    )
    if density == "angular":
        K = np.tril(K) + 2 * np.eye(dims)
    log_weights = np.log(rng.dirichlet(np.ones(sources), size=freq))
    saliency = rng.random((freq, frames)).astype(real)
    saliency[:, frames // 2] = 0
    prior = (rng.random((sources, freq, frames)) + 0.01).astype(real)
    return (Z, K, log_weights, saliency), prior


def check(got, naive, real):
    rtol = 1e-11 if real == "float64" else 2e-4
    for name, mine, loop in zip(("posterior", "S", "counts"), got, naive, strict=False):
        assert_allclose(mine, loop, rtol=rtol, atol=rtol * abs(loop).max(), err_msg=name)
    assert got[0].dtype == real
    assert got[1].dtype == np.complex128


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 2, 3, 70), (3, 3, 2, 5), (1, 5, 9, 33)])
def test_every_twin_is_the_naive_loop(twin, real, shape, density):
    arguments, prior = data(*shape, real.name, density)
    for before in (None, prior):
        for degree in (shape[1], 1.5):
            options = {"prior": before, "density": density, "degree": degree}
            naive = reference.directional_mixture(*arguments, **options)
            check(twin(directional_mixture, *arguments, **options), naive, real)
            value = twin(directional_mixture, *arguments, **options, loss_only=True)[3]
            assert_allclose(
                value,
                naive[3],
                rtol=1e-11 if real == np.float64 else 1e-4,
                atol=0 if real == np.float64 else 1e-4,
            )


def test_more_frames_than_a_tile_are_covered_to_the_last(twin, real):
    arguments, _ = data(2, 2, 2, 519, real.name)
    check(
        twin(directional_mixture, *arguments, degree=2),
        reference.directional_mixture(*arguments, degree=2),
        real,
    )


def test_as_many_sources_and_dims_as_there_may_be(twin):
    arguments, _ = data(1, 16, 16, 6)
    got = twin(directional_mixture, *arguments, degree=16)
    check(got, reference.directional_mixture(*arguments, degree=16), "float64")


def test_far_apart_weights_and_likelihoods_stay_finite(twin, real):
    (Z, K, log_weights, saliency), _ = data(2, 2, 3, 40, real.name, "watson")
    K = K / np.sqrt((abs(K) ** 2).sum(axis=(2, 3), keepdims=True)) * np.sqrt([500, 100, 0])[:, None, None]
    log_weights = log_weights - np.array([490.0, 95.0, 0.0])
    posterior, *_ = twin(directional_mixture, Z, K, log_weights, saliency, density="watson")
    assert np.isfinite(posterior).all()
    assert_allclose(posterior.sum(axis=0), 1, rtol=1e-5)
    naive = reference.directional_mixture(Z, K, log_weights, saliency, density="watson")[0]
    assert_allclose(posterior, naive, atol=1e-9 if real == np.float64 else 1e-3)


def test_one_and_four_threads_give_the_same_bits(use_threads, real):
    arguments, prior = data(37, 3, 3, 300, real.name)
    results = []
    for threads in (1, 4):
        use_threads(threads)
        results.append(directional_mixture(*arguments, prior=prior, degree=3))
    for one, four in zip(*results, strict=True):
        assert_array_equal(one, four)


def test_nan_is_not_swallowed(twin):
    (Z, K, log_weights, saliency), _ = data(2, 2, 2, 9)
    Z[0, 0, 0, 3] = np.nan
    posterior, S, *_ = twin(directional_mixture, Z, K, log_weights, saliency, degree=2)
    assert np.isnan(posterior[:, 0, 3]).all()
    assert np.isnan(S[0]).any()
    assert np.isfinite(S[1]).all()


def test_what_does_not_fit_is_refused():
    (Z, K, log_weights, saliency), prior = data(2, 2, 3, 9)
    with pytest.raises(ParameterError, match="density is 'gauss'"):
        directional_mixture(Z, K, log_weights, saliency, density="gauss")
    with pytest.raises(ParameterError, match="degree is 0"):
        directional_mixture(Z, K, log_weights, saliency, degree=0.3)
    for wrong in (
        (Z, K[:, :, :1], log_weights, saliency),
        (Z, K, log_weights[:1], saliency),
        (Z, K, log_weights, Z),
    ):
        with pytest.raises(ShapeError, match="do not fit"):
            directional_mixture(*wrong)
    with pytest.raises(ShapeError, match="do not fit"):
        directional_mixture(Z, K, log_weights, saliency, prior=prior[:2])
