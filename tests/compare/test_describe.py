"""What the page says of a method is what its docstring and fields say."""

import json
from dataclasses import dataclass

import pytest

from sigsep_classic.compare.describe import describe, slug
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.documentation import references_of


@dataclass(frozen=True, kw_only=True)
class Made:
    """First line, over
    two lines with ``code``.

    More.

    References
    ----------
    .. [1] A. Author, "Title",
       Venue, 2001.
    .. [2] B. Author, "Other title", 2002.

    Notes
    -----
    Nothing.
    """

    width: float = float("inf")
    shape: tuple[int, ...] = (1, 2)
    grid: object = None


def test_the_summary_is_the_first_paragraph():
    assert describe(Made())["summary"] == "First line, over two lines with code."


def test_numbered_references_are_told_apart():
    assert references_of(Made) == ['A. Author, "Title", Venue, 2001.', 'B. Author, "Other title", 2002.']


def test_parameters_are_plain_values():
    assert describe(Made())["parameters"] == {"width": "inf", "shape": "(1, 2)"}


def test_a_class_without_docstring_or_fields_is_described():
    assert describe(type("Bare", (), {})()) == {
        "class": "Bare",
        "summary": "",
        "version": "",
        "references": [],
        "bibtex": [],
        "parameters": {},
    }


@pytest.mark.parametrize("name", METHODS)
def test_every_method_names_its_paper(name):
    about = describe(METHODS[name]())
    assert about["summary"]
    assert all(any(year.isdigit() for year in paper.split()) or "," in paper for paper in about["references"])
    assert about["references"]
    json.dumps(about, allow_nan=False)


def test_slugs_are_safe_file_names():
    assert slug("oracle: ideal ratio mask") == "oracle_ideal_ratio_mask"
    assert slug("../NMF (timbre)") == "nmf_timbre"
