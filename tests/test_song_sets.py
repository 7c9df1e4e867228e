"""The songs that recipes are fitted to, and those held apart, share nothing; a studio's work on stems adds up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks import song_mix, song_voice
from benchmarks.songs import DEVELOPMENT, HELD_APART
from sigsep_classic.recipes.fusion import FOLDER, fitted


@pytest.mark.parametrize("part", ["titles", "kits", "records", "voices"])
def test_no_song_kit_record_or_voice_is_in_both_sets(part):
    assert not set(getattr(DEVELOPMENT, part)) & set(getattr(HELD_APART, part))
    assert (DEVELOPMENT.wad, DEVELOPMENT.font) != (HELD_APART.wad, HELD_APART.font)
    assert abs(DEVELOPMENT.seed - HELD_APART.seed) > len(DEVELOPMENT.names) + len(HELD_APART.names)


def test_kept_weights_say_what_they_were_fitted_to_and_none_of_it_is_held_apart():
    for path in FOLDER.glob("*.json"):
        songs = fitted(path.stem).provenance["songs"]
        assert songs
        assert all(name.startswith((f"{DEVELOPMENT.wad}/", f"{DEVELOPMENT.package}/")) for name in songs)


def test_a_voice_sings_one_note_at_a_time_and_none_too_short():
    notes = [(0.0, 1.0, 60, 90), (0.0, 0.5, 64, 90), (0.1, 0.3, 62, 90), (0.5, 0.52, 65, 90)]
    assert song_voice.line(notes) == [(0.0, 0.5, 64, 90), (0.5, 0.7, 65, 90)]


def test_mastering_is_one_gain_for_all_stems_where_nothing_is_filtered():
    rng = np.random.default_rng(0)
    stems = {name: rng.standard_normal((2, 44100)) * size for name, size in (("a", 1.0), ("b", 0.3))}
    made = song_mix.mastered(stems, np.random.default_rng(1))  # a seed without a codec's low-pass
    gain = made["a"] / stems["a"]
    assert_allclose(made["b"] / stems["b"], gain, rtol=1e-9)
    assert_allclose(gain[0], gain[1])
    assert_allclose(np.abs(sum(made.values())).max(), 0.9)


def test_a_low_pass_takes_what_is_above_and_leaves_what_is_below():
    t = np.arange(44100) / 44100
    low, high = np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 18000 * t)
    inside = slice(4000, -4000)
    assert_allclose(song_mix.low_passed(low + high, 16000.0)[inside], low[inside], atol=1e-3)
