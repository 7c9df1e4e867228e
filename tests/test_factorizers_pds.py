"""Primal-dual separation: proximal operators, the optimum of other solvers, masks of one's own, hard inputs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import PrimalDualBSS
from sigsep_classic.errors import NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.demixing.pds import away_from_singular
from sigsep_classic.factorizers.demixing.penalties import PENALTIES, harmonic_mask


def mixture(n=2, freq=12, frames=150, seed=0):
    """Return X and the mixing matrices (freq, channels, sources) of sources that are loud in some frames."""
    rng = np.random.default_rng(seed)
    level = np.sqrt(rng.gamma(0.3, size=(n, 1, frames)))
    S = level * (rng.standard_normal((n, freq, frames)) + 1j * rng.standard_normal((n, freq, frames)))
    A = rng.standard_normal((freq, n, n)) + 1j * rng.standard_normal((freq, n, n))
    return np.einsum("fcn,nft->cft", A, S), A


def demixing(method, X):
    """Return W as the search has it, not yet on the scale of the images, after the last iteration."""
    found = []
    method.fit(X, callback=lambda i, state: found.append(state.R @ state.bins.T))
    return found[-1]


def objective(W, X, penalty):
    """Return the loss of the best multiple of W, for a penalty that grows in proportion."""
    size = W.shape[0] * W.shape[1]
    value = penalty(np.einsum("fnc,cft->nft", W, X))
    return size * np.log(value / size) + size - np.log(abs(np.linalg.det(W))).sum()


@pytest.mark.parametrize("name", PENALTIES)
def test_the_shrunk_outputs_minimise_what_a_proximal_operator_minimises(name):
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((2, 5, 7)) + 1j * rng.standard_normal((2, 5, 7))
    penalty, by = PENALTIES[name], 0.6

    def cost(P):
        return by * penalty.value(P) + 0.5 * (abs(P - Y) ** 2).sum()

    best = penalty.shrunk(Y, by)
    for size in (1e-3, 0.1):
        for _ in range(20):
            other = rng.standard_normal(Y.shape) + 1j * rng.standard_normal(Y.shape)
            assert cost(best) <= cost(best + size * other)
    assert_allclose(penalty.value(3 * Y), 3 * penalty.value(Y))
    assert_allclose(penalty.shrunk(0 * Y, by), 0)


def test_the_step_of_the_determinant_is_its_proximal_operator():
    rng = np.random.default_rng(0)
    R = rng.standard_normal((4, 3, 3)) + 1j * rng.standard_normal((4, 3, 3))
    P = away_from_singular(R, 0.3)
    assert_allclose(P - 0.3 * np.linalg.inv(P).conj().swapaxes(1, 2), R, atol=1e-12)


def test_sources_are_found_and_the_search_says_that_it_ended():
    X, A = mixture(3)
    model = PrimalDualBSS(n_iter=500).fit(X)
    P = abs(model.W @ A) ** 2
    assert (P.max(axis=2) / P.sum(axis=2)).mean() > 0.98
    assert model.converged
    assert model.losses[-1][0] < 500
    assert_allclose(model.reconstruct().sum(axis=0), X, atol=1e-10)


def test_iva_ends_where_iva_by_auxiliary_functions_does():
    auxiva = pytest.importorskip("sigsep_classic.factorizers.demixing.auxiva")
    X, _ = mixture()
    W = demixing(PrimalDualBSS(n_iter=400, tol=0), X)
    states = list(auxiva.AuxIVA(prior="laplace", n_iter=300, tol=0).iterate(X))
    theirs = states[-1].R @ states[-1].bins.T
    value = PENALTIES["iva"].value
    assert_allclose(objective(W, X, value), objective(theirs, X, value), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", PENALTIES)
def test_the_objective_ends_no_higher_than_that_of_ssspy(name):
    peer = pytest.importorskip("ssspy.bss.pdsbss")
    X, _ = mixture()
    penalty = PENALTIES[name]
    theirs = peer.PDSBSS(
        penalty_fn=penalty.value,
        prox_penalty=lambda Y, step_size: penalty.shrunk(Y, step_size),
        scale_restoration=False,
        record_loss=False,
    )
    theirs(X / np.linalg.norm(X.swapaxes(0, 1), ord=2, axis=(1, 2)).max(), n_iter=1000)
    W = demixing(PrimalDualBSS(source_model=name, n_iter=1000, tol=0), X)
    ours, peers = objective(W, X, penalty.value), objective(theirs.demix_filter, X, penalty.value)
    assert ours <= peers + 1e-6 * abs(peers)
    if name == "lowrank":  # here both find the same
        assert_allclose(ours, peers, rtol=1e-3)


@pytest.mark.parametrize("within", [1e-9])
def test_the_harmonic_mask_is_that_of_ssspy_where_cepstra_are_small(within):
    peer = pytest.importorskip("ssspy.bss.hva")
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((3, 65, 9)) + 1j * rng.standard_normal((3, 65, 9))
    assert_allclose(harmonic_mask(Y), peer.MaskingPDSHVA().mask_fn(Y), rtol=within)


def test_the_harmonic_mask_prefers_the_source_with_harmonics():
    t = np.arange(1024)
    tone = sum(np.sin(2 * np.pi * k * t / 40) for k in range(1, 15)) * np.hanning(1024)
    noise = np.random.default_rng(0).standard_normal(1024) * np.hanning(1024)
    Y = np.stack([np.fft.rfft(tone), 3 * np.fft.rfft(noise)])[:, :, None]
    gains = harmonic_mask(Y)
    at_harmonic = round(1024 / 40 * 3)
    assert gains[0, at_harmonic, 0] > gains[0, at_harmonic + 12, 0]
    assert_allclose((gains**2).sum(axis=0), 1)


def test_a_mask_of_ones_own_takes_the_place_of_a_penalty():
    X, A = mixture()

    def loud_frames(Y):
        size = np.sqrt((abs(Y) ** 2).sum(axis=1, keepdims=True))
        return np.broadcast_to(np.maximum(1 - 0.03 / size, 0), Y.shape)

    model = PrimalDualBSS(mask=loud_frames, n_iter=300).fit(X)
    P = abs(model.W @ A) ** 2
    assert (P.max(axis=2) / P.sum(axis=2)).mean() > 0.98
    assert_allclose(model.W, PrimalDualBSS(n_iter=300).fit(X).W, atol=0.01)
    assert model.losses == ()
    with pytest.raises(ShapeError, match="the mask has shape"):
        PrimalDualBSS(mask=lambda Y: np.ones(3)).fit(X)
    with pytest.raises(NumericalError, match="not finite"):
        PrimalDualBSS(mask=lambda Y: np.full(Y.shape, np.nan)).fit(X)


def test_a_callback_sees_each_iteration_and_may_stop():
    X, _ = mixture()
    seen = []

    def stop(i, state):
        seen.append(i)
        assert state.W.shape == (12, 2, 2)
        return i == 3

    model = PrimalDualBSS().fit(X, callback=stop)
    assert seen == [1, 2, 3]
    assert [i for i, _ in model.losses] == [0, 3]


def test_fewer_sources_and_a_start_of_ones_own():
    X, _ = mixture(3)
    model = PrimalDualBSS(n_sources=2).fit(X)
    assert model.W.shape == (12, 2, 3)
    method = PrimalDualBSS(n_iter=300)
    first = method.fit(X)
    assert method.fit(X, start=first).losses[0][1] < first.losses[0][1]
    with pytest.raises(ShapeError, match="this mixture needs"):
        method.fit(X, start=model)


@pytest.mark.parametrize("name", [*PENALTIES, "harmonic"])
@pytest.mark.parametrize("what", ["dead", "equal", "silent start", "silent bin", "60 dB", "tone"])
def test_hard_inputs_are_finite_and_do_not_depend_on_level(name, what):
    X, _ = mixture(3, freq=9, frames=60)
    X = {
        "dead": lambda: X * np.array([1, 0, 1])[:, None, None],
        "equal": lambda: X[[0, 1, 1]],
        "silent start": lambda: X * (np.arange(60) > 20),
        "silent bin": lambda: X * (np.arange(9) != 2)[:, None],
        "60 dB": lambda: X * np.array([1, 1e-3, 1])[:, None, None],
        "tone": lambda: np.ones_like(X) * np.exp(1j * np.arange(60)),
    }[what]()
    method = PrimalDualBSS(source_model=name, n_iter=15)
    Y = method.fit(X).reconstruct()
    assert np.isfinite(Y).all()
    for scale in (2.0**-20, 2.0**15):
        assert_allclose(method.fit(scale * X).reconstruct() / scale, Y, atol=1e-7 * abs(X).max())
    assert np.isfinite(method.fit(X.astype(np.complex64)).reconstruct()).all()


def test_what_can_not_be_is_refused():
    X, _ = mixture()
    with pytest.raises(ParameterError, match="source_model"):
        PrimalDualBSS(source_model="nmf")
    with pytest.raises(ParameterError, match="relaxation"):
        PrimalDualBSS(relaxation=2.5)
    with pytest.raises(ParameterError, match="mask is 3"):
        PrimalDualBSS(mask=3)
    with pytest.raises(ParameterError, match="mask returned list; expected an array of real gains"):
        PrimalDualBSS(mask=lambda Y: [1]).fit(X)
    with pytest.raises(ParameterError, match="mask returned complex128; expected an array of real gains"):
        PrimalDualBSS(mask=lambda Y: Y).fit(X)
    with pytest.raises(ShapeError, match="the mask has shape"):
        PrimalDualBSS(mask=lambda Y: abs(Y[0])).fit(X)
    with pytest.raises(NumericalError, match="not finite"):
        PrimalDualBSS().fit(np.where(np.arange(150) == 3, np.nan, X))
