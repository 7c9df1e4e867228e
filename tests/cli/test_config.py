"""Options that stand in a file are those that are typed, and what is typed goes before them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sigsep_classic.cli import config
from sigsep_classic.errors import ParameterError

Cli = Callable[..., Any]


def words(text: str, typed: list[str], verb: str = "separate", *, path: Path) -> list[str]:
    path.write_text(text)
    found, rest = config.taken([*typed, "--config", str(path)])
    return found.words(verb, rest, "hpss")


def test_a_table_becomes_words_before_those_typed(tmp_path: Path) -> None:
    text = '[separate]\nmethod = "nmf"\njobs = 2\njson = true\nrecursive = false\nstem = ["a", "b"]\n'
    assert words(text, ["x.wav"], path=tmp_path / "c.toml") == [
        "--method=nmf", "--jobs=2", "--json", "--no-recursive", "--stem=a", "--stem=b", "x.wav",
    ]  # fmt: skip


def test_parameters_of_a_method_count_where_it_is_run(tmp_path: Path) -> None:
    text = "[methods.nmf]\nn_components = 9\n[methods.hpss]\nharmonic-frames = 5\n"
    assert words(text, ["-m", "nmf"], path=tmp_path / "c.toml") == ["--n-components=9", "-m", "nmf"]
    assert words(text, [], path=tmp_path / "c.toml") == ["--harmonic-frames=5"]
    assert words(text, [], "plot", path=tmp_path / "c.toml") == ["--harmonic-frames=5"]
    assert words(text, [], "demo", path=tmp_path / "c.toml") == []
    assert words(text, ["-m", "ica"], path=tmp_path / "c.toml") == ["-m", "ica"]


def test_the_nearest_project_is_read_and_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.sigsep-classic.methods.nmf]\nseed = 3\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert config.taken(["x"])[0].words("separate", ["-m", "nmf"], "hpss") == ["--seed=3", "-m", "nmf"]
    found, rest = config.taken(["x", "--no-config"])
    assert (found.tables, rest) == ({}, ["x"])
    (below / "pyproject.toml").write_text("this = [is no TOML")
    assert config.taken(["x"])[0].tables == {}  # it says nothing of this tool
    assert config.taken(["--", "--config", "x"])[1] == ["--", "--config", "x"]


def test_the_command_line_obeys(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.sigsep-classic.info]\njson = true\n")
    assert "version" in json.loads(cli("info").out)
    Path("pyproject.toml").write_text("[tool.sigsep-classic.info]\nplain = true\n")
    done = cli("info")
    assert done.code == 2
    assert "pyproject.toml: info has no option --plain" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("separate = 3", "it must be a table"),
        ("[separate]\nmethod = { a = 1 }", "separate.method is {'a': 1}"),
        ("[separate", "is no TOML"),
        ("[tool]\nsigsep-classic = 1", "it must be a table of verbs"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=said) as caught:
        words(text, [], path=tmp_path / "c.toml")
    assert "c.toml" in str(caught.value)


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(ParameterError, match=r"no\.toml can't be read: No such file"):
        config.taken(["--config=no.toml"])
