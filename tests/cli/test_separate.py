"""``separate``: what it writes, what it prints, how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic import grouping, refusals
from sigsep_classic.audio import codecs
from sigsep_classic.audio.codecs import FORMATS
from sigsep_classic.audio.writing import CLIP_MODES
from sigsep_classic.cli import separate as verb
from sigsep_classic.cli import transforms
from sigsep_classic.separation import TEMPLATE
from tests.cli.conftest import files_below

Cli = Callable[..., Any]


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_stems_go_below_a_folder_named_after_the_track_and_their_paths_are_printed(
    cli: Cli, song: str
) -> None:
    done = cli("separate", song)
    assert done.code == 0
    assert files_below("separated") == ["song/harmonic.wav", "song/percussive.wav"]
    assert done.out.split() == ["separated/song/harmonic.wav", "separated/song/percussive.wav"]
    assert done.err == ""


def test_written_stems_add_up_to_the_input(cli: Cli, song: str) -> None:
    assert cli("separate", song).code == 0
    stems = [ssc.load(f"separated/song/{name}.wav") for name in ("harmonic", "percussive")]
    assert {stem.sample_rate for stem in stems} == {16000}
    assert_allclose(sum(stem.samples for stem in stems), ssc.load(song).samples, atol=1e-6)


def test_the_command_and_the_function_give_the_same_samples(cli: Cli, song: str) -> None:
    words = ["-m", "nmf", "--n-iter", "5", "--n-components", "4", "--groups", "harmonic_percussive"]
    assert cli("separate", song, *words).code == 0
    wanted = ssc.separate(song, method="nmf", n_iter=5, n_components=4, groups="harmonic_percussive")
    for name, stem in wanted.items():
        assert np.array_equal(ssc.load(f"separated/song/{name}.wav").samples, stem)


@pytest.mark.parametrize("ext", [c.name for c in codecs() if c.writes])
def test_every_format_that_can_be_written_is_written(cli: Cli, song: str, ext: str) -> None:
    done = cli("separate", song, "--ext", ext)
    assert done.code == 0, done.err
    assert len(ssc.load(f"separated/song/harmonic.{ext}").samples) == 2


def test_subtype_template_output_and_stem_shape_what_is_written(cli: Cli, song: str) -> None:
    words = [
        "-o",
        "out",
        "--template",
        "{method}-{track}-{stem}.{ext}",
        "--stem",
        "percussive",
        "--subtype",
        "int16",
    ]
    assert cli("separate", song, *words).code == 0
    assert files_below("out") == ["hpss-song-percussive.wav"]
    assert ssc.load("out/hpss-song-percussive.wav").subtype == "PCM_16"


def test_the_residual_is_what_all_stems_leave_also_when_one_is_chosen(cli: Cli, song: str) -> None:
    assert cli("separate", song, "--residual", "--stem", "residual", "--stem", "harmonic").code == 0
    assert files_below("separated") == ["song/harmonic.wav", "song/residual.wav"]
    assert_allclose(ssc.load("separated/song/residual.wav").samples, 0, atol=1e-6)


def test_a_residual_stem_of_the_method_is_kept(cli: Cli, song: str) -> None:
    assert cli("separate", song, "--residual", "--harmonic-margin", "3").code == 0
    stems = [ssc.load(f"separated/song/{n}.wav").samples for n in ("harmonic", "percussive", "residual")]
    assert abs(stems[2]).max() > 1e-3
    assert_allclose(sum(stems), ssc.load(song).samples, atol=1e-5)


def test_groups_by_number_name_the_stems(cli: Cli, song: str) -> None:
    words = ["-m", "nmf", "--n-iter", "2", "--n-components", "4", "--groups", "drums=0, 3; voice=1,2"]
    assert cli("separate", song, *words).code == 0
    assert files_below("separated/song") == ["drums.wav", "voice.wav"]


@pytest.mark.slow  # imports scipy.signal
def test_the_transform_is_the_methods_own_but_for_what_is_asked(cli: Cli, song: str) -> None:
    done = cli("separate", song, "--n-fft", "512", "--hop", "256", "--window", "kaiser,8", "-o", "a")
    assert done.code == 0, done.err
    wanted = ssc.separate(song, frontend=ssc.STFT(n_fft=512, hop=256, window=("kaiser", 8.0)))
    assert np.array_equal(ssc.load("a/song/harmonic.wav").samples, wanted["harmonic"])
    assert cli("separate", song, "--hop", "1024", "-o", "b").code == 0
    wanted = ssc.separate(song, frontend=ssc.STFT(n_fft=2048, hop=1024))
    assert ssc.HPSS().default_frontend(16000).n_fft == 2048
    assert np.array_equal(ssc.load("b/song/harmonic.wav").samples, wanted["harmonic"])


def test_json_is_one_strict_record_a_file(cli: Cli, make_song: Cli) -> None:
    make_song("a.wav"), make_song("b.wav", seed=1), Path("c.wav").write_text("no sound")
    done = cli("separate", "a.wav", "b.wav", "c.wav", "--json", "--mask-power", "inf")
    assert done.code == 1
    a, b, c = map(strict, done.out.splitlines())
    assert a["status"] == b["status"] == "ok"
    assert a["outputs"] == {n: f"separated/a/{n}.wav" for n in ("harmonic", "percussive")}
    assert (a["duration"], a["sample_rate"], a["channels"], a["gain"]) == (1.0, 16000, 2, 1.0)
    assert (a["method"], a["device"], a["parameters"]["mask_power"]) == ("hpss", "cpu", "inf")
    assert (a["frontend"]["name"], a["frontend"]["n_fft"]) == ("STFT", 2048)
    assert a["versions"]["sigsep_classic"] == ssc.__version__
    assert a["seconds"] > 0
    assert 0 < a["peak"] < 1
    assert (c["status"], c["exit_code"], c["kind"]) == ("error", 3, "AudioError")
    assert c["error"].startswith("c.wav: ")
    assert done.err.splitlines()[-1] == "sigsep-classic: 1 of 3 inputs failed"


def test_a_gain_that_was_applied_is_said(cli: Cli, folder: Path) -> None:
    loud = np.stack([np.sin(np.arange(16000) / 5)] * 2) * 1.5
    ssc.save("loud.wav", loud, 16000)
    done = cli("separate", "loud.wav", "--ext", "flac")
    assert done.code == 0
    assert "loud.wav: all stems multiplied by 0.6" in done.err
    refused = cli("separate", "loud.wav", "--ext", "flac", "--clip-mode", "none", "-o", "none")
    assert refused.code == 4
    assert not Path("none").exists()
    assert "samples cut off" in cli("separate", "loud.wav", "--ext", "flac", "--clip-mode", "clamp").err


def test_what_is_wrong_with_a_file_that_can_be_read_is_a_warning(cli: Cli, song: str) -> None:
    data = Path(song).read_bytes()
    Path("cut.wav").write_bytes(data[:-1000])
    done = cli("separate", "cut.wav")
    assert done.code == 0
    assert done.err.startswith("sigsep-classic: warning: cut.wav: ")
    assert cli("separate", "cut.wav", "-q").err == ""
    assert len(strict(cli("separate", "cut.wav", "--json").out)["warnings"]) == 1


def test_quiet_prints_errors_alone_and_verbose_says_what_was_done(cli: Cli, song: str) -> None:
    quiet = cli("-q", "separate", song)
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert "nix.wav: no such file" in cli("separate", "-q", "nix.wav").err
    assert "song.wav: hpss on cpu, 1.0 s in" in cli("separate", song, "-v").err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "INPUT is missing"),
        (["nix.wav"], 3, "nix.wav: no such file"),
        (["*.nix"], 3, "matches no file"),
        (["text.wav"], 3, "text.wav: can't be read as sound"),
        (["text.wav", "nix.wav"], 3, "2 of 2 inputs failed"),
        (["song.wav", "nix.wav"], 1, "1 of 2 inputs failed"),
        (["empty"], 3, "empty: has no sound files"),
        (["-", "song.wav"], 2, "stands alone"),
        (["song.wav", "-m", "hpsss"], 2, "did you mean 'hpss'?"),
        (["song.wav", "-m", "nmf", "--n-componnets", "3"], 2, "did you mean --n-components?"),
        (["-m", "nmf", "--n-componnets=3", "song.wav"], 2, "unknown option --n-componnets; did you mean"),
        (["song.wav", "--n-components", "3"], 2, "hpss has none, it is one of nmf"),
        (["song.wav", "--xyzzy"], 2, "hpss has --harmonic-seconds"),
        (["song.wav", "-m", "nmf", "--n-components", "0"], 2, "n_components is 0"),
        (["song.wav", "-m", "nmf", "--n-components", "x"], 2, "'x' is not a whole number"),
        (["song.wav", "-m", "nmf", "--n-components", "4.5"], 2, "'4.5' is not a whole number"),
        (["song.wav", "-m", "nmf", "--seed", "-1"], 2, "seed is -1"),
        (["song.wav", "-m", "repet", "--max-period", "nan"], 2, "max_period is nan"),
        (["song.wav", "--", "-m", "nmf"], 1, "-m: no such file"),
        (["-o", "d3", "--"], 2, "INPUT is missing"),
        (["album", "-o", "./album"], 2, "album: is also the output folder"),
        ([".", "-o", "."], 2, ".: is also the output folder"),
        (["song.wav", "-m", "nmf", "--solver", "x"], 2, "use one of extrapolated, mu, me"),
        (["song.wav", "-m"], 2, "expected one argument"),
        (["song.wav", "-j", "0"], 2, "'0' is no whole number of at least 1"),
        (["song.wav", "--n-fft", "8", "--hop", "9"], 2, "hop is 9"),
        (["song.wav", "--window", "kaiser,x"], 2, "kaiser,8"),
        pytest.param(["song.wav", "--window", "nix"], 2, "window 'nix' is unknown", marks=pytest.mark.slow),
        (["song.wav", "--mask", "nix"], 2, "invalid choice: 'nix'"),
        (["song.wav", "--groups", "nix"], 2, "--groups 'nix' is unknown"),
        (["song.wav", "--groups", "a=0;a=1"], 2, "given twice"),
        (["song.wav", "--groups", "a=x"], 2, "is not NAME=0,3"),
        (["song.wav", "--groups", "timbre"], 2, "is for components"),
        (["song.wav", "--order", "angle"], 2, "order 'angle' is for methods that tell"),
        (["song.wav", "-m", "auxiva", "--positions", "0,0;1,0"], 2, "give order='angle'"),
        (["song.wav", "-m", "auxiva", "--order", "angle", "--positions", "0,0;x,0"], 2, "'x,0' is no place"),
        (["song.wav", "-m", "auxiva", "--order", "angle", "--positions", "0,0;0,0"], 2, "same place"),
        (
            ["song.wav", "-m", "auxiva", "--order", "angle", "--positions", "0,0;1,0;2,0"],
            2,
            "expected (2, 2 or 3)",
        ),
        (["song.wav", "--ext", "m4a"], 2, "no format for the suffix"),
        (["song.wav", "--ext", "flac", "--subtype", "float32"], 2, "flac can't hold float32"),
        (["song.wav", "--subtype", "nix"], 2, "subtype 'nix' is unknown"),
        (["song.wav", "--template", "{nix}"], 2, "use {track}, {stem}, {method} and {ext}"),
        (["song.wav", "--template", "{track}.wav"], 2, "put {stem} in it"),
        (["song.wav", "--stem", "bass"], 2, "hpss makes harmonic, percussive"),
        (["song.wav", "-o", "-"], 2, "say which with --stem"),
        (["song.wav", "-o", "-", "--stem", "harmonic", "--json"], 2, "both want standard output"),
        (["song.wav", "-o", "text.wav"], 4, "is no folder"),
        (["song.wav", "-d", "tpu"], 2, "device 'tpu' is unknown"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(
    cli: Cli, song: str, words: list[str], code: int, said: str
) -> None:
    Path("text.wav").write_text("these are words")
    Path("empty").mkdir(), Path("album").mkdir()
    before = files_below(".")
    done = cli("separate", *words)
    assert done.code == code
    assert said in done.err
    assert all(line.startswith("sigsep-classic: ") for line in done.err.splitlines())
    assert "Traceback" not in done.err
    if code == 2:
        assert len(done.err.splitlines()) == 1
    if code != 1:
        assert done.out == ""
        assert files_below(".") == before


def test_a_device_that_is_not_there_is_exit_code_5(
    cli: Cli, song: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigsep_classic.backend.cuda_status", lambda: (False, "there is none here"))
    assert cli("separate", song, "-d", "cuda").code == 5
    monkeypatch.setenv("SIGSEP_DEVICE", "cuda")
    done = cli("separate", song)
    assert done.code == 5
    assert "there is none here" in done.err
    assert cli("separate", song, "-d", "cpu").code == 0


def test_a_bad_parameter_is_found_before_any_file_is_read(
    cli: Cli, song: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigsep_classic.audio.load", lambda *args, **options: pytest.fail("was read"))
    assert cli("separate", song, "-m", "nmf", "--n-components", "-1").code == 2
    assert cli("separate", song, "--ext", "flac", "--subtype", "float32").code == 2


def test_a_format_that_cannot_hold_the_file_is_found_before_the_work(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssc.save("many.wav", np.ones((9, 1000)) / 2, 16000)
    monkeypatch.setattr(
        "sigsep_classic.cli.work.separate", lambda *args, **options: pytest.fail("was worked on")
    )
    done = cli("separate", "many.wav", "--ext", "flac")
    assert done.code == 4
    assert "at most 8 channels" in done.err


def test_an_input_is_never_written_over(cli: Cli, make_song: Cli) -> None:
    make_song("a/harmonic.wav"), make_song("a/b.wav", seed=1)
    before = Path("a/harmonic.wav").read_bytes()
    done = cli(
        "separate",
        "a/b.wav",
        "a/harmonic.wav",
        "-o",
        ".",
        "--template",
        "a/{stem}.{ext}",
        "--stem",
        "harmonic",
    )
    assert done.code == 2
    done = cli("separate", "a/harmonic.wav", "-o", "a", "--template", "{stem}.{ext}")
    assert done.code == 4
    assert "is an input" in done.err
    assert Path("a/harmonic.wav").read_bytes() == before
    assert files_below("a") == ["b.wav", "harmonic.wav"]


def test_a_failure_while_writing_leaves_nothing_of_that_file(
    cli: Cli, make_song: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_song("a.wav"), make_song("b.wav")
    from sigsep_classic.audio.encoder import Encoder

    real = Encoder._verify

    def fail_once(self: Encoder) -> None:
        if "b/percussive" in self._name:
            raise OSError("the disk is full")
        real(self)

    monkeypatch.setattr(Encoder, "_verify", fail_once)
    done = cli("separate", "a.wav", "b.wav")
    assert done.code == 1
    assert "b.wav: separated/b/percussive.wav: can't be written" in done.err
    assert files_below("separated") == ["a/harmonic.wav", "a/percussive.wav"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "song.wav: out of memory; use a shorter file"),
        (RuntimeError("odd\nthing"), "song.wav: internal error: RuntimeError: odd thing; run with --debug"),
    ],
)
def test_what_nobody_expected_is_one_line_and_a_traceback_with_debug(
    cli: Cli, song: str, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("sigsep_classic.cli.work.separate", fail)
    done = cli("separate", song)
    assert done.code == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert "Traceback" in cli("separate", song, "--debug").err


def test_files_and_options_come_in_any_order(cli: Cli, make_song: Cli) -> None:
    make_song("a.wav"), make_song("b.wav"), make_song("-c.wav")
    done = cli("separate", "a.wav", "-o", "out", "b.wav", "--stem", "harmonic", "--", "-c.wav")
    assert done.code == 0, done.err
    assert files_below("out") == ["-c/harmonic.wav", "a/harmonic.wav", "b/harmonic.wav"]


def test_a_file_that_looks_like_an_option_is_separated_after_two_dashes(cli: Cli, make_song: Cli) -> None:
    make_song("a.wav"), make_song("-odd.wav")
    assert cli("separate", "--stem", "harmonic", "--", "a.wav", "-odd.wav").code == 0
    assert cli("separate", "--stem", "harmonic", "-o", "d3", "--", "-odd.wav").code == 0
    assert files_below("separated") == ["-odd/harmonic.wav", "a/harmonic.wav"]
    assert files_below("d3") == ["-odd/harmonic.wav"]


def test_a_folder_that_is_its_own_output_is_left_as_it_is(cli: Cli, make_song: Cli) -> None:
    make_song("fold/a.wav")
    for words in (["fold", "-o", "fold"], [".", "-o", "."]):
        done = cli("separate", *words)
        assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert files_below(".") == ["fold/a.wav"]
    for _ in range(2):
        assert cli("separate", "fold", "-o", "fold/stems", "--stem", "harmonic").code == 0
    assert files_below("fold") == ["a.wav", "stems/a/harmonic.wav"]


@pytest.mark.parametrize("name", ["ünï 日本.wav", "two\nlines.wav", "per%cent {track}.wav", "'quo\"ted'.wav"])
def test_unusual_names_work(cli: Cli, make_song: Cli, name: str) -> None:
    make_song(name)
    assert cli("separate", name).code == 0
    assert files_below("separated") == [f"{name[:-4]}/{stem}.wav" for stem in ("harmonic", "percussive")]
    Path(name).write_text("no sound")
    assert len(cli("separate", name).err.splitlines()) == 1


def test_what_help_lists_is_what_the_library_has() -> None:
    assert set(transforms.MASKS) == set(refusals.MASKS)
    assert transforms.PHASES == refusals.PHASES
    assert verb.CLIP_MODES == CLIP_MODES
    assert tuple(grouping.GROUPERS) == transforms.GROUPERS
    assert tuple(FORMATS) == verb.FORMATS
    assert verb.TEMPLATE == TEMPLATE


@pytest.mark.parametrize("places", ["-0.05,0;0.05,0", "places.csv"])
def test_places_of_microphones_are_typed_or_read(cli: Cli, folder: Path, places: str) -> None:
    mix = ssc.synthesize("stereo2x2", seconds=1.0, sample_rate=8000)
    ssc.save("room.wav", mix.mixture, 8000)
    Path("places.csv").write_text("-0.05, 0\n\n0.05, 0\n")
    done = cli(
        "separate", "room.wav", "-m", "auxiva", "--n-iter", "5", "--order", "angle", "--positions", places
    )
    assert done.code == 0, done.err
    wanted = ssc.separate(
        "room.wav", method="auxiva", n_iter=5, order="angle", positions=[[-0.05, 0], [0.05, 0]]
    )
    assert np.array_equal(ssc.load(folder / "separated/room/source1.wav").samples, wanted["source1"])


def test_the_front_end_may_be_chosen(cli: Cli, song: str, folder: Path) -> None:
    kept = ("--n-components", "2", "--n-lags", "40", "--n-iter", "2")
    done = cli("separate", song, "-m", "sparse_coding", "--frontend", "waveform", *kept, "-o", "a")
    assert done.code == 0, done.err
    assert (folder / "a/song/residual.wav").exists()  # of a waveform's estimates only
    assert cli("separate", song, "-m", "hpss", "--frontend", "constant_q", "-o", "b").code == 0
    wanted = ssc.separate(song, method="hpss", frontend=ssc.ConstantQ(sample_rate=16000))
    assert np.array_equal(ssc.load(folder / "b/song/harmonic.wav").samples, wanted["harmonic"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-m", "nmf_2d", "--n-fft", "512"), "nmf_2d works on ConstantQ, which has no --n-fft"),
        (("-m", "hpss", "--frontend", "waveform", "--hop", "8"), "--frontend waveform has no --hop"),
        (("-m", "ica", "--mask", "binary"), "mask 'binary' is for spectrograms"),
    ],
)
def test_options_that_would_have_no_effect_are_refused(
    cli: Cli, song: str, options: tuple[str, ...], message: str
) -> None:
    done = cli("separate", song, *options)
    assert done.code in (1, 2)
    assert message in done.err
