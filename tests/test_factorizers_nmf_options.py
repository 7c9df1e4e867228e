"""NMF with penalties, weights, templates, notes and starts: losses fall, levels do not matter, truths are found."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.lowrank.penalties import Penalties, ratio
from sigsep_classic.factorizers.lowrank.sparseness import project, sparseness
from sigsep_classic.factorizers.lowrank.templates import Templates
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


# ---- templates


def two_sources(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two spectrograms with different templates, and their templates side by side."""
    rng = np.random.default_rng(seed)
    W = rng.gamma(0.3, size=(40, 6)) + 1e-3
    first, second = (W[:, s] @ rng.gamma(0.3, size=(3, 90)) for s in (slice(0, 3), slice(3, 6)))
    return first, second, W


@pytest.mark.parametrize("solver", ["mu", "joint", "extrapolated"])
def test_fixed_templates_stay_and_name_the_stems(solver: str) -> None:
    first, second, W = two_sources()
    nmf = NMF(n_components=3, templates={"first": W[:, :3]}, solver=solver, n_iter=200)
    model = nmf.fit((first + second)[None])
    assert_allclose(model.W[:, :3], W[:, :3] / W[:, :3].sum(axis=0))
    assert model.stems == {"first": [0, 1, 2], "rest": [3, 4, 5]}
    assert_falls(losses_of(replace(nmf, n_iter=30), first + second))
    assert np.abs(model.reconstruct(model.stems)[0, 0] - first).sum() < 0.2 * first.sum()


def test_templates_of_all_sources_leave_nothing_to_learn() -> None:
    first, second, W = two_sources()
    nmf = NMF(n_components=0, templates={"first": W[:, :3], "second": W[:, 3:]}, n_iter=500, tol=1e-7)
    model = nmf.fit((first + second)[None])
    assert list(model.stems) == ["first", "second"]
    parts = model.reconstruct(model.stems)[:, 0]
    assert_allclose(parts[0], first, atol=0.01 * first.max())
    assert_allclose(parts[1], second, atol=0.01 * first.max())


def test_templates_are_learnt_from_examples_at_any_level() -> None:
    first, second, _ = two_sources()
    nmf = NMF(n_components=3, n_templates=3, n_iter=300)
    taught, quiet = (nmf.with_examples({"first": first[None, :, ::2] * level}) for level in (1, 1e-3))
    assert_allclose(quiet.templates["first"], taught.templates["first"], rtol=1e-3, atol=1e-5)
    model = taught.fit((first + second)[None])
    assert np.abs(model.reconstruct(model.stems)[0, 0] - first).sum() < 0.3 * first.sum()


def test_nothing_to_find_is_refused() -> None:
    with pytest.raises(ParameterError, match="n_components is 0"):
        NMF(n_components=0).fit(data()[None])


def test_templates_may_adapt() -> None:
    first, second, W = two_sources()
    fixed = NMF(n_components=3, templates={"first": W[:, :3] + 0.1}, n_iter=100)
    adapted = replace(fixed, adapt_templates=True)
    V = (first + second)[None]
    assert adapted.fit(V).losses[-1][1] < fixed.fit(V).losses[-1][1]
    assert adapted.fit(V).stems == fixed.fit(V).stems


def test_a_model_is_applied_to_other_frames() -> None:
    first, second, _ = two_sources()
    V = first + second
    model = NMF(n_components=6, n_iter=300).fit(V[None, :, :60])
    other = model.apply(V[None, :, 60:])
    assert_allclose(other.W, model.W, rtol=1e-12)
    assert other.H.shape == (6, 30)
    assert np.abs(other.W @ other.H - V[:, 60:]).sum() < 0.2 * V[:, 60:].sum()
    assert_array_equal(model.apply(V[None, :, 60:]).H, other.H)


def test_templates_are_values() -> None:
    W = np.ones((5, 2))
    a, b = Templates({"a": W}), Templates({"a": W.copy()})
    assert a == b
    assert hash(a) == hash(b)
    assert NMF(templates={"a": W}) == NMF(templates={"a": W.copy()})
    assert NMF(templates={"a": W}) != NMF(templates={"a": 2 * W})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"rest": np.ones((3, 1))},
        {"a": -np.ones((3, 1))},
        {"a": np.full((3, 1), np.nan)},
        {1: np.ones((3, 1))},
    ],
)
def test_templates_that_mean_nothing_are_refused(wrong: dict) -> None:
    with pytest.raises(ParameterError, match="templates"):
        NMF(templates=wrong)


