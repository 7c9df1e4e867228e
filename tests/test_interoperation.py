"""What other packages hold goes in as it is: tensors, arrays by DLPack, tracks of musdb, rooms of pyroomacoustics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_array_equal

import sigsep_classic as ssc
from sigsep_classic import backend, oracle
from sigsep_classic.backend import from_foreign, lies_on_cuda, to_foreign
from sigsep_classic.compare.evaluating import Scoring, evaluate
from sigsep_classic.datasets import from_musdb
from sigsep_classic.errors import ArrayTypeError, DeviceError, ParameterError, ShapeError
from sigsep_classic.geometry import srp_phat
from tests.peers import librosa_or_skip

RATE = 8000


class Guest:
    """An array of a package nobody here knows: it speaks DLPack and the array API, and nothing else."""

    namespace = SimpleNamespace(from_dlpack=lambda x: Guest(np.from_dlpack(x)))

    def __init__(self, x: np.ndarray, device: int = 1) -> None:
        self.x, self.device, self.ndim = x, device, x.ndim

    def __dlpack__(self, **options: Any) -> Any:
        return self.x.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0

    def __array_namespace__(self, **options: Any) -> Any:
        return self.namespace


@pytest.fixture
def song() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4000)).astype(np.float32)


# ---- arrays


def test_arrays_that_speak_dlpack_give_their_own_kind_without_a_copy(song: np.ndarray) -> None:
    shared = from_foreign(Guest(song))
    assert np.shares_memory(shared, song)
    assert isinstance(to_foreign(shared, Guest(song)), Guest)
    expected = ssc.separate(song, RATE)
    found = ssc.separate(Guest(song), RATE)
    assert isinstance(found.mixture, Guest)
    for name, stem in found.items():
        assert isinstance(stem, Guest)
        assert_array_equal(stem.x, expected[name])


def test_an_array_on_a_gpu_says_that_it_needs_cupy(song: np.ndarray) -> None:
    on_gpu = Guest(song, device=2)
    assert lies_on_cuda(on_gpu)
    try:
        import cupy  # noqa: F401
    except ImportError:
        with pytest.raises(DeviceError, match="needs CuPy; pip install"):
            ssc.separate(on_gpu, RATE)


def test_an_array_on_a_gpu_goes_to_cupy_and_comes_back_from_it(
    song: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, on_gpu = Guest(song, device=2), type("ndarray", (), {"__module__": "cupy"})()
    asked = []
    monkeypatch.setattr(
        backend, "_cupy", lambda: SimpleNamespace(from_dlpack=lambda x: asked.append(x) or on_gpu)
    )
    assert from_foreign(given) is on_gpu
    assert asked == [given]
    monkeypatch.setattr(Guest, "namespace", SimpleNamespace(from_dlpack=lambda x: ("guest", x)))
    assert to_foreign(on_gpu, given) == ("guest", on_gpu)  # not by way of the host


@pytest.mark.slow  # importing torch is
def test_a_tensor_that_requires_gradients_is_refused_in_one_line(song: np.ndarray) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(song).requires_grad_()
    for given in (lambda: ssc.separate(x, RATE), lambda: next(ssc.separate_many([x], RATE))):
        with pytest.raises(ArrayTypeError, match=r"pass x\.detach\(\)"):
            given()
    assert isinstance(ssc.separate(x.detach(), RATE)["harmonic"], torch.Tensor)


@pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated")  # of librosa's audioread
def test_what_soundfile_reads_says_to_transpose_it_and_what_librosa_reads_goes_in(
    song: np.ndarray, tmp_path: Any
) -> None:
    soundfile.write(tmp_path / "song.wav", song.T, RATE, subtype="FLOAT")
    librosa = librosa_or_skip()
    x, rate = soundfile.read(tmp_path / "song.wav", dtype="float32")
    with pytest.raises(ShapeError, match=r"pass x\.T if transposed \(as soundfile"):
        ssc.separate(x, rate)
    expected = ssc.separate(tmp_path / "song.wav")["percussive"]
    assert_array_equal(ssc.separate(x.T, rate)["percussive"], expected)
    y, rate = librosa.load(tmp_path / "song.wav", sr=None, mono=False)
    assert_array_equal(ssc.separate(y, rate)["percussive"], expected)


# ---- objects that know their rate


def test_what_load_and_synthesize_return_needs_no_rate(song: np.ndarray, tmp_path: Any) -> None:
    ssc.save(tmp_path / "my song.wav", song, RATE)
    by_path, by_sound = (
        ssc.separate(tmp_path / "my song.wav"),
        ssc.separate(ssc.load(tmp_path / "my song.wav")),
    )
    assert (by_sound.track, by_sound.sample_rate) == ("my song", RATE)
    assert_array_equal(by_sound["harmonic"], by_path["harmonic"])
    with soundfile.SoundFile(tmp_path / "my song.wav") as file:
        by_file = ssc.separate(file)
    assert by_file.track == "my song"
    assert_array_equal(by_file["harmonic"], by_path["harmonic"])
    mix = ssc.synthesize("song", seconds=1.0)
    assert ssc.separate(mix).track == "song"
    with pytest.raises(ParameterError, match="sample_rate is 8000 and song has 44100 Hz"):
        ssc.separate(mix, RATE)


def test_an_entry_of_a_data_set_is_read(song: np.ndarray, tmp_path: Any) -> None:
    for name, x in {"mixture": song, "vocals": song / 2, "drums": song / 2}.items():
        ssc.save(tmp_path / "set" / "a song" / f"{name}.wav", x, RATE)
    sep = ssc.separate(ssc.datasets.open_dataset(tmp_path / "set")[0])
    assert (sep.track, sep.sample_rate) == ("a song", RATE)
    assert_array_equal(sep.mixture, song)


def _musdb_track(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, stems: dict[str, np.ndarray]) -> Any:
    """Return a track of musdb's own classes; its stempeg asks for FFmpeg when it is imported, and for no more here."""
    pytest.importorskip("yaml")
    for program in ("ffmpeg", "ffprobe"):
        (tmp_path / program).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    classes = pytest.importorskip("musdb.audio_classes")
    track = classes.MultiTrack(path=str(tmp_path / "none"), name="Artist - Title", subset="test", is_wav=True)
    track.rate = RATE
    track.sources = {}
    for number, (name, x) in enumerate(stems.items(), 1):
        track.sources[name] = classes.Source(track, name=name, path="none", stem_id=number)
        track.sources[name].audio = x.T.astype(float)
    track.audio = sum(stems.values()).T.astype(float)
    voice = classes.Target(track, [track.sources["vocals"]], name="vocals")
    track.targets = {"vocals": voice}
    return track


