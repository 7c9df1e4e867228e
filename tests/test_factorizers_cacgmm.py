"""Mixtures of angular central Gaussian and of Watson densities: theorems, oracles, a peer, hard inputs.

The methods are `cacgmm` and `cwmm`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, permutations
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import CACGMM, CWMM, AuxIVA
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.covariance.direction_model import spatial_covariances
from sigsep_classic.factorizers.covariance.shapes import inverse_roots
from sigsep_classic.factorizers.covariance.watson import concentration_of, log_normalizer, mean_projection

METHODS = [CACGMM, CWMM]


def sparse(n_sources, n_channels, freq=5, frames=400, seed=0, noise=1e-3):
    """Return X in which one source is active at a time, and who, (freq, frames)."""
    rng = np.random.default_rng(seed)
    active = np.repeat(rng.integers(n_sources, size=(1, frames // 4 + 1)), 4, axis=1)[:, :frames]
    active = np.broadcast_to(active, (freq, frames))
    S = rng.standard_normal((n_sources, freq, frames)) + 1j * rng.standard_normal((n_sources, freq, frames))
    S *= active == np.arange(n_sources)[:, None, None]
    A = rng.standard_normal((freq, n_channels, n_sources)) + 1j * rng.standard_normal(
        (freq, n_channels, n_sources)
    )
    N = rng.standard_normal((n_channels, freq, frames)) + 1j * rng.standard_normal((n_channels, freq, frames))
    return np.einsum("fcn,nft->cft", A, S) + noise * N, active


def dense(n_channels=3, freq=4, frames=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_channels, freq, frames)) + 1j * rng.standard_normal(
        (n_channels, freq, frames)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n_sources", "n_channels"), [(2, 2), (3, 2), (4, 2)])
def test_sparse_sources_are_told_apart_in_one_order_for_all_bins(method, n_sources, n_channels):
    X, active = sparse(n_sources, n_channels)
    model = method(n_sources=n_sources, n_iter=100, tol=0).fit(X)
    found = model.posterior.argmax(axis=0)
    right = max((np.array(order)[found] == active).mean() for order in permutations(range(n_sources)))
    assert right > (0.97 if n_sources < 4 else 0.9)


@pytest.mark.parametrize("condition", [1e4, 10.0])
@pytest.mark.parametrize("noise_class", [False, True])
def test_the_loss_falls_in_every_iteration_also_where_points_lie_on_lines(noise_class, condition):
    X, _ = sparse(3, 2, noise=0.0)
    method = CACGMM(n_sources=4, n_iter=60, noise_class=noise_class, condition=condition)
    data = method.prepare(X)
    losses = [method.loss(data, state) for state in method.iterate(X)]
    assert np.isfinite(losses).all()
    assert all(b <= a + 1e-10 * abs(a) for a, b in pairwise(losses))


def test_one_source_has_tylers_shape_matrix():
    X = dense()
    state = list(CACGMM(n_sources=1, n_iter=300).iterate(X))[-1]
    z = np.moveaxis(state.data.Z[:, :, 0] + 1j * state.data.Z[:, :, 1], 2, 1)
    P = state.K[:, 0].conj().swapaxes(1, 2) @ state.K[:, 0]
    q = np.einsum("ftc,fcd,ftd->ft", z.conj(), P, z).real
    fixed = 3 * np.einsum("ftc,ftd,ft->fcd", z, z.conj(), 1 / q) / z.shape[1]
    assert_allclose(fixed @ P, np.broadcast_to(np.eye(3), fixed.shape), atol=1e-9)


def test_an_invertible_matrix_on_the_channels_changes_no_posterior():
    X, _ = sparse(3, 3, frames=120, noise=0.1)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0] * [2.0, 1.0, 0.5]
    method = CACGMM(n_iter=20, tol=0)
    one, other = method.fit(X), method.fit(np.tensordot(turn, X, axes=1))
    assert_allclose(np.sort(one.posterior, axis=0), np.sort(other.posterior, axis=0), atol=1e-6)


@pytest.mark.parametrize("extraction", ["mask", "wiener"])
@pytest.mark.parametrize("method", METHODS)
def test_images_add_up_and_posteriors_are_probabilities(method, extraction):
    X = dense()
    model = method(n_sources=4, n_iter=5, extraction=extraction, noise_class=True).fit(X)
    assert model.names == ("source1", "source2", "source3", "source4", "noise")
    assert_allclose(model.posterior.sum(axis=0), 1, rtol=1e-12)
    assert model.posterior.min() >= 0
    assert_allclose(model.reconstruct().sum(axis=0), X, atol=1e-12)
    if extraction == "mask":
        assert_allclose(model.reconstruct()[1], model.posterior[1] * X, rtol=1e-12)


def test_the_wiener_images_are_those_of_one_filter_a_point():
    model = CACGMM(n_sources=3, n_iter=5).fit(dense(2, 3, 20))
    bins, p = model.data.bins, model.posterior
    R = spatial_covariances(bins.white, p)
    Y = model.reconstruct()
    for f, t in ((0, 3), (2, 19)):
        total = sum(p[n, f, t] * R[n, f] for n in range(3))
        for n in range(3):
            image = bins.D[f] @ (p[n, f, t] * R[n, f] @ np.linalg.solve(total, bins.white[f, :, t]))
            assert_allclose(Y[n, :, f, t], image, atol=1e-10)


def test_a_fit_goes_on_where_another_ended():
    X = dense()
    method = CACGMM(n_sources=3, n_iter=20, n_refine=0)
    whole = method.fit(X)
    half = replace(method, n_iter=10)
    assert_allclose(half.fit(X, start=half.fit(X)).losses[-1][1], whole.losses[-1][1], rtol=1e-9)
    with pytest.raises(ShapeError, match="this mixture needs"):
        CACGMM(n_sources=2).fit(X, start=whole)
    with pytest.raises(ShapeError, match="this mixture needs"):
        CWMM(n_sources=3).fit(X, start=whole)


def test_refinement_follows_the_neighbours():
    X, active = sparse(3, 2, freq=20, noise=0.3)
    rough, fine = (CACGMM(n_sources=3, n_refine=n).fit(X) for n in (0, 5))
    truth = np.broadcast_to(active, rough.posterior.shape[1:])

    def right(model):
        found = model.posterior.argmax(axis=0)
        return max((np.array(order)[found] == truth).mean() for order in permutations(range(3)))

    assert right(fine) > right(rough)


def test_what_each_channel_hears_is_the_true_mixing_of_sparse_sources():
    rng = np.random.default_rng(0)
    active = np.repeat(rng.integers(3, size=100), 4) == np.arange(3)[:, None]
    S = (rng.standard_normal((3, 4, 400)) + 1j * rng.standard_normal((3, 4, 400))) * active[:, None]
    A = rng.standard_normal((4, 2, 3)) + 1j * rng.standard_normal((4, 2, 3))
    X = np.einsum("fcn,nft->cft", A, S) + 1e-4 * dense(2, 4, 400)
    steering = CACGMM(n_sources=3).fit(X).steering
    steering, A = (M / np.linalg.norm(M, axis=1, keepdims=True) for M in (steering, A))
    likeness = abs(np.einsum("fcn,fcm->fnm", A.conj(), steering))
    assert max(likeness[:, range(3), order].min() for order in map(list, permutations(range(3)))) > 0.999


@dataclass(frozen=True, kw_only=True)
class Unregularised(CACGMM):
    """Without what the peer has not."""

    pseudo_count: ClassVar[float] = 0.0


@pytest.mark.parametrize("within", [1e-7])
def test_steps_are_those_of_ssspy(within):
    peer = pytest.importorskip("ssspy.bss.cacgmm")
    X = dense()
    states = list(Unregularised(n_sources=2, n_iter=5, condition=1e12).iterate(X))
    T = states[0].data.bins.T
    back = np.linalg.inv(T)[:, None]
    B = back @ np.linalg.inv(states[0].K.conj().swapaxes(-1, -2) @ states[0].K) @ back.conj().swapaxes(-1, -2)
    theirs = peer.CACGMM(
        n_sources=2, rng=np.random.default_rng(0), record_loss=False, permutation_alignment=False
    )
    theirs.input = X
    theirs._reset()
    theirs.mixing, theirs.covariance = states[0].weights.T, B.swapaxes(0, 1)
    for _ in range(5):
        theirs.update_once()
    theirs.update_posterior()
    assert_allclose(states[-1].posterior, theirs.posterior, rtol=0, atol=within)


@pytest.mark.parametrize("dims", [2, 3, 5])
@pytest.mark.parametrize("condition", [3.0, 50.0])
def test_clipped_shapes_are_the_best_of_their_condition(dims, condition):
    """Of `cacgmm`."""
    rng = np.random.default_rng(0)
    Q = np.linalg.qr(rng.standard_normal((dims, dims)) + 1j * rng.standard_normal((dims, dims)))[0]
    values = np.sort(rng.exponential(size=dims) ** 5)
    K = inverse_roots((Q * values) @ Q.conj().T, condition=condition)
    assert_allclose(np.prod(np.diag(K).real), 1, rtol=1e-12)
    assert_array_equal(np.triu(K, 1), 0)

    def cost(B):  # for the best factor on B
        return np.log(B).sum() + dims * np.log((values / B).sum())

    found = np.sort(1 / np.linalg.eigvalsh(K.conj().T @ K))
    assert found.max() <= condition * found.min() * (1 + 1e-9)
    scan = min(cost(np.clip(values, u, u * condition)) for u in np.geomspace(1e-8, 1e3, 4001))
    assert cost(found) <= scan + 1e-9 * abs(scan)


def test_a_singular_or_silent_shape_has_an_inverse_root():
    """Of `cacgmm`."""
    line = np.outer([1, 1j, 0], np.conj([1, 1j, 0]))
    K = inverse_roots(np.stack([line, np.zeros((3, 3))]), condition=1e4)
    assert np.isfinite(K).all()
    assert_allclose(K[1], np.eye(3))
    assert_allclose(np.linalg.cond(K[0]) ** 2, 1e4, rtol=1e-6)


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("dims", [2, 3, 8, 16])
@pytest.mark.parametrize("within", [1e-9])
def test_the_concentration_is_the_inverse_of_the_mean_projection(dims, real, within):
    """Of `cwmm`."""
    from scipy.special import hyp1f1

    kappa = np.concatenate([[0.0, 1e-6], np.geomspace(1e-3, 499, 300)])
    found = concentration_of(mean_projection(kappa, dims, real=real), dims, real=real)
    assert_allclose(found, kappa, rtol=1e-7, atol=1e-8)
    a, b = (0.5, 0.5 * dims) if real else (1, dims)
    assert_allclose(
        log_normalizer(kappa, dims, real=real), np.log(hyp1f1(a, b, kappa)), rtol=within, atol=1e-11
    )
    assert_allclose(concentration_of(np.array([0.0, 1.0]), dims, real=real), [0, 500], rtol=1e-12)


def test_the_normaliser_of_watson_is_the_average_over_the_sphere():
    """Of `cwmm`."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((3, 400_000)) + 1j * rng.standard_normal((3, 400_000))
    share = abs(z[0]) ** 2 / (abs(z) ** 2).sum(axis=0)
    assert_allclose(np.log(np.exp(2 * share).mean()), log_normalizer(np.array(2.0), 3), rtol=2e-3)


