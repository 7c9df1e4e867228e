"""`tiss`: separation and dereverberation at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import TISS
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.demixing.auxiva import AuxIVA


def echoing(seed=0, n=2, bins=12, frames=600):
    """Return X whose past comes back, the dry images (sources, channels, freq, frames)."""
    rng = np.random.default_rng(seed)
    levels = rng.gamma(0.3, size=(n, 1, frames)) + 0.01
    S = levels * (rng.standard_normal((n, bins, frames)) + 1j * rng.standard_normal((n, bins, frames)))
    A = rng.standard_normal((bins, n, n)) + 1j * rng.standard_normal((bins, n, n))
    images = np.einsum("fcn,nft->ncft", A, S)
    X = images.sum(axis=0)
    for t in range(2, frames):
        X[:, :, t] += 0.5 * X[::-1, :, t - 2]
    return X, images


def error(found, images):
    """Return the relative error of images, in the better order."""
    return min(
        (abs(found[order] - images) ** 2).sum() / (abs(images) ** 2).sum() for order in ([0, 1], [1, 0])
    )


def test_dry_sources_come_out_of_an_echo_that_frame_by_frame_demixing_keeps():
    X, images = echoing()
    dry = error(TISS(n_taps=2).fit(X).reconstruct(), images)
    assert dry < 0.01
    assert dry < 0.1 * error(AuxIVA(prior="gauss", n_iter=30).fit(X).reconstruct(), images)


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
def test_the_loss_never_rises(prior):
    X, _ = echoing(n=3, frames=200)
    method = TISS(prior=prior, n_taps=3, n_iter=15)
    data = method.prepare(X)
    losses = [method.loss(data, model) for model in method.iterate(X)]
    assert all(b <= a + 1e-9 * abs(a) for a, b in pairwise(losses))


def test_where_nothing_comes_back_it_is_iva():
    X, _ = echoing(frames=100)
    far = TISS(n_taps=1, delay=100, n_iter=5).fit(X)
    assert_allclose(far.P, 0)
    assert_allclose(far.W, AuxIVA(prior="gauss", rule="iss1", n_iter=5).fit(X).W, rtol=1e-8)


def test_what_was_learnt_separates_other_frames():
    X, images = echoing(frames=1200)
    model = TISS(n_taps=2).fit(X[:, :, :700]).apply(X)
    assert error(model.reconstruct(), images) < 0.02
    flipped = model.reordered([1, 0])
    assert_allclose(flipped.reconstruct()[::-1], model.reconstruct())


def test_one_matrix_a_bin_is_not_all_there_is():
    model = TISS(n_iter=1).fit(echoing(frames=50)[0])
    with pytest.raises(ParameterError, match="depend on the past"):
        model.filters()
    with pytest.raises(ParameterError, match="delay"):
        TISS(delay=0)
