"""Sound files out: the level policy, all or nothing, and what formats can't hold."""

import io
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from sigsep_classic import audio
from sigsep_classic.audio import publish
from sigsep_classic.audio.codecs import MAX_32_BIT, container_for
from sigsep_classic.errors import ArrayTypeError, OutputError, ParameterError, ShapeError

RATE = 48_000


@pytest.fixture(scope="module")
def x():
    t = np.arange(RATE // 4) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * t), 0.25 * np.sin(2 * np.pi * 550 * t)]).astype(
        np.float32
    )


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("name", "subtype", "stored", "tolerance"),
    [
        ("a.wav", None, ("WAV", "FLOAT"), 0),
        ("a.wav", "int16", ("WAV", "PCM_16"), 1 / 32767),
        ("a.wav", "int24", ("WAV", "PCM_24"), 1e-6),
        ("a.wav", "PCM_32", ("WAV", "PCM_32"), 1e-7),
        ("a.wav", "uint8", ("WAV", "PCM_U8"), 1 / 127),
        ("a.wav", "float64", ("WAV", "DOUBLE"), 0),
        ("a.wav", "ulaw", ("WAV", "ULAW"), 0.02),
        ("a.WAV", "alaw", ("WAV", "ALAW"), 0.02),
        ("a.rf64", None, ("RF64", "FLOAT"), 0),
        ("a.w64", None, ("W64", "FLOAT"), 0),
        ("a.aiff", None, ("AIFF", "FLOAT"), 0),
        ("a.au", None, ("AU", "FLOAT"), 0),
        ("a.caf", None, ("CAF", "FLOAT"), 0),
        ("a.flac", None, ("FLAC", "PCM_24"), 1e-6),
        ("a.flac", "int16", ("FLAC", "PCM_16"), 1 / 32767),
        ("a.ogg", None, ("OGG", "VORBIS"), 0.1),
        ("a.opus", None, ("OGG", "OPUS"), 0.2),
        ("a.mp3", None, ("MP3", "MPEG_LAYER_III"), 0.1),
    ],
)
def test_what_is_saved_is_what_is_loaded(tmp_path, x, name, subtype, stored, tolerance):
    path = tmp_path / "new" / "folder" / name
    record = audio.save(path, x, RATE, subtype=subtype)
    assert (record.paths, record.gain, record.clipped) == ((str(path),), 1.0, 0)
    assert_allclose(record.peak, 0.5, rtol=1e-3)
    sound = audio.load(path)
    assert (sound.format, sound.subtype) == stored
    assert record.subtypes == (sound.subtype,)
    assert sound.warnings == ()
    assert sound.samples.shape == x.shape
    inner = slice(2000, -2000) if tolerance > 0.05 else slice(None)
    assert_allclose(sound.samples[:, inner], x[:, inner], atol=tolerance, rtol=0)
    assert listing(path.parent) == [name]


@pytest.mark.parametrize("n", [1, 2, 575, 1153])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_short_sounds_are_saved(tmp_path, suffix, n):
    path = tmp_path / f"short.{suffix}"
    audio.save(path, np.full(n, 0.1), RATE)
    assert audio.load(path).samples.shape == (1, n)


def test_format_wins_over_the_suffix(tmp_path, x):
    audio.save(tmp_path / "noname", x, RATE, format="flac")
    assert audio.info(tmp_path / "noname").format == "FLAC"


def test_integers_and_mono_vectors_are_saved_as_audio(tmp_path):
    audio.save(tmp_path / "a.wav", np.array([0, 16384, -32768], np.int16), RATE)
    assert_allclose(audio.load(tmp_path / "a.wav").samples, [[0, 0.5, -1]])
    for bad, error in [(np.zeros((RATE, 2)), ShapeError), (np.zeros((1, 4), complex), ArrayTypeError)]:
        with pytest.raises(error, match=r"b\.wav"):
            audio.save(tmp_path / "b.wav", bad, RATE)
    assert listing(tmp_path) == ["a.wav"]


