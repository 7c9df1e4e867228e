"""``sigsep-classic remix`` writes the mixture with changed stems."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sigsep_classic import audio, synthesize
from sigsep_classic.cli.main import main


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    mix = synthesize("song", seconds=1.5, sample_rate=16000)
    path = tmp_path_factory.mktemp("mix") / "song.wav"
    audio.save(path, mix.mixture, 16000)
    return path


def test_a_stem_is_muted_in_one_file(song, tmp_path, capsys):
    out = tmp_path / "softer.wav"
    assert main(["remix", str(song), "--set", "percussive mute", "-o", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["changes"] == "percussive mute"
    assert record["method"] == "hpss"
    whole, harmonic = audio.load(song).samples, audio.load(out).samples
    assert harmonic.shape == whole.shape
    assert 0 < np.sum(harmonic**2) < np.sum(whole**2)


def test_nothing_changed_is_the_file_itself(song, tmp_path):
    assert main(["remix", str(song), "--set", "harmonic 0dB", "-o", str(tmp_path), "-q"]) == 0
    np.testing.assert_array_equal(audio.load(tmp_path / "song.wav").samples, audio.load(song).samples)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "--set is missing"),
        (["--set", "drums louder"], "not understood"),
        (["--set", "trumpet mute"], "no method gives"),
        (["--set", "foreground mute", "-m", "hpss"], "no stem 'foreground'"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(song, tmp_path, capsys, words, says):
    assert main(["remix", str(song), *words, "-o", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
