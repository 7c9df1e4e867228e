"""Every wrong and every unusual file on every way into every verb."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sigsep_classic import audio
from sigsep_classic.audio import sources
from sigsep_classic.cli.main import main
from sigsep_classic.errors import AudioError
from tests.faults.sounds import SOUNDS, encoded, make, noise
from tests.faults.verbs import OUT, WAYS, Ended, check_ended, check_records, leftovers, prepare, snapshot

Cli = Callable[..., Ended]

LARGE = {"1,024 channels", "3 MHz", "1 Hz"}
"""Sounds that are right and that a verb may refuse all the same: a scale in seconds or Hz makes no sense for them."""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "PATIENCE_SECONDS", 0.1)

    def ended(*words: str) -> Ended:
        capsys.readouterr()
        code = main(list(words))
        return Ended(code, *capsys.readouterr())

    return ended


@pytest.mark.parametrize("name", SOUNDS)
def test_a_file_is_read_in_full_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    sound, path = SOUNDS[name], make(name, tmp_path)
    before = snapshot(tmp_path)
    for read in (
        audio.load,
        lambda path: b"".join(b.tobytes() for b in audio.blocks(path, block_samples=700)),
    ):
        if sound.said:
            with pytest.raises(AudioError) as caught:
                read(path)
            assert sound.said in str(caught.value)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)
    if not sound.said:
        read_at_once = audio.load(path)
        channels, n_samples = read_at_once.samples.shape
        assert channels == sound.shape[0]
        assert sound.shape[1] in (-1, n_samples)
        assert np.isfinite(read_at_once.samples).all()
        assert [sound.warned in line for line in read_at_once.warnings] == [True] * bool(sound.warned)
        blocks = list(audio.blocks(path, block_samples=700))
        assert np.array_equal(np.concatenate(blocks, axis=1), read_at_once.samples)
    assert snapshot(tmp_path) == before


def _check_way(cli: Cli, way_name: str, name: str) -> None:
    """Run a verb on a file and check all that must hold."""
    way, sound, here = WAYS[way_name], SOUNDS[name], Path.cwd()
    path = prepare(way, name, here)
    before = snapshot(here)
    done = cli(*way.words(path))
    check_ended(done, named=[path.name, path.stem, path.parent.name, "the clip"])
    assert snapshot(here) == before
    assert leftovers(OUT) == []
    check_records(OUT)
    a_stem = not (
        name == "a folder" and way.place == "truth"
    )  # a folder in a data set is none, and none is missing
    if sound.said and way.fails_alone and a_stem:
        assert done.code in (1, 2, 3), done
        assert list(Path(OUT).rglob("*.wav")) == []
    if way_name.endswith("INPUT") and not sound.said and name not in LARGE:
        assert done.code == 0, done
        length = audio.load(path).samples.shape[1]
        for stem in Path(OUT).rglob("*.wav"):
            written = audio.load(stem).samples
            assert written.shape[1] == length
            assert np.isfinite(written).all()


PICKED = [
    ("separate INPUT", "flac claims 2^36 frames"),
    ("separate INPUT", "1,024 channels"),
    ("separate FOLDER", "NaN"),
    ("denoise INPUT", "header cut off"),
    ("denoise --noise-clip", "text as flac"),
    ("remix INPUT", "one sample"),
    ("oracle STEM", "wav cut off"),
    ("evaluate ESTIMATE", "infinity"),
    ("check-dataset STEM", "65,535 channels"),
]
"""What the fast set asks: each verb once; `test_every_way_for_every_file` asks all."""


@pytest.mark.parametrize(("way", "name"), PICKED)
def test_a_verb_ends_well_whatever_the_file(cli: Cli, way: str, name: str) -> None:
    _check_way(cli, way, name)


EVERYWHERE = {"no bytes", "wav cut off", "NaN", "a folder", "one sample", "a link to /dev/zero", "silence"}
"""What each way is asked: one file of each kind of end. The others take turns, each on every third way."""


def _asked(way: str, number: int, name: str) -> bool:
    if (way, name) == ("plot INPUT", "1 Hz"):
        return False  # matplotlib warns of an axis without a range, which is an error among tests alone
    turns = 1 if way == "separate INPUT" else 6 if way == "plot INPUT" else 3
    return name in EVERYWHERE or (number + list(WAYS).index(way)) % turns == 0


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_way_for_every_file(
    cli: Cli, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for number, name in enumerate(SOUNDS) if _asked(way, number, name)]:
        folder = tmp_path / name.replace("/", "_")
        folder.mkdir()
        monkeypatch.chdir(folder)
        try:
            _check_way(cli, way, name)
        except AssertionError as error:
            raise AssertionError(f"{way}, {name}: {error}") from None


# ---- pipes, streams and special files


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("way", ["separate FOLDER", "check-dataset STEM", "evaluate ESTIMATE"])
def test_a_pipe_in_a_folder_that_nobody_writes_to_does_not_hang(cli: Cli, way: str) -> None:
    beside = prepare(WAYS[way], "8 bit", Path.cwd())
    beside.unlink()
    os.mkfifo(beside)
    done = cli(*WAYS[way].words(beside))
    check_ended(done, named=[beside.name])
    assert done.code == (3 if way.startswith("evaluate") else 1)
    assert "nobody writes" in done.err + done.out


def test_a_stream_without_an_end_that_is_no_sound_is_refused_early(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0

    class Endless(io.RawIOBase):
        name = "endless"

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            nonlocal read
            assert size >= 0, "all of it was asked for"
            read += size
            return bytes(size)

    with pytest.raises(AudioError, match="endless: can't be read as sound"):
        audio.load(Endless())  # type: ignore[arg-type]
    assert read <= 2**20


def test_a_long_stream_that_is_sound_is_read_in_full() -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    x = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 700_000))
    for options in ({}, {"format": "FLAC"}, {"format": "AIFF"}, {"format": "CAF"}, {"format": "AU"}):
        assert audio.load(Stream(encoded(x, **options))).samples.shape == x.shape
    assert audio.load(Stream(encoded(x, format="OGG"))).samples.shape == x.shape


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(
    "words", [["separate", "{}"], ["check-dataset", "{}"], ["oracle", "{}"], ["compare", "{}"]]
)
@pytest.mark.parametrize(
    "place", ["/proc/self/mem", "/proc/self/fd", "/dev/zero", "/dev/full", "/sys/kernel/notes"]
)
def test_special_files_and_folders_of_the_system_are_refused(cli: Cli, words: list[str], place: str) -> None:
    done = cli(*(word.format(place) for word in words))
    check_ended(done, named=[place])
    assert done.code in (2, 3)


# ---- text files: scores and places


WRONG_JSON = {
    "no bytes": b"",
    "cut off": b'{"targets": [{"name": "vocals", "frames": [{"time": 0.0, "met',
    "binary": bytes(range(256)),
    "a number": b"3",
    "a list": b"[1, 2]",
    "nested too deep": b"[" * 100_000,
    "another format": b'{"format": 99, "frames": {}, "totals": {}}',
    "text for numbers": b'{"targets": [{"name": "vocals", "frames": [{"metrics": {"SDR": "loud"}}]}]}',
    "lists for numbers": b'{"targets": [{"name": "vocals", "frames": [{"metrics": {"SDR": [1]}}]}]}',
    "a huge number": b'{"targets": [{"name": "vocals", "frames": [{"metrics": {"SDR": 1'
    + b"0" * 5000
    + b"}}]}]}",
    "names that are no names": b'{"targets": [{"name": 7, "frames": [{"metrics": {"SDR": 1.0}}]}]}',
}


@pytest.mark.parametrize("name", WRONG_JSON)
def test_scores_that_are_no_scores_are_passed_over_in_one_line(cli: Cli, name: str) -> None:
    Path("scores/m/test").mkdir(parents=True)
    Path("scores/m/test/track.json").write_bytes(WRONG_JSON[name])
    done = cli("compare", "scores", "-o", OUT, "--no-report")
    check_ended(done, named=["scores"])
    assert done.code == 3
    assert leftovers(OUT) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_among_scores_does_not_hang(cli: Cli) -> None:
    Path("scores").mkdir()
    os.mkfifo("scores/track.json")
    os.symlink("/dev/zero", "scores/zero.json")
    for words in (["compare", "scores"], ["evaluate", "truth", "scores"]):
        prepare(WAYS["evaluate TRUTH"], "8 bit", Path.cwd())
        done = cli(*words, "-o", OUT)
        check_ended(done, named=["scores"])
        assert done.code in (1, 2, 3)


@pytest.mark.parametrize(
    "content", [b"", b"0,0\n1", b"\xff\xfe", b"a,b", b"nan,0\n1,0", b"0,0\n" * 99, bytes(99)]
)
def test_places_that_are_no_places_are_refused(cli: Cli, content: bytes) -> None:
    Path("places.txt").write_bytes(content)
    Path("right.wav").write_bytes(encoded(np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2000))))
    done = cli(
        "separate", "right.wav", "-m", "auxiva", "--order", "angle", "--positions", "places.txt", "-o", OUT
    )
    check_ended(done, named=["positions"])
    assert done.code == 2


MODELS = {
    "no Python": b"def f(:\n",
    "binary": bytes(200),
    "raises": b"raise OSError(5, 'broken')\n",
    "ends Python": b"import sys\nsys.exit(0)\n",
    "ends Python later": b"import sys\ndef f(x, rate):\n    sys.exit(0)\n",
    "raises later": b"def f(x, rate):\n    raise RuntimeError('two\\nlines')\n",
    "gives nothing": b"def f(x, rate):\n    return None\n",
    "gives NaN": b"def f(x, rate):\n    return {'vocals': x * float('nan')}\n",
    "gives text": b"def f(x, rate):\n    return {'vocals': 'loud'}\n",
    "changes its input": b"def f(x, rate):\n    x *= 0\n    return {'vocals': x}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_is_none_is_told(cli: Cli, name: str) -> None:
    prepare(WAYS["benchmark TRUTH"], "8 bit", Path.cwd())
    Path("model.py").write_bytes(MODELS[name])
    before = snapshot(Path.cwd())
    done = cli(
        "benchmark",
        "--dataset",
        "truth",
        "--model",
        "model.py:f",
        "--methods",
        "hpss",
        "--sdr-only",
        "-o",
        OUT,
    )
    check_ended(done)
    assert done.code in ((0,) if name == "changes its input" else (1, 2))
    assert {key: value for key, value in snapshot(Path.cwd()).items() if "__pycache__" not in key} == before


def test_a_file_object_that_breaks_is_one_error_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Breaks(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 200:
                raise OSError(5, "Input/output error")
            return super().read(size)

    x = noise(1, 60_000)
    for data in (encoded(x), encoded(x, format="FLAC"), encoded(x, format="OGG")):
        with pytest.raises(AudioError, match=r"can't be read to its end \(Input/output error\)"):
            audio.load(Breaks(data))
    assert capfd.readouterr().err == ""


def test_truth_and_estimates_of_other_shapes_end_in_scores_or_a_line(cli: Cli) -> None:
    rng = np.random.default_rng(0)
    for place, channels, n_samples, rate in (("truth", 2, 3000, 8000), ("est", 3, 1000, 16000)):
        Path(place).mkdir()
        for stem in ("vocals", "drums"):
            x = rng.uniform(-0.5, 0.5, (channels, n_samples))
            Path(place, f"{stem}.wav").write_bytes(encoded(x, rate))
    done = cli("evaluate", "truth", "est", "--sdr-only", "--json", "-o", OUT)
    check_ended(done, named=["est"])
    assert [json.loads(line)["status"] for line in done.out.splitlines()] == [
        "ok" if done.code == 0 else "error"
    ]
