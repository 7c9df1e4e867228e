"""``--example NAME=FILE``: sounds of single sources, from which the method learns its templates."""

from __future__ import annotations

import json

import pytest

import sigsep_classic as ssc
from tests.cli.conftest import files_below

QUICK = ("-m", "nmf", "--n-iter", "5", "--n-components", "4", "--n-templates", "3")


@pytest.fixture
def drums(folder) -> str:
    mix = ssc.synthesize("song", seconds=1.0, sample_rate=16000)
    ssc.save("drums.wav", mix.stems["drums"], mix.sample_rate)
    return "drums.wav"


def test_an_example_names_a_stem(cli, song, drums):
    done = cli("separate", song, *QUICK, "--example", f"drums={drums}", "--json")
    assert done.code == 0
    assert files_below("separated") == ["song/drums.wav", "song/rest.wav"]
    record = json.loads(done.out)
    assert record["examples"] == {"drums": drums}
    assert record["parameters"]["n_templates"] == 3


def test_two_examples_and_nothing_else(cli, song, make_song, drums):
    other = make_song("other.wav", seed=1)
    options = ("--example", f"drums={drums}", "--example", f"others={other}", "--n-components", "0")
    assert cli("separate", song, *QUICK, *options).code == 0
    assert files_below("separated") == ["song/drums.wav", "song/others.wav"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-m", "nmf", "--example", "drums"), "'drums' is not NAME=FILE"),
        (("-m", "nmf", "--example", "drums=none.wav"), "there is no file none.wav"),
        (("-m", "hpss", "--example", "drums=song.wav"), "for methods with templates; use -m nmf"),
        (("-m", "nmf", "--example", "a=song.wav", "--example", "a=song.wav"), "'a' is given twice"),
    ],
)
def test_what_is_no_example_is_said_before_the_work(cli, song, words, said):
    done = cli("separate", song, *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
