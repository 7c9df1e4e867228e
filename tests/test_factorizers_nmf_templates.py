"""NMF with templates, examples and scores: what is known beforehand stays, and names the stems."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import NMF
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.templates import Templates
from sigsep_classic.typing import Grid
from tests.reference.beta_nmf import d


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


def test_a_silent_example_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="'quiet' is silent"):
        NMF().with_examples({"loud": data()[None], "quiet": np.zeros((1, 33, 50))})
    with pytest.raises(ParameterError, match="'flat' has shape"):
        NMF().with_examples({"flat": data()})


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
        {"a": "x"},
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


# ---- notes


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


@pytest.mark.parametrize(
    "wrong",
    [{}, {"a": []}, {"a": [(0, 1)]}, {"a": [(1, 0, 60)]}, {"a": [(0, 1, "C4")]}, {"a": 5}, [(0, 1, 60)]],
)
def test_notes_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(ParameterError, match="note"):
        NMF(notes=wrong)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_what_no_note_can_explain_costs_nothing(beta: float) -> None:
    lines = {"left": [(0.2, 1.0, 48)], "right": [(0.0, 0.7, 60), (0.8, 1.5, 64)]}
    V = sum(notes_spectrogram(lines).values()) + 1e-2
    model = NMF(n_components=0, notes=lines, grid=GRID, beta=beta, n_iter=50).fit(V[None])
    covered = (model.W @ model.H) > 0
    within = sum(d(v, m, beta) for v, m in zip(V[covered], (model.W @ model.H)[covered], strict=True))
    assert_allclose(model.losses[-1][1], within, rtol=1e-6)


def test_methods_with_notes_are_values() -> None:
    notes = {"a": [(0, 1, 60)]}
    assert NMF(notes=notes) == NMF(notes={"a": [(0, 1, 60)]})
    assert hash(NMF(notes=notes)) == hash(NMF(notes=notes))
    assert NMF(notes=notes) != NMF(notes={"a": [(0, 1, 61)]})
    assert replace(NMF(notes=notes)) == NMF(notes=notes)


def test_notes_need_a_grid() -> None:
    with pytest.raises(ParameterError, match="give grid"):
        NMF(notes={"a": [(0, 1, 60)]}).fit(data()[None])


# ---- other solvers and libraries


def test_hals_leaves_fixed_templates_and_lowers_the_loss() -> None:
    first, second, W = two_sources()
    nmf = NMF(n_components=3, beta=2.0, solver="hals", templates={"first": W[:, :3]}, n_iter=200)
    model = nmf.fit((first + second)[None])
    assert_allclose(model.W[:, :3], W[:, :3] / W[:, :3].sum(axis=0))
    assert_falls(losses_of(replace(nmf, n_iter=30), first + second))
    assert np.abs(model.reconstruct(model.stems)[0, 0] - first).sum() < 0.2 * first.sum()


@pytest.mark.parametrize("within", [1e-3])
def test_activations_for_given_templates_are_those_of_scikit_learn(within: float) -> None:
    """The problem is convex, so two solvers meet."""
    from sklearn.decomposition import non_negative_factorization

    V = data()
    W = np.random.default_rng(1).random((33, 5)) + 0.01
    _, H_sk, _ = 0, non_negative_factorization(
        V.T, H=W.T, W=None, n_components=5, init="custom", update_H=False, solver="mu",
        beta_loss="kullback-leibler", max_iter=5000, tol=1e-9,
    )[0].T, 0  # fmt: skip
    model = NMF(n_components=0, templates={"known": W}, n_iter=3000, tol=1e-12).fit(V[None])
    assert_allclose(model.W @ model.H, W @ H_sk, rtol=within, atol=within * V.max())