def test_loud_float_stems_keep_their_level(tmp_path, x):
    record = audio.save_all({tmp_path / "a.wav": 3 * x, tmp_path / "b.wav": -2 * x}, RATE)
    assert record.gain == 1
    total = sum(audio.load(path).samples for path in record.paths)
    assert_allclose(total, x, atol=1e-6)


@pytest.mark.parametrize("suffix", ["flac", "ogg"])
def test_a_loud_stem_gives_one_gain_for_all(tmp_path, x, suffix):
    stems = {tmp_path / f"a.{suffix}": 4 * x, tmp_path / f"b.{suffix}": 0.5 * x}
    record = audio.save_all(stems, RATE)
    assert_allclose(record.peak, 2, rtol=1e-3)
    assert_allclose(record.gain * record.peak, 1)
    assert record.clipped == 0
    loud, soft = (audio.load(path).samples[:, 2000:-2000] for path in record.paths)
    assert_allclose(np.std(loud) / np.std(soft), 8, rtol=0.02)


def test_clamp_cuts_off_and_counts(tmp_path, x):
    loud = 4 * x
    record = audio.save(tmp_path / "a.wav", loud, RATE, subtype="int24", clip_mode="clamp")
    assert record.gain == 1
    assert record.clipped == int((abs(loud) > 1).sum())
    assert_allclose(audio.load(tmp_path / "a.wav").samples, loud.clip(-1, 1), atol=1e-6)


def test_none_refuses_what_goes_beyond_full_scale(tmp_path, x):
    stems = {tmp_path / "a.wav": x, tmp_path / "b.wav": 4 * x}
    with pytest.raises(OutputError, match=r"b\.wav: peak 2 is beyond full scale"):
        audio.save_all(stems, RATE, subtype="int16", clip_mode="none")
    assert listing(tmp_path) == []
    assert audio.save_all(stems, RATE, clip_mode="none").gain == 1


def test_the_input_arrays_stay_unchanged(tmp_path, x):
    before = 4 * x
    samples = before.copy()
    for mode in ("common", "clamp"):
        audio.save(tmp_path / "a.flac", samples, RATE, clip_mode=mode)
        assert_allclose(samples, before, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["wav", "rf64", "aiff", "caf", "w64", "au", "flac", "mp3"])
def test_equal_sounds_saved_a_second_apart_are_equal_bytes(tmp_path, x, suffix):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    audio.save(first, x, RATE)
    time.sleep(1.1)
    audio.save(second, x, RATE)
    assert first.read_bytes() == second.read_bytes()


def test_float_wav_holds_no_time_of_writing(tmp_path, x):
    audio.save(tmp_path / "a.wav", x, RATE)
    data = (tmp_path / "a.wav").read_bytes()
    at = data.index(b"PEAK")
    assert data[at + 12 : at + 16] == bytes(4)
    assert at < data.index(b"data")


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_rename_leaves_nothing_new_and_everything_old(tmp_path, x, monkeypatch, failing):
    old = tmp_path / "out" / "a.wav"
    audio.save(old, x, RATE)
    before = old.read_bytes()
    replace, calls = os.replace, []

    def fail(source, target):
        calls.append(target)
        if len(calls) == failing:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(publish.os, "replace", fail)
    stems = {old: -x, tmp_path / "out" / "b.wav": x, tmp_path / "out" / "deep" / "er" / "c.wav": x}
    with pytest.raises(OutputError, match=r"Input/output error"):
        audio.save_all(stems, RATE)
    assert listing(tmp_path) == ["out", "out/a.wav"]
    assert old.read_bytes() == before


def test_a_folder_that_another_process_makes_meanwhile_is_used_and_left(tmp_path, monkeypatch):
    make = os.mkdir

    def second(name, *mode):
        make(name, *mode)
        make(name, *mode)  # as if by the other: this one is refused

    monkeypatch.setattr(os, "mkdir", second)

    def stop():
        with publish.FileSet([str(tmp_path / "a/b/c.wav")]):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stop()
    assert listing(tmp_path) == ["a", "a/b"]


