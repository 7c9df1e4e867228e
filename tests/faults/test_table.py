"""The table of conditions tells the truth: its tests are there, its verbs are all there are."""

from __future__ import annotations

import ast
from pathlib import Path

from sigsep_classic.cli.main import VERBS
from tests.faults import table

TESTS = Path(__file__).parents[1]


def test_every_test_of_the_table_is_there() -> None:
    found: dict[str, set[str]] = {}
    for tests in table.CONDITIONS.values():
        for place in tests.values():
            name, _, function = place.partition("::")
            if name not in found:
                tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
                found[name] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert function in found[name], place


def test_every_verb_is_in_the_table() -> None:
    assert set(VERBS) - set(table.VERBS) == set()
    for tests in table.CONDITIONS.values():
        assert set(tests) <= set(table.VERBS)
