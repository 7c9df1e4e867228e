"""The page of one separation: everything inside, small, whatever the sound is."""

import sys

import numpy as np
import pytest

import sigsep_classic as ssc
from sigsep_classic.compare.separation_page import render
from tests.compare.test_report import Page

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

RATE = 8000


def made(channels=1, seconds=0.5, **more):
    rng = np.random.default_rng(0)
    stems = {name: 0.1 * rng.standard_normal((channels, int(seconds * RATE))) for name in ("low", "high")}
    mixture = stems["low"] + stems["high"]
    return ssc.Separation(stems=stems, mixture=mixture, sample_rate=RATE, method=ssc.HPSS(), **more)


@pytest.fixture(scope="module")
def page():
    return Page(render(made(groups={"low": [0, 2], "high": [1]}, track="<b>song", info={"device": "cpu"})))


def test_nothing_is_loaded_from_anywhere(page):
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:"))


def test_it_has_a_player_a_picture_and_a_row_for_mixture_and_stems(page):
    labels = ["the mixture", "low", "high"]
    assert [audio["aria-label"] for audio in page.all("audio")] == labels
    assert [image["alt"] for image in page.all("img")] == [f"Spectrogram: {name}" for name in labels]
    assert [th["data-key"] for th in page.all("th") if "data-key" in th] == ["mixture", "low", "high"]


def test_names_from_outside_are_escaped(page):
    assert page.text["h1"] == "<b>song"
    assert page.text["title"] == "sigsep_classic: <b>song"


def test_links_lead_to_ids_that_are_there_once(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {attrs["href"][1:] for attrs in page.all("a")} <= set(ids)
    assert {attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs} <= set(ids)


def test_levels_are_those_of_the_sounds():
    sep = made()
    sep.stems["low"] = np.zeros_like(sep.mixture)
    sep.stems["high"] = sep.mixture / 2
    keys = [td["data-key"] for td in Page(render(sep)).all("td")]
    rms = 10 * np.log10(np.mean(sep.mixture**2))
    assert float(keys[0]) == pytest.approx(rms, abs=1e-3)
    assert keys[3] == keys[4] == "-inf"
    assert float(keys[8]) == pytest.approx(20 * np.log10(0.5), abs=1e-3)


@pytest.mark.parametrize(
    "sep",
    [made(channels=6), made(seconds=1 / RATE), made(seconds=0.02), made().replace(method=None)],
    ids=["six channels", "one sample", "short", "no method"],
)
def test_any_sound_makes_a_page(sep):
    assert len(Page(render(sep)).all("audio")) == 3


def test_silence_and_samples_without_a_channel_axis_make_a_page():
    x = np.zeros(RATE, np.float32)
    page = Page(render(ssc.Separation(stems={"a": x}, mixture=x, sample_rate=RATE)))
    assert {td["data-key"] for td in page.all("td")} == {"-inf"}


def test_the_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    ssc.report(made(), tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ssc.errors.OutputError):
        ssc.report(made(), tmp_path / "new")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ssc.errors.ParameterError, match="needs jinja2"):
        ssc.report(made(), tmp_path / "other.html")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
