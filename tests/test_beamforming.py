"""Beamformers on scenes where the best filter is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import separate, synthesize
from sigsep_classic.beamforming import (
    FILTERS,
    beamformed,
    gev,
    lcmv,
    masked_covariances,
    mvdr,
    mwf,
    refiltered,
)
from sigsep_classic.errors import ParameterError, ShapeError

F, C, T = 9, 3, 400


def scene(seed=0, n_sources=2):
    """Return A (freq, channels, sources), S (sources, freq, frames) with one source a frame, and the images."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((F, C, n_sources)) + 1j * rng.standard_normal((F, C, n_sources))
    S = rng.standard_normal((n_sources, F, T)) + 1j * rng.standard_normal((n_sources, F, T))
    active = rng.integers(0, n_sources, (F, T)) == np.arange(n_sources)[:, None, None]
    images = np.einsum("fcn,nft->ncft", A, S * active)
    return A, images, active[:, None].astype(float)


def test_the_covariance_of_the_mixture_is_the_sum_of_the_masked_ones():
    _, images, gains = scene()
    X = images.sum(axis=0)
    whole = masked_covariances(X, np.ones((1, 1, F, T)))
    assert_allclose(masked_covariances(X, gains).sum(axis=0), whole[0], rtol=1e-12)
    naive = np.einsum("nft,cft,dft->nfcd", gains[:, 0], X, X.conj()) / T
    assert_allclose(masked_covariances(X, gains), naive, rtol=1e-12)


@pytest.mark.parametrize("beamformer", FILTERS)
def test_true_masks_of_sources_that_never_overlap_give_their_images(beamformer):
    _, images, gains = scene()
    Y = beamformed(images.sum(axis=0), gains, beamformer=beamformer)
    error = (abs(Y - images) ** 2).sum() / (abs(images) ** 2).sum()
    assert error < 1e-2


def test_the_mvdr_filter_does_not_distort_a_point_source():
    A, images, _ = scene()
    target = np.einsum("fc,fd->fcd", A[:, :, 0], A[:, :, 0].conj())
    rest = masked_covariances(images[1], np.ones((1, 1, F, T)))[0] + 0.1 * np.eye(C)
    for filters in (mvdr(target, rest), mvdr(target, rest, steering=3j * A[:, :, 0]), gev(target, rest)):
        through = (filters @ A[:, :, :1])[:, :, 0]
        phase = through[:, 0] / A[:, 0, 0]
        assert_allclose(abs(phase), 1, rtol=1e-4)
        assert_allclose(through, A[:, :, 0], rtol=1e-4)


def test_the_mvdr_filter_lets_the_least_noise_through():
    A, _, _ = scene()
    rng = np.random.default_rng(1)
    N = rng.standard_normal((F, C, 8)) + 1j * rng.standard_normal((F, C, 8))
    rest = N @ N.conj().swapaxes(1, 2)
    best = mvdr(np.einsum("fc,fd->fcd", A[:, :, 0], A[:, :, 0].conj()), rest)[:, 0]
    noise = np.einsum("fc,fcd,fd->f", best, rest, best.conj()).real
    for _ in range(20):
        other = best + 0.1 * rng.standard_normal(best.shape)
        other -= (
            ((other - best) * A[:, :, 0]).sum(axis=1, keepdims=True)
            / (abs(A[:, :, 0]) ** 2).sum(axis=1, keepdims=True)
            * A[:, :, 0].conj()
        )  # keeps the source
        assert (np.einsum("fc,fcd,fd->f", other, rest, other.conj()).real >= noise * (1 - 1e-4)).all()


def test_wiener_filters_of_all_sources_add_up_to_the_mixture():
    _, images, gains = scene()
    X = images.sum(axis=0) + 0.3 * np.random.default_rng(2).standard_normal((C, F, T))
    assert_allclose(beamformed(X, gains, beamformer="mwf").sum(axis=0), X, atol=1e-4 * abs(X).max())


def test_a_larger_trade_off_turns_the_rest_down_more():
    _, images, gains = scene()
    X = images.sum(axis=0) + 0.3 * np.random.default_rng(2).standard_normal((C, F, T))
    C_n = masked_covariances(X, gains)
    left = [
        (abs(mwf(C_n[0], C_n[1], trade_off=mu) @ images[1].swapaxes(0, 1)) ** 2).sum() for mu in (0.1, 1, 10)
    ]
    assert left[0] > left[1] > left[2]


def test_lcmv_passes_one_source_and_cancels_the_others():
    A, images, _ = scene(n_sources=3)
    rest = masked_covariances(images.sum(axis=0), np.ones((1, 1, F, T)))[0]
    filters = lcmv(rest, A * np.array([1, 2j, -1]))
    for n in range(3):
        for m in range(3):
            wanted = A[:, :, n] if n == m else 0
            assert_allclose((filters[n] @ A[:, :, m : m + 1])[..., 0], wanted, atol=1e-3)
    with pytest.raises(ShapeError, match="4 sources on 3 channels"):
        lcmv(rest, np.ones((F, C, 4), complex))


