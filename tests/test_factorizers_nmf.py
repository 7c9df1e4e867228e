"""NMF: theorems of the updates, parity with scikit-learn, and what happens at zero, at silence, at any level."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF, separate
from sigsep_classic.datasets.synthetic import synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.kernels.beta_nmf import divergence
from sigsep_classic.kernels.jit import enabled as jit_enabled

BETAS = (-1.0, 0.0, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)


def data(dtype: type = np.float64, *, shape: tuple[int, int] = (33, 70), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low_rank = rng.gamma(1.0, size=(shape[0], 4)) @ rng.gamma(1.0, size=(4, shape[1]))
    return (low_rank * rng.gamma(4.0, 0.25, size=shape) + 1e-3).astype(dtype)


@pytest.mark.parametrize("solver", ["mu", "me", "joint", "extrapolated"])
@pytest.mark.parametrize("beta", BETAS)
def test_the_divergence_never_rises(beta: float, solver: str) -> None:
    V = data()
    nmf = NMF(n_components=5, beta=beta, solver=solver, n_iter=40)
    losses = [divergence(V, model.W, model.H, beta=beta) for model in nmf.iterate(V[None])]
    assert (np.diff(losses) <= 1e-10 * np.abs(losses[:-1])).all()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("beta", "name"), [(0.0, "itakura-saito"), (1.0, "kullback-leibler"), (2.0, "frobenius")]
)
@pytest.mark.parametrize("within", [1e-6])
def test_mu_has_the_iterates_of_scikit_learn(beta: float, name: str, within: float) -> None:
    from sklearn.decomposition import non_negative_factorization

    V, rng = data(), np.random.default_rng(1)
    W, H = rng.random((33, 5)) + 0.1, rng.random((5, 70)) + 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged after 20 iterations, on purpose
        W_sk, H_sk, _ = non_negative_factorization(
            V,
            W.copy(),
            H.copy(),
            init="custom",
            n_components=5,
            solver="mu",
            beta_loss=name,
            max_iter=20,
            tol=0,
        )
    nmf = NMF(n_components=5, beta=beta, solver="mu", update_order="WH", n_iter=20)
    *_, last = nmf.iterate(V[None], start=LowRankModel(W=W, H=H))
    assert_allclose(last.W, W_sk, rtol=within)
    assert_allclose(last.H, H_sk, rtol=within)


@pytest.mark.parametrize("within", [1e-10])
def test_the_divergence_is_that_of_scikit_learn(within: float) -> None:
    from sklearn.decomposition._nmf import _beta_divergence

    V, rng = data(), np.random.default_rng(1)
    W, H = rng.random((33, 5)) + 0.1, rng.random((5, 70)) + 0.1
    for beta in BETAS:
        assert_allclose(divergence(V, W, H, beta=beta), _beta_divergence(V, W, H, beta), rtol=within)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("exponent", [-30, 30])
def test_a_power_of_two_on_the_input_is_one_on_the_activations(beta: float, exponent: int) -> None:
    V = data(np.float32)
    nmf = NMF(n_components=4, beta=beta, n_iter=15, tol=0)
    plain, scaled = nmf.fit(V[None]), nmf.fit(V[None] * np.float32(2.0**exponent))
    assert_allclose(scaled.W, plain.W, rtol=2e-4, atol=1e-7)
    assert_allclose(scaled.H * 2.0**-exponent, plain.H, rtol=2e-3, atol=1e-5 * plain.H.max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", BETAS)
def test_zeros_silent_frames_and_silent_bins_leave_finite_factors(beta: float, dtype: type) -> None:
    V = data(dtype)
    V[:, 10:20] = 0
    V[5] = 0
    V[np.random.default_rng(0).random(V.shape) < 0.2] = 0
    model = NMF(n_components=4, beta=beta, n_iter=30).fit(V[None])
    assert np.isfinite(model.W).all()
    assert np.isfinite(model.H).all()
    assert model.W.dtype == model.H.dtype == dtype
    if beta >= 0:  # below, the silent bin costs so much that it may decide about the silent frames
        assert model.reconstruct().sum(axis=0)[0][:, 10:20].max() < 1e-2 * V.max()


@pytest.mark.parametrize("beta", BETAS)
def test_silence_is_silence(beta: float) -> None:
    model = NMF(n_components=3, beta=beta, n_iter=5).fit(np.zeros((1, 9, 11)))
    assert_array_equal(model.reconstruct(), 0)


def test_a_warm_start_goes_on_where_the_first_run_stopped() -> None:
    V = data()
    nmf = NMF(n_components=4, solver="mu", n_iter=10, tol=0)
    *_, ten = nmf.iterate(V[None])
    *_, twenty = NMF(n_components=4, solver="mu", n_iter=20, tol=0).iterate(V[None])
    *_, resumed = nmf.iterate(V[None], start=ten)
    assert_array_equal(resumed.W, twenty.W)
    assert_array_equal(resumed.H, twenty.H)
    assert resumed.W is not ten.W


def test_a_fitted_model_is_a_start_and_is_not_written_to() -> None:
    V = data()
    model = NMF(n_components=4, n_iter=30).fit(V[None])
    W = model.W.copy()
    better = NMF(n_components=4, n_iter=30, tol=0).fit(V[None], start=model)
    assert_array_equal(model.W, W)
    assert better.losses[-1][1] <= model.losses[-1][1]


def test_a_start_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="start has W"):
        NMF(n_iter=1).fit(data()[None], start=LowRankModel(W=np.ones((3, 2)), H=np.ones((2, 70))))


def test_an_exact_factorization_is_found() -> None:
    rng = np.random.default_rng(3)
    V = rng.random((20, 2)) @ rng.random((2, 30))
    model = NMF(n_components=2, n_iter=2000, tol=0).fit(V[None])
    assert_allclose(model.reconstruct().sum(axis=0)[0], V, rtol=5e-3, atol=5e-3)


def test_the_extrapolated_solver_gets_further_in_as_many_iterations() -> None:
    V = data(shape=(60, 200))
    for beta in (0.0, 1.0, 2.0):
        slow, fast = (
            NMF(n_components=6, beta=beta, solver=solver, n_iter=60, tol=1e-12).fit(V[None]).losses[-1][1]
            for solver in ("mu", "extrapolated")
        )
        assert fast < slow


def test_templates_sum_to_one_and_fall_in_energy() -> None:
    model = NMF(n_components=6, n_iter=20).fit(data()[None])
    assert_allclose(model.W.sum(axis=0), 1)
    assert (np.diff(model.H.sum(axis=1)) <= 0).all()


def test_tol_stops_early_and_the_callback_can() -> None:
    V = data()
    settled = NMF(n_components=4, n_iter=1000, tol=1e-2).fit(V[None])
    assert settled.losses[-1][0] < 1000
    seen: list[int] = []
    NMF(n_components=4, n_iter=50).fit(V[None], callback=lambda i, model: seen.append(i) or i == 7)
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_the_callback_sees_the_losses_checked_so_far() -> None:
    seen: list[tuple] = []
    nmf = NMF(n_components=4, n_iter=21, tol=1e-12)
    model = nmf.fit(data()[None], callback=lambda i, model: seen.append(model.losses))
    assert [len(losses) for losses in seen] == [1] * 10 + [2] * 10 + [3]
    assert seen[-1] == model.losses[:3]
    many: list[tuple] = []
    nmf.fit_many([data()[None]] * 2, callback=lambda n, i, model: many.append(model.losses))
    assert many[-1] == seen[-1]


def test_memory_order_of_the_data_changes_nothing() -> None:
    V = data(np.float32, shape=(300, 310))
    nmf = NMF(n_components=4, n_iter=5, tol=0)
    assert_allclose(nmf.fit(V[None]).W, nmf.fit(np.asfortranarray(V)[None]).W, rtol=1e-5, atol=1e-8)


def test_threads_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    V = data(np.float32, shape=(700, 900))
    models = []
    for threads in ("1", "3"):
        monkeypatch.setenv("SIGSEP_NUM_THREADS", threads)
        models.append(NMF(n_components=7, n_iter=5, tol=0).fit(V[None]))
    assert_array_equal(models[0].W, models[1].W)
    assert_array_equal(models[0].H, models[1].H)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_components": -1},
        {"beta": np.nan},
        {"power": 0},
        {"solver": "newton"},
        {"update_order": "W"},
        {"n_iter": -1},
        {"tol": -1},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        NMF(**wrong)


@pytest.mark.skipif(not jit_enabled(), reason="NUMBA_DISABLE_JIT is set: the NumPy line forms W H")
@pytest.mark.parametrize("solver", ["mu", "extrapolated"])
def test_extra_memory_is_a_few_tiles_and_sums_of_the_size_of_the_templates(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "1")
    rng = np.random.default_rng(0)
    V = rng.random((2580, 1025)).astype(np.float32).T
    nmf = NMF(n_components=32, solver=solver)
    model = nmf.step(V, nmf.init(V))
    again = 2 * (model.W.nbytes + model.H.nbytes) if solver == "extrapolated" else 0
    tracemalloc.start()
    nmf.step(V, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 9 * model.W.nbytes + again + 1.5 * 2**20


def test_components_of_a_song_are_found() -> None:
    mix = synthesize("song", seconds=3.0)
    sep = separate(mix.mixture, mix.sample_rate, method="nmf", groups="harmonic_percussive", n_iter=50)
    assert list(sep) == ["harmonic", "percussive"]
    drums, rest = mix.stems["drums"], mix.mixture - mix.stems["drums"]
    assert np.sum((sep["percussive"] - drums) ** 2) < np.sum((mix.mixture - drums) ** 2)
    assert np.sum((sep["harmonic"] - rest) ** 2) < np.sum((mix.mixture - rest) ** 2)


def test_zeros_of_a_start_stay_zero_with_the_default_solver_for_every_divergence() -> None:
    rng = np.random.default_rng(5)
    V = rng.random((20, 30)) + 0.1
    W, H = rng.random((20, 3)) * (rng.random((20, 3)) > 0.4), rng.random((3, 30))
    for beta in (0.0, 1.0, 2.0, 3.0):
        *_, model = NMF(n_components=3, beta=beta, n_iter=20).iterate(V[None], start=LowRankModel(W=W, H=H))
        assert_array_equal(model.W[W == 0], 0)
