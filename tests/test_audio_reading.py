"""Sound files in: every format, every kind of damage."""

import io
import os
import stat
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile
import soxr
from numpy.testing import assert_allclose

from sigsep_classic import audio
from sigsep_classic.errors import ArrayTypeError, AudioError, ParameterError, SigsepError

RATE = 48_000


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    t = np.arange(RATE // 2) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 440 * t) * np.linspace(0, 1, t.size)
    return np.stack([tone, 0.1 * rng.standard_normal(t.size).clip(-3, 3)]).astype(np.float32)


def encoded(x, rate=RATE, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, x.T, rate, **{"format": "WAV", "subtype": "PCM_16", **options})
    return bytearray(buffer.getvalue())


def flac_of_unknown_length(x):
    data = encoded(x, format="FLAC")
    data[21] &= 0xF0  # total_samples: 36 bits of STREAMINFO
    data[22:26] = bytes(4)
    return data


def mp3_without_length(x):
    """An MP3 whose first frame, which holds the length, is cut out."""
    data = encoded(x, format="MP3", subtype="MPEG_LAYER_III")
    return data[data.find(data[:2], 10) :]


def put_size(data, size):
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    return data


class Pipe(io.RawIOBase):
    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._data.readinto(buffer)


@pytest.mark.parametrize(
    ("format", "subtype", "suffix", "tolerance"),
    [
        ("WAV", "PCM_U8", ".wav", 1 / 127),
        ("WAV", "PCM_16", ".wav", 1 / 32767),
        ("WAV", "PCM_24", ".wav", 1e-6),
        ("WAV", "PCM_32", ".wav", 1e-7),
        ("WAV", "FLOAT", ".wav", 0),
        ("WAV", "DOUBLE", ".wav", 0),
        ("WAVEX", "PCM_16", ".wav", 1 / 32767),
        ("RF64", "PCM_24", ".rf64", 1e-6),
        ("W64", "FLOAT", ".w64", 0),
        ("WAV", "ULAW", ".wav", 0.02),
        ("WAV", "ALAW", ".wav", 0.02),
        ("FLAC", "PCM_16", ".flac", 1 / 32767),
        ("FLAC", "PCM_24", ".flac", 1e-6),
        ("AIFF", "PCM_16", ".aiff", 1 / 32767),
        ("AU", "FLOAT", ".au", 0),
        ("CAF", "PCM_24", ".caf", 1e-6),
        ("OGG", "VORBIS", ".ogg", None),
        ("OGG", "OPUS", ".opus", None),
        ("MP3", "MPEG_LAYER_III", ".mp3", None),
    ],
)
def test_every_format_is_read(tmp_path, x, format, subtype, suffix, tolerance):
    path = tmp_path / f"song{suffix}"
    path.write_bytes(encoded(x, format=format, subtype=subtype))
    sound = audio.load(path)
    assert (sound.sample_rate, sound.format, sound.subtype) == (RATE, format, subtype)
    assert sound.warnings == ()
    assert sound.samples.flags.c_contiguous
    assert sound.samples.dtype == np.float32
    assert sound.duration == x.shape[1] / RATE
    if tolerance is None:  # lossy: the tone survives, the noise is anybody's guess
        assert_allclose(sound.samples[0, 2000:-2000], x[0, 2000:-2000], atol=0.1)
    else:
        assert_allclose(sound.samples, x, atol=tolerance, rtol=0)
    whole = soundfile.read(path, dtype="float32")[0].T
    assert_allclose(sound.samples, whole, rtol=0, atol=0)
    described = audio.info(path)
    assert (described.channels, described.sample_rate, described.frames) == (2, RATE, x.shape[1])
    assert described.duration == sound.duration


def test_strings_file_objects_and_pipes_give_the_same(tmp_path, x):
    path = tmp_path / "song.wav"
    data = bytes(encoded(x))
    path.write_bytes(data)
    expected = audio.load(str(path)).samples
    with path.open("rb") as file:
        assert_allclose(audio.load(file).samples, expected)
    assert_allclose(audio.load(io.BytesIO(data)).samples, expected)
    assert_allclose(audio.load(Pipe(data)).samples, expected)
    behind = io.BytesIO(b"other bytes" + data)
    behind.seek(len(b"other bytes"))
    assert_allclose(audio.load(behind).samples, expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_to_its_end(tmp_path, x):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(encoded(x),))
    writer.start()
    sound = audio.load(path)
    writer.join()
    assert sound.samples.shape == x.shape


def test_double_keeps_what_float32_would_round(x):
    exact = np.float64(x) + 1e-12
    data = encoded(exact, subtype="DOUBLE")
    assert_allclose(audio.load(io.BytesIO(data), dtype="float64").samples, exact, rtol=0, atol=0)
    with pytest.raises(ArrayTypeError, match="float32 or float64"):
        audio.load(io.BytesIO(data), dtype="int16")


def test_mono_is_the_mean_of_the_channels(x):
    data = encoded(x, subtype="FLOAT")
    assert_allclose(audio.load(io.BytesIO(data), mono=True).samples, x.mean(0, keepdims=True), atol=1e-7)


@pytest.mark.parametrize("rate", [16_000, 44_100, 96_000])
def test_resampling_in_pieces_is_resampling_at_once(x, rate):
    long = np.tile(x, 4)
    out = audio.load(io.BytesIO(encoded(long, subtype="FLOAT")), sample_rate=rate)
    assert out.sample_rate == rate
    expected = soxr.resample(long.T, RATE, rate, quality="HQ").T
    assert out.samples.shape == expected.shape
    assert_allclose(out.samples, expected, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"subtype": "FLOAT"},
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "OGG", "subtype": "OPUS"},
        {"format": "MP3", "subtype": "MPEG_LAYER_III"},
    ],
    ids=str,
)
def test_start_and_duration_cut_what_load_gives_exactly(x, options):
    data = encoded(np.tile(x, 4), **options)
    whole = audio.load(io.BytesIO(data)).samples
    part = audio.load(io.BytesIO(data), start=0.7, duration=0.5).samples
    first = round(0.7 * RATE)
    assert_allclose(part, whole[:, first : first + RATE // 2], rtol=0, atol=0)
    tail = audio.load(io.BytesIO(data), start=1.9, duration=9).samples
    assert_allclose(tail, whole[:, round(1.9 * RATE) :], rtol=0, atol=0)


def test_start_beyond_the_end_and_bad_spans_are_refused(x):
    data = encoded(x)
    with pytest.raises(AudioError, match="no samples from start=5 s on"):
        audio.load(io.BytesIO(data), start=5)
    for options in ({"start": -1}, {"start": float("nan")}, {"duration": 0}, {"sample_rate": 0}):
        with pytest.raises(ParameterError):
            audio.load(io.BytesIO(data), **options)


def test_flac_of_unknown_length_is_read_to_its_end(tmp_path, x):
    path = tmp_path / "piped.flac"
    path.write_bytes(flac_of_unknown_length(x))
    sound = audio.load(path)
    assert sound.warnings == ()
    assert_allclose(sound.samples, x, atol=1 / 32767, rtol=0)
    assert_allclose(audio.load(path, start=0.25).samples, sound.samples[:, RATE // 4 :])
    assert (audio.info(path).frames, audio.info(path).duration) == (None, None)


@pytest.mark.parametrize("order", [1, -1])
def test_mp3_without_a_length_is_read_to_its_end(order):
    music = 0.2 * np.random.default_rng(0).standard_normal(RATE * 5).astype(np.float32)
    x = np.concatenate([np.zeros_like(music), music])[np.newaxis, ::order]
    data = mp3_without_length(x)
    sound = audio.load(io.BytesIO(data))
    assert 0 <= sound.samples.shape[1] - x.shape[1] <= 3 * 1152
    assert sound.warnings == ()
    assert audio.info(io.BytesIO(data)).frames is None
    half = audio.load(io.BytesIO(data[: len(data) // 2])).samples
    n = half.shape[1]
    assert n > 1152
    assert_allclose(half[:, : n - 2304], sound.samples[:, : n - 2304], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "lossless"),
    [
        ({"format": "WAV"}, True),
        ({"format": "WAV", "subtype": "FLOAT"}, True),
        ({"format": "RF64"}, True),
        ({"format": "W64"}, True),
        ({"format": "AIFF"}, True),
        ({"format": "AU"}, True),
        ({"format": "FLAC"}, True),
        ({"format": "OGG", "subtype": "VORBIS"}, False),
        ({"format": "OGG", "subtype": "OPUS"}, False),
        ({"format": "MP3", "subtype": "MPEG_LAYER_III"}, False),
    ],
    ids=str,
)
def test_a_file_that_was_cut_off_gives_what_it_has_and_a_warning(x, options, lossless, caplog):
    data = encoded(np.tile(x, 2), **options)
    sound = audio.load(io.BytesIO(data[: len(data) * 3 // 5]))
    assert len(sound.warnings) == 1
    assert "ends early" in sound.warnings[0]
    assert sound.warnings[0] in caplog.text
    n = sound.samples.shape[1]
    assert 0 < n < 2 * x.shape[1]
    if lossless:
        assert_allclose(sound.samples, np.tile(x, 2)[:, :n], atol=1 / 32000, rtol=0)


def test_a_sound_whose_metadata_alone_is_cut_off_is_whole(x):
    data = encoded(x) + b"LIST" + struct.pack("<I", 1000) + b"INFO"
    sound = audio.load(io.BytesIO(data))
    assert sound.samples.shape == x.shape
    assert sound.warnings == ()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("by_path", [True, False])
def test_a_recording_whose_header_was_never_finished_is_read_to_its_end(tmp_path, x, size, by_path):
    data = put_size(encoded(x), size)
    path = tmp_path / "crashed.wav"
    path.write_bytes(data)
    sound = audio.load(path if by_path else io.BytesIO(data))
    assert_allclose(sound.samples, x, atol=1 / 32767, rtol=0)
    assert len(sound.warnings) == 1
    assert "read to the end of the file" in sound.warnings[0]
    assert path.read_bytes() == data


def test_an_empty_sound_followed_by_metadata_is_not_taken_for_a_crash(x):
    header = encoded(x)[:44]
    data = put_size(header, 0) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(AudioError, match="has no samples"):
        audio.load(io.BytesIO(data))


def test_non_finite_samples_are_counted_and_the_first_is_named(tmp_path, x):
    bad = np.tile(x, 8)
    bad[1, 100_000:100_003] = np.nan
    bad[0, 150_000] = np.inf
    path = tmp_path / "bad.wav"
    path.write_bytes(encoded(bad, subtype="FLOAT"))
    with pytest.raises(AudioError, match=r"4 samples .* channel 1 at sample 100000 \(2\.083 s\)"):
        audio.load(path)
    with pytest.raises(AudioError, match=r"at sample 100000 \(2\.083 s\)"):
        audio.load(path, start=1.0, mono=True, sample_rate=44_100)
    with pytest.raises(AudioError, match="at sample 100000"):
        list(audio.blocks(path, block_samples=1000))


def test_codecs_that_are_not_on_the_list_are_refused_unless_allowed(tmp_path, x):
    path = tmp_path / "phone.wav"
    path.write_bytes(encoded(x, subtype="IMA_ADPCM"))
    for read in (audio.load, audio.info):
        with pytest.raises(AudioError, match=r"phone\.wav: codec .* allow_any_codec"):
            read(path)
    assert audio.load(path, allow_any_codec=True).subtype == "IMA_ADPCM"
    w64 = encoded(x, format="W64", subtype="IMA_ADPCM")
    with pytest.raises(AudioError, match="codec IMA_ADPCM"):
        audio.load(io.BytesIO(w64))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"Dear listener, this is no sound.\n" * 9, "first bytes are text"),
        (bytes(10_000), "can't be read as sound"),
        (np.random.default_rng(1).bytes(5000), "can't be read as sound"),
        (b"RIFF\0\0\0\0WAVEfmt ", "can't be read as sound"),
        (b"RIFF", "can't be read as sound"),
    ],
    ids=["empty", "text", "zeros", "noise", "header", "magic"],
)
@pytest.mark.parametrize("suffix", [".wav", ".raw", ".flac"])
def test_what_is_no_sound_file_is_one_line_that_names_it(tmp_path, content, match, suffix):
    path = tmp_path / f"song{suffix}"
    path.write_bytes(content)
    for read in (audio.load, audio.info, lambda p: next(audio.blocks(p))):
        with pytest.raises(AudioError, match=match) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_header_without_samples_is_refused(x):
    with pytest.raises(AudioError, match="has no samples"):
        audio.load(io.BytesIO(encoded(x[:, :0])))


def test_missing_files_folders_devices_and_text_streams_are_refused(tmp_path):
    with pytest.raises(AudioError, match="no such file"):
        audio.load(tmp_path / "nowhere.wav")
    with pytest.raises(AudioError, match="is a folder"):
        audio.load(tmp_path)
    with pytest.raises(AudioError, match="can't be opened"):
        audio.load("nul\0.wav")
    with pytest.raises(AudioError, match="binary mode"):
        audio.load(io.StringIO("text"))
    with pytest.raises(AudioError, match="is no sound file"):
        audio.load(3.5)
    device = "/dev/zero"
    if os.path.exists(device) and stat.S_ISCHR(os.stat(device).st_mode):
        with pytest.raises(AudioError, match="neither a file nor a pipe"):
            audio.load(device)


def test_files_that_may_not_be_read_are_named(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "song.wav"
    path.write_bytes(b"RIFF")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(AudioError, match=r"song\.wav: may not be read"):
        audio.load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_that_are_not_utf8_are_read_and_can_be_printed(tmp_path, x):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.wav")
    with open(path, "wb") as file:
        file.write(encoded(x))
    sound = audio.load(os.fsdecode(path))
    assert sound.samples.shape == x.shape
    assert sound.name.encode("utf-8").endswith(rb"caf\udce9.wav")


@pytest.mark.parametrize(
    "options", [{}, {"sample_rate": 44_100}, {"mono": True}, {"start": 0.3, "duration": 1.1}]
)
def test_blocks_joined_are_what_load_gives(x, options):
    data = flac_of_unknown_length(np.tile(x, 6))
    parts = list(audio.blocks(io.BytesIO(data), block_samples=7000, **options))
    assert [part.shape[1] for part in parts[:-1]] == [7000] * (len(parts) - 1)
    assert_allclose(np.concatenate(parts, axis=1), audio.load(io.BytesIO(data), **options).samples, atol=0)


def test_blocks_say_what_load_warns_of(x):
    lines = []
    data = encoded(x, format="FLAC")
    list(audio.blocks(io.BytesIO(data[: len(data) // 2]), block_seconds=0.1, on_warning=lines.append))
    assert len(lines) == 1
    assert "ends early" in lines[0]
    with pytest.raises(ParameterError, match="block of 0 samples"):
        next(audio.blocks(io.BytesIO(data), block_samples=0))


def test_fuzzed_files_end_in_samples_or_in_one_of_our_errors(x):
    rng = np.random.default_rng(2)
    sources = [
        encoded(x[:, :4000], **o) for o in ({}, {"format": "FLAC"}, {"format": "AIFF"}, {"format": "CAF"})
    ]
    messages = []
    for trial in range(200):
        data = bytearray(sources[trial % len(sources)])
        for at in rng.integers(0, min(len(data), 200), size=4):
            data[at] = rng.integers(256)
        try:
            assert np.isfinite(audio.load(io.BytesIO(data)).samples).all()
        except SigsepError as error:
            messages.append(str(error))
    assert [message for message in messages if "\n" in message] == []


def test_importing_audio_loads_no_codec_library():
    code = "import sys, sigsep_classic.audio; print({'soundfile', 'soxr', 'av'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_codecs_list_what_this_installation_can_do():
    found = {codec.name: codec for codec in audio.codecs()}
    assert found["wav"].reads
    assert found["flac"].writes
    assert not found["m4a"].writes
    assert {".wav", ".flac", ".mp3", ".opus"} <= set(audio.extensions()) <= audio.AUDIO_SUFFIXES
