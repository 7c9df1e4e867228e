"""``--json``: JSON alone on standard output, with the keys that docs/howto/scripts.md lists."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sigsep_classic as ssc
from sigsep_classic.cli.main import VERBS

Cli = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "scripts.md"
CALLS = {
    "separate": "separate song.wav",
    "denoise": "denoise song.wav",
    "remix": "remix song.wav --set 'percussive x0.5'",
    "oracle": "oracle tracks/a --score",
    "plot": "plot song.wav -m hpss",
    "manifest": "manifest song.wav -m hpss -o set.jsonl",
    "run": "run set.jsonl",
    "evaluate": "evaluate tracks mine=tracks --sdr-only --oracle none",
    "benchmark": "benchmark --dataset tracks --methods hpss --sdr-only --oracle none",
    "compare": "compare benchmark",
    "check-dataset": "check-dataset tracks",
    "methods": "methods hpss",
    "cite": "cite hpss",
    "info": "info",
    "demo": "demo --seconds 1 -m hpss --no-report",
}


def listed() -> dict[str, set[str]]:
    """Return the keys by verb that the page has in its table."""
    found: dict[str, set[str]] = {}
    for verb, text in re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE):
        above = next(reversed(found.values()), set()) if text.startswith("the same") else set()
        if verb in ("denoise", "remix"):
            above = found["separate"]
        found[verb] = above | set(re.findall(r"`(\w+)`", text))
    return found


def test_every_verb_that_prints_results_has_json_and_is_on_the_page(cli: Cli) -> None:
    having = {verb for verb in VERBS if "--json" in cli(verb, "--help").out}
    assert having == set(VERBS) - {"completion", "lab"}
    assert having == set(listed()) == set(CALLS)


@pytest.mark.slow
def test_json_is_alone_on_standard_output_and_has_the_keys_of_the_page(cli: Cli, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    mix = ssc.synthesize("song", seconds=1.0, sample_rate=8000)
    ssc.save("song.wav", mix.mixture, mix.sample_rate)
    for name, x in {"mixture": mix.mixture, **mix.stems}.items():
        ssc.save(folder / "tracks" / "a" / f"{name}.wav", x, mix.sample_rate)
    for verb, call in CALLS.items():
        done = cli(*shlex.split(call), "--json")
        assert done.code == 0, done.err
        lines = done.out.splitlines()
        values = list(map(json.loads, lines)) if lines[0][-1] == "}" else [json.loads(done.out)]
        records = values[0] if isinstance(values[0], list) else values
        for record in records:
            assert set(record) <= listed()[verb], verb
        assert {
            "track",
            "table",
            "name",
            "key",
            "version",
            "root",
            "picture",
            "lines",
            "place",
            "variant",
        } & set(records[0])
