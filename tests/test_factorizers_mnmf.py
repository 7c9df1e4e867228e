"""FastMNMF1, FastMNMF2 and MNMF: what their likelihoods say, what pyroomacoustics finds, and mixtures that are hard."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import METHODS
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.covariance import start
from sigsep_classic.factorizers.covariance.fastmnmf import FastMNMF
from sigsep_classic.factorizers.covariance.fastmnmf2 import FastMNMF2
from sigsep_classic.factorizers.covariance.mnmf import MNMF
from sigsep_classic.factorizers.covariance.model import FastMNMFModel, balanced
from sigsep_classic.factorizers.covariance.start import first_gains
from tests.reference import fast_mnmf as reference

ALL = pytest.mark.parametrize("kind", [FastMNMF, FastMNMF2, MNMF])
QUICK = {"n_components": 3, "n_iter": 6}


def scene(channels=2, sources=2, freq=17, frames=50, seed=0, noise=0.0):
    """Return images (sources, channels, freq, frames) of sources with few spectra, each from one direction a bin."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)

    levels = rng.gamma(0.3, size=(sources, freq, 2)) @ rng.gamma(0.3, size=(sources, 2, frames))
    A = normal(sources, channels, freq, 1)
    return A * (np.sqrt(levels) * normal(sources, freq, frames))[:, None] + noise * normal(
        sources, channels, freq, frames
    )


def losses(method, X):
    data = method.prepare(X)
    return [method.loss(data, model) for model in method.iterate(X)]


@ALL
@pytest.mark.parametrize("initial", start.START)
@pytest.mark.parametrize(("channels", "sources"), [(1, 2), (2, 2), (2, 3), (3, 2)])
def test_the_loss_never_rises_whatever_the_number_of_sources(kind, initial, channels, sources):
    X = scene(channels, sources, noise=0.01).sum(axis=0)
    found = losses(kind(n_sources=sources, initial=initial, **QUICK), X)
    scale = max(map(abs, found))
    assert all(b <= a + 1e-10 * scale for a, b in itertools.pairwise(found))
    assert found[-1] < found[0]


@pytest.mark.parametrize("kind", [FastMNMF, FastMNMF2])
def test_the_loss_is_the_negative_log_likelihood_told(kind):
    X = scene(2, 3, freq=5, frames=12, noise=0.1).sum(axis=0)
    method = kind(n_sources=3, **QUICK)
    data = method.prepare(X)
    for state in method.iterate(X):
        total, Z = 0.0, data.Z[..., : data.frames]
        for f, t in np.ndindex(5, 12):
            z = Z[f, :, 0, t] + 1j * Z[f, :, 1, t]
            lam = np.einsum("nk,nk->n", state.W[:, f], state.H[:, :, t])
            mixing = np.linalg.inv(state.R[f])
            C = (mixing * (lam @ state.G[f % len(state.G)])) @ mixing.conj().T
            seen = np.outer(z, z.conj()) + start.RIDGE * np.eye(2)
            total += np.trace(np.linalg.solve(C, seen)).real + np.linalg.slogdet(C)[1]
        assert_allclose(method.loss(data, state), total, rtol=1e-10)


def test_mnmf_with_covariances_of_rank_one_a_direction_has_the_loss_of_fastmnmf(monkeypatch):
    from sigsep_classic.factorizers.covariance import mnmf

    monkeypatch.setattr(mnmf, "RIDGE", start.RIDGE)
    X = scene(2, 3, freq=5, frames=12, noise=0.1).sum(axis=0)
    fast, full = FastMNMF2(n_sources=3, **QUICK), MNMF(n_sources=3, **QUICK)
    data = fast.prepare(X)
    state = fast.step(data, fast.init(data))
    A = np.linalg.inv(state.R)
    S = np.stack([(A * g) @ A.conj().swapaxes(1, 2) for g in state.G[0]])
    same = mnmf.MNMFModel(W=state.W, H=state.H, S=S, bins=full.prepare(X))
    assert_allclose(full.loss(same.bins, same), fast.loss(data, state), rtol=1e-9)


@ALL
def test_estimates_add_up_to_the_mixture(kind):
    for real, near in (("complex128", 1e-12), ("complex64", 1e-5)):
        X = scene(3, 3).sum(axis=0).astype(real)
        Y = kind(n_sources=4, **QUICK).fit(X).reconstruct()
        assert (Y.shape, Y.dtype) == ((4, *X.shape), X.dtype)
        assert_allclose(Y.sum(axis=0), X, atol=near * abs(X).max())


