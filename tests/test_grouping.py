"""Components find the group that was built into them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import grouping
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers.lowrank.nmf import NMF
from sigsep_classic.factorizers.models import LowRankModel, MaskModel, check_groups
from sigsep_classic.frontends import STFT
from sigsep_classic.typing import Grid
from tests.peers import librosa_or_skip

GRID = Grid(frame_rate=50.0, bin_hz=8000 / 256)


def bump(centre, width, n):
    return np.exp(-0.5 * ((np.arange(n) - centre) / width) ** 2)


def timbre_model(real="float64"):
    """Return six components: three dull, two bright, one of two humps; of falling total energy by group."""
    rng = np.random.default_rng(0)
    kinds = [lambda: bump(8, 6, 129), lambda: bump(90, 12, 129), lambda: bump(20, 3, 129) + bump(100, 3, 129)]
    which = [0, 1, 0, 2, 1, 0]
    W = np.stack([kinds[k]() * rng.uniform(0.9, 1.1, 129) for k in which], axis=1)
    H = rng.random((6, 40)) * np.array([[{0: 9.0, 1: 3.0, 2: 1.0}[k]] for k in which])
    return LowRankModel(W=W.astype(real), H=H.astype(real))


@pytest.mark.parametrize("real", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(3))
def test_timbre_finds_the_clusters_loudest_first(real, seed):
    groups = grouping.by_timbre(timbre_model(real), GRID, n_groups=3, seed=seed)
    assert groups == {"source1": [0, 2, 5], "source2": [1, 4], "source3": [3]}


def test_timbre_does_not_mind_level_or_order_of_components():
    model = timbre_model()
    order = [3, 5, 1, 0, 2, 4]
    shuffled = LowRankModel(W=model.W[:, order] * 1e-6, H=model.H[order])
    groups = grouping.by_timbre(shuffled, GRID, n_groups=3)
    assert sorted(sorted(order[k] for k in members) for members in groups.values()) == [
        [0, 2, 5],
        [1, 4],
        [3],
    ]


@pytest.mark.parametrize("n_groups", [1, 2, 6])
def test_timbre_puts_every_component_into_one_of_the_groups_asked_for(n_groups):
    groups = grouping.by_timbre(timbre_model(), GRID, n_groups=n_groups)
    assert list(groups) == [f"source{i + 1}" for i in range(n_groups)]
    assert sorted(k for members in groups.values() for k in members) == list(range(6))
    assert all(groups.values())


@pytest.mark.parametrize("n_groups", [0, 7])
def test_timbre_refuses_more_groups_than_components(n_groups):
    with pytest.raises(ParameterError, match="6 components"):
        grouping.by_timbre(timbre_model(), GRID, n_groups=n_groups)


@pytest.mark.parametrize("n_bins", [1, 2, 3])
def test_timbre_works_with_very_few_frequencies(n_bins):
    rng = np.random.default_rng(0)
    model = LowRankModel(W=rng.random((n_bins, 4)), H=rng.random((4, 10)))
    groups = grouping.by_timbre(model, Grid(frame_rate=8000.0, bin_hz=0.0), n_groups=2)
    assert sorted(k for members in groups.values() for k in members) == [0, 1, 2, 3]


@pytest.mark.parametrize(("rate", "n_fft"), [(1500, 64), (8000, 256), (44100, 2048), (96000, 30)])
@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("within", [1e-5])
def test_mel_filters_are_librosas(rate, n_fft, within):
    mel = librosa_or_skip().filters.mel(sr=rate, n_fft=n_fft, n_mels=min(40, n_fft // 2 + 1))
    grid = Grid(frame_rate=50.0, bin_hz=rate / n_fft)
    assert_allclose(grouping._mel_bands(n_fft // 2 + 1, grid), mel, rtol=within, atol=1e-8)


def test_timbre_of_equal_templates_is_one_group_without_a_warning():
    model = LowRankModel(W=np.ones((129, 4)), H=np.random.default_rng(0).random((4, 10)))
    assert grouping.by_timbre(model, GRID, n_groups=2) == {"source1": [0, 1, 2, 3], "source2": []}


def tones_and_clicks():
    """Return spectrograms (129, 200) of two steady tones and of broad hits, and their sum."""
    tones = np.outer(bump(20, 1, 129) + bump(40, 1, 129), np.ones(200))
    tones += np.outer(bump(70, 1, 129), (np.arange(200) >= 100).astype(float))
    hits = np.zeros(200)
    hits[10::25] = 1
    clicks = np.outer(0.3 + 0.1 * np.cos(np.arange(129) / 40), hits)
    return tones, clicks


def test_shape_tells_tones_from_clicks_in_a_factorization():
    tones, clicks = tones_and_clicks()
    model = NMF(n_components=3, n_iter=300, tol=0, seed=1).fit((tones + clicks)[None])
    groups = grouping.harmonic_percussive(model, GRID)
    assert sorted(map(len, groups.values())) == [1, 2]
    Y = model.reconstruct(groups)[:, 0]
    names = list(groups)
    assert names == ["harmonic", "percussive"]
    for mine, truth in zip(Y, (tones, clicks), strict=True):
        assert np.linalg.norm(mine - truth) < 0.3 * np.linalg.norm(truth)


def test_shape_tells_a_held_component_from_a_struck_one():
    W = np.stack([bump(30, 0.5, 129), np.ones(129)], axis=1)
    H = np.zeros((2, 60))
    H[0], H[1, ::20] = 1, 1
    groups = grouping.harmonic_percussive(LowRankModel(W=W, H=H), GRID)
    assert groups == {"harmonic": [0], "percussive": [1]}


def test_the_reference_says_where_each_component_belongs():
    model = timbre_model()
    stems = {"bright": [1, 4], "dull": [0, 2, 5], "humps": [3]}
    references = {name: np.sqrt(model.W[:, k] @ model.H[k])[None] for name, k in stems.items()}
    assert grouping.by_reference(model, references) == stems


def test_the_reference_may_be_complex_in_stereo_and_in_float32():
    model = timbre_model("float32")
    phase = np.exp(2j * np.pi * np.random.default_rng(1).random((2, 129, 40)))
    stems = {"a": [0, 2, 5], "b": [1, 4], "c": [3]}
    references = {
        n: (phase * np.sqrt(model.W[:, k] @ model.H[k])).astype("complex64") for n, k in stems.items()
    }
    assert grouping.by_reference(model, references) == stems


def test_a_silent_reference_gets_nothing():
    model = timbre_model()
    references = {"all": (model.W @ model.H)[None], "silence": np.zeros((1, 129, 40))}
    assert grouping.by_reference(model, references) == {"all": list(range(6)), "silence": []}


def test_a_reference_on_another_grid_is_refused():
    with pytest.raises(ShapeError, match="reference 'bass' has"):
        grouping.by_reference(timbre_model(), {"bass": np.ones((1, 129, 41))})


def test_grouped_components_are_the_sum_of_their_parts():
    model, groups = timbre_model(), {"a": [0, 3], "b": [1, 2, 4, 5]}
    parts = model.reconstruct()
    assert parts.shape == (6, 1, 129, 40)
    Y = model.reconstruct(groups)
    assert_allclose(Y[0], parts[0] + parts[3], rtol=1e-12)
    assert_allclose(Y.sum(axis=0)[0], model.W @ model.H, rtol=1e-12)


def test_normalized_and_sorted_change_only_how_a_model_is_written():
    model = timbre_model()
    tidy = model.normalized().sorted()
    assert_allclose(tidy.W.sum(axis=0), np.ones(6), rtol=1e-12)
    assert (np.diff(tidy.H.sum(axis=1)) <= 0).all()
    assert_allclose(tidy.W @ tidy.H, model.W @ model.H, rtol=1e-12)


def test_grouped_gains_of_a_partition_are_the_sum_of_their_parts():
    rng = np.random.default_rng(0)
    masks = rng.dirichlet([1, 1, 1], (2, 5, 6)).transpose(3, 0, 1, 2)
    model = MaskModel(masks=masks[:2], magnitude=rng.random((2, 5, 6)), names=("a", "b", "c"))
    assert_allclose(model.gains(), masks, atol=1e-15)
    assert_allclose(model.gains({"ac": [2, 0], "b": [1]})[0], masks[0] + masks[2], atol=1e-15)
    assert_array_equal(model.reconstruct(), model.gains() * model.magnitude)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({}, "groups is empty"),
        ({"a": [0, 6]}, "component 6"),
        ({"a": [0], "b": [0]}, "component 0 twice"),
        ({"a": [-1]}, "component -1"),
    ],
)
def test_groups_that_do_not_fit_the_model_are_refused(groups, said):
    with pytest.raises(ParameterError, match=said):
        check_groups(groups, timbre_model().names)


def test_without_groups_each_component_is_one():
    assert check_groups(None, ("a", "b")) == {"a": [0], "b": [1]}


@pytest.mark.parametrize("name", sorted(grouping.GROUPERS))
def test_groupings_by_name_take_model_grid_and_count(name):
    groups = grouping.GROUPERS[name](timbre_model(), STFT(n_fft=256).grid(8000), 2)
    assert sorted(k for members in groups.values() for k in members) == list(range(6))


def test_the_shape_grouping_makes_two_groups_and_no_other_number():
    with pytest.raises(ParameterError, match="makes two groups"):
        grouping.GROUPERS["harmonic_percussive"](timbre_model(), GRID, 3)
