"""Published tables: every mean recomputed, the known errors and no others, and rows that say they were not run."""

import math
from importlib.resources import files

import pytest
from numpy.testing import assert_allclose

from sigsep_classic.compare.merging import merge
from sigsep_classic.compare.printed_errors import footnotes, mean_of_stems, printed_errors
from sigsep_classic.compare.printing import as_csv, as_latex, as_markdown, as_text
from sigsep_classic.compare.published import NOT_RUN, STEMS, TABLES, published, published_rows
from sigsep_classic.errors import ParameterError

KNOWN = {
    ("demucs_v2", "IRM oracle", "mean"),  # 8.22; the stems as printed give 8.2125
    ("samsnet", "WaveNet", "mean"),  # 2.60 repeats "other"; 3.14
    ("samsnet", "Open-Unmix", "mean"),  # 5.36; 5.33
    ("demucs_v2", "IRM oracle", "mean elsewhere"),
    ("samsnet", "IRM oracle", "mean elsewhere"),
    ("demucs_v2", "Open-Unmix", "mean elsewhere"),
    ("samsnet", "Open-Unmix", "mean elsewhere"),
    ("demucs_v2", "D3Net (0)", "copy"),
    ("demucs_v2", "TasNet", "copy"),
    ("samsnet", "MMDenseLSTM", "differs from SiSEC 2018"),  # drums 6.41; 6.43
    ("samsnet", "Demucs v1", "parameters"),
    ("samsnet", "Meta-TasNet", "parameters"),
}


def test_recomputing_finds_the_known_printing_errors_and_no_others():
    found = [(error.table, error.model, error.kind) for error in printed_errors()]
    assert len(found) == len(set(found))
    assert set(found) == KNOWN


def test_every_other_row_prints_the_mean_of_its_stems():
    wrong = {(table, model) for table, model, kind in KNOWN if kind == "mean"}
    checked = 0
    for table in TABLES:
        for row in published(table):
            if row.printed_mean is not None and (table, row.model) not in wrong:
                assert abs(mean_of_stems(row) - row.printed_mean) <= 0.005 + 1e-9, row
                checked += 1
    assert checked == 14 + 10 + 5 + 14 - len(wrong)


def test_errors_are_printed_wherever_their_row_is():
    tables = [name for name in TABLES if name != "sisec18"]
    found = merge([], published=tables).table
    for write in (as_text, as_markdown, as_csv):
        text = write(found)
        for error in printed_errors():
            assert error.text in text, f"{write}: {error}"
    assert "prints a mean of 2.60, that of its four stems is 3.14" in as_latex(found)


def test_a_row_beside_a_wrong_one_of_its_name_has_no_footnote():
    d3net = {row.data: footnotes(row) for row in published("demucs_v2") if row.model == "D3Net"}
    assert len(d3net["0"]) == 1
    assert d3net["1.5k"] == []


def test_published_rows_are_marked_as_not_run_in_every_format():
    found = merge([], published=["hybrid_demucs"]).table
    assert all(row.kind == "published" for row in found.rows)
    assert as_text(found).count(f"-- {NOT_RUN} -") == 1
    for write in (as_markdown, as_latex):
        assert write(found, notes=False).count(NOT_RUN) == 5
    assert all(NOT_RUN in line for line in as_csv(found).splitlines()[1:])


def test_published_rows_are_never_the_best():
    found = merge([], published=list(TABLES)).table
    assert not any(found.is_best(row, column) for row in found.rows for column in found.columns)


def test_usdr_and_csdr_are_never_in_one_column():
    both = merge([], published=["bsrnn", "hybrid_demucs"], metrics=["csdr", "usdr"]).table
    for row in both.rows:
        metrics = {m for by in row.scores.values() for m, v in by.items() if not math.isnan(v)}
        assert len(metrics) == 1, row
    alone = published_rows(["bsrnn"], metrics=["usdr"])
    assert len(alone) == 4
    assert {m for row in alone for by in row.scores.values() for m in by} == {"usdr"}
    assert len(published_rows(["bsrnn"], metrics=["csdr"])) == 10


def test_sisec_rows_are_the_figures_known_of_the_campaign():
    rows = {row.model: row for row in published("sisec18")}
    assert len(rows) == 31
    irm2 = [rows["IRM2"].scores[stem]["csdr"] for stem in STEMS]
    assert_allclose(irm2, [9.43, 8.45, 7.12, 7.85], atol=0.006)
    vocals = {m: rows[m].scores["vocals"]["csdr"] for m in ("REP2", "2DFT", "REP1", "RPCA", "HPSS", "MIX")}
    wanted = {"REP2": 2.30, "2DFT": 0.56, "REP1": 0.21, "RPCA": 0.05, "HPSS": -0.34, "MIX": 1.12}
    assert vocals == pytest.approx(wanted, abs=0.006)
    counts = rows["REP2"].spread["vocals"]["csdr"]
    assert (counts.n_values, counts.n_frames, counts.n_nan) == (50, 12439, 2886)


def test_bsrnn_columns_are_read_by_name_not_by_order():
    (row,) = [
        row
        for row in published("bsrnn")
        if (row.model, row.dataset, row.metrics) == ("BSRNN", "MUSDB18-HQ", ("usdr",))
    ]
    assert {stem: row.scores[stem]["usdr"] for stem in STEMS} == {
        "vocals": 10.04,
        "drums": 8.92,
        "bass": 6.8,
        "other": 6.01,
    }


def test_every_file_names_its_source():
    folder = files("sigsep_classic.compare") / "published"
    sources = (folder / "SOURCES.md").read_text(encoding="utf-8")
    tables = [entry.name for entry in folder.iterdir() if entry.name.endswith(".csv")]
    assert len(tables) == 8
    assert all(f"`{name}`" in sources for name in tables)


def test_an_unknown_table_is_refused():
    with pytest.raises(ParameterError, match="sisec18"):
        published("sisec")
