"""Score tables: the rows every table has, what is starred, and text, Markdown and JSON that say the same."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.compare.printing import as_markdown, as_text
from sigsep_classic.compare.table import (
    DASH,
    MIXTURE,
    ORACLE,
    Row,
    Table,
    as_dict,
    from_dict,
    score_table,
    shown,
    shown_seconds,
)
from sigsep_classic.errors import ParameterError
from sigsep_classic.metrics import si_sdr, usdr

RATE = 8000


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(0)
    stems = {name: rng.standard_normal((2, RATE)).astype(np.float32) for name in ("left", "right")}
    return stems["left"] + stems["right"], stems


@pytest.fixture
def table():
    def row(name, left, right, kind="method", **more):
        scores = {"left": {"si_sdr": left, "usdr": 1.0}, "right": {"si_sdr": right, "usdr": -0.01}}
        return Row(name=name, scores=scores, kind=kind, **more)

    rows = (
        row("mixture", 0.0, 0.0, "reference", note="as it is"),
        row("a|b", 3.04, math.nan, seconds=0.126, note="same"),
        row("much longer name", 2.0, -math.inf, seconds=12.0, note="same"),
        row("told", 30.0, 30.0, "informed"),
        row("oracle", 20.0, math.inf, "reference"),
    )
    return Table(title="two sides", stems=("left", "right"), metrics=("si_sdr", "usdr"), rows=rows)


def test_every_table_has_the_mixture_and_the_oracle_mask(scene):
    mixture, stems = scene
    table = score_table("t", mixture, stems, {"perfect": stems}, sample_rate=RATE)
    assert [row.name for row in table.rows] == ["perfect", MIXTURE, ORACLE]
    assert [row.kind for row in table.rows] == ["method", "reference", "reference"]
    assert all(row.note for row in table.of_kind("reference"))


def test_the_mixture_row_scores_the_unprocessed_mixture(scene):
    mixture, stems = scene
    row = score_table("t", mixture, stems, {}, sample_rate=RATE).rows[0]
    refs, ests = list(stems.values()), [mixture, mixture]
    assert_allclose([row.scores[name]["si_sdr"] for name in stems], si_sdr(refs, ests))
    assert_allclose([row.scores[name]["usdr"] for name in stems], usdr(refs, ests))


def test_the_oracle_row_beats_the_mixture_row(scene):
    mixture, stems = scene
    low, high = score_table("t", mixture, stems, {}, sample_rate=RATE).rows
    assert all(high.scores[name]["si_sdr"] > low.scores[name]["si_sdr"] + 3 for name in stems)


def test_a_stem_without_an_estimate_has_a_dash(scene):
    mixture, stems = scene
    table = score_table("t", mixture, stems, {"half": {"left": mixture}}, sample_rate=RATE)
    assert list(table.rows[0].scores) == ["left"]
    assert as_text(table).splitlines()[3].split()[-3:] == [DASH, DASH, DASH]


def test_estimates_that_fit_no_stem_are_refused(scene):
    mixture, stems = scene
    with pytest.raises(ParameterError, match="left, right"):
        score_table("t", mixture, stems, {"x": {"middle": mixture}}, sample_rate=RATE)


def test_only_methods_without_the_truth_can_be_best(table):
    assert table.best()["left", "si_sdr"] == "3.0"
    starred = {row.name for row in table.rows for column in table.columns if table.is_best(row, column)}
    assert starred == {"a|b", "much longer name"}


def test_equal_prints_are_best_together(table):
    column = ("left", "usdr")
    assert [row.name for row in table.rows if table.is_best(row, column)] == ["a|b", "much longer name"]


def test_a_lone_method_is_not_best(table):
    rows = [row for row in table.rows if row.name != "a|b"]
    lone = Table(title="t", stems=table.stems, metrics=table.metrics, rows=tuple(rows))
    assert "*" not in as_text(lone)


def test_text_lines_up(table):
    lines = as_text(table, notes=False).splitlines()
    head, rows = lines[1], [line for line in lines[2:] if not line.startswith("-")]
    ends = [n for n in range(1, len(head) + 1) if head[n - 1] != " " and head[n : n + 1].strip() == ""]
    for row in rows:
        cells = row.replace("*", " ").ljust(len(head) + 1)
        for end in ends[-5:]:
            assert cells[end - 1] != " "
            assert cells[end] == " "


def test_text_keeps_methods_informed_and_reference_rows_apart(table):
    lines = as_text(table, notes=False).splitlines()[2:]
    names = [line.split("  ")[0].strip() if not line.startswith("-") else "-" for line in lines]
    assert names == ["-", "a|b", "much longer name", "-", "told", "-", "mixture", "oracle"]


def test_stem_names_wider_than_their_metrics_fit():
    name = "a stem with a very long name"
    table = Table(title="t", stems=(name,), metrics=("usdr",), rows=(Row(name="m", scores={}),))
    lines = as_text(table).splitlines()
    assert name in lines[0]
    assert len(lines[0]) <= len(lines[2])


def test_a_note_of_several_rows_is_printed_once(table):
    assert as_text(table).count("same") == 1
    assert "a|b, much longer name: same" in as_text(table)


def test_markdown_has_as_many_cells_in_every_line(table):
    lines = as_markdown(table, notes=False).splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines]
    assert cells == [7] * 7
    assert "**3.0**" in lines[2]
    assert "a\\|b" in lines[2]
    assert lines[-1].startswith("| *oracle* |")


def test_a_table_survives_strict_json(table):
    text = json.dumps(as_dict(table), allow_nan=False)
    again = from_dict(json.loads(text))
    assert as_text(again) == as_text(table)
    assert again.rows[2].scores["right"]["si_sdr"] == -math.inf


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.04, "0.0"),
        (-0.06, "-0.1"),
        (1.25, "1.2"),
        (math.nan, DASH),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_scores_have_one_decimal_and_no_negative_zero(value, text):
    assert shown(value) == text


def test_seconds_have_two_decimals():
    assert (shown_seconds(None), shown_seconds(0.126)) == (DASH, "0.13")


def test_a_table_that_is_too_wide_is_printed_a_few_stems_at_a_time() -> None:
    stems = ("vocals", "drums", "bass", "other")
    row = Row(name="a method", scores={stem: {"si_sdr": 1.0, "usdr": 2.0} for stem in stems}, note="w " * 60)
    table = Table(title="song", stems=stems, metrics=("si_sdr", "usdr"), rows=(row,))
    wide = as_text(table)
    assert as_text(table, width=1000).splitlines()[:4] == wide.splitlines()[:4]
    narrow = as_text(table, width=50)
    assert max(map(len, narrow.splitlines())) <= 50
    assert narrow.count("a method  ") == 2
    assert all(narrow.count(f" {stem}") == 1 for stem in stems)
    assert as_text(table, width=5, notes=False).count("a method") == 4
