"""Simulated rooms: exact sums, the geometry asked for, delays that fit it, determinism; recordings never met twice."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import audio
from sigsep_classic.datasets.rooms import rooms, simulate
from sigsep_classic.datasets.utterances import Utterances
from sigsep_classic.errors import ArrayTypeError, NumericalError, ParameterError, ShapeError

RATE = 8000
needs_package = pytest.mark.skipif(find_spec("pyroomacoustics") is None, reason="needs pyroomacoustics")


@pytest.fixture(scope="module")
def dry():
    return np.random.default_rng(0).standard_normal((4, RATE))


def _made(dry, n_sources=2, **options):
    pytest.importorskip("pyroomacoustics")
    return simulate(dry[:n_sources], RATE, rt60=0.2, **options)


@pytest.mark.parametrize(("n_sources", "n_mics"), [(1, 1), (2, 2), (2, 4), (3, 2), (4, 6)])
def test_the_mixture_is_the_sum_of_images_and_noise(dry, n_sources, n_mics):
    made = _made(dry, n_sources, n_mics=n_mics, snr=10.0)
    assert made.images.shape == (n_sources, n_mics, RATE)
    assert made.mixture.dtype == made.images.dtype == np.float32
    assert (made.mixture == made.images.sum(axis=0) + made.stems["noise"]).all()
    assert 0.89 < np.abs(made.mixture).max() <= 0.9
    assert list(made.stems) == [f"source{n + 1}" for n in range(n_sources)] + ["noise"]


def test_noise_has_the_power_asked_for_and_without_it_there_is_none(dry):
    made = _made(dry, snr=7.0)
    ratio = np.mean(made.images.sum(axis=0) ** 2) / np.mean(made.stems["noise"] ** 2)
    assert_allclose(10 * np.log10(ratio), 7.0, atol=0.2)
    assert "noise" not in _made(dry).stems


def test_images_have_one_power_at_the_first_microphone(dry):
    power = np.mean(_made(dry * np.array([[1], [1e-3], [50], [1]]), 3, n_mics=3).images[:, 0] ** 2, axis=-1)
    assert_allclose(power, power[0], rtol=1e-5)


@pytest.mark.parametrize("n_mics", [2, 3])
def test_places_are_as_asked_for(dry, n_mics):
    for seed in range(2):
        meta = _made(dry, 3, n_mics=n_mics, seed=seed, array_radius=(0.02, 0.03), min_angle=40.0).meta
        mics, sources, size = meta["microphones_m"], meta["sources_m"], meta["room_m"]
        centre = mics.mean(axis=0)
        radius = np.linalg.norm(mics - centre, axis=1)
        assert (radius >= 0.02 - 1e-9).all()
        assert (radius <= 0.03 + 1e-9).all()
        away = np.linalg.norm((sources - centre)[:, :2], axis=1)
        assert (away >= 0.7 - 1e-9).all()
        assert (away <= 1.3 + 1e-9).all()
        assert (sources > 0.29).all()
        assert (sources[:, :2] < size[:2] - 0.29).all()
        assert 4.5 <= size[0] <= 8.5
        assert 3.6 <= size[1] <= 6.5
        assert 2.4 <= size[2] <= 3.5
        if n_mics == 2:  # only the angle from the axis is heard
            axis = (mics[0] - mics[1])[:2] / np.linalg.norm(mics[0] - mics[1])
            angles = np.degrees(np.arccos((sources - centre)[:, :2] @ axis / away))
            gaps = np.diff(np.sort(angles))
        else:
            angles = np.sort(meta["angles_degrees"])
            gaps = np.diff(angles, append=angles[0] + 360)
        assert (gaps > 39.9).all()


def test_a_source_reaches_microphones_in_the_order_of_their_distances():
    pytest.importorskip("pyroomacoustics")
    click = np.zeros((1, 16000))
    click[0, 100] = 1
    made = simulate(click, 96000, n_mics=4, rt60=0.2, array_radius=(0.5, 0.5), distances=(1.2, 1.2), seed=3)
    distances = np.linalg.norm(made.meta["microphones_m"] - made.meta["sources_m"][0], axis=1)
    arrivals = np.abs(made.images[0]).argmax(axis=1) / 96000
    assert_allclose(arrivals - arrivals[0], (distances - distances[0]) / 343.0, atol=5e-5)


def test_longer_reverberation_times_decay_more_slowly(dry):
    pytest.importorskip("pyroomacoustics")
    times = [simulate(dry[:1], RATE, rt60=t).meta["rt60_measured_seconds"] for t in (0.15, 0.3)]
    assert times[0] < 0.75 * times[1]


def test_a_seed_gives_the_same_bits_and_another_one_another_room(dry):
    one, same, other = (_made(dry, snr=20.0, seed=seed) for seed in (5, 5, 6))
    assert (one.mixture == same.mixture).all()
    assert (one.meta["room_m"] != other.meta["room_m"]).all()


def test_sources_are_not_written_to(dry):
    copy = dry.copy()
    _made(dry)
    assert (dry == copy).all()


@needs_package
def test_what_cannot_be_simulated_is_refused(dry):
    with pytest.raises(ShapeError, match="one length"):
        simulate([dry[0], dry[1, 1:]], RATE)
    with pytest.raises(ShapeError, match="none"):
        simulate([], RATE)
    with pytest.raises(NumericalError, match="silent"):
        simulate([dry[0], 0 * dry[1]], RATE)
    with pytest.raises(ParameterError, match="too small"):
        simulate(dry, RATE, distances=(1.0, 4.0))
    with pytest.raises(ParameterError, match="degrees apart"):
        simulate(dry, RATE, min_angle=100.0)
    with pytest.raises(ParameterError, match="absorb"):
        simulate(dry, RATE, rt60=0.05)
    with pytest.raises(ParameterError, match="n_mics"):
        simulate(dry, RATE, n_mics=0)


@needs_package
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"snr": np.nan}, "snr is nan"),
        ({"snr": -np.inf}, "snr is -inf"),
        ({"snr": "20"}, "snr is '20'"),
        ({"array_radius": 0.05}, r"array_radius is 0.05; give \(low, high\)"),
        ({"array_radius": (-0.1, -0.05)}, "array_radius is -0.1"),
        ({"array_radius": (0.1, 0.05)}, "the first of both is the lower one"),
        ({"array_radius": (3.0, 3.0)}, "microphones 3.0 m"),
        ({"distances": 1.0}, "distances is 1.0"),
        ({"distances": (-1, -0.5)}, "distances is -1"),
        ({"distances": (1, np.nan)}, "distances is nan"),
        ({"room": (5, 4, 3)}, "room: length is 5"),
        ({"room": ((5, 5), (4, 4))}, "length, width and height"),
        ({"min_angle": np.nan}, "min_angle is nan"),
        ({"min_angle": -5}, "min_angle is -5"),
        ({"rt60": "a"}, "rt60 is 'a'"),
    ],
)
def test_what_is_no_room_is_refused_in_one_line(dry, options, said):
    with pytest.raises(ParameterError, match=said) as caught:
        simulate(dry[:2], RATE, **options)
    assert "\n" not in str(caught.value)


@needs_package
def test_what_are_no_sources_is_refused_in_one_line(dry):
    with pytest.raises(ShapeError, match=r"sources have shape \(8000,\); give \(sources, samples\)"):
        simulate(dry[0], RATE)
    with pytest.raises(ShapeError, match="no sequence of arrays"):
        simulate(5, RATE)
    with pytest.raises(ArrayTypeError, match="complex128"):
        simulate(dry + 1j, RATE)
    with pytest.raises(ParameterError, match="whole number of Hz"):
        simulate(dry, 16000.7)


@needs_package
@pytest.mark.parametrize(
    ("recordings", "options", "error", "said"),
    [
        ({"a": [np.ones(9000)]}, {"rt60": []}, ParameterError, "rt60 is empty"),
        ({"a": [np.ones(9000)]}, {"rt60": [[0.2, 0.3]]}, ParameterError, "rt60 is"),
        ({"a": [np.ones(9000)]}, {"rt60": np.array([0.2, np.nan])}, ParameterError, "rt60 is"),
        ({"a": [np.ones(9000)]}, {"sample_rate": 16000.7}, ParameterError, "whole number of Hz"),
        ({"a": [np.ones(9000)]}, {"snrr": 3}, ParameterError, "did you mean 'snr'"),
        ([np.ones(9000), np.ones(9000)], {}, ParameterError, "recordings is a list; give a folder"),
        ({"a": [np.ones((1, 9000))]}, {}, ShapeError, r"has shape \(1, 9000\)"),
        ({"a": np.ones(9000)}, {}, ShapeError, r"has shape \(\)"),
        ({"a": [np.ones(0)]}, {}, ShapeError, r"has shape \(0,\)"),
        ({"a": ["x.wav"]}, {}, ArrayTypeError, "voice 'a'"),
        ({"a": [1j * np.ones(9000)]}, {}, ArrayTypeError, "complex128"),
    ],
)
def test_what_makes_no_rooms_is_refused_in_one_line(recordings, options, error, said):
    with pytest.raises(error, match=said):
        rooms(recordings, 1, **{"n_sources": 1, "seconds": 0.5, **options})


def test_without_the_package_the_message_says_what_to_install(dry, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(ParameterError, match=r'pip install "sigsep-classic\[rooms\]"'):
        simulate(dry, RATE)
    with pytest.raises(ParameterError, match=r"sigsep-classic\[rooms\]"):
        rooms({"voice": list(dry)}, 1)


@needs_package
def test_rooms_are_made_of_a_folder_of_recordings(tmp_path, dry):
    for n, x in enumerate(dry):
        voice = tmp_path / f"voice{n % 2}"
        voice.mkdir(exist_ok=True)
        audio.save(voice / f"{n}.wav", 0.1 * x[None].astype(np.float32), RATE)
    made = rooms(tmp_path, 2, n_sources=2, rt60=(0.15, 0.2), seconds=0.9, sample_rate=RATE, seed=1)
    assert [mixture.name for mixture in made] == ["room1", "room2"]
    assert [mixture.meta["rt60_seconds"] for mixture in made] == [0.15, 0.2]
    assert [mixture.meta["voices"] for mixture in made] == [("voice0", "voice1")] * 2
    assert made[0].images.shape == (2, 2, 7200)
    first = rooms(tmp_path, 1, rt60=0.15, seconds=0.9, sample_rate=RATE, seed=1)[0]
    assert (first.mixture == made[0].mixture).all()


def _marked(count, samples=100):
    """Recordings that hold their own number."""
    return [np.full(samples, float(n)) for n in range(count)]


def test_no_recording_is_in_two_utterances_until_all_have_been_heard():
    pool = Utterances({"a": _marked(12), "b": _marked(12)}, sample_rate=RATE, seed=0)
    heard = []
    for _ in range(4):
        voices, utterances = pool.draw(2, 250)
        assert voices == ("a", "b")
        heard += [
            (voice, x) for voice, row in zip(voices, utterances, strict=True) for x in set(row.tolist())
        ]
    assert len(heard) == 24
    assert len(set(heard)) == 24


def test_sources_of_one_voice_never_share_a_recording():
    for seed in range(5):
        pool = Utterances({"a": _marked(7)}, sample_rate=RATE, seed=seed)
        for _ in range(4):
            _, utterances = pool.draw(3, 200)
            assert not np.intersect1d(utterances[0], utterances[1]).size
            assert not np.intersect1d(utterances[0], utterances[2]).size
            assert not np.intersect1d(utterances[1], utterances[2]).size


def test_too_few_recordings_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="no recordings"):
        Utterances(tmp_path, sample_rate=RATE, seed=0)
    with pytest.raises(ParameterError, match="too few"):
        Utterances({"a": _marked(3)}, sample_rate=RATE, seed=0).draw(2, 200)
