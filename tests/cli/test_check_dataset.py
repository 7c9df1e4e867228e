"""``check-dataset``: what it prints, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigsep_classic.cli import check_dataset
from sigsep_classic.datasets.layouts import LAYOUTS
from sigsep_classic.datasets.music import GROUPINGS
from tests.folders import music, write_track

Cli = Callable[..., Any]


@pytest.fixture
def root(folder: Path) -> Path:
    """A data set of two tracks, one with faults."""
    write_track(folder / "data" / "test" / "A - One", music())
    write_track(folder / "data" / "train" / "B - Two", {**music(1), "bass": 0 * music(1)["bass"]})
    return folder / "data"


def test_choices_written_down_for_help_are_the_librarys() -> None:
    assert tuple(LAYOUTS) == check_dataset.LAYOUTS
    assert GROUPINGS == check_dataset.GROUPINGS


def test_warnings_are_printed_and_fail_only_where_it_is_strict(cli: Cli, root: Path) -> None:
    done = cli("check-dataset", str(root))
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "warning: train/B - Two: bass is silent (peak -inf dB)",
        "musdb18_hq: 2 tracks (1 test, 1 train), 0.2 s, 8000 Hz, 2 channels",
        "mixture against the sum of stems: SNR exact median, exact at worst (test/A - One)",
        "0 errors, 1 warning, 0 notes",
    ]
    assert cli("check-dataset", str(root), "--strict").code == 1
    assert cli("check-dataset", str(root), "--subset", "test", "--strict").code == 0


def test_errors_make_the_exit_code_one_and_are_all_that_quiet_prints(cli: Cli, root: Path) -> None:
    (root / "test" / "A - One" / "vocals.wav").unlink()
    done = cli("check-dataset", str(root), "-q", "-j", "2")
    assert (done.code, done.out) == (1, "error: test/A - One: has no vocals\n")


def test_json_holds_every_track_and_finding(cli: Cli, root: Path) -> None:
    done = cli("check-dataset", str(root), "--json")
    found = json.loads(done.out)
    assert (done.code, found["layout"], found["counts"]["warning"]) == (0, "musdb18_hq", 1)
    one, two = found["tracks"]
    assert (one["label"], one["findings"], one["sum_db"]) == ("test/A - One", [], "inf")
    assert two["findings"][0]["kind"] == "silent"
    assert set(one["files"]) == {"mixture", "drums", "bass", "other", "vocals"}


def test_own_names_and_the_way_out_of_none(cli: Cli, root: Path) -> None:
    pattern = ("--pattern", "{subset}/{track}/{stem}.wav", "--quick")
    assert "pattern: 2 tracks" in cli("check-dataset", str(root), *pattern).out
    done = cli("check-dataset", str(root), "--pattern", "{track}.wav")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert cli("check-dataset").code == 2
    done = cli("check-dataset", str(root / "nowhere"))
    assert (done.code, "no such folder" in done.err) == (3, True)
    assert cli("check-dataset", str(root), "--sum-db", "loud").code == 2
