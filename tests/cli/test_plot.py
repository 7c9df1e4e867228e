"""``sigsep-classic plot``."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from sigsep_classic.cli import plot as verb
from sigsep_classic.plot.dispatch import VIEWS
from sigsep_classic.plot.scene import SCALES


def test_what_the_help_lists_is_what_the_library_has() -> None:
    assert tuple(VIEWS) == verb.VIEWS
    assert SCALES == verb.SCALES


def test_a_picture_of_a_method_with_its_parameters(cli, song, folder: Path) -> None:
    done = cli(
        "plot",
        song,
        "-m",
        "nmf",
        "--n-components",
        "3",
        "--n-iter",
        "2",
        "-o",
        "nmf.svg",
        "--scale",
        "linear",
    )
    assert (done.code, done.out, done.err) == (0, "nmf.svg\n", "")
    text = (folder / "nmf.svg").read_text()
    assert "<svg" in text


@pytest.mark.slow
def test_a_picture_is_named_after_the_sound_if_nothing_is_said(cli, song, folder: Path) -> None:
    done = cli("plot", song, "--what", "waveforms", "--channel", "1")
    assert (done.code, done.out) == (0, f"{Path(song).stem}.png\n")
    assert (folder / f"{Path(song).stem}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "INPUT is missing"),
        (("song.wav", "-o", "song.wav"), 2, "is no picture"),
        (("nowhere.wav",), 3, "nowhere.wav"),
        (("song.wav", "--n-components", "3"), 2, "nmf"),
        (("song.wav", "-o", "no/where/but/ok.tiff"), 2, "end its name"),
    ],
)
def test_what_goes_wrong_is_one_line(cli, words, code: int, said: str) -> None:
    done = cli("plot", *words)
    assert done.code == code
    assert done.out == ""
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_channel_is_counted_from_one_in_what_is_said_too(cli, song) -> None:
    done = cli("plot", song, "--channel", "9")
    assert (done.code, done.err) == (2, "sigsep-classic: error: --channel is 9; song.wav has 2\n")
