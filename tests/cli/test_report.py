"""``separate --report``: a page beside the stems of each input."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigsep_classic.compare import separation_page
from tests.cli.conftest import files_below

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

Cli = Callable[..., Any]


def test_each_input_has_its_page_beside_its_stems(cli: Cli, song: str) -> None:
    Path("two.wav").write_bytes(Path(song).read_bytes())
    done = cli("separate", song, "two.wav", "--report")
    assert done.code == 0, done.err
    names = ["harmonic.wav", "percussive.wav", "report.html"]
    assert files_below("separated") == [f"{track}/{name}" for track in ("song", "two") for name in names]
    assert "separated/two/report.html" in done.out.split()
    assert "<h1>two</h1>" in Path("separated/two/report.html").read_text(encoding="utf-8")


def test_the_template_says_where_the_page_goes_and_the_record_too(cli: Cli, song: str) -> None:
    done = cli("separate", song, "--report", "--json", "--template", "{track}_{stem}.{ext}")
    assert json.loads(done.out)["report"] == "separated/song_report.html"
    assert "separated/song_report.html".removeprefix("separated/") in files_below("separated")
    assert (
        cli("separate", song, "--report", "--stem", "harmonic", "--template", "{track}.wav", "-o", "b").code
        == 0
    )
    assert files_below("b") == ["song.html", "song.wav"]


def test_no_stem_appears_without_its_page(cli: Cli, song: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(sep: Any) -> str:
        raise OSError("no")

    monkeypatch.setattr(separation_page, "render", fail)
    assert cli("separate", song, "--report").code != 0
    assert not Path("separated").exists()


def test_a_page_that_cannot_be_written_leaves_no_stems(cli: Cli, song: str) -> None:
    Path("separated/song").mkdir(parents=True)
    Path("separated/song/report.html").mkdir()
    assert cli("separate", song, "--report").code == 4
    assert files_below("separated") == []


def test_what_can_not_be_is_said_before_any_work(
    cli: Cli, song: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = cli("separate", song, "-o", "-", "--stem", "harmonic", "--report")
    assert (done.code, "use -o FOLDER with --report" in done.err) == (2, True)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = cli("separate", song, "--report")
    assert (done.code, "needs jinja2" in done.err) == (2, True)
    assert not Path("separated").exists()


def test_a_file_read_in_pieces_has_its_page_too(cli: Cli, song: str) -> None:
    done = cli("separate", song, "--report", "--json", "--memory-limit", "2M")
    record = json.loads(done.out)
    assert record["plan"] == "blocks"
    text = Path(record["report"]).read_text(encoding="utf-8")
    assert "it was separated in pieces" in text
    assert text.count("<audio") == 3