def test_a_folder_that_another_process_takes_back_is_made_again(tmp_path, monkeypatch):
    create, taken = publish._create_beside, []

    def late(target):
        if not taken:
            taken.append(target)
            Path(target).parent.rmdir()
        return create(target)

    monkeypatch.setattr(publish, "_create_beside", late)
    target = tmp_path / "a/b.wav"
    with publish.FileSet([str(target)]) as files:
        Path(files.temporary(str(target))).write_bytes(b"sound")
    assert target.read_bytes() == b"sound"
    assert taken


def test_an_interrupt_leaves_nothing_behind(tmp_path, x, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        audio.save_all({tmp_path / "new" / "a.wav": x}, RATE)
    assert listing(tmp_path) == []


def test_a_file_that_is_short_on_the_disk_is_noticed(tmp_path, x, monkeypatch):
    from sigsep_classic.audio import sndfile

    monkeypatch.setattr(sndfile, "count_samples", lambda *args, **options: 100)
    with pytest.raises(OutputError, match="100 of 12000 samples arrived"):
        audio.save(tmp_path / "a.wav", x, RATE)
    assert listing(tmp_path) == []


LIMITED = """
import resource, sys
import numpy as np
from sigsep_classic import audio
from sigsep_classic.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
small, large = np.zeros((2, 1000)), np.random.default_rng(0).uniform(-1, 1, (2, 480_000))
folder, suffix = sys.argv[1:]
try:
    audio.save_all({f"{folder}/new/a{suffix}": small, f"{folder}/new/b{suffix}": large}, 48_000)
except OutputError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".w64"])
def test_a_file_that_may_not_grow_leaves_nothing_behind(tmp_path, suffix):
    command = [sys.executable, "-c", LIMITED, str(tmp_path), suffix]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"b{suffix}: " in done.stdout
    assert done.stdout.count("\n") == 1
    assert listing(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, suffix):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, timeout=10)
    except OSError:
        pytest.skip("there is no mount here")
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        noise = np.random.default_rng(0).uniform(-1, 1, (2, 480_000))
        with pytest.raises(OutputError, match=rf"b{suffix}: "):
            audio.save_all({disk / f"a{suffix}": noise[:, :1000], disk / f"b{suffix}": noise}, RATE)
        assert listing(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.name == "nt", reason="no umask there")
def test_the_mode_follows_the_umask(tmp_path, x):
    before = os.umask(0o027)
    try:
        audio.save(tmp_path / "a.wav", x, RATE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.wav").stat().st_mode) == 0o640


def test_an_input_is_never_replaced(tmp_path, x):
    song = tmp_path / "song.wav"
    audio.save(song, x, RATE)
    before = song.read_bytes()
    (tmp_path / "link.wav").symlink_to(song)
    os.link(song, tmp_path / "hard.wav")
    for target in (song, tmp_path / "link.wav", tmp_path / "hard.wav", tmp_path / "x" / ".." / "song.wav"):
        with pytest.raises(OutputError, match="is an input and won't be replaced"):
            audio.save_all({tmp_path / "other.wav": x, target: x}, RATE, inputs=[song])
    assert song.read_bytes() == before
    assert listing(tmp_path) == ["hard.wav", "link.wav", "song.wav"]


def test_targets_that_are_no_files_or_named_twice_are_refused(tmp_path, x):
    with pytest.raises(OutputError, match="is a folder or a device"):
        audio.save(tmp_path, x, RATE, format="wav")
    with pytest.raises(OutputError, match="named for two results"):
        audio.save_all({tmp_path / "a.wav": x, tmp_path / "b" / ".." / "a.wav": x}, RATE)
    with pytest.raises(OutputError, match="named for two results"):
        audio.save_all({tmp_path / "a.wav": x, str(tmp_path / "a.wav"): x}, RATE)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="can't be written"):
        audio.save(tmp_path / "file" / "a.wav", x, RATE)
    assert listing(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("name", "channels", "rate", "match"),
    [
        ("a.opus", 2, 44_100, "resample, or write wav"),
        ("a.mp3", 2, 96_000, "resample, or write wav"),
        ("a.mp3", 3, 48_000, "at most 2 channels, not 3; write wav"),
        ("a.flac", 9, 48_000, "at most 8 channels, not 9; write wav"),
        ("a.flac", 2, 96_001, "resample to a multiple of 10"),
        ("a.flac", 2, 700_000, "at most 655350 Hz"),
        ("a.ogg", 2, 384_000, "at most 200000 Hz"),
        ("a.ogg", 256, 48_000, "at most 255 channels"),
        ("a.wav", 1025, 48_000, "at most 1024 channels"),
        ("a.m4a", 2, 48_000, "no format for the suffix '.m4a'"),
        ("a", 2, 48_000, "no format for the suffix ''"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_with_the_way_out(tmp_path, name, channels, rate, match):
    with pytest.raises(OutputError, match=match):
        audio.save(tmp_path / name, np.zeros((channels, 2000)), rate)
    assert listing(tmp_path) == []


def test_options_are_checked(tmp_path, x):
    for rate in (0, -1, 44_100.5, float("nan")):
        with pytest.raises(ParameterError, match="sample_rate"):
            audio.save(tmp_path / "a.wav", x, rate)
    for options in ({"clip_mode": "loud"}, {"subtype": "int17"}, {"format": "m4a"}):
        with pytest.raises(ParameterError, match="use one of"):
            audio.save(tmp_path / "a.wav", x, RATE, **options)
    with pytest.raises(OutputError, match="flac can't hold float32; use subtype int16, int24"):
        audio.save(tmp_path / "a.flac", x, RATE, subtype="float32")
    assert listing(tmp_path) == []


def test_wav_becomes_rf64_where_its_sizes_end():
    assert container_for("a.wav", "WAV", MAX_32_BIT) == "WAV"
    assert container_for("a.wav", "WAV", MAX_32_BIT + 1) == "RF64"
    assert container_for("a.w64", "W64", 2**40) == "W64"
    with pytest.raises(OutputError, match="AIFF ends at 4 GiB"):
        container_for("a.aiff", "AIFF", 2**33)


class Sink:
    def __init__(self, error=None):
        self.data, self.error = b"", error

    def write(self, data):
        if self.error:
            raise self.error
        self.data += data


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
def test_a_stream_gets_what_a_file_would(tmp_path, x, format):
    sink = Sink()
    record = audio.write_stream(sink, x, RATE, format=format)
    assert record.gain == 1
    audio.save(tmp_path / f"a.{format}", x, RATE)
    expected = audio.load(tmp_path / f"a.{format}").samples
    assert_allclose(audio.load(io.BytesIO(sink.data)).samples, expected)


def test_a_stream_that_breaks_is_said():
    with pytest.raises(BrokenPipeError):
        audio.write_stream(Sink(BrokenPipeError()), np.zeros(10), RATE)
    with pytest.raises(OutputError, match="No space left"):
        audio.write_stream(Sink(OSError(28, "No space left on device")), np.zeros(10), RATE)


def test_stems_written_in_blocks_are_the_stems_written_at_once(tmp_path, x):
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    with audio.StemWriter(paths, sample_rate=RATE, channels=2, n_samples=x.shape[1]) as out:
        for at in range(0, x.shape[1], 5000):
            out.write({paths[0]: x[:, at : at + 5000], paths[1]: -3 * x[:, at : at + 5000]})
        assert listing(tmp_path) != ["a.wav", "b.wav"]
    assert_allclose(out.record.peak, 1.5, rtol=1e-3)
    assert_allclose(audio.load(paths[0]).samples, x)
    assert_allclose(audio.load(paths[1]).samples, -3 * x)
    audio.save(tmp_path / "c.wav", x, RATE)
    assert (tmp_path / "c.wav").read_bytes() == paths[0].read_bytes()


def test_blocks_that_stop_with_an_error_leave_nothing(tmp_path, x):
    path = tmp_path / "new" / "a.flac"

    def write_half():
        with audio.StemWriter([path], sample_rate=RATE, channels=2, n_samples=10**6) as out:
            out.write({path: x})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert listing(tmp_path) == []


def test_libsndfile_reads_what_was_saved(tmp_path, x):
    audio.save(tmp_path / "a.wav", x, RATE)
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE
    assert_allclose(samples.T, x, rtol=0, atol=0)