@pytest.mark.parametrize(
    "wrong", [{"a": np.ones(3)}, {"a": np.ones((3, 0))}, {"a": np.ones((3, 1)), "b": np.ones((4, 1))}]
)
def test_templates_of_a_wrong_shape_are_refused(wrong: dict) -> None:
    with pytest.raises(ShapeError, match="templates"):
        NMF(templates=wrong)


def test_templates_of_another_transform_are_refused() -> None:
    with pytest.raises(ShapeError, match="templates have 3 bins, X has 33"):
        NMF(templates={"a": np.ones((3, 1))}).fit(data()[None])


# ---- starts and notes


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


GRID = Grid(frame_rate=50.0, bin_hz=10.0)


def notes_spectrogram(lines: dict) -> dict[str, np.ndarray]:
    """Return a spectrogram of each name with six partials a note, on GRID."""
    found = {}
    f = np.arange(200) * GRID.bin_hz
    for name, line in lines.items():
        V = np.zeros((200, 150))
        for onset, offset, pitch in line:
            f0 = 440 * 2 ** ((pitch - 69) / 12)
            tone = sum(np.exp(-(((f - n * f0) / 10) ** 2)) / n for n in range(1, 7))
            V[:, int(onset * 50) : int(offset * 50)] += tone[:, None]
        found[name] = V
    return found


def test_a_score_separates_the_hands() -> None:
    lines = {
        "left": [(0.2, 1.0, 48), (1.2, 2.0, 50)],
        "right": [(0.0, 0.7, 60), (0.8, 1.5, 64), (1.6, 2.6, 60)],
    }
    truth = notes_spectrogram(lines)
    nmf = NMF(n_components=0, notes=lines, grid=GRID, n_iter=100)
    model = nmf.fit(sum(truth.values())[None] + 1e-6)
    assert model.stems == {"left": [0, 1], "right": [2, 3]}
    for part, V in zip(model.reconstruct(model.stems)[:, 0], truth.values(), strict=True):
        assert np.abs(part - V).sum() < 0.1 * V.sum()
    assert (model.H[0, int(1.4 * 50) :] == 0).all()
    assert (model.W[:10, 2] == 0).all()
    assert_falls(losses_of(replace(nmf, n_iter=20), sum(truth.values()) + 1e-6))


def test_any_support_of_a_start_stays() -> None:
    V, rng = data(), np.random.default_rng(0)
    W, H = rng.random((33, 4)), rng.random((4, 50)) * (rng.random((4, 50)) > 0.5)
    model = NMF(n_components=4, n_iter=20, solver="extrapolated")
    *_, last = model.iterate(V[None], start=LowRankModel(W=W, H=H))
    assert (last.H[H == 0] == 0).all()


@pytest.mark.parametrize(
    "wrong", [{}, {"a": []}, {"a": [(0, 1)]}, {"a": [(1, 0, 60)]}, {"a": [(0, 1, "C4")]}, [(0, 1, 60)]]
)
def test_notes_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(ParameterError, match="note"):
        NMF(notes=wrong)


def test_notes_need_a_grid() -> None:
    with pytest.raises(ParameterError, match="give grid"):
        NMF(notes={"a": [(0, 1, 60)]}).fit(data()[None])


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


def test_hals_leaves_fixed_templates_and_lowers_the_loss() -> None:
    first, second, W = two_sources()
    nmf = NMF(n_components=3, beta=2.0, solver="hals", templates={"first": W[:, :3]}, n_iter=200)
    model = nmf.fit((first + second)[None])
    assert_allclose(model.W[:, :3], W[:, :3] / W[:, :3].sum(axis=0))
    assert_falls(losses_of(replace(nmf, n_iter=30), first + second))
    assert np.abs(model.reconstruct(model.stems)[0, 0] - first).sum() < 0.2 * first.sum()


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


def test_activations_for_given_templates_are_those_of_scikit_learn() -> None:
    """The problem is convex, so two solvers meet."""
    from sklearn.decomposition import non_negative_factorization

    V = data()
    W = np.random.default_rng(1).random((33, 5)) + 0.01
    _, H_sk, _ = 0, non_negative_factorization(
        V.T, H=W.T, W=None, n_components=5, init="custom", update_H=False, solver="mu",
        beta_loss="kullback-leibler", max_iter=5000, tol=1e-9,
    )[0].T, 0  # fmt: skip
    model = NMF(n_components=0, templates={"known": W}, n_iter=3000, tol=1e-12).fit(V[None])
    assert_allclose(model.W @ model.H, W @ H_sk, rtol=1e-3, atol=1e-3 * V.max())
