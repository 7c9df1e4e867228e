"""Online NMF: what a stream of blocks teaches, and that it stays small."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF, STFT, OnlineNMF, synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.templates import Templates
from sigsep_classic.kernels.beta_divergence import divergence

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def data(frames: int = 2000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(7)
    W = rng.gamma(0.5, size=(30, 4)) + 1e-2
    rng = np.random.default_rng(seed)
    return W @ rng.gamma(0.5, size=(4, frames)) * rng.gamma(10, 0.1, (30, frames)) + 1e-3


def solved(V: np.ndarray, W: np.ndarray, beta: float) -> float:
    """Return the divergence with the best activations for W."""
    nmf = NMF(n_components=0, templates=Templates({"all": W}), beta=beta, n_iter=300)
    return nmf.fit(V[None]).losses[-1][1]


@pytest.mark.slow
@pytest.mark.parametrize("beta", BETAS)
def test_a_stream_approaches_the_objective_of_the_batch(beta: float) -> None:
    V = data()
    online = OnlineNMF(n_components=4, beta=beta, n_inner=20)
    state, reached = None, []
    for t in range(0, V.shape[1], 10):
        state = online.partial_fit(V[None, :, t : t + 10], state)
        if t in (0, 200, 1990):
            reached.append(solved(V, state.W, beta))
    batch = NMF(n_components=4, beta=beta, n_iter=500).fit(V[None]).losses[-1][1]
    assert reached[2] < reached[1] < reached[0]
    assert reached[2] < (1.1 if 0 <= beta <= 2 else 2.5) * batch


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_passes_over_a_file_approach_the_objective_of_the_batch(beta: float) -> None:
    V = data()
    model = OnlineNMF(n_components=4, beta=beta, n_iter=8, n_inner=10).fit(V[None])
    batch = NMF(n_components=4, beta=beta, n_iter=500).fit(V[None]).losses[-1][1]
    assert solved(V, model.W, beta) < 1.15 * batch
    assert_allclose(divergence(V, model.W, model.H, beta=beta), model.losses[-1][1], rtol=1e-9)


@pytest.mark.parametrize("beta", BETAS)
def test_one_block_without_a_past_is_one_update_of_the_templates(beta: float) -> None:
    V = data(40)
    online = OnlineNMF(n_components=3, beta=beta, n_inner=4)
    state = online.partial_fit(V[None])
    from sigsep_classic.kernels.beta_nmf import multiplicative_update
    from sigsep_classic.kernels.beta_sweep import exponent_of

    begun = online._begin(V)
    W, H = begun.W.copy(), online._solve(V, begun, online._flat(V))
    multiplicative_update(V, W, H, factor="W", beta=beta, exponent=exponent_of(beta))
    assert_allclose(state.W, W / W.sum(axis=0), rtol=1e-9)


def test_a_stream_takes_no_memory() -> None:
    online = OnlineNMF(n_components=4)
    state, V = None, data(64)[None]
    for _ in range(3):
        state = online.partial_fit(V, state)
    tracemalloc.start()
    for _ in range(20):
        state = online.partial_fit(V, state)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 3 * (state.W.nbytes * 3) + 20_000


def test_the_level_of_the_stream_does_not_matter() -> None:
    online, V = OnlineNMF(n_components=3, beta=0.0, power=2.0), data(128)[None]
    states = [online.partial_fit(V * level, online.partial_fit(V * level)) for level in (1.0, 2.0**10)]
    assert_allclose(states[1].W, states[0].W, rtol=1e-9)


def test_silence_changes_nothing() -> None:
    online, V = OnlineNMF(n_components=3), data(64)[None]
    late = online.partial_fit(V, online.partial_fit(0 * V))
    assert_array_equal(late.W, online.partial_fit(V).W)
    assert np.isfinite(online.partial_fit(0 * V, late).W).all()
    assert_array_equal(online.fit(0 * V).H, 0)


def test_a_state_is_not_written_to() -> None:
    online, V = OnlineNMF(n_components=3), data(64)[None]
    state = online.partial_fit(V)
    before = state.W.copy()
    online.partial_fit(V, state)
    assert_array_equal(state.W, before)


def test_a_block_of_another_transform_is_refused() -> None:
    online = OnlineNMF(n_components=3)
    with pytest.raises(ShapeError, match="7 bins"):
        online.partial_fit(np.ones((1, 7, 5)), online.partial_fit(np.ones((1, 8, 5))))


@pytest.mark.parametrize(
    "wrong", [{"n_components": 0}, {"block_frames": 0}, {"n_inner": 0}, {"forgetting": 1.5}, {"beta": np.nan}]
)
def test_parameters_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        OnlineNMF(**wrong)


def test_a_state_of_another_method_is_refused() -> None:
    online, V = OnlineNMF(n_components=3), data(64)[None]
    state = online.partial_fit(V)
    with pytest.raises(ShapeError, match="n_components=5"):
        OnlineNMF(n_components=5).partial_fit(V, state)
    with pytest.raises(ParameterError, match="state is a ndarray"):
        online.partial_fit(V, state.W)


def test_the_result_of_fit_is_near_that_of_the_batch_and_goes_on() -> None:
    mix = synthesize("song", seconds=3.0)
    X = STFT().analyze(mix.mixture)
    model = OnlineNMF(n_components=8).fit(X)
    batch = NMF(n_components=8).fit(X)
    assert model.losses[-1][1] < 1.15 * batch.losses[-1][1]
    assert_allclose(model.apply(X).losses[-1][1], model.losses[-1][1], rtol=0.05)


def test_one_component_is_learnt():
    V = np.random.default_rng(0).random((1, 9, 12))
    found = OnlineNMF(n_components=1, n_iter=3).fit(V)
    assert found.H.shape == (1, 12)
    assert np.isfinite(found.reconstruct()).all()
