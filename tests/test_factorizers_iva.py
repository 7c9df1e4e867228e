"""`iva` by the natural gradient and fast: optimality, the peer's numbers, and input that breaks such searches."""

from __future__ import annotations

import itertools
import logging
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import FIVE, IVA, STFT, OverIVA, WeakExclusionICA
from sigsep_classic.errors import NumericalError, ParameterError
from sigsep_classic.factorizers.demixing.spherical import Spherical, covariances_of
from sigsep_classic.pipeline import separate_array
from tests.frequencywise import STRESS, bin_mixture, interference, stressed

FRONTEND = STFT(n_fft=128, hop=64)


def states(method, X):
    data = method.prepare(X)
    return data, list(method.iterate(X))


@pytest.mark.parametrize("solver", ["natural", "fast"])
@pytest.mark.parametrize("prior", ["laplace", "gauss"])
def test_the_loss_falls_until_the_search_ends(solver, prior):
    X, A = bin_mixture(3)
    method = IVA(solver=solver, prior=prior, n_iter=400)
    _, found = states(method, X)
    assert all(b.value <= a.value for a, b in itertools.pairwise(found))
    model = IVA(solver=solver, prior=prior, n_iter=400).fit(X)
    if (solver, prior) != ("natural", "gauss"):  # whose last steps are small
        assert model.converged
        assert model.losses[-1][0] < 400
    assert (interference(model.W, A) < -15).all()


@pytest.mark.parametrize("prior", ["laplace", "gauss"])
def test_natural_gradient_ends_where_scores_and_sources_are_uncorrelated(prior):
    X, _ = bin_mixture(2)
    data, found = states(IVA(prior=prior, n_iter=600), X)
    R, V = found[-1].R, covariances_of(data, Spherical(prior, len(data.Z)), found[-1].power)
    E = np.einsum("fni,fnij,fmj->fnm", R, V, R.conj())
    assert_allclose(E, np.broadcast_to(np.eye(2), E.shape), atol=1e-5)


def test_natural_gradient_ends_where_auxiliary_functions_do():
    X, _ = bin_mixture(2)
    by_hand, other = IVA(prior="laplace", n_iter=600), OverIVA(prior="laplace", n_iter=300)
    data = by_hand.prepare(X)
    ends = [other.loss(data, list(method.iterate(X))[-1]) for method in (by_hand, other)]
    assert_allclose(ends[0], ends[1], rtol=1e-9)


@pytest.mark.parametrize("within", [1e-10])
def test_natural_gradient_takes_the_steps_of_ssspy(within):
    iva = pytest.importorskip("ssspy.bss.iva")
    X, _ = bin_mixture(2, n_freq=9)
    X *= 2  # near the level that the prior asks for
    peer = iva.NaturalGradIVA(
        step_size=0.1,
        contrast_fn=lambda y: 2 * np.linalg.norm(y, axis=1),
        score_fn=lambda y: y / np.linalg.norm(y, axis=1, keepdims=True),
        scale_restoration=False,
        record_loss=False,
    )
    peer(X.copy(), n_iter=20)
    method = IVA(prior="laplace", step_size=0.1, n_iter=20)
    R = 2 * method.prepare(X).D  # the peer's G is 2 |y|, ours |y|
    start = SimpleNamespace(W=np.broadcast_to(2 * np.eye(2), (9, 2, 2)), lengths=np.linalg.norm(R, axis=2))
    end = list(method.iterate(X, start=start))[-1]
    assert_allclose(end.R @ end.bins.T, 2 * peer.demix_filter, rtol=0, atol=within)


def test_fast_iva_ends_no_higher_than_that_of_ssspy():
    iva = pytest.importorskip("ssspy.bss.iva")
    X, _ = bin_mixture(2, n_freq=9)
    peer = iva.FastIVA(
        contrast_fn=lambda y: 2 * np.linalg.norm(y, axis=1),
        d_contrast_fn=lambda y: 2 * np.ones_like(y),
        dd_contrast_fn=lambda y: 0 * y,
        scale_restoration=False,
        record_loss=False,
    )
    y = peer(X.copy(), n_iter=100)
    theirs = np.linalg.norm(y, axis=1).mean(axis=1).sum()
    end = list(IVA(solver="fast", prior="laplace", n_iter=100).iterate(X))[-1]
    ours = np.sqrt(end.power).mean(axis=1).sum()
    assert ours <= theirs * (1 + 1e-8)
    assert ours > 0.99 * theirs


