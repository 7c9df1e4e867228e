"""Which task a method's stems answer, and which estimate is held against which truth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.compare.tasks import TASKS, assign, best_permutation, every_stem, references

SONG = ("vocals", "drums", "bass", "other")


def noise(names, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal((1, 4000)) for name in names}


@pytest.mark.parametrize(
    ("names", "title", "pairs"),
    [
        (("harmonic", "percussive"), "drums vs rest", {"drums": "percussive", "rest": "harmonic"}),
        (
            ("harmonic", "percussive", "residual"),
            "drums vs rest",
            {"drums": "percussive", "rest": "harmonic"},
        ),
        (("drums", "rest"), "drums vs rest", {"drums": "drums", "rest": "rest"}),
        (
            ("background", "foreground"),
            "voice vs accompaniment",
            {"vocals": "foreground", "accompaniment": "background"},
        ),
        (
            ("vocals", "accompaniment"),
            "voice vs accompaniment",
            {"vocals": "vocals", "accompaniment": "accompaniment"},
        ),
        (SONG[::-1], "four stems", {name: name for name in SONG}),
    ],
)
def test_names_say_the_task(names, title, pairs):
    got, task, found, matched = assign(noise(names), noise(SONG, 1))
    assert (got, found, matched) == (title, pairs, False)
    assert list(found) == list(task.parts)


def test_parts_of_a_task_sum_to_the_mixture():
    for task in TASKS.values():
        stems = noise(("speech", "hiss") if "speech" in task.parts else SONG)
        truth = references(task, stems)
        assert list(truth) == list(task.parts)
        assert_allclose(sum(truth.values()), sum(stems.values()), atol=1e-12)


def test_a_task_with_a_part_for_each_stem_is_that_of_finding_every_stem():
    stems = noise(("speech", "hiss"))
    title, task, pairs, matched = assign({"source1": stems["hiss"], "source2": stems["speech"]}, stems)
    assert (title, task) == ("speech vs noise", TASKS["speech vs noise"])
    assert pairs == {"speech": "source2", "noise": "source1"}
    assert matched


def test_rest_is_all_stems_but_the_drums():
    stems = noise(SONG)
    truth = references(TASKS["drums vs rest"], stems)
    assert_allclose(truth["rest"], stems["vocals"] + stems["bass"] + stems["other"])


def test_a_task_whose_stems_are_not_there_is_no_task():
    assert all(references(task, noise(("talker", "hum"))) is None for task in TASKS.values())
    assert references(TASKS["drums vs rest"], noise(("drums",))) is None


@pytest.mark.parametrize("shuffled", [(2, 0, 3, 1), (3, 2, 1, 0)])
def test_unknown_names_are_matched_by_the_best_permutation(shuffled):
    stems, error = noise(SONG), noise(SONG, 1)
    clean = list(stems.values())
    estimates = {f"source{n + 1}": clean[k] + 0.3 * error[SONG[n]] for n, k in enumerate(shuffled)}
    title, _, pairs, matched = assign(estimates, stems)
    assert (title, matched) == ("four stems", True)
    assert pairs == {SONG[k]: f"source{n + 1}" for n, k in enumerate(shuffled)}


def test_numbered_names_are_matched_even_if_the_truth_is_numbered_too():
    stems = noise(("source1", "source2"))
    swapped = {"source1": stems["source2"], "source2": stems["source1"]}
    title, _, pairs, matched = assign(swapped, stems)
    assert (title, matched) == ("two stems", True)
    assert pairs == {"source1": "source2", "source2": "source1"}


def test_names_equal_to_the_true_ones_are_taken_at_their_word():
    stems = noise(("background", "foreground"))
    swapped = dict(zip(reversed(stems), stems.values(), strict=True))
    assert assign(swapped, stems)[2:] == ({"background": "background", "foreground": "foreground"}, False)


def test_too_few_and_too_many_estimates_leave_some_out():
    stems = noise(("a", "b", "c"))
    assert best_permutation(stems, {"x": stems["b"]}) == {"b": "x"}
    many = {"x": stems["c"], "y": stems["a"], "silent": 0 * stems["a"], "z": stems["b"]}
    assert best_permutation(stems, many) == {"a": "y", "b": "z", "c": "x"}


def test_every_stem_is_counted_in_words():
    assert every_stem(noise(SONG))[0] == "four stems"
    assert every_stem(noise("ab"))[0] == "two stems"
    assert every_stem(noise("abcdefghi"))[0] == "9 stems"
