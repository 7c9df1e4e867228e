"""What is run to be scored: which rows there are, and what their estimates are called."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sigsep_classic import METHODS, synthesize
from sigsep_classic.compare.candidates import Candidate, candidates
from sigsep_classic.compare.tasks import MATCHED
from sigsep_classic.errors import ParameterError


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=2.0, sample_rate=16000)


def test_all_is_every_method_made_for_one_recording_of_music():
    names = {each.name for each in candidates(["all"])}
    assert {"hpss", "nmf", "repet_sim", "vocals", "melody"} <= names
    assert not {"bss", "auxiva", "duet", "denoise"} & names
    spoken = {each.name for each in candidates(["all"], speech=True)}
    assert spoken - names == {"denoise", "dehum", "speech_music_effects"}
    assert names <= set(METHODS)


def test_each_row_is_there_once_and_models_have_names_of_their_own(tmp_path):
    file = tmp_path / "models.py"
    file.write_text("def hpss(mixture, sample_rate):\n    return {'drums': mixture}\n")
    assert [c.name for c in candidates(["hpss", "hpss", "rpca"])] == ["hpss", "rpca"]
    assert [c.name for c in candidates(["hpss"], [f"mine={file}:hpss"])] == ["hpss", "mine"]
    with pytest.raises(ParameterError, match="two rows would be called hpss"):
        candidates(["hpss"], [f"{file}:hpss"])
    with pytest.raises(ParameterError, match="hpss"):
        candidates(["hpsss"])


@pytest.mark.parametrize(
    ("method", "stems", "matched"),
    [
        ("hpss", {"drums", "no_drums"}, False),
        ("repet_sim", {"vocals", "accompaniment"}, False),
        ("isa", None, True),
    ],
)
def test_stems_are_called_as_the_truth_calls_them(song, method, stems, matched):
    found, note = Candidate(name=method, method=method).estimates(song)
    assert set(found) == (stems or set(song.stems))
    assert all(x.shape == song.mixture.shape for x in found.values())
    assert (note == MATCHED) == matched


def test_a_candidate_goes_to_another_process_and_says_what_it_depends_on(tmp_path):
    file = tmp_path / "models.py"
    file.write_text("def louder(mixture, sample_rate):\n    return {'drums': 2 * mixture}\n")
    method, model = candidates(["hpss"], [f"{file}:louder"])
    assert pickle.loads(pickle.dumps(method)) == method
    assert "harmonic_frames" in method.as_dict()["parameters"]
    assert model.as_dict() == {"model": f"{file}:louder"}
    mixture = np.ones((1, 100), np.float32)

    class Track:
        sample_rate, stems = 8000, {}

    Track.mixture = mixture
    assert np.array_equal(model.estimates(Track)[0]["drums"], 2 * mixture)
