"""AAC and its containers: through PyAV, through ffmpeg, or a line that names what to install."""

import io
import os
import sys

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from sigsep_classic import audio
from sigsep_classic.errors import AudioError, ParameterError

RATE = 48_000


@pytest.fixture(scope="module")
def x():
    t = np.arange(RATE // 2) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 440 * t) * np.linspace(0, 1, t.size)
    return np.stack([tone, -tone]).astype(np.float32)


def aac_file(path, x):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(x, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


def test_m4a_is_read_through_pyav(tmp_path, x):
    path = aac_file(tmp_path / "song.m4a", x)
    sound = audio.load(path)
    assert (sound.sample_rate, sound.subtype, len(sound.samples)) == (RATE, "AAC", 2)
    assert 0 <= sound.samples.shape[1] - x.shape[1] < 2048
    assert_allclose(sound.samples[:, 2048 : x.shape[1] - 2048], x[:, 2048:-2048], atol=0.05)
    assert_allclose(audio.load(io.BytesIO(path.read_bytes())).samples, sound.samples)
    renamed = tmp_path / "song.wav"
    renamed.write_bytes(path.read_bytes())
    assert_allclose(audio.load(renamed).samples, sound.samples)
    part = audio.load(path, start=0.1, duration=0.2).samples
    assert_allclose(part, sound.samples[:, RATE // 10 :][:, : RATE // 5])


def test_m4a_that_was_cut_off_is_one_line(tmp_path, x):
    path = aac_file(tmp_path / "song.m4a", x)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(AudioError, match=r"song\.m4a: can't be read as sound"):
        audio.load(path)


def test_m4a_without_a_decoder_names_the_package(tmp_path, monkeypatch):
    path = tmp_path / "song.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=r'pip install "sigsep-classic\[av\]"'):
        audio.load(path)
    assert ".m4a" not in audio.extensions()
    assert ".m4a" in audio.AUDIO_SUFFIXES


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a shell script")
@pytest.mark.parametrize("status", [0, 1])
def test_m4a_goes_through_ffmpeg_where_pyav_is_not(tmp_path, monkeypatch, x, status):
    soundfile.write(tmp_path / "decoded.wav", x.T, RATE, subtype="FLOAT")
    program = tmp_path / "ffmpeg"
    program.write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        f'/bin/cp "{tmp_path}/decoded.wav" "${{last#file:}}"\nexit {status}\n'
    )
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    data = b"\0\0\0\x20ftypM4A " + bytes(100)
    sound = audio.load(io.BytesIO(data))
    assert_allclose(sound.samples, x)
    assert len(sound.warnings) == status
    assert list(scratch.iterdir()) == []


def test_a_stream_that_is_not_there_is_one_line(tmp_path, x):
    path = aac_file(tmp_path / "song.m4a", x)
    with pytest.raises(AudioError, match="stream=1 is not among its 1 audio streams"):
        audio.load(path, stream=1)
    soundfile.write(tmp_path / "song.wav", x.T, RATE)
    for read in (audio.load, audio.info):
        with pytest.raises(AudioError, match="holds one stream of sound, so stream=2 is not there"):
            read(tmp_path / "song.wav", stream=2)
    with pytest.raises(ParameterError, match="stream=-1 is no number of an audio stream"):
        audio.load(path, stream=-1)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a shell script")
def test_ffmpeg_is_asked_for_the_stream(tmp_path, monkeypatch, x):
    soundfile.write(tmp_path / "decoded.wav", x.T, RATE, subtype="FLOAT")
    program = tmp_path / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\necho "$@" > "{tmp_path}/words"\nfor last; do :; done\n'
        f'/bin/cp "{tmp_path}/decoded.wav" "${{last#file:}}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_allclose(audio.load(io.BytesIO(b"\0\0\0\x20ftypM4A " + bytes(100)), stream=3).samples, x)
    assert " -map 0:a:3 " in (tmp_path / "words").read_text()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a shell script")
@pytest.mark.parametrize(
    ("said", "warned"),
    [
        ("[png @ 0x5] Codec (png) not on whitelist 'aac'\n    Last message repeated 1 times", 0),
        ("[aac @ 0x5] channel element 1.12 is not allocated", 1),
    ],
)
def test_a_cover_picture_that_ffmpeg_leaves_out_is_no_damage(tmp_path, monkeypatch, x, said, warned):
    soundfile.write(tmp_path / "decoded.wav", x.T, RATE, subtype="FLOAT")
    (tmp_path / "said").write_text(said)
    program = tmp_path / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\n/bin/cat "{tmp_path}/said" >&2\nfor last; do :; done\n'
        f'/bin/cp "{tmp_path}/decoded.wav" "${{last#file:}}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    data = b"\0\0\0\x20ftypM4A " + bytes(100)
    assert len(audio.load(io.BytesIO(data)).warnings) == warned
    (tmp_path / "said").write_text("Stream map '' matches no streams.")
    with pytest.raises(AudioError, match="stream=4 is not among its audio streams"):
        audio.load(io.BytesIO(data), stream=4)