HARD = {
    "a dead channel": lambda X: X * np.array([1, 0, 1])[:, None, None],
    "equal channels": lambda X: X[[0, 1, 1]],
    "silence at the start": lambda X: X * (np.arange(X.shape[2]) > 20),
    "a silent bin": lambda X: X * (np.arange(X.shape[1]) != 1)[:, None],
    "60 dB between channels": lambda X: X * np.array([1, 1e-3, 1])[:, None, None],
    "one source only": lambda X: X[:1] * np.array([1, 0.5j, -1])[:, None, None],
    "a pure tone": lambda X: np.ones_like(X) * np.exp(1j * np.arange(X.shape[2])),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", HARD)
def test_hard_inputs_are_finite_add_up_and_do_not_depend_on_level(method, what):
    X = HARD[what](dense())
    fit = method(n_sources=3, n_iter=15, noise_class=True).fit
    Y = fit(X).reconstruct()
    assert_allclose(Y.sum(axis=0), X, atol=1e-4 * abs(X).max() if what == "equal channels" else 1e-10)
    for scale in (2.0**-20, 2.0**15):
        assert_allclose(fit(scale * X).reconstruct() / scale, Y, atol=1e-6 * abs(X).max())
    single = fit(X.astype(np.complex64)).reconstruct()
    assert single.dtype == np.complex64
    assert np.isfinite(single).all()


@pytest.mark.parametrize("method", METHODS)
def test_several_sources_in_one_independent_channel_are_told_to_be_none(method, caplog):
    X = dense(1, 3, 40)
    assert_array_equal(method().fit(X).reconstruct()[0], X)
    assert not caplog.text
    for mixture in (X, np.concatenate([X, X])):
        Y = method(n_sources=2).fit(mixture).reconstruct()
        assert_allclose(Y, np.stack([mixture, mixture]) / 2, atol=0.05)
        assert f"{method.name}: one independent channel has one direction" in caplog.text
        caplog.clear()


def test_methods_that_would_refuse_too_are_not_advised():
    with pytest.raises(ShapeError, match=r"more sources \(fastmnmf2\)"):
        AuxIVA(n_sources=2).fit(dense(1, 3, 40))
    with pytest.raises(ShapeError, match=r"more sources \(fastmnmf2, cacgmm\)"):
        AuxIVA(n_sources=3).fit(dense(2, 3, 40))


def test_what_can_not_be_is_refused():
    X = dense(2, 2, 10)
    with pytest.raises(NumericalError, match="not finite"):
        CACGMM().fit(np.where(np.arange(10) == 3, np.nan, X))
    with pytest.raises(ShapeError, match="at most 16"):
        CACGMM(n_sources=16, noise_class=True).fit(X)
    with pytest.raises(ParameterError, match="extraction"):
        CWMM(extraction="matrix")
    with pytest.raises(ParameterError, match="condition"):
        CACGMM(condition=0.5)
