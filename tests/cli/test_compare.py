"""``sigsep-classic compare``: records, museval folders and papers side by side, in every format."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigsep_classic.cli import compare
from sigsep_classic.cli.scoring import record_path
from sigsep_classic.compare import records
from sigsep_classic.compare.published import TABLES
from tests.cli.conftest import files_below
from tests.compare.test_merging import LEVELS, make

Cli = Callable[..., Any]


@pytest.fixture
def scores(folder: Path) -> str:
    rng = np.random.default_rng(0)
    for n in range(7):
        for method, level in LEVELS.items():
            found = make(f"t{n}", method, level, rng)
            places = [record_path("scores", method, "", found.track, kind) for kind in ("records", "museval")]
            records.write(found, places[0], museval=places[1])
    return "scores"


def test_the_table_has_methods_oracles_and_papers(cli: Cli, scores: str) -> None:
    done = cli("compare", scores, "--published", "samsnet", "--published", "demucs_v2")
    assert (done.code, done.err) == (0, "")
    for word in (
        "high",
        "oracle IRM2",
        "-- published, not run",
        "WaveNet [Sams-Net]",
        "of its four stems is 3.14",
    ):
        assert word in done.out


def test_museval_folders_are_compared_like_ours(cli: Cli, scores: str) -> None:
    ours = json.loads(cli("compare", scores, "--format", "json").out)
    theirs = json.loads(cli("compare", "scores/museval", "--format", "json").out)
    medians = [
        {row["name"]: row["scores"]["vocals"]["csdr"] for row in data["table"]["rows"]}
        for data in (ours, theirs)
    ]
    assert medians[1]["low"] == pytest.approx(medians[0]["low"], abs=1e-4)
    named = cli("compare", "mine=scores/museval/low", scores)
    assert "mine" in named.out


def test_all_formats_are_written_with_a_page(cli: Cli, scores: str) -> None:
    pytest.importorskip("jinja2")
    done = cli("compare", scores, "-o", "report")
    assert done.code == 0
    assert files_below("report") == sorted(
        ["compare.json", "index.html", "scores.csv", "table.csv", "table.md", "table.tex"]
    )
    with open("report/scores.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 7 * 3 * 2 * 3  # tracks, methods, stems, metrics
    page = Path("report/index.html").read_text(encoding="utf-8")
    assert "SIR" in page  # all metrics on the page
    assert "SIR" not in done.out.split("\n\n")[0]
    assert "report/index.html" in done.err


def test_no_page_needs_no_jinja2(cli: Cli, scores: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    refused = cli("compare", scores, "-o", "report")
    assert (refused.code, Path("report").exists()) == (2, False)
    assert "--no-report" in refused.err
    assert cli("compare", scores, "-o", "report", "--no-report").code == 0
    assert "index.html" not in files_below("report")


@pytest.mark.parametrize(
    ("form", "start"), [("markdown", "| method |"), ("latex", r"\begin{tabular}"), ("csv", "row,kind,stem")]
)
def test_other_formats_are_printed(cli: Cli, scores: str, form: str, start: str) -> None:
    assert cli("compare", scores, "--format", form).out.startswith(start)


def test_columns_and_rows_are_chosen(cli: Cli, scores: str) -> None:
    done = cli("compare", scores, "--metric", "sir", "--stem", "drums", "--method", "low")
    head = done.out.split("\n\n")[0]
    assert "SIR" in head
    assert "cSDR" not in head
    assert "vocals" not in head
    assert "high" not in head
    assert "oracle IRM2" in head


def test_papers_alone_are_shown(cli: Cli) -> None:
    done = cli("compare", "--published", "all")
    assert done.code == 0
    assert "REP2 (REPET-SIM) [SiSEC 2018]" in done.out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "SCORES is missing"),
        (["nowhere"], 3, "no such folder"),
        (["empty"], 3, "holds no scores"),
        (["--published", "nix"], 2, "invalid choice"),
        (["scores", "--metric", "isr"], 2, "in none of the records"),
        (["scores", "--method", "x"], 2, "there are high, low"),
    ],
)
def test_mistakes_are_one_line_and_the_right_code(
    cli: Cli, scores: str, words: list[str], code: int, said: str
) -> None:
    Path("empty").mkdir()
    done = cli("compare", *words)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_tables_written_down_are_those_of_the_library() -> None:
    assert tuple(TABLES) == compare.PUBLISHED
