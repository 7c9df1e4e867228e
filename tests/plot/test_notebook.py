"""What a notebook shows of a separation: players, a table, a picture."""

from __future__ import annotations

import base64
import io
import re
import sys
import wave
from html.parser import HTMLParser

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic.plot import notebook
from sigsep_classic.separation import Later

RATE = 44100


def made(x: np.ndarray, **more: object) -> ssc.Separation:
    return ssc.Separation(stems={"a<b>": 0.5 * x, "rest": 0.5 * x}, mixture=x, sample_rate=RATE, **more)


def players(html: str) -> list[wave.Wave_read]:
    found = re.findall(r'src="data:audio/wav;base64,([^"]*)"', html)
    return [wave.open(io.BytesIO(base64.b64decode(sound))) for sound in found]


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(notebook, "find_spec", lambda name: None)


def noise(seconds: float, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((channels, int(seconds * RATE)))).astype(np.float32)


@pytest.mark.usefixtures("no_picture")
def test_a_short_sound_is_played_as_it_is_and_nothing_is_said() -> None:
    x = noise(0.3)
    html = notebook.html(made(x))
    mixture, stem, _ = players(html)
    assert (mixture.getframerate(), mixture.getnchannels(), mixture.getnframes()) == (RATE, 2, x.shape[1])
    played = np.frombuffer(stem.readframes(-1), dtype=np.int16).reshape(-1, 2).T / 2**15
    assert abs(played - 0.5 * x).max() < 1e-4
    assert "Players:" not in html
    assert "a&lt;b&gt;" in html
    assert "a<b>" not in html


@pytest.mark.usefixtures("no_picture")
def test_a_long_sound_is_brought_to_a_lower_rate_then_cut_and_this_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notebook, "MAX_CHARS", 400_000)
    html = notebook.html(made(noise(4.0)))
    assert len(html) < 402_000
    mixture = players(html)[0]
    assert mixture.getframerate() == RATE // 5
    assert RATE // 5 < mixture.getnframes() < 4 * RATE // 5
    assert "Players: at 8820 Hz; the first 3 s. Arrays" in html


@pytest.mark.usefixtures("no_picture")
def test_beyond_full_scale_all_players_are_softer_alike() -> None:
    html = notebook.html(made(50 * noise(0.1)))
    assert "as a peak lies beyond full scale" in html
    sounds = [np.frombuffer(player.readframes(-1), dtype=np.int16) for player in players(html)]
    assert abs(sounds[0].astype(float)).max() > 32700
    assert abs(sounds[1] - sounds[0] / 2).max() <= 1


def test_the_model_of_a_long_recording_is_not_fitted_to_be_shown() -> None:
    def refuse() -> None:
        raise AssertionError("fitted")

    sep = made(noise(0.1), model=Later(refuse))
    assert "<audio" in sep._repr_html_()


@pytest.mark.usefixtures("no_picture")
def test_without_matplotlib_there_is_the_table_alone() -> None:
    html = notebook.html(made(noise(0.1)))
    assert "<table>" in html
    assert "<img" not in html


@pytest.mark.slow
def test_what_is_shown_is_well_formed_and_loads_nothing() -> None:
    class Reader(HTMLParser):
        open: list[str]

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, value in attrs:
                assert name != "src" or (value or "").startswith("data:")
            if tag != "img":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    reader = Reader()
    reader.open = []
    pytest.importorskip("matplotlib")
    html = notebook.html(made(np.zeros((4, 2000), np.float32)))
    reader.feed(html)
    assert reader.open == []
    assert "<img alt=" in html
    assert "channels 1 and 2 of 4" in html
    assert "silent" in html
