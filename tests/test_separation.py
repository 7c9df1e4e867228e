"""A `Separation` is a mapping of stems that remixes to the mixture and saves all or nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigsep_classic import Separation, load
from sigsep_classic.errors import ParameterError


@pytest.fixture
def sep():
    rng = np.random.default_rng(0)
    mixture = (rng.random((2, 800)) - 0.5).astype(np.float32)
    drums = (0.3 * mixture).astype(np.float32)
    return Separation(
        stems={"drums": drums, "rest": mixture - drums}, mixture=mixture, sample_rate=8000, track="a song"
    )


def test_it_is_a_mapping_of_stems_in_order(sep):
    assert list(sep) == ["drums", "rest"]
    assert len(sep) == 2
    assert "drums" in sep
    assert "bass" not in sep
    assert dict(sep) == sep.stems
    assert repr(sep) == "Separation(drums, rest; 0.10 s at 8000 Hz)"


def test_an_unknown_stem_names_those_there_are(sep):
    with pytest.raises(KeyError, match="no stem 'bass'; there are drums, rest"):
        sep["bass"]


def test_a_remix_without_changes_is_the_mixture_to_the_bit(sep):
    for mix in (sep.remix(), sep.remix({}), sep.remix(drums=1, rest=1.0), sep.remix({"drums": 1})):
        assert_array_equal(mix, sep.mixture)
        assert not np.shares_memory(mix, sep.mixture)


def test_a_stem_turned_to_nothing_leaves_the_others(sep):
    assert_allclose(sep.remix(drums=0), sep["rest"], atol=1e-7)
    assert_allclose(sep.remix({"drums": 0, "rest": 0}), np.zeros((2, 800)), atol=1e-7)
    assert_allclose(sep.remix({"drums": 0.5}, rest=2), 0.5 * sep["drums"] + 2 * sep["rest"], atol=1e-6)


def test_a_remix_keeps_dtype_and_changes_no_stem(sep):
    before = {name: stem.copy() for name, stem in sep.items()}
    mix = sep.remix(drums=np.float64(3.3))
    assert mix.dtype == np.float32
    for name, stem in before.items():
        assert_array_equal(sep[name], stem)


def test_a_remix_of_an_unknown_stem_is_refused(sep):
    with pytest.raises(ParameterError, match="remix: no stem 'voice'; there are drums, rest"):
        sep.remix(voice=2)


def test_the_residual_is_what_the_stems_leave(sep):
    assert_allclose(sep.residual, np.zeros((2, 800)), atol=1e-7)
    partial = Separation(stems={"drums": sep["drums"]}, mixture=sep.mixture, sample_rate=8000)
    assert_allclose(partial.residual, sep["rest"], atol=1e-7)
    assert_array_equal(partial.mixture, sep.mixture)


def test_saving_writes_a_file_a_stem(sep, tmp_path):
    record = sep.save(tmp_path)
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.wav"))
    assert files == ["a song/drums.wav", "a song/rest.wav"]
    assert record.gain == 1
    for name in sep:
        sound = load(tmp_path / "a song" / f"{name}.wav")
        assert sound.sample_rate == 8000
        assert_allclose(sound.samples, sep[name], atol=2**-15)


def test_a_template_places_stems_and_may_ask_for_the_residual(sep, tmp_path):
    sep.save(tmp_path, template="{stem}-of-{track}-by-{method}.{ext}", ext="flac", residual=True)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"{stem}-of-a song-by-stems.flac" for stem in ("drums", "residual", "rest")]


def test_one_signal_without_channels_can_be_saved(tmp_path):
    mixture = np.linspace(-0.5, 0.5, 300, dtype=np.float32)
    sep = Separation(stems={"all": mixture}, mixture=mixture, sample_rate=8000)
    sep.save(tmp_path)
    assert_allclose(load(tmp_path / "mixture" / "all.wav").samples, mixture[None], atol=2**-15)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{track}.{ext}", r"two stems one file; put \{stem\}"),
        ("{artist}/{stem}.{ext}", "'artist'; use"),
        ("{stem", "use"),
        ("{0}", "use"),
    ],
)
def test_a_template_that_cannot_work_is_refused_before_anything_is_written(sep, tmp_path, template, said):
    with pytest.raises(ParameterError, match=said):
        sep.save(tmp_path, template=template)
    assert not any(tmp_path.iterdir())
