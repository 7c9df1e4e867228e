"""Every method's papers can be cited."""

from __future__ import annotations

import re

import pytest

from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.citations import Paper, bibtex, papers_in, papers_of

EVERYTHING = {name: papers_of(METHODS[name]) for name in METHODS.built_in}


@pytest.mark.parametrize("name", METHODS.built_in)
def test_every_method_names_a_paper_with_author_title_and_year(name):
    papers = EVERYTHING[name]
    assert papers
    assert papers[0].authors or name == "exclusion"  # whose authors are not known here
    assert all(1900 < paper.year < 2030 and len(paper.title) > 10 for paper in papers)


def test_a_key_stands_for_one_paper():
    papers = {paper for found in EVERYTHING.values() for paper in found}
    keys = [paper.key for paper in papers]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z0-9]+", key) for key in keys)


def test_authors_are_names_with_initials():
    names = {name for found in EVERYTHING.values() for paper in found for name in paper.authors} - {"et al."}
    assert all(re.fullmatch(r"(\w\.[- ]?)+ ?[\w\- .]+", name) for name in names)


def test_several_papers_of_one_paragraph_are_told_apart():
    found = papers_in(
        'As in A. B. Cé and D.-E. Von F, "One", J. Things 3(4), 2001, and G. H, "Two", Proc. X, 2002; "Three", 2003.'
    )
    assert found == [
        Paper(authors=("A. B. Cé", "D.-E. Von F"), title="One", venue="J. Things 3(4)", year=2001),
        Paper(authors=("G. H",), title="Two", venue="Proc. X", year=2002),
        Paper(authors=("G. H",), title="Three", venue="", year=2003),
    ]


@pytest.mark.parametrize(
    ("venue", "lines"),
    [
        (
            "Neural Computation 23(9)",
            ["@article", "journal = {Neural Computation}", "volume = {23}", "number = {9}"],
        ),
        ("Proc. ISMIR", ["@inproceedings", "booktitle = {Proc. ISMIR}"]),
        ("arXiv:2401.06646", ["@misc", "eprint = {2401.06646}", "archiveprefix = {arXiv}"]),
        ("PhD thesis, A University", ["@phdthesis", "school = {A University}"]),
        ("MERL technical report", ["@techreport", "institution = {MERL technical report}"]),
        ("", ["@misc"]),
    ],
)
def test_an_entry_says_where_the_paper_is(venue, lines):
    text = bibtex(Paper(authors=("J. Le Roux", "et al."), title="Half baked", venue=venue, year=2015))
    assert all(
        line in text for line in [*lines, "author = {Le Roux, J. and others}", "title = {{Half baked}}"]
    )
    assert text.splitlines()[0].endswith("{leroux2015halfbaked,")
    assert text.count("{") == text.count("}")
