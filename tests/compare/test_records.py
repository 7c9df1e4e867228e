"""Records of scores: strict JSON, museval's JSON and CSV say the same."""

import importlib.util
import json
import math
from pathlib import Path

import pytest

from sigsep_classic.compare import records
from sigsep_classic.compare.reading import read_folder
from sigsep_classic.compare.records import RecordError, TrackScores

NAN, INF = math.nan, math.inf


@pytest.fixture
def scores():
    frames = {
        "vocals": {"csdr": (1.5, NAN, 2.5, 0.1234567), "isr": (3.0, NAN, INF, 4.0)},
        "drums": {"csdr": (NAN, NAN, NAN, NAN)},
    }
    totals = {"vocals": {"usdr": 1.25, "si_sdr": -INF}, "drums": {"usdr": NAN, "si_sdr": 0.0}}
    return TrackScores(
        track="A - B", method="hpss", subset="test", sample_rate=44100, frames=frames, totals=totals
    )


def refuse(constant):
    raise AssertionError(constant)


def test_a_track_is_the_median_of_the_frames_that_are_not_nan(scores):
    assert scores.value("vocals", "csdr") == 1.5
    assert math.isnan(scores.value("drums", "csdr"))
    found = scores.spread("vocals", "csdr")
    assert (found.n_values, found.n_frames, found.n_nan) == (3, 4, 1)


def test_a_total_is_itself_and_has_no_quartiles(scores):
    assert scores.value("vocals", "usdr") == 1.25
    assert scores.value("vocals", "si_sdr") == -INF
    assert math.isnan(scores.spread("vocals", "usdr").lower)
    assert math.isnan(scores.value("bass", "usdr"))


def test_records_survive_strict_json(scores, tmp_path):
    path = tmp_path / "r.json"
    records.write(scores, path)
    data = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert data["frames"]["vocals"]["isr"] == [3.0, None, "inf", 4.0]
    again = records.read(path)
    assert records.to_dict(again) == records.to_dict(scores)
    assert math.isnan(again.frames["vocals"]["csdr"][1])


def test_museval_files_fit_the_schema_of_museval(scores):
    jsonschema = pytest.importorskip("jsonschema")
    spec = importlib.util.find_spec("museval")  # museval itself can't be imported without ffmpeg
    if spec is None or spec.origin is None:
        pytest.skip("museval is not installed")
    schema = json.loads((Path(spec.origin).parent / "musdb.schema.json").read_text())
    jsonschema.validate(records.to_museval(scores), schema)


def test_museval_files_have_what_museval_writes(scores):
    vocals = records.to_museval(scores)["targets"][0]
    assert vocals["name"] == "vocals"
    assert [frame["time"] for frame in vocals["frames"]] == [0.0, 1.0, 2.0, 3.0]
    assert set(vocals["frames"][0]["metrics"]) == {"SDR", "ISR", "SIR", "SAR"}
    assert vocals["frames"][3]["metrics"]["SDR"] == 0.12346
    assert math.isnan(vocals["frames"][2]["metrics"]["ISR"])  # infinite
    assert math.isnan(vocals["frames"][0]["metrics"]["SIR"])  # not computed


def test_what_was_written_for_museval_is_read_back(scores, tmp_path):
    path = tmp_path / "hpss" / "test" / "A - B.json"
    records.write(scores, tmp_path / "r.json", museval=path)
    again = records.from_museval(path)
    assert (again.track, again.method, again.subset, again.hop) == ("A - B", "hpss", "test", 1.0)
    assert again.value("vocals", "csdr") == scores.value("vocals", "csdr")
    assert "sir" not in again.frames["vocals"]
    assert records.to_dict(records.read(path)) == records.to_dict(again)


def test_nan_of_museval_is_a_bare_word_or_null(tmp_path):
    path = tmp_path / "m" / "test" / "t.json"
    path.parent.mkdir(parents=True)
    others = '"ISR": 1, "SIR": 2, "SAR": 3'
    frames = [
        f'{{"time": {time}, "duration": 2.0, "metrics": {{"SDR": {sdr}, {others}}}}}'
        for time, sdr in ((0, "NaN"), (2, "null"), (4, "7.5"))
    ]
    path.write_text(f'{{"targets": [{{"name": "vocals", "frames": [{", ".join(frames)}]}}]}}')
    found = records.read(path)
    assert found.spread("vocals", "csdr").n_nan == 2
    assert (found.value("vocals", "csdr"), found.window, found.hop) == (7.5, 2.0, 2.0)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "{}", '{"targets": 3}', '{"format": 9}', '{"targets": [{"name": "x"}]}']
)
def test_what_is_no_record_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(RecordError) as told:
        records.read(path)
    assert "\n" not in str(told.value)
    assert "x.json" in str(told.value)


def test_csv_has_a_line_for_each_stem_and_metric(scores):
    lines = [dict(zip(records.CSV_HEAD, line, strict=True)) for line in records.csv_lines([scores])]
    assert [(line["stem"], line["metric"]) for line in lines] == [
        *(("vocals", m) for m in ("csdr", "isr", "usdr", "si_sdr")),
        *(("drums", m) for m in ("csdr", "usdr", "si_sdr")),
    ]
    assert (lines[0]["db"], lines[0]["n_frames"], lines[0]["n_nan"]) == (1.5, 4, 1)
    assert (lines[2]["n_frames"], lines[4]["db"]) == ("", "")
    assert lines[3]["db"] == "-inf"


def test_a_folder_of_records_is_read_once_though_museval_files_lie_beside(scores, tmp_path):
    records.write(
        scores,
        tmp_path / "records" / "hpss" / "r.json",
        museval=tmp_path / "museval" / "hpss" / "test" / "r.json",
    )
    found, notes = read_folder(tmp_path)
    assert (len(found), notes) == (1, [])
    assert read_folder(tmp_path, method="mine")[0][0].method == "mine"


@pytest.mark.parametrize(("name", "kind"), [("MIX", "reference"), ("IRM2", "reference"), ("TAK1", "method")])
def test_oracles_and_mixtures_of_sisec_are_no_methods(scores, tmp_path, name, kind):
    records.write(scores, tmp_path / "r.json", museval=tmp_path / "m" / name / "test" / "r.json")
    (found,), _ = read_folder(tmp_path / "m")
    assert (found.method, found.kind) == (name, kind)


@pytest.mark.parametrize("wrong", [{"kind": "guess"}, {"meta": None}, {"frames": None}])
def test_a_record_with_a_wrong_field_is_refused(scores, wrong):
    with pytest.raises(RecordError, match="no record of scores"):
        records.from_dict({**records.to_dict(scores), **wrong})


def test_a_folder_tells_what_it_passes_over(scores, tmp_path):
    records.write(scores, tmp_path / "r.json")
    (tmp_path / "other.json").write_text("{}")
    found, notes = read_folder(tmp_path)
    assert len(found) == 1
    assert "other.json" in notes[0]


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(RecordError, match="holds no scores"):
        read_folder(tmp_path)
    with pytest.raises(RecordError, match="no such folder"):
        read_folder(tmp_path / "nowhere")
