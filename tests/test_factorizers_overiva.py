"""`overiva`, fewer sources than microphones: the peer's numbers, the noise subspace, no dimension given away."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import OverIVA
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.overiva import projected
from sigsep_classic.kernels.demixing import sweep, weighted_covariances
from tests.frequencywise import bin_mixture, interference


def directions(W):
    """Return rows of length one, their first entry real: what is left of W without scale and phase."""
    W = W / np.linalg.norm(W, axis=2, keepdims=True)
    return W * np.exp(-1j * np.angle(W[:, :, :1]))


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
@pytest.mark.parametrize("n_sources", [1, 2, 3])
@pytest.mark.parametrize("within", [1e-10])
def test_demixing_matrices_are_those_of_pyroomacoustics(prior, n_sources, within):
    bss = pytest.importorskip("pyroomacoustics").bss
    X, _ = bin_mixture(3, 4, noise=0.1)
    X = X[np.argsort(-(abs(X) ** 2).sum(axis=(1, 2)))]  # both start at the first channels: the loudest
    _, wanted = bss.auxiva(
        X.transpose(2, 1, 0).copy(),
        n_src=n_sources,
        n_iter=20,
        proj_back=False,
        model=prior,
        return_filters=True,
    )
    W = OverIVA(n_sources=n_sources, prior=prior, n_iter=20, initial="channels").fit(X).W
    alike = abs(np.einsum("fnc,fmc->nm", directions(wanted).conj(), directions(W))).argmax(axis=1)
    assert sorted(alike) == list(range(n_sources))
    assert_allclose(directions(W)[:, alike], directions(wanted), rtol=0, atol=within)


def test_a_row_is_updated_as_with_the_noise_rows_written_out():
    rng = np.random.default_rng(0)
    R = rng.standard_normal((3, 2, 4)) + 1j * rng.standard_normal((3, 2, 4))
    B = rng.standard_normal((3, 2, 4, 9)) + 1j * rng.standard_normal((3, 2, 4, 9))
    V = B @ B.conj().swapaxes(2, 3)
    wanted = R.copy()
    for f in range(3):
        for n in range(2):
            noise = np.linalg.svd(wanted[f])[2][2:]
            full = np.concatenate([wanted[f], noise])
            w = np.linalg.solve(full @ V[f, n], np.eye(4)[n])
            wanted[f, n] = (w / np.sqrt((w.conj() @ V[f, n] @ w).real)).conj()
    assert_allclose(projected(R, V), wanted, rtol=1e-10)


def test_as_many_sources_as_channels_are_swept_like_auxiva():
    X, _ = bin_mixture(3)
    method = OverIVA(initial="channels")
    data = method.prepare(X)
    Z, R = data.Z, method.init(data).R
    weights = np.random.default_rng(0).random((3, Z.shape[3]))
    assert_allclose(projected(R, weighted_covariances(Z, weights)), sweep(Z, R, weights)[0], rtol=1e-9)


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
@pytest.mark.parametrize("reduction", ["orthogonal", "pca"])
def test_the_loss_falls_for_long(prior, reduction):
    X, _ = bin_mixture(2, 4, noise=0.1)
    X[:, 5] = 0
    X[:, 6] = X[0, 6]  # one direction alone
    method = OverIVA(n_sources=2, prior=prior, reduction=reduction, n_iter=100)
    data = method.prepare(X)
    losses = np.array([method.loss(data, state) for state in method.iterate(X)])
    assert (np.diff(losses) <= 1e-10 * abs(losses).max()).all()
    assert losses[-1] < losses[0]


def test_what_the_images_leave_has_nothing_of_the_sources():
    X, _ = bin_mixture(2, 4, noise=0.3)
    model = OverIVA(n_sources=2, n_iter=10).fit(X)
    left = X - model.reconstruct().sum(axis=0)
    assert_allclose(
        np.einsum("cft,nft->fcn", left, model.sources.conj()), 0, atol=1e-9 * abs(X).max() * X.shape[2]
    )


def test_sources_are_found_beside_a_loud_steady_noise_that_components_would_keep():
    X, A = bin_mixture(2, 4, noise=0.05, n_frames=600)
    rng = np.random.default_rng(1)
    place = rng.standard_normal((4, 17, 1)) + 1j * rng.standard_normal((4, 17, 1))
    X = X + 3 * place * (rng.standard_normal((17, 600)) + 1j * rng.standard_normal((17, 600)))
    everything = np.concatenate([A, 6 * place.transpose(1, 0, 2)], axis=2)
    whole = OverIVA(n_sources=2, n_iter=60).fit(X)
    reduced = OverIVA(n_sources=2, n_iter=60, reduction="pca").fit(X)
    assert (interference(whole.W, everything) < -15).all()
    assert (interference(reduced.W, everything) > -5).any()


def test_there_is_no_residual_where_nothing_is_left():
    X, _ = bin_mixture(2)
    assert not OverIVA(n_iter=2).fit(X).residual
    assert not OverIVA(n_sources=2, n_iter=2).fit(X).residual
    assert OverIVA(n_sources=1, n_iter=2).fit(X).residual


def test_a_channel_that_is_a_copy_counts_once():
    X, _ = bin_mixture(2, 3)
    X = np.concatenate([X, X[:1]])
    model = OverIVA(n_sources=4, n_iter=5).fit(X)
    assert model.n_active == 3
    assert_allclose(model.reconstruct().sum(axis=0), X, atol=1e-9 * abs(X).max())


def test_wrong_parameters_are_refused():
    with pytest.raises(ParameterError, match="reduction"):
        OverIVA(reduction="svd")
    with pytest.raises(ParameterError, match="initial"):
        OverIVA(initial="random")
    with pytest.raises(ParameterError, match='reduction "pca" begins at the principal components'):
        OverIVA(reduction="pca", initial="channels")
    X, _ = bin_mixture(2)
    with pytest.raises(ShapeError, match="2 channels"):
        OverIVA(n_sources=3).fit(X)
    X[0, 0, 0] = np.nan
    with pytest.raises(NumericalError, match="finite"):
        OverIVA(n_sources=1).fit(X)