@pytest.mark.parametrize("kind", [FastMNMF, FastMNMF2])
def test_normalising_and_sorting_change_nothing_but_the_order(kind):
    X = scene(2, 2).sum(axis=0)
    method = kind(n_sources=2, **QUICK)
    data = method.prepare(X)
    raw = method.step(data, method.init(data)).model
    model = raw.normalized()
    assert_allclose(model.G.sum(axis=2), 1, rtol=1e-12)
    assert_allclose(model.W.sum(axis=1), 1, rtol=1e-12)
    assert_allclose(model.reconstruct(), raw.reconstruct(), rtol=1e-9, atol=1e-12)
    energies = model.sorted().energies
    assert energies[0] >= energies[1]
    assert_allclose(sorted(energies), sorted(raw.energies), rtol=1e-9)


@ALL
def test_the_covariances_of_the_model_are_those_of_its_estimates_filter(kind):
    X = scene(2, 2, freq=4, frames=20, noise=0.1).sum(axis=0)
    model = kind(n_sources=2, **QUICK).fit(X)
    f, t = 2, 7
    lam = np.einsum("nk,nk->n", model.W[:, f], model.H[:, :, t])
    parts = lam[:, None, None] * model.covariances[:, f]
    wiener = parts @ np.linalg.solve(parts.sum(axis=0), X[:, f, t])
    assert_allclose(model.reconstruct()[:, :, f, t], wiener, rtol=1e-6)


@pytest.mark.parametrize("kind", [FastMNMF2, MNMF])
def test_the_truth_is_a_good_place_to_be(kind):
    images = scene(2, 2, freq=33, frames=80)
    model = kind(n_sources=2, n_components=2, n_iter=40).fit(images.sum(axis=0))
    Y = model.reconstruct()
    error = min(
        sum(np.linalg.norm(Y[a] - images[b]) ** 2 for a, b in zip(order, (0, 1), strict=True))
        for order in itertools.permutations((0, 1))
    )
    assert error < 0.5 * np.linalg.norm(images) ** 2


@pytest.mark.parametrize("kind", [FastMNMF, FastMNMF2])
def test_iterations_are_those_of_the_textbook_on_data_that_are_not_whitened(kind, monkeypatch):
    # No peer takes these steps: pyroomacoustics 0.10.1 updates H with ratios from before the update of W.
    monkeypatch.setattr(start, "RIDGE", 1e-14)
    X = scene(2, 2, freq=5, frames=14, noise=0.3).sum(axis=0)
    rng, K, n_iter = np.random.default_rng(1), 3, 3
    W, H = rng.uniform(0.1, 1, (3, 5, K)), rng.uniform(0.1, 1, (3, K, 14))
    G = rng.uniform(0.1, 1, (5 if kind.local else 1, 3, 2))
    Q = np.tile(np.eye(2, dtype=complex), (5, 1, 1))
    first = FastMNMFModel(W=W, H=H, G=G, Q=Q, A=Q, mixture=X)
    method = kind(n_sources=3, n_components=K, n_iter=n_iter)
    *_, last = method.iterate(X, start=first)
    for _ in range(n_iter):
        W, H, G, Q = _textbook_step(X, W, H, G, Q)
    found = last.model
    for mine, naive in zip((found.W, found.H, found.G), balanced(W, H, G), strict=True):  # scales are free
        assert_allclose(mine, naive, rtol=1e-8)
    for mine, naive in zip(found.Q.reshape(-1, 2), Q.reshape(-1, 2), strict=True):  # up to the phase of a row
        assert_allclose(abs(mine @ naive.conj()), np.linalg.norm(mine) * np.linalg.norm(naive), rtol=1e-8)
        assert_allclose(np.linalg.norm(mine), np.linalg.norm(naive), rtol=1e-8)


def _textbook_step(X, W, H, G, Q):
    """Return W, H, G and Q after one update each, by loops."""
    P = abs(np.einsum("fmc,cft->mft", Q, X)) ** 2
    none = np.zeros(P.shape[:2])
    W, H = reference.update_spectra(P, none, W, H, G)
    G = reference.update_gains(P, none, W, H, G)
    U, Q = reference.precisions(W, H, G), Q.copy()
    for f, m in itertools.product(range(len(Q)), range(2)):
        V = (X[:, f] * U[m, f]) @ X[:, f].conj().T / X.shape[2]
        q = np.linalg.inv(Q[f] @ V)[:, m]
        Q[f, m] = (q / np.sqrt((q.conj() @ V @ q).real)).conj()
    return W, H, G, Q


