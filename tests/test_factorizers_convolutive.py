"""NMFD, NMF2D and SIPLCA: theorems of the updates, parity with torchnmf, planted structure found again."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF, NMF2D, NMFD, SIPLCA, STFT
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.convolutive.model import ConvolutiveModel
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.kernels.convolutive_nmf import convolved, divergence
from sigsep_classic.kernels.jit import enabled as jit_enabled
from tests.reference import convolutive_nmf as reference

BETAS = (-1.0, 0.0, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
SMALL = {
    "nmfd": NMFD(n_components=3, n_lags=4),
    "nmf_2d": NMF2D(n_components=2, n_lags=2, n_shifts=5),
    "siplca": SIPLCA(n_components=2, n_lags=2, n_shifts=5),
}


def data(dtype: type = np.float64, *, shape: tuple[int, int] = (21, 40), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    W = rng.gamma(0.5, size=(shape[0], 3, 4))
    H = rng.gamma(0.2, size=(3, shape[1]))
    return (convolved(W, H, shape) * rng.gamma(8.0, 1 / 8, size=shape) + 1e-3).astype(dtype)


def changed(method: object, **parameters: object) -> object:
    return replace(method, **parameters)


# ---- the loss


@pytest.mark.parametrize("sparsity", [0.0, 0.3])
@pytest.mark.parametrize("solver", ["extrapolated", "mu", "me"])
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("kind", ["nmfd", "nmf_2d"])
def test_the_loss_never_rises(kind: str, beta: float, solver: str, sparsity: float) -> None:
    V = data()
    method = changed(SMALL[kind], beta=beta, solver=solver, sparsity=sparsity, n_iter=25)
    losses = [method.loss(V, model) for model in method.iterate(V[None])]
    assert (np.diff(losses) <= 1e-10 * np.abs(losses[:-1])).all()
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("solver", ["extrapolated", "mu"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3])
def test_the_likelihood_of_plca_never_falls(solver: str, sparsity: float) -> None:
    V = data()
    method = changed(SMALL["siplca"], solver=solver, sparsity=sparsity, n_iter=25)
    losses = [method.loss(V, model) for model in method.iterate(V[None])]
    assert (np.diff(losses) <= 1e-10 * np.abs(losses[:-1])).all()


@pytest.mark.parametrize("kind", SMALL)
def test_without_sparsity_the_loss_is_the_divergence(kind: str) -> None:
    V = data()
    model = changed(SMALL[kind], n_iter=3).fit(V[None])
    assert_allclose(model.losses[-1][1], divergence(V, model.W, model.H, beta=1.0), rtol=1e-10)


def test_the_extrapolated_solver_gets_further_in_as_many_iterations() -> None:
    V = data(shape=(40, 120))
    for beta in (0.0, 1.0, 2.0):
        slow, fast = (
            NMFD(n_components=4, n_lags=4, beta=beta, solver=solver, n_iter=60, tol=1e-12).fit(V[None])
            for solver in ("mu", "extrapolated")
        )
        assert fast.losses[-1][1] < slow.losses[-1][1]


@pytest.mark.parametrize("kind", SMALL)
def test_sparsity_empties_activations(kind: str) -> None:
    V = data()
    some, few = (
        changed(SMALL[kind], sparsity=sparsity, n_iter=60, tol=0).fit(V[None]).H for sparsity in (0.0, 0.5)
    )
    assert np.mean(few < 1e-3 * few.max()) > 1.2 * np.mean(some < 1e-3 * some.max())


# ---- special cases and peers


def test_one_lag_is_nmf() -> None:
    V, rng = data(), np.random.default_rng(1)
    W, H = rng.random((21, 3)) + 0.1, rng.random((3, 40)) + 0.1
    common = {"n_components": 3, "solver": "mu", "update_order": "WH", "n_iter": 10, "tol": 0}
    nmf, nmfd = NMF(**common), NMFD(n_lags=1, **common)
    *_, a = nmf.iterate(V[None], start=LowRankModel(W=W, H=H))
    *_, b = nmfd.iterate(V[None], start=ConvolutiveModel(W=W[:, :, None], H=H, shape=V.shape))
    assert_allclose(b.W[:, :, 0], a.W, rtol=1e-9)
    assert_allclose(b.H, a.H, rtol=1e-9)


def test_one_shift_is_nmfd() -> None:
    V, rng = data(), np.random.default_rng(1)
    W, H = rng.random((21, 3, 4)) + 0.1, rng.random((3, 40)) + 0.1
    flat = NMFD(n_components=3, n_lags=4, n_iter=10, tol=0)
    deep = NMF2D(n_components=3, n_lags=4, n_shifts=1, n_iter=10, tol=0)
    *_, a = flat.iterate(V[None], start=ConvolutiveModel(W=W, H=H, shape=V.shape))
    *_, b = deep.iterate(V[None], start=ConvolutiveModel(W=W, H=H[:, None], shape=V.shape))
    assert_array_equal(a.W, b.W)
    assert_array_equal(a.H, b.H[:, 0])


@pytest.mark.slow  # importing torch is
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("within", [1e-4])
def test_mu_has_the_iterates_of_torchnmf(beta: float, within: float) -> None:
    torch = pytest.importorskip("torch")
    nmf = pytest.importorskip("torchnmf.nmf")
    V, rng = data(np.float32, shape=(33, 60)), np.random.default_rng(1)
    W, H = rng.random((33, 3, 5)) + 0.1, rng.random((3, 56)) + 0.1  # all templates end within V
    net = nmf.NMFD(**{name: torch.from_numpy(A.astype(np.float32)) for name, A in (("W", W), ("H", H[None]))})
    net.fit(torch.from_numpy(V)[None], beta=beta, tol=0, max_iter=20)
    ours = NMFD(n_components=3, beta=beta, solver="mu", update_order="WH", n_iter=20)
    *_, last = ours.iterate(V[None], start=ConvolutiveModel(W=W, H=H, shape=V.shape))
    for found, theirs in ((last.W, net.W), (last.H, net.H[0])):
        expected = theirs.detach().numpy()
        assert_allclose(found, expected, rtol=within, atol=0.1 * within * expected.max())


def test_a_half_step_of_siplca_is_one_of_expectation_maximisation() -> None:
    V, rng = data(shape=(9, 8)), np.random.default_rng(2)
    kernels, impulses, priors = rng.random((6, 2, 2)) + 0.1, rng.random((2, 4, 7)) + 0.1, np.array([0.3, 0.7])
    kernels /= kernels.sum(axis=(0, 2))[:, None]
    impulses /= impulses.sum(axis=(1, 2))[:, None, None]
    start = ConvolutiveModel(W=kernels, H=V.sum() * priors[:, None, None] * impulses, shape=V.shape)
    method = SIPLCA(n_components=2, n_shifts=4, n_lags=2, n_iter=1, tol=0, solver="mu", update_order="WH")
    priors, kernels = reference.expectation_maximisation(V, kernels, impulses, priors, of="kernels")
    priors, impulses = reference.expectation_maximisation(V, kernels, impulses, priors, of="impulses")
    *_, last = method.iterate(V[None], start=start)
    assert_allclose(last.normalized().W, kernels, rtol=1e-10)
    assert_allclose(last.H / last.masses[1][:, None, None], impulses, rtol=1e-10)
    assert_allclose(last.energies / last.energies.sum(), priors, rtol=1e-10)


def test_siplca_explains_all_of_the_mass_by_distributions() -> None:
    V = data()
    model = changed(SMALL["siplca"], n_iter=5, solver="mu").fit(V[None])
    assert_allclose(model.reconstruct().sum(), V.sum(), rtol=1e-10)
    assert_allclose(model.kernels.sum(axis=(1, 2)), 1, rtol=1e-10)
    assert_allclose(model.impulses.sum(axis=(1, 2)), 1, rtol=1e-10)
    assert_allclose(model.priors.sum(), 1, rtol=1e-10)


# ---- sizes, starts, levels


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (2, 2), (1, 200)])
def test_templates_and_shifts_are_never_longer_than_the_data(kind: str, shape: tuple[int, int]) -> None:
    V = np.random.default_rng(0).random(shape) + 0.1
    method = type(SMALL[kind])(
        n_components=2, n_lags=7, n_iter=30, **({} if kind == "nmfd" else {"n_shifts": 6})
    )
    model = method.fit(V[None])
    assert model.reconstruct().shape == (2, 1, *shape)
    assert model.spectra.shape == (shape[0], 2)
    assert model.losses[-1][1] <= model.losses[0][1]


def test_seconds_become_frames_of_the_grid() -> None:
    grid = STFT(n_fft=1024, hop=256).grid(44100)
    assert NMFD(template_seconds=0.2, grid=grid).lags == 34
    assert NMF2D(template_seconds=0.2, grid=grid).lags == 34
    assert NMFD(template_seconds=0.2, n_lags=3, grid=grid).lags == 3
    assert NMFD(template_seconds=0.2).lags == 10


@pytest.mark.parametrize("kind", SMALL)
def test_a_fitted_model_is_a_start_and_is_not_written_to(kind: str) -> None:
    V = data()
    method = changed(SMALL[kind], n_iter=10, tol=1e-12)
    model = method.fit(V[None])
    kept = model.W.copy(), model.H.copy()
    better = method.fit(V[None], start=model)
    assert_array_equal(model.W, kept[0])
    assert_array_equal(model.H, kept[1])
    assert better.losses[-1][1] < model.losses[-1][1]


def test_a_start_that_does_not_fit_is_refused() -> None:
    V, W, H = data(), np.ones((21, 3, 4)), np.ones((3, 40))
    fit = NMFD(n_components=3, n_iter=1).fit
    for wrong in (
        {"W": W[:, :2]},
        {"H": H[:2]},
        {"H": H[:, None]},
        {"H": np.ones((3, 41))},
        {"W": W[[0] * 22]},
    ):
        with pytest.raises(ShapeError, match="start has W"):
            fit(V[None], start=ConvolutiveModel(**{"W": W, "H": H, "shape": V.shape, **wrong}))
    for wrong in ({"power": 2.0}, {"W": -W}, {"H": H * np.inf}):
        with pytest.raises(ParameterError, match="start"):
            fit(V[None], start=ConvolutiveModel(**{"W": W, "H": H, "shape": V.shape, **wrong}))


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("exponent", [-30, 30])
def test_a_power_of_two_on_the_input_is_one_on_the_activations(kind: str, exponent: int) -> None:
    V = data(np.float32)
    method = changed(SMALL[kind], n_iter=12, tol=0, sparsity=0.1)
    plain, scaled = method.fit(V[None]), method.fit(V[None] * np.float32(2.0**exponent))
    assert_array_equal(scaled.W, plain.W)
    assert_array_equal(scaled.H * np.float32(2.0**-exponent), plain.H)


@pytest.mark.parametrize("kind", SMALL)
def test_any_level_gives_the_same_loss_curve_up_to_that_level(kind: str) -> None:
    V = data()
    method = changed(SMALL[kind], n_iter=12, tol=1e-12, sparsity=0.1)
    plain, scaled = method.fit(V[None]), method.fit(3.3 * V[None])
    assert_allclose([b for _, b in scaled.losses], [3.3 * a for _, a in plain.losses], rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", BETAS)
def test_zeros_and_silence_leave_finite_factors(beta: float, dtype: type) -> None:
    V = data(dtype)
    V[:, 10:20] = 0
    V[5] = 0
    model = NMFD(n_components=3, n_lags=4, beta=beta, n_iter=30, tol=0).fit(V[None])
    assert np.isfinite(model.W).all()
    assert np.isfinite(model.H).all()
    assert model.W.dtype == model.H.dtype == dtype
    silent = NMFD(n_components=3, n_lags=4, beta=beta, n_iter=5).fit(np.zeros((1, 9, 11), dtype))
    assert_array_equal(silent.reconstruct(), 0)


# ---- the model


@pytest.mark.parametrize("kind", SMALL)
def test_groups_are_sums_of_components_and_energies_their_masses(kind: str) -> None:
    V = data()
    model = changed(SMALL[kind], n_iter=5).fit(V[None])
    K = model.n_components
    parts = model.reconstruct()
    assert_allclose(model.reconstruct({"all": range(K)})[0], parts.sum(axis=0), rtol=1e-10)
    assert_array_equal(model.reconstruct({"all": range(K), "none": []})[1], 0)
    assert_allclose(model.W.sum(axis=(0, 2)), 1)
    assert_allclose(model.spectra.sum(axis=0), 1)
    assert (np.diff(model.energies) <= 0).all()
    inside = parts.sum(axis=(1, 2, 3))
    assert (inside <= model.energies * (1 + 1e-10)).all()
    if kind == "siplca":
        assert_allclose(inside, model.energies, rtol=1e-10)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_components": 1.5},
        {"beta": np.nan},
        {"power": 0},
        {"solver": "newton"},
        {"update_order": "W"},
        {"n_iter": -1},
        {"tol": -1},
        {"sparsity": -1},
        {"n_lags": 0},
        {"template_seconds": 0},
    ],
)
def test_parameters_out_of_range_are_refused(wrong: dict) -> None:
    for kind in (NMFD, NMF2D):
        with pytest.raises(ParameterError):
            kind(**wrong)
    for also in ({"n_shifts": 0}, {"n_lags": 1.5}):
        for kind in (NMF2D, SIPLCA):
            with pytest.raises(ParameterError):
                kind(**also)
    for also in ({"hold_iter": -1}, {"n_components": -1}):
        with pytest.raises(ParameterError):
            NMFD(**also)


@pytest.mark.skipif(not jit_enabled(), reason="NUMBA_DISABLE_JIT is set: the NumPy line forms W ∗ H")
def test_extra_memory_is_far_from_that_of_all_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGSEP_NUM_THREADS", "1")
    V = np.random.default_rng(0).random((2580, 1025)).astype(np.float32).T
    method = NMFD(n_components=8, n_lags=20, solver="mu")
    model = method.step(V, method.init(V))
    tracemalloc.start()
    method.step(V, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < V.nbytes / 4 + 3 * (model.W.nbytes + model.H.nbytes)
