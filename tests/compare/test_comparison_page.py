"""The page of a comparison: one file that loads nothing, with a box for each row where it belongs."""

import math
import re
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sigsep_classic.compare.boxplots import box_of, box_plots
from sigsep_classic.compare.comparison_page import render, require_packages
from sigsep_classic.compare.merging import merge
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.errors import ParameterError
from tests.compare.test_merging import LEVELS, make
from tests.compare.test_report import Page

pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    records = [make(f"t{n}", m, level, rng) for n in range(9) for m, level in LEVELS.items()]
    bad = TrackScores(track="<script>alert(1)</script>", method="low", error='"><img src=x>')
    return merge([*records, bad], metrics=["csdr", "sir"], published=["samsnet"])


@pytest.fixture(scope="module")
def page(found):
    return Page(render(found))


def test_nothing_is_loaded_from_anywhere(found, page):
    for _, attrs in page.elements:
        for name in ("src", "href", "srcset", "action", "poster", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    text = render(found)
    assert "url(" not in text
    assert "@import" not in text


def test_names_from_outside_are_escaped(found):
    text = render(found)
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_links_lead_to_ids_that_are_there_once(page):
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {attrs["href"][1:] for attrs in page.all("a")} <= set(ids)


def test_each_stem_has_a_picture_with_a_name_and_each_row_a_group_in_every_panel(found, page):
    pictures = page.all("svg")
    assert [picture["aria-label"].split(":")[0] for picture in pictures] == [
        "Box plots of vocals",
        "Box plots of drums",
    ]
    groups = [attrs["class"] for attrs in page.all("g")]
    assert groups.count("method") == 2 * 2 * 2  # rows, stems, metrics
    # One oracle was run; the IRM oracle of the paper has cSDR only.
    assert groups.count("oracle") == 2 * 2 + 2
    assert groups.count("published") == 9 * 2


def test_the_page_says_what_was_not_run_and_what_failed(found):
    text = render(found)
    assert text.count("(published, not run)") == 10
    assert "low, &lt;script&gt;" in text
    assert "the raw scores of SiSEC 2018 (TAK1) give 6.43" in text


def test_a_box_is_quartiles_notch_and_whiskers():
    values = [*np.random.default_rng(0).standard_normal(50).tolist(), 9.0, -9.0]
    box = box_of(values)
    low, mid, high = np.quantile(values, [0.25, 0.5, 0.75])
    assert_allclose([box.lower, box.median, box.upper], [low, mid, high])
    assert_allclose(box.notch, 1.57 * (high - low) / math.sqrt(52))
    inside = [v for v in values if low - 1.5 * (high - low) <= v <= high + 1.5 * (high - low)]
    assert (box.low, box.high) == (min(inside), max(inside))
    assert {9.0, -9.0} <= set(box.outliers)


def test_few_values_are_points_and_infinite_ones_stay_on_the_page():
    assert box_of([1.0, 2.0]).outliers == (1.0, 2.0)
    rng = np.random.default_rng(0)
    record = make("t", "perfect", 0.0, rng)
    frames = {s: dict.fromkeys(by, (math.inf,) * 6) for s, by in record.frames.items()}
    found = merge([TrackScores(track="t", method="perfect", frames=frames), make("t", "low", 0.0, rng)])
    svg = box_plots(found.table, found.boxes)["vocals"]
    numbers = [float(v) for v in re.findall(r'(?:x1|x2|cx)="([^"]+)"', svg)]
    assert np.isfinite(numbers).all()
    assert max(numbers) <= float(re.search(r'width="(\d+)"', svg)[1])


def test_papers_alone_make_a_page():
    text = render(merge([], published=["sisec18"]))
    assert "Nothing was run for this page" in text
    assert text.count("<svg") == 5


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ParameterError, match="needs jinja2"):
        require_packages()
