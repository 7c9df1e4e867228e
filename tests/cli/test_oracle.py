"""``oracle``: which tracks it takes, what it writes and prints, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic import oracle
from sigsep_classic.cli import oracle as verb
from sigsep_classic.datasets.tracks import MIXTURES
from tests.cli.conftest import files_below

Cli = Callable[..., Any]


@pytest.fixture
def mix(folder: Any) -> ssc.datasets.Mixture:
    """Half a second of music, its stems in ``song/``, without a mixture."""
    mix = ssc.synthesize("song", seconds=0.5, sample_rate=16000)
    (folder / "song").mkdir()
    for name, stem in mix.stems.items():
        ssc.save(f"song/{name}.wav", stem, 16000)
    return mix


def test_estimates_of_a_folder_of_stems_go_below_its_name(cli: Cli, mix: Any) -> None:
    done = cli("oracle", "song", "--mask", "irm1")
    assert (done.code, done.err) == (0, "")
    assert files_below("oracle") == [f"song/{name}.wav" for name in sorted(mix.stems)]
    expected = oracle.apply("irm1", mix.mixture, mix.stems)
    for name, samples in expected.items():
        np.testing.assert_allclose(ssc.load(f"oracle/song/{name}.wav").samples, samples, atol=1e-6)


def test_one_stem_is_named_with_o_and_the_transform_may_be_chosen(cli: Cli, mix: Any) -> None:
    words = ["--mask", "mwf", "--stem", "bass", "--n-fft", "512", "-o", "low.flac", "--json"]
    record = json.loads(cli("oracle", "song", *words).out)
    assert files_below(".") == ["low.flac", *(f"song/{name}.wav" for name in sorted(mix.stems))]
    assert (record["method"], record["mixture"]) == ("mwf", "sum")
    assert (record["frontend"]["n_fft"], record["frontend"]["hop"]) == (512, 256)
    expected = oracle.apply("mwf", mix.mixture, mix.stems, frontend=ssc.STFT(n_fft=512, hop=256))["bass"]
    np.testing.assert_allclose(ssc.load("low.flac").samples, expected, atol=1e-6)


def test_the_mixture_is_its_own_file_where_there_is_one_or_the_sum(cli: Cli, mix: Any) -> None:
    ssc.save("song/mixture.wav", 0.5 * mix.mixture, 16000)
    for source, level in (("file", 0.5), ("sum", 1.0)):
        assert cli("oracle", "song", "--mixture", source, "-o", source).code == 0
        stems = [ssc.load(f"{source}/song/{name}.wav").samples for name in mix.stems]
        np.testing.assert_allclose(sum(stems), level * mix.mixture, atol=1e-6)


def test_scores_and_the_accompaniment_are_printed(cli: Cli, mix: Any) -> None:
    lines = cli("oracle", "song", "--accompaniment", "--score").out.splitlines()
    assert lines[4:6] == ["oracle/song/accompaniment.wav", "song: ratio mask of powers (SiSEC)"]
    assert [line.split()[0] for line in lines[6:]] == [*sorted(mix.stems), "accompaniment"]
    assert all("mixture/4: uSDR" in line for line in lines[6:])
    record = json.loads(cli("oracle", "song", "--score", "--json", "-o", "again").out)
    scores = record["scores"]["bass"]
    assert scores["estimate"]["usdr"] > scores["mixture/4"]["usdr"] + 3
    assert "text" not in record


def test_the_accompaniment_goes_beside_the_stem_that_is_chosen(cli: Cli, mix: Any) -> None:
    assert cli("oracle", "song", "--stem", "vocals", "--accompaniment").code == 0
    assert files_below("oracle") == ["song/accompaniment.wav", "song/vocals.wav"]
    assert cli("oracle", "song", "--stem", "accompaniment", "--accompaniment", "-o", "backing.wav").code == 0
    assert "backing.wav" in files_below(".")


def test_why_there_is_no_csdr_is_said(cli: Cli, mix: Any) -> None:
    ssc.save("song/bass.wav", 0 * mix.mixture, 16000)
    lines = cli("oracle", "song", "--score").out.splitlines()
    assert "cSDR    nan" in lines[-2]
    assert "silent" in lines[-1]


def test_a_folder_of_tracks_is_many(cli: Cli, mix: Any, folder: Any) -> None:
    (folder / "songs").mkdir()
    (folder / "song").rename(folder / "songs" / "one")
    (folder / "songs" / "two").mkdir()
    for name, stem in mix.stems.items():
        ssc.save(f"songs/two/{name}.wav", stem, 16000)
    assert cli("oracle", "songs", "--stem", "drums").code == 0
    assert files_below("oracle") == ["one/drums.wav", "two/drums.wav"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "TRACK is missing"),
        (["none"], "none: is not there"),
        (["song/bass.wav"], "needs a folder of true stems"),
        (["song", "--mask", "imr2"], "did you mean 'irm2'?"),
        (["song", "--mask", "irm0"], "more than 0"),
        (["song", "--stem", "voice"], "--stem voice: irm2 makes"),
        (["song", "--accompaniment", "voice"], "lead is 'voice'"),
        (["song", "-o", "a.wav"], "names one file"),
        (["song", "-o", ".", "--template", "song/{stem}.{ext}"], "won't be replaced"),
        (["song", "--hop", "4096"], "hop is 4096"),
        (["song", "--ext", "xyz"], "xyz"),
        (["song", "-o", "-"], "one stem"),
    ],
)
def test_it_refuses_in_one_line_and_writes_nothing(cli: Cli, mix: Any, words: list[str], said: str) -> None:
    before = files_below(".")
    done = cli("oracle", *words)
    assert done.code != 0
    assert said in done.err
    assert done.err.count("\n") == 1
    assert files_below(".") == before


def test_what_the_help_lists_is_what_there_is() -> None:
    assert tuple(oracle.ORACLES) == verb.MASKS
    assert verb.MIXTURES == MIXTURES