def test_the_divergence_is_no_larger_than_with_the_steps_of_ssspy():
    ssspy_mnmf = pytest.importorskip("ssspy.bss.mnmf")
    X = scene(2, 2, freq=9, frames=40, noise=0.3).sum(axis=0)
    peer = ssspy_mnmf.FastGaussMNMF(n_basis=3, rng=np.random.default_rng(0), record_loss=False)
    peer(X.copy(), n_iter=0)
    first = FastMNMFModel(
        W=peer.basis.copy(),
        H=peer.activation.copy(),
        G=peer.spatial.copy(),
        Q=peer.diagonalizer.copy(),
        A=peer.diagonalizer,
        mixture=X,
    )
    peer(X.copy(), n_iter=20)
    again = FastMNMFModel(
        W=peer.basis, H=peer.activation, G=peer.spatial, Q=peer.diagonalizer, A=peer.diagonalizer, mixture=X
    )
    method = FastMNMF(n_sources=2, n_components=3, n_iter=20)
    data = method.prepare(X)
    assert method.fit(X, start=first).losses[-1][1] < method.loss(data, method.adopt(data, again)) + 10


@ALL
def test_a_start_is_taken_and_not_written_to(kind):
    X = scene(2, 2).sum(axis=0)
    method = kind(n_sources=2, **QUICK)
    model = method.fit(X)
    kept = {name: getattr(model, name).copy() for name in ("W", "H")}
    again = method.fit(X, start=model)
    assert again.losses[-1][1] < model.losses[-1][1]
    for name, array in kept.items():
        assert_array_equal(getattr(model, name), array)
    with pytest.raises(ShapeError, match="start has W"):
        kind(n_sources=3, **QUICK).fit(X, start=model)


@ALL
@pytest.mark.parametrize(
    "trouble", ["dead", "copy", "silent start", "silence", "far apart", "one tone", "clipped", "DC"]
)
def test_hard_mixtures_give_finite_estimates_whatever_their_level(kind, trouble):
    X = scene(3, 2, freq=9, frames=30, noise=0.01).sum(axis=0)
    if trouble == "dead":
        X[1] = 0
    elif trouble == "copy":
        X[1] = 2 * X[0]
    elif trouble == "silent start":
        X[:, :, :15] = 0
    elif trouble == "silence":
        X[...] = 0
    elif trouble == "far apart":
        X[2] *= 1e-3
    elif trouble == "one tone":
        X[:, np.arange(9) != 4] = 0
    elif trouble == "clipped":
        X = np.clip(X.real, -0.1, 0.1) + 1j * np.clip(X.imag, -0.1, 0.1)
    else:
        X[:, 0] = 100
    method = kind(n_sources=2, n_components=2, n_iter=4)
    Y = method.fit(X).reconstruct()
    assert np.isfinite(Y).all()
    assert_allclose(Y.sum(axis=0), X, atol=1e-6 * max(abs(X).max(), 1e-30))
    for factor in (1e-6, 32768.0):
        scaled = method.fit(X * factor).reconstruct() / factor
        assert_allclose(scaled, Y, atol=1e-5 * abs(X).max())


@ALL
def test_what_is_not_finite_is_refused_in_one_line(kind):
    X = scene().sum(axis=0)
    X[0, 0, 0] = np.nan
    with pytest.raises(NumericalError, match="finite data"):
        kind(**QUICK).fit(X)


@ALL
def test_parameters_out_of_range_are_refused(kind):
    for wrong in (
        {"n_sources": 0},
        {"n_components": 0},
        {"initial": "random"},
        {"n_iter": -1},
        {"tol": -1.0},
        {"seed": -1},
    ):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            kind(**wrong)


def test_a_dead_channel_is_told_by_number(caplog):
    X = scene(3, 2).sum(axis=0)
    X[1] = 0
    FastMNMF2(n_sources=2, **QUICK).fit(X)
    assert "channel 2 is silent" in caplog.text


def test_every_direction_has_a_source_and_the_loudest_are_given_out_first():
    X = scene(3, 2).sum(axis=0)
    data = FastMNMF2(n_sources=2).prepare(X)
    G = first_gains(data, data.bins.identity, local=False)[0]
    assert_array_equal(np.sort((G == 1).sum(axis=1)), [1, 2])
    assert_array_equal((G == 1).sum(axis=0), 1)
    assert FastMNMF(n_sources=2).init(data).G.shape == (17, 2, 3)


def test_the_methods_are_registered():
    assert (METHODS["fastmnmf"], METHODS["fastmnmf2"], METHODS["mnmf"]) == (FastMNMF, FastMNMF2, MNMF)
    assert replace(FastMNMF2(), n_iter=3).n_iter == 3
