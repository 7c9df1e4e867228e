"""NMF with penalties, weights and starts: losses fall, levels do not matter, truths are found."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF
from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError
from sigsep_classic.factorizers.lowrank.penalties import Penalties, ratio
from sigsep_classic.factorizers.lowrank.sparseness import project, sparseness
from sigsep_classic.factorizers.models import LowRankModel
from sigsep_classic.typing import Grid

BETAS = (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
PENALTIES = {
    "sparsity": {"sparsity": 0.3},
    "smoothness": {"smoothness": 0.5},
    "ard": {"ard": 0.05},
    "all": {"sparsity": 0.2, "smoothness": 0.1, "ard": 0.02},
}


def data(
    dtype: type = np.float64, *, shape: tuple[int, int] = (33, 50), seed: int = 0, rank: int = 4
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low_rank = rng.gamma(1.0, size=(shape[0], rank)) @ rng.gamma(1.0, size=(rank, shape[1]))
    return (low_rank * rng.gamma(4.0, 0.25, size=shape) + 1e-3).astype(dtype)


def losses_of(nmf: NMF, V: np.ndarray) -> np.ndarray:
    prepared = nmf.prepare(V[None])
    return np.array([nmf.loss(prepared, model) for model in nmf.iterate(V[None])])


def assert_falls(losses: np.ndarray) -> None:
    scale = np.abs(losses).max()
    assert all(b <= a + 1e-10 * scale for a, b in pairwise(losses))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("solver", ["mu", "me", "extrapolated"])
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("beta", BETAS)
def test_the_penalised_loss_never_rises(beta: float, name: str, solver: str) -> None:
    nmf = NMF(n_components=5, beta=beta, solver=solver, n_iter=25, **PENALTIES[name])
    assert_falls(losses_of(nmf, data()))


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_the_strength_of_penalties_does_not_depend_on_the_level(beta: float, name: str) -> None:
    V = data()
    nmf = NMF(n_components=4, beta=beta, n_iter=20, tol=0, **PENALTIES[name])
    plain, scaled = nmf.fit(V[None]), nmf.fit(V[None] * 300)
    assert_allclose(scaled.W @ scaled.H / 300, plain.W @ plain.H, rtol=1e-6)
    assert_allclose(scaled.losses[-1][1] / 300**beta, plain.losses[-1][1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("factor", ["W", "H"])
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0])
def test_terms_are_the_slope_of_the_penalty(beta: float, name: str, factor: str) -> None:
    rng = np.random.default_rng(0)
    W, H = rng.random((7, 3)) + 0.1, rng.random((3, 9)) + 0.1
    strengths = {"sparsity": 0, "smoothness": 0, "ard": 0, **PENALTIES[name]}
    penalties = Penalties(**strengths, beta=beta, level=1.3)
    linear, quadratic, pull = (0 if term is None else term for term in penalties.terms(W, H, factor))
    slope = np.broadcast_to(linear + quadratic - pull, (W if factor == "W" else H).shape)
    for index in [(0, 0), (2, 1), (1, 2)]:
        A = (W if factor == "W" else H).copy()
        ends = []
        for move in (1e-6, -1e-6):
            moved = A.copy()
            moved[index] += move
            ends.append(penalties.value(moved, H) if factor == "W" else penalties.value(W, moved))
        assert_allclose(slope[index], (ends[0] - ends[1]) / 2e-6, rtol=1e-5)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_ratio_solves_its_equation_where_it_is_exact(beta: float) -> None:
    rng = np.random.default_rng(0)
    N, P, S, Q, C = rng.random((5, 6, 8)) + 0.05
    from sigsep_classic.factorizers.lowrank.penalties import Terms

    r = ratio(N.copy(), P.copy(), Terms(S, Q, C), beta=beta, exponent=1.0, factor=np.ones((6, 8)))
    a, b = max(beta - 1, 0), max(2 - beta, 0)
    left, right = P * r**a + S + Q * r, N * r**-b + C
    if beta == 1:
        assert_allclose(left, right, rtol=1e-12)
    else:  # the linear term is bounded by the quadratic: the step is shorter, but to the right side
        assert ((r > 1) == (N + C > P + S + Q)).all()


def test_sparsity_makes_activations_sparser() -> None:
    V = data()
    counts = [
        sparseness(NMF(n_components=6, sparsity=s, n_iter=200, tol=0).fit(V[None]).H).mean()
        for s in (0, 0.3, 1)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_smoothness_makes_activations_smoother() -> None:
    V = data()
    jumps = []
    for smoothness in (0.0, 0.1, 10.0):
        model = NMF(n_components=4, smoothness=smoothness, n_iter=200).fit(V[None])
        jumps.append(np.abs(np.diff(model.H)).sum() / model.H.sum())
    assert jumps[0] > jumps[1] > jumps[2]


@pytest.mark.parametrize(("beta", "noise", "ard"), [(0.0, 0.15, 0.15), (1.0, 0.1, 0.1), (2.0, 0.05, 0.2)])
def test_relevance_finds_the_number_of_components(beta: float, noise: float, ard: float) -> None:
    rng = np.random.default_rng(2)
    W = np.kron(np.eye(4), np.ones((10, 1))) + 0.01
    H = rng.gamma(0.3, size=(4, 200))
    V = W @ H * rng.gamma(1 / noise, noise, (40, 200)) + 1e-3
    model = NMF(n_components=10, beta=beta, ard=ard, n_iter=2000, tol=1e-7).fit(V[None])
    assert model.n_components == 4
    assert model.W.shape[1] == len(model.H) == 4


@pytest.mark.parametrize("beta", [0.0, 1.0, 1.5, 2.0])
def test_hoyer_activations_have_the_sparseness_asked_for(beta: float) -> None:
    nmf = NMF(n_components=4, beta=beta, solver="me", sparseness=0.7, n_iter=30)
    assert_falls(losses_of(nmf, data()))
    assert_allclose(sparseness(nmf.fit(data()[None]).H), 0.7, atol=1e-9)


def test_projection_keeps_the_norm_and_sets_the_sparseness() -> None:
    H = np.random.default_rng(0).standard_normal((5, 40))
    for target in (0.0, 0.3, 0.9, 1.0):
        P = project(H, target)
        assert (P >= 0).all()
        assert_allclose(sparseness(P), target, atol=1e-9)
        assert_allclose((P**2).sum(axis=1), (H**2).sum(axis=1))
    feasible = project(np.abs(H), 0.4)
    assert_allclose(project(feasible, 0.4), feasible, atol=1e-12)


# ---- weights


@pytest.mark.parametrize("solver", ["mu", "me", "joint", "extrapolated"])
@pytest.mark.parametrize("beta", BETAS)
def test_the_weighted_loss_never_rises(beta: float, solver: str) -> None:
    weights = np.random.default_rng(1).random((33, 50))
    weights[weights < 0.2] = 0
    sparsity = 0.1 if solver == "mu" else 0.0
    nmf = NMF(n_components=4, beta=beta, solver=solver, n_iter=25, weights=weights, sparsity=sparsity)
    assert_falls(losses_of(nmf, data()))


def test_what_lies_under_a_weight_of_zero_is_not_looked_at() -> None:
    V, weights = data(), np.ones((33, 50))
    weights[np.random.default_rng(1).random((33, 50)) < 0.3] = 0
    nmf = NMF(n_components=4, n_iter=20, weights=weights)
    spoilt = np.where(weights > 0, V, np.nan)
    assert_array_equal(nmf.fit(spoilt[None]).W, nmf.fit(V[None]).W)


def test_missing_entries_are_filled_in() -> None:
    rng = np.random.default_rng(0)
    V = rng.gamma(0.5, size=(40, 3)) @ rng.gamma(0.5, size=(3, 80)) + 1e-3
    weights = (rng.random(V.shape) > 0.3).astype(float)
    model = NMF(n_components=3, weights=weights, n_iter=1000, tol=1e-8).fit(V[None])
    error = (model.W @ model.H - V)[weights == 0]
    assert np.sqrt((error**2).mean()) < 0.02 * V.std()


def test_equal_weights_change_nothing_but_the_loss() -> None:
    V = data()
    plain = NMF(n_components=4, n_iter=20, tol=0).fit(V[None])
    doubled = NMF(n_components=4, n_iter=20, tol=0, weights=2 * np.ones((1, 1))).fit(V[None])
    assert_allclose(doubled.W, plain.W, rtol=1e-8)
    assert_allclose(doubled.losses[-1][1], 2 * plain.losses[-1][1])


@pytest.mark.parametrize("wrong", [np.ones((33, 49)), np.ones((1, 33, 50))])
def test_weights_that_do_not_fit_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="weights have shape"):
        NMF(weights=wrong).fit(data()[None])
    with pytest.raises(ParameterError, match="negative"):
        NMF(weights=np.array([[-1.0]])).fit(data()[None])


# ---- starts


def test_nndsvd_begins_near_and_in_the_scale_of_the_data() -> None:
    V = data(rank=3)
    near, far = (
        losses_of(NMF(n_components=3, initial=initial, n_iter=0, beta=2.0), V)[0]
        for initial in ("nndsvd", "random")
    )
    assert near < 0.5 * far
    start = NMF(n_components=3, initial="nndsvd", n_iter=0).fit(V[None])
    assert_allclose((start.W @ start.H).mean(), V.mean())
    assert (start.W > 0).all()
    assert (start.H > 0).all()


def test_nndsvd_of_more_components_than_the_rank_is_filled_up() -> None:
    V = np.outer(np.arange(1.0, 8), np.arange(1.0, 6))
    model = NMF(n_components=4, initial="nndsvd", n_iter=50).fit(V[None])
    assert np.isfinite(model.W).all()
    assert_allclose(model.W @ model.H, V, rtol=0.05)
    assert_array_equal(NMF(initial="nndsvd", n_components=2, n_iter=3).fit(np.zeros((1, 4, 5))).H, 0)


def test_several_starts_are_no_worse_than_each_at_that_time() -> None:
    V = data(rank=8)
    best = losses_of(NMF(n_components=6, n_starts=4, n_iter=0), V)[0]
    each = [losses_of(NMF(n_components=6, seed=seed, n_iter=10), V)[-1] for seed in range(4)]
    assert_allclose(best, min(each))


def test_any_support_of_a_start_stays() -> None:
    V, rng = data(), np.random.default_rng(0)
    W, H = rng.random((33, 4)), rng.random((4, 50)) * (rng.random((4, 50)) > 0.5)
    model = NMF(n_components=4, n_iter=20, solver="extrapolated")
    *_, last = model.iterate(V[None], start=LowRankModel(W=W, H=H))
    assert (last.H[H == 0] == 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sparsity": -1},
        {"smoothness": np.inf},
        {"ard": np.nan},
        {"sparseness": 1.5},
        {"initial": "zeros"},
        {"n_starts": 0},
        {"n_starts": 2, "initial": "nndsvd"},
        {"sparseness": 0.5},
        {"sparseness": 0.5, "solver": "me", "sparsity": 0.1},
        {"templates": {"a": np.ones((3, 1))}, "notes": {"a": [(0, 1, 60)]}},
        {"n_templates": 0},
        {"solver": "joint", "sparsity": 0.1},
        {"solver": "hals"},
        {"solver": "hals", "beta": 2, "smoothness": 0.1},
        {"solver": "hals", "beta": 2, "weights": np.ones((1, 1))},
    ],
)
def test_options_that_do_not_go_together_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError):
        NMF(**wrong)


# ---- coordinate descent


def test_hals_never_rises_and_gets_further_than_ratios() -> None:
    V = data()
    hals, ratios = (
        NMF(n_components=5, beta=2.0, solver=s, n_iter=40, initial="random") for s in ("hals", "me")
    )
    assert_falls(losses_of(hals, V))
    assert losses_of(hals, V)[-1] < losses_of(ratios, V)[-1]


# ---- other libraries


@pytest.mark.slow
def test_euclidean_factors_fit_as_well_as_those_of_coordinate_descent() -> None:
    """On its own objective without a penalty, after as many iterations of coordinate descent."""
    import warnings

    from sklearn.decomposition import non_negative_factorization

    V, rng = data(), np.random.default_rng(1)
    W, H = rng.random((33, 5)) + 0.1, rng.random((5, 50)) + 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        W_sk, H_sk, _ = non_negative_factorization(
            V, W.copy(), H.copy(), init="custom", n_components=5, solver="cd", max_iter=200, tol=0
        )
    ours = NMF(n_components=5, beta=2.0, solver="hals", n_iter=200, tol=0).fit(
        V[None], start=LowRankModel(W=W, H=H)
    )
    assert ours.losses[-1][1] < 1.01 * 0.5 * ((V - W_sk @ H_sk) ** 2).sum()


# ---- what a user may get wrong, and the ends of ranges


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_numbers_the_kernels_are_not_made_for_are_refused(dtype: type) -> None:
    with pytest.raises(ArrayTypeError, match="give float32"):
        NMF(n_iter=1).fit(data()[None].astype(dtype))


def test_what_is_no_spectrogram_is_refused_by_name() -> None:
    with pytest.raises(ArrayTypeError, match="list"):
        NMF(n_iter=1).fit(data()[None].tolist())
    with pytest.raises(ShapeError, match=r"pass V\[None\]"):
        NMF(n_iter=1).fit(data())
    with pytest.raises(ParameterError, match=r"tuple; give LowRankModel\(W=, H=\)"):
        NMF(n_iter=1).fit(data()[None], start=(np.ones((33, 30)), np.ones((30, 50))))
    with pytest.raises(ParameterError, match="beta is inf; it must be finite"):
        NMF(beta=np.inf)
    for weights in ("abc", [[1], [1, 2]]):
        with pytest.raises(ParameterError, match="weights is"):
            NMF(weights=weights)


@pytest.mark.parametrize("beta", [-5.0, -10.0])
def test_a_beta_beyond_the_range_of_float32_is_named(beta: float) -> None:
    V = data(np.float32)[None]
    V[0, :, 10:20] = 0
    V[0, :, 20] *= 1e3
    with np.errstate(all="ignore"), pytest.raises(NumericalError, match=r"range of float32; use float64"):
        NMF(n_components=3, beta=beta, solver="mu", n_iter=10).fit(V)


def test_weights_are_values() -> None:
    first, second = np.ones((33, 50)), np.full((33, 50), 2.0)
    nmf = NMF(weights=first)
    assert nmf == replace(nmf)
    assert nmf == NMF(weights=first.copy())
    assert nmf != NMF(weights=second)
    assert nmf != NMF()
    assert hash(nmf) == hash(NMF(weights=first.copy()))


@pytest.mark.parametrize("level", [1e-28, 1e28])
@pytest.mark.parametrize(("beta", "solver"), [(0.0, "me"), (1.0, "me"), (2.0, "me"), (2.0, "hals")])
def test_no_level_of_two_channels_is_too_high_or_too_low(beta: float, solver: str, level: float) -> None:
    V = np.stack([data(np.float32), data(np.float32, seed=1)])
    nmf = NMF(n_components=3, beta=beta, solver=solver, n_iter=10, tol=0, initial="random")
    scale = np.float32(2.0 ** round(np.log2(level)))
    plain, far = nmf.fit(V), nmf.fit(V * scale)
    assert_allclose(far.H / scale, plain.H, rtol=1e-3, atol=1e-4 * plain.H.max())


def test_a_power_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(NumericalError, match="too quiet"):
        NMF(power=2.0, n_iter=1).fit(data(np.float32)[None] * np.float32(1e-30))


def test_relevance_of_a_component_that_is_zero_is_a_number() -> None:
    V = data()
    notes = {"a": [(0.0, 0.1, 60)], "late": [(100.0, 101.0, 64)]}  # the second begins after the end
    model = NMF(n_components=2, notes=notes, grid=Grid(frame_rate=50.0, bin_hz=30.0), ard=0.1, n_iter=5).fit(
        V[None]
    )
    assert np.isfinite(model.W).all()
    assert np.isfinite(model.H).all()


def test_a_warm_start_has_the_sparseness_asked_for_from_the_beginning() -> None:
    rng = np.random.default_rng(0)
    start = LowRankModel(W=rng.random((33, 4)), H=rng.random((4, 50)))
    nmf = NMF(n_components=4, solver="me", sparseness=0.7, n_iter=3)
    for model in nmf.iterate(data()[None], start=start):
        assert_allclose(sparseness(model.H), 0.7, atol=1e-9)
