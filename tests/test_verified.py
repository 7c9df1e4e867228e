"""The pages "Verified how?" and of methods say of every method what they promise to say, and from the tests."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from sigsep_classic import METHODS
from sigsep_classic.factorizers.documentation import TITLES, note_of
from sigsep_classic.testing import PROMISES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def verified():
    place = str(ROOT / "docs")
    sys.path.insert(0, place)
    yield importlib.import_module("verified")
    sys.path.remove(place)


@pytest.fixture(scope="module")
def tests(verified):
    return verified.evidence()


def test_every_method_has_a_row_and_a_section_with_tests(verified, tests):
    page = verified.verified_page()
    for name in METHODS.built_in:
        assert page.count(f"[`{name}`](#verified-{name})") == 1
        assert page.count(f"(verified-{name})=") == 1
        assert verified.of(name, tests)
    assert "not gone through yet" not in page


def test_every_sentence_is_the_name_of_a_test(tests):
    texts = {file: (ROOT / file).read_text() for file in {e.file for e in tests}}
    for e in tests:
        assert re.search(rf"^def {e.name}\(", texts[e.file], flags=re.MULTILINE), e


def test_a_tolerance_that_is_told_is_one_an_assertion_uses(tests):
    told = [e for e in tests if e.within]
    assert len(told) > 30
    for e in told:
        tree = ast.parse((ROOT / e.file).read_text())
        test = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == e.name)
        checked = [n for n in ast.walk(test) if isinstance(n, ast.Assert)]
        checked += [n for n in ast.walk(test) if isinstance(n, ast.Call) and "assert_" in ast.unparse(n.func)]
        assert any(isinstance(n, ast.Name) and n.id == "within" for c in checked for n in ast.walk(c)), e


def test_packages_digits_recordings_and_loops_are_read_from_the_text(tests):
    found = {(e.file, e.name): e for e in tests}
    mu = found["tests/test_factorizers_nmf.py", "test_mu_has_the_iterates_of_scikit_learn"]
    assert (mu.methods, mu.peers, mu.within) == ({"nmf"}, {"sklearn"}, (1e-6,))
    rules = found["tests/test_factorizers_auxiva.py", "test_outputs_are_those_of_ssspy"]
    assert (rules.peers, min(rules.within), max(rules.within)) == ({"ssspy"}, 1e-6, 1e-5)
    song = found["tests/test_recordings.py", "test_median_filtering_finds_the_drums_of_a_real_song"]
    assert "musdb_excerpt" in song.recordings
    loops = found["tests/test_factorizers_hpss.py", "test_gains_are_those_of_the_naive_loops"]
    assert loops.references == {"sliding_median", "soft_mask"}


def test_the_promises_told_are_those_that_are_kept(verified):
    assert verified.promises() == list(PROMISES)


@pytest.mark.parametrize("title", TITLES)
def test_every_method_says_when_to_use_it_what_it_costs_and_where_it_departs(title):
    assert [name for name in METHODS.built_in if not note_of(METHODS[name], title)] == []
