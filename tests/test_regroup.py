"""`Separation.regroup`: other stems of a fitted model, as if they had been asked for at once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sigsep_classic import Separation, separate
from sigsep_classic.datasets.synthetic import synthesize
from sigsep_classic.errors import ParameterError

SONG = synthesize("song", seconds=1.0, sample_rate=16000)
OPTIONS = {"method": "nmf", "n_components": 6, "n_iter": 10}


@pytest.mark.parametrize(
    "wanted",
    [
        {"groups": {"a": [0, 1], "b": [2, 3, 4, 5]}},
        {"groups": "harmonic_percussive"},
        {"n_sources": 3},
        {"groups": {"a": [0]}, "mask": "wiener"},
    ],
)
def test_other_groups_are_what_separate_gives_for_them(wanted: dict) -> None:
    sep = separate(3 * SONG.mixture, SONG.sample_rate, **OPTIONS)
    again, anew = sep.regroup(**wanted), separate(3 * SONG.mixture, SONG.sample_rate, **OPTIONS, **wanted)
    assert list(again) == list(anew)
    for name in again:
        assert_array_equal(again[name], anew[name])
    assert again.model is sep.model


GROUPS = {"a": [0, 1], "b": [2, 3, 4, 5]}


@pytest.mark.parametrize(
    ("asked", "then", "same_as"),
    [
        ({"groups": GROUPS}, {"mask": "wiener"}, {"groups": GROUPS, "mask": "wiener"}),
        ({"n_sources": 3}, {"mask": "wiener"}, {"n_sources": 3, "mask": "wiener"}),
        ({"mask": "binary"}, {"n_sources": 3}, {"mask": "binary", "n_sources": 3}),
        ({"mask": "binary"}, {"mask": None}, {}),
        ({"groups": GROUPS}, {"n_sources": 2}, {"n_sources": 2}),
        ({"n_sources": 3}, {"groups": GROUPS}, {"groups": GROUPS}),
        ({"groups": GROUPS}, {"groups": None}, {}),
        ({"groups": GROUPS, "mask": "binary"}, {}, {"groups": GROUPS, "mask": "binary"}),
    ],
)
def test_what_is_not_asked_anew_stays_as_it_was(asked: dict, then: dict, same_as: dict) -> None:
    again = separate(SONG.mixture, SONG.sample_rate, **OPTIONS, **asked).regroup(**then)
    anew = separate(SONG.mixture, SONG.sample_rate, **OPTIONS, **same_as)
    assert list(again) == list(anew)
    assert (again.groups, again.mask) == (anew.groups, anew.mask)
    for name in again:
        assert_array_equal(again[name], anew[name])


def test_stems_of_some_components_stay_those_and_a_second_regrouping_begins_at_the_first() -> None:
    sep = separate(SONG.mixture, SONG.sample_rate, **OPTIONS, groups=lambda model: {"a": [0]})
    pickle.dumps(sep)  # it keeps the groups, not the function
    assert sep.groups == {"a": [0]}
    once = sep.regroup(mask="binary")
    assert list(once) == ["a"]
    twice = once.regroup({"b": [1, 2]})
    assert (twice.mask, twice.groups) == ("binary", {"b": [1, 2]})


def test_stems_keep_the_shape_of_the_input_and_the_separation_can_be_pickled() -> None:
    sep = separate(SONG.mixture[0], SONG.sample_rate, **OPTIONS)
    again = pickle.loads(pickle.dumps(sep)).regroup(n_sources=2)
    assert all(stem.shape == SONG.mixture[0].shape for stem in again.values())


def test_methods_with_stems_of_their_own_can_be_regrouped_too() -> None:
    sep = separate(SONG.mixture, SONG.sample_rate, method="hpss")
    assert list(sep.regroup({"all": ["harmonic", "percussive"]})) == ["all"]


def test_what_cannot_be_regrouped_says_so() -> None:
    bare = Separation(stems={"a": np.zeros(4)}, mixture=np.zeros(4), sample_rate=8000)
    with pytest.raises(ParameterError, match="regroup needs the model"):
        bare.regroup(n_sources=2)
    with pytest.raises(ParameterError, match="mask 'soft' is unknown"):
        separate(SONG.mixture, SONG.sample_rate, **OPTIONS).regroup(mask="soft")
