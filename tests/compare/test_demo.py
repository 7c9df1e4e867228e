"""The demonstration on short mixtures: files, scores and what is said of them."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic import audio
from sigsep_classic.compare import demo
from sigsep_classic.datasets import synthesize
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.metrics import si_sdr


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    lines = []
    options = {"seconds": 3.0, "methods": ["hpss", "repet"], "report": False, "progress": lines.append}
    return folder, demo.run(folder, **options), lines


def test_scores_are_strict_json_and_what_was_returned(ran):
    folder, record, _ = ran

    def refuse(constant):
        raise AssertionError(constant)

    text = (folder / "scores.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == record


def test_every_file_named_is_there_and_no_other(ran):
    folder, record, _ = ran
    named = {record["mixture"], *record["stems"].values(), demo.SCORES}
    for table in record["tasks"].values():
        named |= {file for row in table["rows"] for file in row["files"].values()}
    assert named == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_methods_are_scored_in_the_task_their_stems_name(ran):
    _, record, _ = ran
    methods = {title: [row["method"] for row in t["rows"]] for title, t in record["tasks"].items()}
    assert methods == {"drums vs rest": ["hpss", "", ""], "voice vs accompaniment": ["repet", "", ""]}


def test_scores_are_those_of_the_files(ran):
    folder, record, _ = ran
    row = record["tasks"]["drums vs rest"]["rows"][0]
    truth = audio.load(folder / record["stems"]["drums"]).samples
    estimate = audio.load(folder / row["files"]["drums"]).samples
    assert_allclose(
        row["scores"]["drums"]["si_sdr"], float(si_sdr(truth[None], estimate[None])[0]), atol=1e-3
    )


def test_stems_on_disk_sum_to_the_mixture(ran):
    folder, record, _ = ran
    mixture = audio.load(folder / record["mixture"]).samples
    assert_allclose(mixture, synthesize("song", seconds=3.0).mixture)
    for table in record["tasks"].values():
        stems = [audio.load(folder / file).samples for file in table["rows"][0]["files"].values()]
        assert_allclose(sum(stems), mixture, atol=1e-6)


def test_the_table_shows_every_row(ran):
    _, record, _ = ran
    text = demo.format_table(record)
    assert "song: 3.0 s, 2 channel(s) at 44100 Hz, seed 0" in text
    for word in ("hpss", "repet", "mixture", "oracle: ideal ratio mask", "accompaniment", "SI-SDR"):
        assert word in text


def test_progress_says_each_part_of_the_work(ran):
    _, _, lines = ran
    assert lines[0].startswith("making the mixture")
    assert [line for line in lines if line.startswith("separating")] == [
        "separating: hpss",
        "separating: repet",
    ]


def test_an_unknown_method_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ParameterError, match="hpss"):
        demo.run(tmp_path / "out", methods=["hpsss"], report=False)
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True, kw_only=True)
class Picky:
    """A method that never fits."""

    name: ClassVar[str] = "picky"

    def fit(self, X, *, callback=None):
        raise ShapeError("X has one channel; picky needs two")


@pytest.fixture
def with_picky(monkeypatch):
    places = {"hpss": METHODS._places["hpss"], "picky": "nowhere"}
    monkeypatch.setattr(METHODS, "_places", places)
    monkeypatch.setitem(METHODS._found, "picky", Picky)


@pytest.mark.usefixtures("with_picky")
def test_a_method_that_does_not_fit_is_skipped(tmp_path):
    record = demo.run(tmp_path, seconds=1.0, variant="hum", report=False)
    assert record["skipped"] == {"picky": "X has one channel; picky needs two"}
    assert "skipped picky: X has one channel" in demo.format_table(record)


@pytest.mark.usefixtures("with_picky")
def test_a_method_asked_for_that_does_not_fit_is_an_error(tmp_path):
    with pytest.raises(ShapeError, match="picky needs two"):
        demo.run(tmp_path, seconds=1.0, variant="hum", methods=["picky"], report=False)


@pytest.mark.parametrize("variant", ["speech2", "stereo2x2", "repeat"])
def test_other_mixtures_are_matched_to_their_own_stems(tmp_path, variant):
    record = demo.run(tmp_path, variant=variant, seconds=1.0, methods=["hpss"], report=False)
    (table,) = record["tasks"].values()
    assert table["title"] == "two stems"
    assert set(table["rows"][0]["files"]) == set(record["stems"])
    assert "permutation" in table["rows"][0]["note"]


@pytest.mark.slow
def test_components_are_grouped_blindly_and_by_the_truth(tmp_path):
    record = demo.run(tmp_path, seconds=3.0, methods=["nmf"], report=False)
    rows = {row["name"]: (title, row) for title, t in record["tasks"].items() for row in t["rows"]}
    assert rows["nmf (harmonic_percussive)"][0] == "drums vs rest"
    assert rows["nmf (timbre)"][0] == "four stems"
    title, oracle = rows["nmf (oracle grouping)"]
    assert (title, oracle["kind"]) == ("four stems", "informed")
    assert rows["nmf (timbre)"][1]["kind"] == "method"
    mean = {name: np.mean([s["usdr"] for s in row["scores"].values()]) for name, (_, row) in rows.items()}
    assert mean["nmf (oracle grouping)"] > mean["nmf (timbre)"]
    assert record["methods"]["nmf"]["class"] == "NMF"
