"""A few seconds of one source alone, and the source comes out of the mixture: `separate(examples=...)`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import HPSS, NMF, save, separate
from sigsep_classic.datasets.synthetic import synthesize
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr

NMF_OPTIONS = {"method": "nmf", "n_components": 8, "n_templates": 8, "n_iter": 60}


@pytest.fixture(scope="module")
def song():
    return synthesize("song", seconds=4.0, sample_rate=16000)


def halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = x.shape[-1] // 2
    return x[..., :middle], x[..., middle:]


def test_an_example_of_the_drums_separates_the_drums(song) -> None:
    example, _ = halves(song.stems["drums"])
    _, mixture = halves(song.mixture)
    _, truth = halves(song.stems["drums"])
    sep = separate(mixture, song.sample_rate, examples={"drums": example}, **NMF_OPTIONS)
    assert list(sep) == ["drums", "rest"]
    assert_allclose(sep["drums"] + sep["rest"], mixture, atol=1e-6)
    gained = si_sdr(truth[None], sep["drums"][None]) - si_sdr(truth[None], mixture[None])
    assert float(gained[0]) > 6


@pytest.mark.slow
def test_examples_are_files_or_samples_of_any_level_rate_and_channels(song, tmp_path: Path) -> None:
    example = song.stems["drums"]
    path = tmp_path / "drums.wav"
    save(path, example, song.sample_rate)
    by_path, by_array, quiet = (
        separate(song.mixture, song.sample_rate, examples={"drums": given}, **NMF_OPTIONS)["drums"]
        for given in (path, example, np.float32(2.0**-7) * example[0])
    )
    assert_array_equal(by_path, by_array)
    assert quiet.shape == by_array.shape
    save(tmp_path / "other.wav", example[:, ::2], song.sample_rate // 2)
    other = separate(
        song.mixture, song.sample_rate, examples={"drums": tmp_path / "other.wav"}, **NMF_OPTIONS
    )
    assert list(other) == ["drums", "rest"]


def test_examples_of_everything_leave_no_rest(song) -> None:
    options = {**NMF_OPTIONS, "n_components": 0}
    examples = {"drums": song.stems["drums"], "others": song.mixture - song.stems["drums"]}
    sep = separate(song.mixture, song.sample_rate, examples=examples, **options)
    assert list(sep) == ["drums", "others"]


def test_the_templates_are_there_to_be_used_again(song) -> None:
    sep = separate(song.mixture, song.sample_rate, examples={"drums": song.stems["drums"]}, **NMF_OPTIONS)
    again = separate(song.mixture, song.sample_rate, method=sep.method, frontend=sep.frontend)
    assert_array_equal(again["drums"], sep["drums"])
    assert sep.method.templates["drums"].shape[1] == 8


def test_methods_without_templates_say_so(song) -> None:
    with pytest.raises(ParameterError, match="hpss learns from no examples; nmf, complex_nmf, nmfd do"):
        separate(song.mixture, song.sample_rate, method=HPSS(), examples={"drums": song.mixture})


@pytest.mark.parametrize("given", ["drums.wav", ["drums.wav"], {}])
def test_examples_without_names_are_refused(song, given) -> None:
    with pytest.raises(ParameterError, match="give names with files or samples"):
        separate(song.mixture, song.sample_rate, examples=given, **NMF_OPTIONS)


def test_what_was_wrong_with_the_file_of_an_example_is_told(song, tmp_path: Path) -> None:
    path = tmp_path / "drums.wav"
    save(path, song.stems["drums"], song.sample_rate)
    path.write_bytes(path.read_bytes()[:-30_000])
    sep = separate(song.mixture, song.sample_rate, examples={"drums": path}, **NMF_OPTIONS | {"n_iter": 1})
    (line,) = sep.info["warnings"]
    assert line.startswith("example drums: ")


def test_a_name_that_is_no_stem_name_is_refused(song) -> None:
    with pytest.raises(ParameterError, match="rest"):
        separate(song.mixture, song.sample_rate, method=NMF(n_iter=1), examples={"rest": song.mixture})
