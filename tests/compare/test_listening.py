"""Players on the page of a comparison: of files that are there, in the order of the table."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sigsep_classic as ssc
from sigsep_classic import audio
from sigsep_classic.compare import comparison_page
from sigsep_classic.compare.listening import sounds_of
from sigsep_classic.compare.merging import merge
from sigsep_classic.compare.records import TrackScores
from tests.compare.test_report import Page

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

RATE = 8000
STEMS = ("vocals", "drums")


def files_of(folder, stems, scale=1.0, rate=RATE):
    rng = np.random.default_rng(0)
    paths = [folder / f"{name}.wav" for name in stems]
    for path in paths:
        audio.save(path, scale * 0.1 * rng.standard_normal((1, rate)).astype(np.float32), rate)
    return [str(path) for path in paths]


def record(method, files, *, track="one", kind="method", **more):
    totals = {stem: {"si_sdr": 3.0} for stem in STEMS}
    made_of = {"files": {name: [0, 0] for name in files}, **more}
    return TrackScores(track=track, method=method, kind=kind, totals=totals, meta={"made_of": made_of})


@pytest.fixture
def records(tmp_path):
    truth = files_of(tmp_path / "truth", STEMS)
    good = files_of(tmp_path / "good", ("song_(Drums)_x", "song_(Vocals)_x"), 0.5, rate=2 * RATE)
    other = files_of(tmp_path / "other", ("foreground",), 0.2)
    return [
        record("mixture/n", truth, kind="reference"),
        record("other", [*truth, *other], aliases={"foreground": "vocals"}),
        record("good", [*truth, *good]),
        record("good", [str(tmp_path / "gone.wav")], track="two"),
        record("hpss", truth, candidate={"method": "hpss", "parameters": {"kernel": 31}}),
    ]


def test_estimates_are_found_by_the_stems_in_their_names_and_brought_to_one_rate(records):
    heard = sounds_of(records, ["good", "other", "hpss"])
    assert {name: list(stems) for name, stems in heard.decks.items()} == {
        "true stems": ["vocals", "drums"],
        "good": ["vocals", "drums"],
        "other": ["vocals"],
    }
    assert (heard.track, heard.sample_rate) == ("one", RATE)
    shapes = {x.shape for stems in heard.decks.values() for x in stems.values()}
    assert shapes == {heard.mixture.shape} == {(1, RATE)}
    assert_allclose(heard.mixture, sum(heard.decks["true stems"].values()))


def test_a_mixture_among_the_files_is_taken_for_it(records, tmp_path):
    whole = files_of(tmp_path / "truth", ("mixture",), 0.3)
    heard = sounds_of(
        [record("mixture/n", [*records[0].meta["made_of"]["files"], *whole], kind="reference"), records[2]],
        ["good"],
    )
    assert_allclose(heard.mixture, ssc.load(whole[0]).samples)
    assert list(heard.decks["true stems"]) == list(STEMS)


def test_without_files_there_are_no_players(records, tmp_path):
    assert sounds_of(records[3:], ["good"]) is None
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    assert sounds_of(records, ["good"]) is None
    page = Page(comparison_page.render(merge(records)))
    assert page.all("audio") == []
    assert not any(attrs.get("class") == "transport" for attrs in page.all("div"))


def test_a_file_that_cannot_be_read_leaves_a_page_without_players(records, tmp_path):
    (tmp_path / "truth" / "vocals.wav").write_bytes(b"no sound")
    assert sounds_of(records, ["good"]) is None


def test_the_page_has_players_for_mixture_true_stems_and_estimates_and_what_was_run(records):
    text = comparison_page.render(merge(records))
    page = Page(text)
    assert len(page.all("audio")) == 1 + 2 + 2 + 1
    assert len({audio["aria-label"] for audio in page.all("audio")}) == 6
    assert "<dt>kernel</dt><dd>31</dd>" in text
    assert "@inproceedings" in page.text["pre"]
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {attrs["href"][1:] for attrs in page.all("a")} <= set(ids)
    assert Page(comparison_page.render(merge(records), sounds=False)).all("audio") == []


@pytest.mark.slow
def test_the_page_stays_small(records, monkeypatch):
    whole = len(comparison_page.render(merge(records)))
    monkeypatch.setattr(comparison_page, "MAX_BYTES", whole - 20_000)
    monkeypatch.setattr(comparison_page, "LEAST_SOUND", 1000)
    monkeypatch.setattr(comparison_page, "DECK_BYTES", 30_000)
    page = comparison_page.render(merge(records))
    assert len(page.encode()) < whole - 20_000
    assert len(Page(page).all("audio")) == 6
