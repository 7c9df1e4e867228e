"""Many records as one table: medians, quartiles, counts, failures, order and formats."""

import csv
import io
import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.compare.merging import all_metrics, comparison_as_dict, merge
from sigsep_classic.compare.printing import as_csv, as_latex, as_markdown, as_text
from sigsep_classic.compare.records import TrackScores, read, write
from sigsep_classic.compare.table import from_dict
from sigsep_classic.errors import ParameterError

LEVELS = {"low": 0.0, "high": 5.0, "oracle IRM2": 9.0}
N_TRACKS = 9


def make(track, method, level, rng, **more):
    frames = {
        stem: {m: (math.nan, *(level + rng.standard_normal(7))) for m in ("csdr", "sir")}
        for stem in ("drums", "vocals")
    }
    totals = {stem: {"usdr": level} for stem in frames}
    kind = "reference" if method.startswith("oracle") else "method"
    return TrackScores(track=track, method=method, kind=kind, frames=frames, totals=totals, **more)


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    return [make(f"t{n}", m, level, rng) for n in range(N_TRACKS) for m, level in LEVELS.items()]


def test_a_score_is_the_median_over_tracks_of_medians_over_frames(records):
    found = merge(records)
    tracks = [np.nanmedian(r.frames["vocals"]["csdr"]) for r in records if r.method == "low"]
    row = next(row for row in found.table.rows if row.name == "low")
    spread = row.spread["vocals"]["csdr"]
    assert_allclose(row.scores["vocals"]["csdr"], np.median(tracks))
    assert_allclose([spread.lower, spread.upper], np.quantile(tracks, [0.25, 0.75]))
    assert (spread.n_values, spread.n_frames, spread.n_nan) == (N_TRACKS, 8 * N_TRACKS, N_TRACKS)
    assert_allclose(sorted(found.boxes["vocals", "csdr"]["low"]), sorted(tracks))


def test_rows_are_sorted_by_the_first_stem_within_their_kind(records):
    table = merge(records).table
    assert table.stems == ("vocals", "drums")
    assert [row.name for row in table.rows if row.kind == "method"] == ["high", "low"]
    assert [row.oracle for row in table.rows] == [False, False, True]


def test_csdr_is_the_column_unless_others_are_asked_for(records):
    assert merge(records).table.metrics == ("csdr",)
    assert merge(records, metrics=["sir", "usdr"]).table.metrics == ("sir", "usdr")
    assert all_metrics(records) == ["csdr", "sir", "usdr"]
    for wrong in ({"metrics": ["isr"]}, {"stems": ["bass"]}):
        with pytest.raises(ParameterError, match="in none of the records"):
            merge(records, **wrong)


def test_one_track_is_shown_by_its_frames(records):
    one = [r for r in records if r.track == "t0"]
    found = merge(one)
    assert found.over == "frames"
    assert found.differences == {}
    assert len(found.boxes["vocals", "csdr"]["low"]) == 7
    assert found.table.rows[0].spread["vocals"]["csdr"].n_values == 7
    assert "frames of one track" in as_text(found.table)


def test_methods_are_tested_in_pairs_and_oracles_are_not(records):
    (pair,) = merge(records).differences["vocals", "csdr"]
    assert {pair.first, pair.second} == {"low", "high"}
    assert pair.p == pytest.approx(2 / 2**N_TRACKS)
    assert "high > low" in as_text(merge(records).table)


def test_failures_are_counted_and_kept(records):
    failed = TrackScores(track="t99", method="low", error="x.wav: is no sound")
    found = merge([*records, failed])
    assert "1 of 10 tracks failed" in as_text(found.table)
    assert comparison_as_dict(found)["failed"] == [
        {"track": "t99", "method": "low", "error": "x.wav: is no sound"}
    ]
    assert "not all rows were scored on the same" not in as_text(found.table)


def test_rows_on_other_frames_are_told(records):
    assert "not all rows were scored on the same" in as_text(merge(records[:-1]).table)


def test_the_same_record_twice_counts_once_and_two_different_ones_are_refused(records):
    assert merge([*records, *records]).table == merge(records).table
    other = make("t0", "low", 3.0, np.random.default_rng(5))
    with pytest.raises(ParameterError, match="two different records"):
        merge([*records, other])


def test_a_reference_row_of_two_runs_has_the_stems_of_both(records):
    from dataclasses import replace

    here = [r for r in records if r.kind == "reference"]
    there = [replace(r, frames={"drums": r.frames["drums"], "no_drums": r.frames["vocals"]}) for r in here]
    table = merge([*here, *there]).table
    assert set(table.stems) == {"vocals", "drums", "no_drums"}
    assert merge(here).table.rows[0].scores["drums"] == table.rows[0].scores["drums"]
    other = [replace(r, frames={"drums": r.frames["vocals"]}) for r in here]
    with pytest.raises(ParameterError, match="two different records"):
        merge([*here, *other])


