"""Tracks: stems from files, from streams of a container, and from sums of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.recordings import MissingRecordingError, musdb_excerpt
from sigsep_classic import audio
from sigsep_classic.datasets import StemFile, Track, open_dataset
from sigsep_classic.errors import AudioError, ParameterError
from tests.folders import RATE, music, noise, stem_mp4, tone, write, write_track

HERTZ = (300.0, 500.0, 800.0, 1300.0, 2100.0)


def track(**paths: Path) -> Track:
    mixture = paths.pop("mixture", None)
    stems = {name: StemFile(path) for name, path in paths.items()}
    return Track(
        name="song", subset="test", stems=stems, mixture=None if mixture is None else StemFile(mixture)
    )


def loudest(x: np.ndarray, rate: int) -> float:
    """The frequency of the highest peak, in Hz."""
    spectrum = np.abs(np.fft.rfft(x[0] * np.hanning(x.shape[1])))
    return float(np.argmax(spectrum) * rate / x.shape[1])


def test_a_loaded_track_holds_what_the_files_hold(tmp_path: Path) -> None:
    stems = music()
    write_track(tmp_path, stems)
    loaded = track(**{name: tmp_path / f"{name}.wav" for name in [*stems, "mixture"]}).load()
    assert (loaded.name, loaded.sample_rate, loaded.warnings) == ("song", RATE, ())
    for name, x in stems.items():
        assert_array_equal(loaded.stems[name], x)
    assert_array_equal(loaded.mixture, sum(stems.values()))
    assert loaded.mixture.dtype == np.float32


def test_the_mixture_is_the_sum_where_there_is_none_or_it_is_asked_for(tmp_path: Path) -> None:
    a, b = noise(1), noise(2)
    files = {name: write(tmp_path / f"{name}.wav", x) for name, x in {"a": a, "b": b, "mixture": a}.items()}
    assert_array_equal(track(a=files["a"], b=files["b"]).load().mixture, a + b)
    assert_array_equal(track(**files).load(mixture="sum").mixture, a + b)
    assert_array_equal(track(**files).load().mixture, a)
    with pytest.raises(ParameterError, match="mixture='best' is unknown"):
        track(**files).load(mixture="best")


def test_a_part_of_a_track_is_that_part(tmp_path: Path) -> None:
    a = noise(1)
    loaded = track(a=write(tmp_path / "a.wav", a)).load(start=0.025, duration=0.05)
    assert_array_equal(loaded.stems["a"], a[:, 200:600])


def test_files_with_a_gain_are_added_to_one_stem(tmp_path: Path) -> None:
    noisy, clean = write(tmp_path / "noisy.wav", noise(1)), write(tmp_path / "clean.wav", noise(2))
    rest = StemFile(noisy, added=(StemFile(clean, gain=-1.0),))
    loaded = Track(name="x", stems={"noise": rest}).load()
    assert_array_equal(loaded.stems["noise"], noise(1) - noise(2))


def test_what_differs_within_a_track_is_put_right_and_said(tmp_path: Path) -> None:
    a, b = noise(1), noise(2, channels=1, n_samples=700)
    files = {"a": write(tmp_path / "a.wav", a), "b": write(tmp_path / "b.wav", b)}
    loaded = track(**files).load()
    assert_array_equal(loaded.stems["b"][:, :700], np.repeat(b, 2, axis=0))
    assert not loaded.stems["b"][:, 700:].any()
    assert "700 to 800 samples" in loaded.warnings[0]
    assert "one channel" in loaded.warnings[1]
    other = write(tmp_path / "c.wav", noise(3, n_samples=1600), 2 * RATE)
    mixed = track(a=files["a"], c=other).load()
    assert mixed.stems["c"].shape == a.shape
    assert mixed.warnings == (f"c.wav was resampled from {2 * RATE} to {RATE} Hz",)
    assert track(a=files["a"], c=other).load(RATE).warnings == ()
    with pytest.raises(AudioError, match="has 2 channels and others have 3"):
        track(a=files["a"], d=write(tmp_path / "d.wav", noise(4, channels=3))).load()


def test_a_track_without_stems_says_so() -> None:
    with pytest.raises(AudioError, match=r"test/song: has no stems; .* check-dataset"):
        track().load()


def test_each_stream_of_a_container_is_its_own_stem(tmp_path: Path) -> None:
    path = stem_mp4(tmp_path / "train" / "A - B.stem.mp4", [tone(hz) for hz in HERTZ])
    (song,) = open_dataset(tmp_path)
    assert (song.label, song.mixture) == ("train/A - B", StemFile(path))
    loaded = song.load()
    sounds = [loaded.mixture, *loaded.stems.values()]
    assert list(loaded.stems) == ["drums", "bass", "other", "vocals"]
    assert_allclose([loudest(x, 44100) for x in sounds], HERTZ, atol=12)
    joined = np.concatenate(list(audio.blocks(path, stream=3, block_samples=1000)), axis=1)
    assert_array_equal(joined, loaded.stems["other"])


def test_the_excerpt_of_musdb18_is_read_as_by_hand() -> None:
    try:
        excerpt = musdb_excerpt()
    except MissingRecordingError as missing:
        pytest.skip(f"recording not installed: {missing}")
    from importlib.util import find_spec

    spec = find_spec("stempeg")
    assert spec is not None
    assert spec.origin is not None
    (song,) = open_dataset(Path(spec.origin).parent / "data")
    assert song.name == "The Easton Ellises - Falcon 69"
    loaded = song.load(mixture="sum")
    for name, x in excerpt.stems.items():
        assert_array_equal(loaded.stems[name], x)
    assert_allclose(loaded.mixture, excerpt.mixture, atol=1e-6)