def test_a_track_of_musdb_is_separated_bounded_and_scored(
    song: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    stems = {"drums": song, "vocals": song[::-1] * np.linspace(0, 1, 4000, dtype=np.float32)}
    track = _musdb_track(monkeypatch, tmp_path, stems)
    sep = ssc.separate(track)
    assert (sep.track, sep.sample_rate) == ("Artist - Title", RATE)
    assert_array_equal(sep["harmonic"], ssc.separate(track.audio.T, RATE)["harmonic"])
    assert_array_equal(ssc.separate(track.targets["vocals"]).mixture, track.targets["vocals"].audio.T)

    ours = from_musdb(track)
    assert_array_equal(ours.stems["vocals"], stems["vocals"])
    bound = oracle.apply("irm2", ours.mixture, ours.stems)
    scored = evaluate(ours, bound, method="irm2", scoring=Scoring(frames=("csdr",), seconds=0.25))
    assert {"drums", "vocals"} <= set(scored.stems)

    track.sources["drums"].audio = track.sources["drums"].audio[:-1]  # as the AAC of MUSDB18 may have it
    short = from_musdb(track)
    assert short.stems["drums"].shape == ours.mixture.shape
    assert short.warnings == ("drums has 3999 samples and the mixture 4000",)
    track.sample_rate = 4000  # a data base that resamples, whose tracks still tell the rate of their files
    assert ssc.separate(track).sample_rate == 4000


def test_what_is_no_track_of_musdb_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"give a track of musdb\.DB"):
        from_musdb("db")


def test_a_simulated_room_goes_in_with_its_rate_and_microphones() -> None:
    pra = pytest.importorskip("pyroomacoustics")
    rng = np.random.default_rng(0)
    room = pra.ShoeBox([5, 4, 3], fs=RATE, max_order=1)
    for place in ([1, 2, 1], [4, 2.2, 1]):
        room.add_source(place, signal=rng.laplace(size=RATE))
    with pytest.raises(ParameterError, match="no microphones"):
        ssc.separate(room)
    room.add_microphone_array(np.array([[2.5, 2, 1], [2.55, 2, 1], [2.5, 2.05, 1]]).T)
    with pytest.raises(ParameterError, match=r"call room\.simulate\(\)"):
        ssc.separate(room)
    room.simulate()

    x, places = room.mic_array.signals, room.mic_array.R.T
    options = {"method": "auxiva", "n_iter": 3, "order": "angle"}
    found = ssc.separate(room, **options)
    expected = ssc.separate(x, RATE, positions=places, **options)
    assert list(found) == list(expected)
    for name, stem in found.items():
        assert_array_equal(stem, expected[name])
    stft = ssc.STFT(n_fft=512)
    seen = srp_phat(stft.analyze(x), places, stft.grid(RATE))
    assert seen.power.max() > 0.1


def test_a_room_of_ours_knows_its_microphones_too() -> None:
    pytest.importorskip("pyroomacoustics")
    from sigsep_classic.datasets.guests import held_by
    from sigsep_classic.datasets.rooms import simulate

    dry = np.random.default_rng(0).laplace(size=(2, RATE))
    held = held_by(simulate(dry, RATE, n_mics=3, rt60=0.3))
    assert held is not None
    assert held.microphones is not None
    assert (held.samples.shape[0], held.microphones.shape) == (3, (3, 3))
