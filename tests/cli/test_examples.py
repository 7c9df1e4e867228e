"""``--example NAME=FILE``: sounds of single sources, from which the method learns its templates."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

import sigsep_classic as ssc
from sigsep_classic.api import methods_with_examples
from sigsep_classic.cli.transforms import TAUGHT
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
        (
            ("-m", "hpss", "--example", "drums=song.wav"),
            "for methods with templates; use -m nmf, complex_nmf",
        ),
        (("-m", "nmf", "--example", "a=song.wav", "--example", "a=song.wav"), "'a' is given twice"),
    ],
)
def test_what_is_no_example_is_said_before_the_work(cli, song, words, said):
    done = cli("separate", song, *words)
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1


def test_the_help_names_the_methods_that_learn_from_examples():
    assert list(TAUGHT) == methods_with_examples()


def test_all_inputs_of_a_run_are_separated_by_one_lesson(cli, song, make_song, drums, monkeypatch):
    lessons, teach = [], ssc.NMF.with_examples

    def counted(self, examples):
        lessons.append(list(examples))
        return teach(self, examples)

    monkeypatch.setattr(ssc.NMF, "with_examples", counted)
    songs = [song, make_song("second.wav", seed=1), make_song("third.wav", seed=2)]
    assert cli("separate", *songs, *QUICK, "--example", f"drums={drums}").code == 0
    assert lessons == [["drums"]]
    assert cli("separate", song, "-o", "alone", *QUICK, "--example", f"drums={drums}").code == 0
    assert len(lessons) == 2  # another run looks at the file again


def test_what_is_wrong_with_the_file_of_an_example_is_said_once(cli, song, make_song, drums, folder):
    whole = (folder / drums).read_bytes()
    (folder / drums).write_bytes(whole[:-9000])
    done = cli("separate", song, make_song("second.wav", seed=1), *QUICK, "--example", f"drums={drums}")
    assert done.code == 0
    warned = [line for line in done.err.splitlines() if "drums.wav" in line]
    assert len(warned) == 1


def test_examples_may_have_any_codec_where_inputs_may(cli, song, folder):
    rng = np.random.default_rng(0)
    soundfile.write("odd.wav", 0.3 * rng.standard_normal(16000), 16000, subtype="IMA_ADPCM")
    refused = cli("separate", song, *QUICK, "--example", "noise=odd.wav")
    assert refused.code == 3
    assert "odd.wav: codec" in refused.err
    assert cli("separate", song, *QUICK, "--example", "noise=odd.wav", "--allow-any-codec").code == 0
