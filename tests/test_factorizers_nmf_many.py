"""Many NMF problems at once: on the emulated GPU in batches, on the CPU on threads; each as if it were alone."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF, fit_many
from sigsep_classic.errors import NumericalError
from sigsep_classic.factorizers.lowrank import batch
from tests.emulation.emulator import emulated


def mixture(n_frames: int, seed: int = 0, n_freq: int = 11) -> np.ndarray:
    rng = np.random.default_rng(seed)
    M = rng.gamma(0.4, size=(n_freq, 4)) @ rng.gamma(0.4, size=(4, n_frames))
    return (M * rng.gamma(2, 0.5, M.shape) + 1e-3)[None]


LENGTHS = (30, 27, 140, 128)
XS = [mixture(n, seed) * 10.0 ** (seed - 2) for seed, n in enumerate(LENGTHS)]
SOLVERS: dict[str, dict[str, Any]] = {
    "momentum": {"n_iter": 33, "tol": 1e-3},
    "momentum, beta 0": {"beta": 0.0, "n_iter": 12},
    "mu": {"solver": "mu", "beta": 1.5, "n_iter": 8, "update_order": "HW"},
    "me": {"solver": "me", "beta": 0.5, "n_iter": 7},
    "joint": {"solver": "joint", "n_iter": 11, "tol": 0.0},
    "weights": {"weights": np.random.default_rng(0).random((11, 1)) > 0.2, "n_iter": 8},
    "templates": {"templates": {"known": np.random.default_rng(0).random((11, 2))}, "n_iter": 8},
    "starts": {"n_starts": 3, "initial": "random", "n_iter": 6},
    "no iterations": {"n_iter": 0},
}


def assert_same_model(found: Any, alone: Any, rtol: float = 1e-9) -> None:
    assert [i for i, _ in found.losses] == [i for i, _ in alone.losses]
    assert_allclose([loss for _, loss in found.losses], [loss for _, loss in alone.losses], rtol=rtol)
    for A, B in ((found.W, alone.W), (found.H, alone.H)):
        assert A.shape == B.shape
        assert_allclose(A, B, rtol=1e3 * rtol, atol=rtol * abs(B).max())
    assert found.stems == alone.stems


@pytest.mark.parametrize("options", SOLVERS.values(), ids=SOLVERS)
def test_a_batch_of_lengths_and_levels_has_the_models_of_single_fits(options):
    method = NMF(n_components=3, **options)
    with emulated():
        models = method.fit_many(XS)
    for X, model in zip(XS, models, strict=True):
        assert_same_model(model, method.fit(X))


def test_ranks_seeds_and_tolerances_of_one_mixture_are_one_batch_and_its_data_lie_once(monkeypatch):
    methods = [
        NMF(n_components=k, seed=s, tol=tol, n_iter=31)
        for k, s, tol in ((2, 0, 0), (4, 1, 0.05), (3, 2, 1e-3))
    ]
    made: list[batch.Batch] = []

    class Noted(batch.Batch):
        def __init__(self, lanes: Any) -> None:
            super().__init__(lanes)
            made.append(self)

    monkeypatch.setattr("sigsep_classic.factorizers.lowrank.batch_fit.Batch", Noted)
    with emulated():
        models = fit_many(methods, XS[0])
    assert [len(one.data.V) for one in made] == [LENGTHS[0]]
    assert len({model.losses[-1][0] for model in models}) > 1  # what has settled leaves the others
    for method, model in zip(methods, models, strict=True):
        assert_same_model(model, method.fit(XS[0]))


def test_a_batch_launches_what_one_problem_launches():
    method, launches = NMF(n_components=3, n_iter=10, tol=0), []
    for Xs in (XS[:1], [mixture(30, seed) for seed in range(8)]):
        with emulated() as emulator:
            method.fit_many(Xs)
            launches.append(Counter(emulator.launches))
    assert launches[0] == launches[1]


def test_a_problem_whose_momentum_fails_goes_back_alone(monkeypatch):
    retreats: list[int] = []

    class Noted(batch.Batch):
        def _retreat(self, lost: np.ndarray, best: np.ndarray) -> np.ndarray:
            retreats.append(len(lost))
            return super()._retreat(lost, best)

    monkeypatch.setattr("sigsep_classic.factorizers.lowrank.batch_fit.Batch", Noted)
    method = NMF(n_components=3, beta=0.0, n_iter=60, tol=0)
    Xs = [mixture(25, seed, 6) ** 2 for seed in range(5)]
    with emulated():
        models = method.fit_many(Xs)
    assert any(0 < n < len(Xs) for n in retreats)
    for X, model in zip(Xs, models, strict=True):
        assert_same_model(model, method.fit(X), rtol=1e-6)


def test_options_no_batch_is_made_for_are_fitted_one_after_the_other(monkeypatch):
    methods = [
        NMF(n_components=2, n_iter=3, **o) for o in ({"beta": 2.0}, {"sparsity": 0.1}, {"ard": 0.1}, {})
    ]
    batched: list[int] = []
    init = batch.Batch.__init__
    monkeypatch.setattr(
        batch.Batch, "__init__", lambda self, lanes: (batched.append(len(lanes)), init(self, lanes))[1]
    )
    with emulated():
        models = fit_many(methods, XS[0])
    assert batched == [1]
    for method, model in zip(methods, models, strict=True):
        assert_same_model(model, method.fit(XS[0]))


@pytest.mark.parametrize("gpu", [False, True])
def test_a_callback_sees_every_model_and_stops_one_problem(gpu, monkeypatch):
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "2")
    told: list[tuple[int, int]] = []
    method = NMF(n_components=3, n_iter=6, solver="mu", tol=0)

    def callback(n: int, i: int, model: Any) -> bool:
        assert model.H.shape == (3, LENGTHS[n])
        told.append((n, i))
        return n == 1 and i == 2

    with emulated() if gpu else nullcontext():
        models = method.fit_many(XS[:3], callback=callback)
    assert Counter(n for n, _ in told) == {0: 6, 1: 2, 2: 6}
    assert [model.losses[-1][0] for model in models] == [6, 2, 6]


def test_threads_fit_whole_problems_and_change_no_bit(monkeypatch):
    method = NMF(n_components=4, n_iter=12)
    Xs = [*XS, mixture(2000, 9, 65)]
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "1")
    expected = [method.fit(X) for X in Xs]
    for n in (1, 2, 4):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", str(n))
        for model, alone in zip(method.fit_many(Xs), expected, strict=True):
            assert_array_equal(model.W, alone.W)
            assert_array_equal(model.H, alone.H)
            assert model.losses == alone.losses


@pytest.mark.parametrize("gpu", [False, True])
def test_a_problem_without_a_finite_loss_is_told_as_by_a_single_fit(gpu, monkeypatch):
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "2")
    bad = XS[1].copy()
    bad[0, 3, 4] = np.inf
    with emulated() if gpu else nullcontext(), pytest.raises(NumericalError):
        NMF(n_components=2, n_iter=3).fit_many([XS[0], bad])


def test_silence_in_a_batch_is_silent():
    with emulated():
        models = NMF(n_components=2, n_iter=5).fit_many([XS[0], np.zeros((1, 11, 30))])
    assert np.isfinite(models[0].W).all()
    assert models[0].H.any()
    assert np.isfinite(models[1].W).all()
    assert not models[1].H.any()