def test_fast_iva_stays_unitary():
    X, _ = bin_mixture(3)
    for state in IVA(solver="fast", n_iter=5).iterate(X):
        assert_allclose(
            state.R @ state.R.conj().swapaxes(1, 2), np.broadcast_to(np.eye(3), state.R.shape), atol=1e-12
        )


@pytest.mark.parametrize("solver", ["natural", "fast"])
def test_the_gradient_is_that_of_the_loss(solver):
    X, _ = bin_mixture(2, n_freq=3, n_frames=50)
    method = IVA(solver=solver)
    data = method.prepare(X)
    rng = np.random.default_rng(0)
    D = rng.standard_normal((3, 2, 2)) + 1j * rng.standard_normal((3, 2, 2))
    R = np.eye(2) + 0.3 * D
    state = method.at(data, R, 1.0)
    V = covariances_of(data, Spherical(method.prior, 3), state.power)
    gradient = np.einsum("fni,fnij,fmj->fnm", R, V, R.conj()) - np.eye(2)
    h = 1e-6
    slope = (method.at(data, R + h * D @ R, 1.0).value - method.at(data, R - h * D @ R, 1.0).value) / (2 * h)
    assert_allclose(slope, 2 * (gradient.conj() * D).sum().real, rtol=1e-6)


def test_a_step_too_large_is_halved_and_one_too_small_is_allowed():
    X, _ = bin_mixture(2)
    wild = [state.value for state in IVA(step_size=100.0, n_iter=30).iterate(X)]
    assert wild == sorted(wild, reverse=True)
    assert wild[-1] < wild[0]
    timid = [state.value for state in IVA(step_size=1e-3, n_iter=5).iterate(X)]
    assert timid == sorted(timid, reverse=True)


def test_wrong_parameters_are_refused():
    for wrong in ({"solver": "slow"}, {"prior": "cauchy"}, {"step_size": 0}, {"step_size": -1}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            IVA(**wrong)


# ---- what breaks others, for all four methods

METHODS = {
    "overiva": OverIVA(n_sources=2, n_iter=8),
    "overiva pca": OverIVA(n_sources=2, n_iter=8, reduction="pca", prior="laplace"),
    "five": FIVE(n_iter=8),
    "natural": IVA(n_iter=10),
    "fast": IVA(solver="fast", prior="laplace", n_iter=10),
    "exclusion": WeakExclusionICA(n_iter=10),
}


@pytest.mark.parametrize("kind", STRESS)
@pytest.mark.parametrize("label", METHODS)
def test_results_are_finite_add_up_and_follow_the_level(label, kind):
    x = stressed(kind)
    sep = separate_array(x, 8000, METHODS[label], frontend=FRONTEND)
    for factor in (1e-6, 32768.0):
        scaled = separate_array(x * factor, 8000, METHODS[label], frontend=FRONTEND)
        for name, stem in sep.items():
            assert_allclose(scaled[name] / factor, stem, rtol=0, atol=1e-6 * abs(x).max(initial=1e-12))
    assert_allclose(sum(sep.values()), x, rtol=0, atol=1e-9)
    single = separate_array(x.astype("float32"), 8000, METHODS[label], frontend=FRONTEND)
    assert all(np.isfinite(stem).all() for stem in single.values())


@pytest.mark.parametrize("kind", STRESS)
@pytest.mark.parametrize("label", METHODS)
def test_the_loss_never_rises_on_any_of_them(label, kind):
    method = METHODS[label]
    X = FRONTEND.analyze(stressed(kind))
    data, found = states(method, X)
    losses = np.array([method.loss(data, state) for state in found])
    assert (np.diff(losses) <= 1e-10 * abs(losses).max()).all()


@pytest.mark.parametrize("label", METHODS)
def test_a_channel_left_out_is_told_by_number_and_nan_is_refused(label, caplog):
    X = FRONTEND.analyze(stressed("dead channel"))
    with caplog.at_level(logging.WARNING, logger="sigsep_classic"):
        METHODS[label].fit(X)
    assert [record.getMessage() for record in caplog.records] == [
        "channel 2 is silent and left out of the demixing"
    ]
    X[0, 3, 3] = np.nan
    with pytest.raises(NumericalError, match="finite"):
        METHODS[label].fit(X)