@pytest.mark.parametrize("scale", [1e-2, 1e-6, 1e30])
def test_lcmv_does_not_ask_for_the_scale_of_a_column(scale):
    A, images, _ = scene(n_sources=3)
    rest = masked_covariances(images.sum(axis=0), np.ones((1, 1, F, T)))[0]
    scales = scale ** np.random.default_rng(0).random((F, 1, 3))  # of its own in each bin
    assert_allclose(lcmv(rest, A * scales), lcmv(rest, A), atol=1e-6 * abs(lcmv(rest, A)).max())
    found = mvdr(rest, rest, steering=scale * A[:, :, 0])
    assert_allclose(found, mvdr(rest, rest, steering=A[:, :, 0]), atol=1e-9 * abs(found).max())


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("beamformer", FILTERS)
def test_true_images_steer_beamformers_that_pass_them_and_little_else(beamformer, dtype):
    _, images, _ = scene()
    images = images.astype(dtype)
    Y = refiltered(images.sum(axis=0), images, beamformer=beamformer)
    assert Y.dtype == dtype
    # Two sources at three channels, no noise: the best filters have no error but that of their loading.
    assert (abs(Y - images) ** 2).sum() / (abs(images) ** 2).sum() < 1e-8
    assert_allclose(
        refiltered(1e-6 * images.sum(axis=0), 1e-6 * images, beamformer=beamformer) * 1e6, Y, atol=1e-3
    )
    assert abs(refiltered(0 * images[0], 0 * images, beamformer=beamformer)).max() == 0


def test_the_wiener_filter_of_estimates_is_that_of_their_covariances():
    _, images, _ = scene()
    rng = np.random.default_rng(3)
    X = images.sum(axis=0) + 0.3 * rng.standard_normal((C, F, T))
    Y = images[:1] + 0.1 * rng.standard_normal((1, C, F, T))

    def covariance(x, f):
        return sum(np.outer(x[:, f, t], x[:, f, t].conj()) for t in range(T)) / T

    found = refiltered(X, Y, beamformer="mwf")[0]
    for f in range(F):
        target, rest = covariance(Y[0], f), covariance(X - Y[0], f)
        assert_allclose(found[:, f], target @ np.linalg.inv(target + rest) @ X[:, f], atol=1e-4)


@pytest.mark.parametrize("beamformer", FILTERS)
def test_images_scale_with_the_mixture_and_silence_stays_silent(beamformer):
    _, images, gains = scene()
    X = images.sum(axis=0)
    Y = beamformed(X, gains, beamformer=beamformer)
    assert_allclose(beamformed(1e-6 * X, gains, beamformer=beamformer) * 1e6, Y, atol=1e-6)
    assert abs(beamformed(0 * X, gains, beamformer=beamformer)).max() == 0
    single = beamformed(X.astype(np.complex64), gains.astype(np.float32), beamformer=beamformer)
    assert single.dtype == np.complex64
    assert np.isfinite(single).all()


def test_gains_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match="gains have shape"):
        masked_covariances(np.ones((2, 3, 4), complex), np.ones((2, 1, 3, 5)))
    with pytest.raises(ParameterError, match="beamformer is"):
        beamformed(np.ones((2, 3, 4), complex), np.ones((2, 1, 3, 4)), beamformer="delay")
    with pytest.raises(ParameterError, match="mvdr has no option 'trade_off'; it has steering"):
        beamformed(np.ones((2, 3, 4), complex), np.ones((2, 1, 3, 4)), trade_off=2)
    with pytest.raises(ShapeError, match="needs images"):
        refiltered(np.ones((2, 3, 4), complex), np.ones((2, 1, 3, 4)))


@pytest.mark.parametrize("beamformer", FILTERS)
def test_masks_of_any_method_steer_a_beamformer(beamformer):
    song = synthesize("stereo2x2", seconds=1.0, sample_rate=8000)
    sep = separate(song.mixture, 8000, method="hpss", mask=beamformer)
    assert list(sep) == ["harmonic", "percussive", "residual"]
    assert_allclose(sum(sep.values()), song.mixture, atol=1e-6 * abs(song.mixture).max())
    if beamformer == "mwf":  # filters that add up leave nothing
        assert abs(sep["residual"]).max() < 0.02 * abs(song.mixture).max()


def test_one_channel_has_no_beam():
    with pytest.raises(ParameterError, match="this recording has one"):
        separate(np.ones(4000), 8000, method="hpss", mask="mvdr")


@pytest.mark.parametrize("method", ["auxiva", "cacgmm", "fastmnmf2"])
def test_estimates_of_any_method_steer_a_beamformer(method):
    song = synthesize("stereo2x2", seconds=1.0, sample_rate=8000)
    sep = separate(song.mixture, 8000, method=method, n_sources=2, n_iter=3, mask="mvdr")
    assert list(sep) == ["source1", "source2", "residual"]
    assert_allclose(sum(sep.values()), song.mixture, atol=1e-6 * abs(song.mixture).max())
    same = separate(song.mixture, 8000, method=method, n_sources=2, n_iter=3).regroup(mask="mvdr")
    assert_allclose(sep["source1"], same["source1"])


def test_what_has_no_frequencies_has_no_beam():
    with pytest.raises(ParameterError, match="filter at each frequency"):
        separate(np.random.default_rng(0).standard_normal((2, 4000)), 8000, method="ica", mask="mvdr")
