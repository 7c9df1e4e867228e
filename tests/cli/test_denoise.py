"""``denoise``: what it writes, where, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic.api import denoise
from sigsep_classic.cli import denoise as verb
from sigsep_classic.factorizers.denoising.denoise import GAINS, NOISES
from tests.cli.conftest import files_below

Cli = Callable[..., Any]


@pytest.fixture
def talk(folder: Any) -> str:
    """Half a second of noise, then a tone in it, in ``talk.wav``; the noise alone in ``clip.wav``."""
    rng = np.random.default_rng(0)
    x = 0.05 * rng.standard_normal((1, 16000)).astype(np.float32)
    x[:, 8000:] += 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000, dtype=np.float32) / 16000)
    ssc.save("talk.wav", x, 16000)
    ssc.save("clip.wav", x[:, :8000], 16000)
    return "talk.wav"


def test_speech_goes_below_a_folder_under_the_name_of_the_input(cli: Cli, talk: str) -> None:
    done = cli("denoise", talk)
    assert (done.code, done.out.split(), done.err) == (0, ["denoised/talk.wav"], "")
    assert np.array_equal(ssc.load("denoised/talk.wav").samples, denoise(talk)["speech"])


def test_one_file_is_named_with_o(cli: Cli, talk: str) -> None:
    assert cli("denoise", talk, "-o", "out/cl{e}an.flac", "-m", "log-mmse").code == 0
    assert files_below("out") == ["cl{e}an.flac"]


def test_the_noise_is_given_as_a_clip_or_an_interval(cli: Cli, talk: str) -> None:
    assert cli("denoise", talk, "--noise-clip", "clip.wav", "-o", "a.wav").code == 0
    assert cli("denoise", talk, "--noise", "0.0-0.4", "-o", "b.wav", "--floor-db", "-15").code == 0
    a, b = ssc.load("a.wav").samples, ssc.load("b.wav").samples
    assert np.array_equal(a, denoise(talk, noise="clip.wav")["speech"])
    assert np.array_equal(b, denoise(talk, noise=(0, 0.4), floor_db=-15)["speech"])


def test_several_stems_go_into_a_folder_and_add_up(cli: Cli, talk: str) -> None:
    words = ["--stem", "speech", "--stem", "noise", "--stem", "hum", "--hum-hz", "50", "--json", "-o", "out"]
    done = cli("denoise", talk, *words)
    assert done.code == 0
    assert files_below("out") == ["talk/hum.wav", "talk/noise.wav", "talk/speech.wav"]
    record = json.loads(done.out)
    assert (record["method"], record["hum"], record["parameters"]["gain"]) == ("denoise", 50.0, "wiener")
    stems = [ssc.load(path).samples for path in record["outputs"].values()]
    np.testing.assert_allclose(sum(stems), ssc.load(talk).samples, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "INPUT is missing"),
        (["talk.wav", "-o", "talk.wav"], "won't be replaced"),
        (["talk.wav", "clip.wav", "-o", "a.wav"], "use -o FOLDER"),
        (["talk.wav", "-o", "a.wav", "--ext", "flac"], "give one of them"),
        (["talk.wav", "--noise", "loud"], "0.0-0.5"),
        (["talk.wav", "--noise", "clip.wav"], "--noise-clip"),
        (["talk.wav", "--noise", "mmse", "--noise-clip", "clip.wav"], "not allowed with"),
        (["talk.wav", "--noise-clip", "none.wav"], "no file none.wav"),
        (["talk.wav", "--noise", "3-4"], "ends at"),
        (["talk.wav", "--stem", "hum"], "needs --hum"),
        (["talk.wav", "--hum-hz", "0"], "frequency is 0"),
        (["talk.wav", "--smoothing", "2"], "smoothing is 2"),
        (["talk.wav", "-m", "magic"], "magic"),
        (["talk.wav", "--stem", "speech", "--stem", "noise", "-o", "-"], "one stem"),
    ],
)
def test_it_refuses_in_one_line_and_writes_nothing(cli: Cli, talk: str, words: list[str], said: str) -> None:
    before = files_below(".")
    done = cli("denoise", *words)
    assert done.code != 0
    assert said in done.err
    assert done.err.count("\n") == 1
    assert files_below(".") == before


def test_what_the_help_lists_is_what_there_is() -> None:
    assert tuple(gain.replace("-", "_") for gain in verb.GAINS) == GAINS
    assert verb.NOISES == NOISES
