"""The page: one file that loads nothing, small, with every picture and player named."""

import base64
import html.parser
import io
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic import audio
from sigsep_classic.compare import clips, demo, report, table
from sigsep_classic.errors import ParameterError

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Every element with its attributes; fails where tags are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.stack, self.text = [], [], {}
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack:
            self.text[self.stack[-1]] = self.text.get(self.stack[-1], "") + data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    record = demo.run(folder, seconds=1.5, methods=["hpss", "repet"])
    text = (folder / "index.html").read_text(encoding="utf-8")
    return folder, record, text, Page(text)


def test_nothing_is_loaded_from_anywhere(made):
    *_, text, page = made
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert "url(" not in text
    assert "@import" not in text
    policy = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0].startswith("default-src 'none'")


def test_the_page_is_small(made):
    folder, *_ = made
    assert (folder / "index.html").stat().st_size < report.MAX_BYTES


def test_every_picture_and_player_has_a_name_of_its_own(made):
    *_, page = made
    pictures, players = page.all("img"), page.all("audio")
    assert len(pictures) == len(players) == 1 + 4 + 2 * 4
    assert all(img["alt"] for img in pictures)
    names = [player["aria-label"] for player in players]
    assert len(set(names)) == len(names)
    assert "drums by hpss, drums vs rest" in names
    assert all("controls" in player for player in players)


def test_links_lead_to_ids_that_are_there_once(made):
    *_, page = made
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    links = [attrs["href"] for attrs in page.all("a")]
    assert {link[1:] for link in links} <= set(ids)
    labelled = [attrs["aria-labelledby"] for _, attrs in page.elements if "aria-labelledby" in attrs]
    assert set(labelled) <= set(ids)


def test_every_column_can_be_sorted_from_the_keyboard(made):
    *_, page = made
    sorting = [b for b in page.all("button") if b.get("aria-label", "").startswith("Sort by")]
    assert len(sorting) == len(page.all("table")) * (2 + 4)
    assert all(button["type"] == "button" for button in page.all("button"))


def test_every_control_has_a_name_of_its_own_and_toggles_say_their_state(made):
    *_, page = made
    mixers = [b for b in page.all("button") if b.get("class") in ("solo", "mute", "listen")]
    levels = [i for i in page.all("input") if i["class"] == "level"]
    assert len(levels) == 4 + 2 * 4
    assert len(mixers) == 2 * len(levels) + 1 + 4
    names = [control["aria-label"] for control in (*mixers, *levels)]
    assert len(set(names)) == len(names)
    assert all(button["aria-pressed"] == "false" for button in mixers)


def test_papers_are_there_as_bibtex_with_the_version_of_the_method(made):
    _, record, text, page = made
    for method in record["methods"].values():
        assert method["version"] == f"sigsep_classic {ssc.__version__}"
        assert f"{method['class']}, {method['version']}" in text
        assert all(entry in page.text["pre"] for entry in method["bibtex"])


def test_papers_and_parameters_of_every_method_are_there(made):
    _, record, text, _ = made
    for method in record["methods"].values():
        for paper in method["references"]:
            assert paper.replace('"', "&#34;") in text
        for name in method["parameters"]:
            assert f"<dt>{name}</dt>" in text


def test_the_scores_shown_are_those_of_the_record(made):
    _, record, text, _ = made
    score = record["tasks"]["drums vs rest"]["rows"][0]["scores"]["drums"]["si_sdr"]
    assert f"SI-SDR {score:.1f} dB" in text


def test_players_hold_the_sound(made):
    folder, record, _, page = made
    data = base64.b64decode(page.all("audio")[0]["src"].partition("base64,")[2])
    sound = audio.load(io.BytesIO(data))
    mixture = audio.load(folder / record["mixture"]).samples
    assert sound.samples.shape == mixture.shape
    assert np.corrcoef(sound.samples.ravel(), mixture.ravel())[0, 1] > 0.98


def test_names_from_outside_are_escaped(made):
    folder, record, *_ = made
    bad = {**record, "skipped": {"<script>alert(1)</script>": '"><img src=x>'}}
    text = report.render(bad, folder)
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_missing_packages_are_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ParameterError, match=r"needs jinja2; pip install .*\[report\]"):
        demo.run(tmp_path / "out", seconds=1.0)
    assert not (tmp_path / "out").exists()


def test_sounds_that_do_not_fit_are_cut_to_one_length():
    rng = np.random.default_rng(0)
    sounds = {name: 0.3 * rng.standard_normal((1, 40_000)).clip(-3, 3) for name in "ab"}
    whole = clips.make_clips(sounds, 8000, loudest="a", max_chars=10**7)
    size = sum(len(c.audio) + len(c.image) for c in whole.by_name.values())
    cut = clips.make_clips(sounds, 8000, loudest="a", max_chars=int(0.7 * size))
    assert (whole.seconds, whole.gain) == (5.0, 1.0)
    assert 1.0 < cut.seconds < 4.0
    assert sum(len(c.audio) + len(c.image) for c in cut.by_name.values()) <= 0.7 * size


def test_clips_beyond_full_scale_get_one_gain():
    sounds = {"loud": np.full((1, 8000), 2.0), "soft": np.full((1, 8000), 0.5)}
    assert_allclose(clips.make_clips(sounds, 8000, loudest="loud", max_chars=10**7).gain, 0.5)


def test_a_tone_is_a_bright_line_at_its_height():
    t = np.arange(44_100) / 44_100
    levels = clips.band_levels(np.sin(2 * np.pi * 1000 * t)[None], 44_100)
    edges = np.geomspace(clips.LOWEST_HZ, clips.HIGHEST_HZ, clips.HEIGHT + 1)
    assert edges[levels.mean(axis=1).argmax()] < 1000 < edges[levels.mean(axis=1).argmax() + 1]
    assert levels.shape == (clips.HEIGHT, clips.WIDTH)


@pytest.mark.parametrize("n_samples", [1, 500, 400_000])
def test_spectrograms_of_any_length_are_finite_and_no_wider_than_the_picture(n_samples):
    levels = clips.band_levels(np.zeros((2, n_samples), np.float32), 44_100)
    assert levels.shape[0] == clips.HEIGHT
    assert 1 <= levels.shape[1] <= clips.WIDTH
    assert np.isfinite(levels).all()
    assert clips.picture(levels, top=float(levels.max())).startswith(b"\x89PNG")


def test_the_best_rows_of_each_kind_have_players():
    rows = tuple(
        table.Row(name=f"row{i}", scores={"a": {"si_sdr": float(i)}}, files={"a": f"{i}.wav"})
        for i in range(8)
    )
    scored = table.Table(title="t", stems=("a",), metrics=("si_sdr",), rows=rows)
    kept = [row.name for row in report._heard(scored).rows if row.files]
    assert kept == [f"row{i}" for i in range(8 - report.PLAYED, 8)]


def test_long_sounds_fill_the_room_there_is():
    rng = np.random.default_rng(0)
    sounds = {name: 0.1 * rng.standard_normal((1, 60 * 8000)) for name in "ab"}
    found = clips.make_clips(sounds, 8000, loudest="a", max_chars=300_000)
    size = sum(len(clip.audio) + len(clip.image) for clip in found.by_name.values())
    assert 0.7 * 300_000 < size <= 300_000
