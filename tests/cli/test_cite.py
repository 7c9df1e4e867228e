"""``sigsep-classic cite`` prints what a bibliography takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sigsep_classic import METHODS

Cli = Callable[..., Any]


def test_alone_it_cites_the_package(cli: Cli) -> None:
    done = cli("cite")
    assert (done.code, done.out.count("@")) == (0, 1)
    assert "@software{sigsep_classic," in done.out


def test_methods_are_cited_with_what_they_share_once(cli: Cli) -> None:
    done = cli("cite", "hpss", "hrps")
    assert done.code == 0
    assert "% hpss, hrps\n@inproceedings{driedger2014extendingharmonic," in done.out
    assert done.out.count("@inproceedings") == 2


def test_all_are_cited_as_json(cli: Cli) -> None:
    entries = json.loads(cli("cite", "all", "--json").out)
    assert {name for entry in entries for name in entry["methods"]} >= set(METHODS.built_in)


def test_an_unknown_method_is_one_line(cli: Cli) -> None:
    done = cli("cite", "repet-smi")
    assert done.code == 2
    assert "did you mean" in done.err
    assert "repet_sim" in done.err