def test_a_museval_record_read_twice_counts_once(tmp_path, records):
    path = tmp_path / "low" / "test" / "t0.json"
    write(records[0], tmp_path / "r.json", museval=path)
    twice = [read(path), read(path)]
    assert any(math.isnan(v) for v in twice[0].frames["vocals"]["csdr"])
    assert len(merge(twice).records) == 1


def test_settings_and_sets_that_differ_are_told(records):
    from dataclasses import replace

    settings = [{"settings": {"seconds": 1.0}, "sets": [["drums", "vocals"]]}]
    settings += [{"settings": {"seconds": 2.0}, "sets": [["vocals", "accompaniment"]]}]
    unlike = [replace(r, meta=settings[r.method == "low"]) for r in records]
    told = as_text(merge(unlike, metrics=["sir"]).table)
    assert "records differ in the length of frames in seconds (1.0, 2.0)" in told
    assert "SIR and SAR of a stem depend on the stems it is scored with" in told
    assert "depend on the stems" not in as_text(merge(unlike, metrics=["csdr"]).table)


def test_too_few_tracks_for_a_test_are_told(records):
    few = [r for r in records if r.track in ("t0", "t1", "t2", "t3", "t4")]
    told = merge(few).tested
    assert all(line.endswith("too few tracks for any difference to show") for line in told)
    assert told


def test_scores_without_a_unit_are_not_called_db(records):
    from dataclasses import replace

    spoken = [replace(r, totals={"vocals": {"stoi": r.totals["vocals"]["usdr"] / 10}}) for r in records]
    found = merge(spoken, stems=["vocals"], metrics=["stoi"])
    assert "dB" not in as_text(found.table)
    assert "high > low (+0.50, p" in found.tested[0]
    both = as_text(merge(spoken, stems=["vocals"], metrics=["csdr", "stoi"]).table)
    assert "STOI without a unit, all else dB, median over" in both


def test_published_rows_alone_have_no_column_of_seconds():
    text = as_text(merge([], metrics=["usdr"], published=["bsrnn"]).table)
    assert "seconds" not in text
    assert "10.47" in text


def test_nothing_to_compare_is_refused():
    with pytest.raises(ParameterError, match="no scores"):
        merge([])
    with pytest.raises(ParameterError, match="every track failed"):
        merge([TrackScores(track="t", method="m", error="no")])


def test_a_comparison_is_strict_json(records):
    found = merge(records, published=["samsnet"])
    data = json.loads(json.dumps(comparison_as_dict(found), allow_nan=False))
    assert as_text(from_dict(data["table"])) == as_text(found.table)
    assert len(data["values"]) == 2 * 3
    assert data["tests"][0]["p"] < 0.05


def test_the_only_method_with_a_stem_is_not_the_best_at_it(records):
    from dataclasses import replace

    alone = [
        replace(r, frames={"drums": r.frames["drums"]}, totals={}) if r.method == "high" else r
        for r in records
    ]
    table = merge(alone).table
    low = next(row for row in table.rows if row.name == "low")
    assert not table.is_best(low, ("vocals", "csdr"))
    assert any(table.is_best(row, ("drums", "csdr")) for row in table.rows)


def test_csv_has_medians_quartiles_and_counts(records):
    lines = list(csv.DictReader(io.StringIO(as_csv(merge(records).table))))
    assert len(lines) == 3 * 2
    first = lines[0]
    assert (first["row"], first["stem"], first["metric"], first["n"]) == ("high", "vocals", "csdr", "9")
    assert float(first["lower"]) < float(first["db"]) < float(first["upper"])


def test_latex_has_the_best_in_bold_and_as_many_cells_in_every_row(records):
    text = as_latex(merge(records, metrics=["csdr", "sir"]).table, notes=False)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")][1:]
    assert {line.count("&") for line in rows} == {1 + 4 + 3 - 1}
    assert rows[1].startswith(r"high & \textbf{")
    assert r"\textbf" not in rows[2]
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


def test_latex_spells_out_what_means_something_to_it(records):
    from dataclasses import replace

    odd = [replace(r, method={"low": r"a_b & 50% {x}\y~^#$"}.get(r.method, r.method)) for r in records]
    text = as_latex(merge(odd).table)
    assert r"a\_b \& 50\% \{x\}\textbackslash{}y\textasciitilde{}\textasciicircum{}\#\$" in text


def test_markdown_and_text_show_quartiles(records):
    found = merge(records).table
    spread = found.rows[0].spread["vocals"]["csdr"]
    shown = f"[{spread.lower:.2f}, {spread.upper:.2f}]"
    assert shown in as_text(found)
    assert f"**{spread.median:.2f}** {shown}" in as_markdown(found)


def test_warnings_of_edges_are_told_with_sir_and_not_with_sdr(records):
    from dataclasses import replace

    warned = [replace(records[0], meta={"warnings": ["bss_eval_v4: edges"]}), *records[1:]]
    assert f"SIR and SAR of 1 of {len(records)} records" in as_text(merge(warned, metrics=["sir"]).table)
    assert "SIR and SAR of" not in as_text(merge(warned).table)
