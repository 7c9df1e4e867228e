"""Help, ``methods``, ``info``, ``demo`` and ``completion``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import sigsep_classic
from sigsep_classic.cli import demo
from sigsep_classic.cli.main import VERBS
from sigsep_classic.datasets.synthetic import VARIANTS
from sigsep_classic.factorizers import METHODS

Cli = Callable[..., Any]


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_names_every_verb_and_exit_code(cli: Cli, words: list[str]) -> None:
    done = cli(*words)
    assert (done.code, done.err) == (0, "")
    for verb in VERBS:
        assert f"  {verb} " in done.out
    assert "3 unreadable input" in done.out


def test_no_words_at_all_are_a_usage_error_with_the_help(cli: Cli) -> None:
    done = cli()
    assert (done.code, done.out) == (2, "")
    assert "verbs:" in done.err


def test_version_is_that_of_the_package(cli: Cli) -> None:
    done = cli("--version")
    assert (done.code, done.out) == (0, f"sigsep-classic {sigsep_classic.__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(cli: Cli, verb: str) -> None:
    done = cli(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: sigsep-classic {verb} [OPTIONS]")
    assert "--debug" in done.out


def test_help_of_separate_shows_the_parameters_of_the_method_named(cli: Cli) -> None:
    assert "--n-components" not in cli("separate", "--help").out
    shown = cli("separate", "-m", "nmf", "--help").out
    assert "parameters of nmf:" in shown
    assert "--n-components INT" in shown
    assert f"(default: {sigsep_classic.NMF().n_components})" in shown
    assert "{extrapolated,mu,me,joint,hals}" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["separatee", "a.wav"], "did you mean 'separate'?"),
        (["song.wav"], "did you mean sigsep-classic separate song.wav?"),
        (["xyzzy"], "use one of separate, denoise"),
        (["--json", "info"], "--json comes before the verb"),
        (["info", "--jsno"], "did you mean --json?"),
        (["info", "more"], "'more' is one word too many"),
        (["info", "--", "--json"], "'--json' is one word too many"),
        (["completion", "bash", "--", "-q"], "'-q' is one word too many"),
        (["completion", "--", "-q"], "'-q' is no shell known here"),
        (["methods", "--", "-q"], "'-q'"),
        (["methods", "hpsss"], "did you mean 'hpss'?"),
        (["demo", "--seconds", "0"], "'0' is no length in seconds"),
        (["demo", "--variant", "nix"], "invalid choice: 'nix'"),
        (["completion"], "SHELL is missing"),
        (["completion", "nix"], "'nix' is no shell known here"),
    ],
)
def test_a_mistake_says_what_was_meant(cli: Cli, words: list[str], said: str) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_methods_lists_every_method_with_its_papers(cli: Cli) -> None:
    done = cli("methods")
    assert done.code == 0
    for name in METHODS:
        assert f"{name}: " in done.out
    assert "Févotte and J. Idier" in done.out


def test_methods_as_json_is_what_python_has(cli: Cli) -> None:
    entries = {entry["name"]: entry for entry in json.loads(cli("methods", "--json").out)}
    assert set(entries) == set(METHODS)
    for name, entry in entries.items():
        assert entry["class"].endswith(METHODS[name].__name__)
        assert entry["summary"].endswith(".")
        assert entry["references"], f"{name} names no paper"
        assert all(p["doc"] for p in entry["parameters"])
    n_components = next(p for p in entries["nmf"]["parameters"] if p["name"] == "n_components")
    wanted = ("--n-components", "int", sigsep_classic.NMF().n_components)
    assert (n_components["option"], n_components["type"], n_components["default"]) == wanted


def test_a_method_that_is_named_is_explained_in_full(cli: Cli) -> None:
    done = cli("methods", "nmf")
    option = f"    --n-components {sigsep_classic.NMF().n_components}\n"
    assert option + "        Number of templates K, at least 1;" in done.out
    assert "hpss" not in done.out


def test_info_says_versions_devices_threads_codecs_and_cache(cli: Cli) -> None:
    found = json.loads(cli("info", "--json").out)
    assert found["version"] == sigsep_classic.__version__
    assert found["packages"]["numpy"]
    assert found["devices"]["cpu"]["available"] is True
    assert found["devices"]["cuda"]["detail"]
    assert found["threads"] >= 1
    assert {c["name"] for c in found["codecs"] if c["writes"]} >= {"wav", "flac", "mp3"}
    assert "cache" in found["compiler"]
    assert found["methods"] == list(METHODS)
    assert "pyroomacoustics" in found["extras"]
    text = cli("info").out
    for row in ("sigsep-classic:", "cuda:", "threads:", "kernel cache:", "reads and writes:"):
        assert row in text


def test_info_survives_a_device_that_is_not_there(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sigsep_classic.backend.cuda_status", lambda: (False, "there is none here"))
    monkeypatch.setenv("SIGSEP_DEVICE", "cuda")
    done = cli("info")
    assert done.code == 0
    assert "there is none here" in done.out
    assert "SIGSEP_DEVICE=cuda" in done.out


def test_demo_hands_its_options_on_and_prints_the_table(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, dict[str, Any]]] = []

    def run(folder: Any, **options: Any) -> dict[str, Any]:
        calls.append((folder, options))
        return {"score": float("inf")}

    fake = SimpleNamespace(run=run, format_table=lambda record, width: "the table")
    monkeypatch.setitem(sys.modules, "sigsep_classic.compare.demo", fake)
    monkeypatch.setattr("sigsep_classic.compare.demo", fake, raising=False)
    words = [
        "--variant",
        "hum",
        "--seed",
        "3",
        "--seconds",
        "2",
        "-m",
        "hpss",
        "-m",
        "nmf",
        "--no-report",
        "-o",
        "x",
    ]
    done = cli("demo", *words)
    assert done.out == "the table\n"
    ((folder, options),) = calls
    assert folder == Path("x")
    assert callable(options.pop("progress"))
    wanted = {"variant": "hum", "seed": 3, "seconds": 2.0, "methods": ["hpss", "nmf"], "report": False}
    assert options == wanted
    assert json.loads(cli("demo", "--json").out) == {"score": "inf"}
    assert cli("demo", "-q").out == ""


@pytest.mark.slow
def test_demo_scores_and_writes_sounds(cli: Cli) -> None:
    done = cli("demo", "--seconds", "3", "-m", "hpss", "--no-report")
    assert done.code == 0, done.err
    assert "hpss" in done.out
    assert Path("demo/mixture.wav").exists()
    assert cli("demo", "-m", "nix").code == 2


def test_demo_knows_the_variants_there_are() -> None:
    assert tuple(VARIANTS) == demo.VARIANTS


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs_methods_and_their_parameters(cli: Cli, shell: str) -> None:
    pytest.importorskip("shtab")
    done = cli("completion", shell)
    assert (done.code, done.err) == (0, "")
    for word in (*VERBS, *METHODS, "--n-components", "--n-sources", "--harmonic-margin"):
        assert word in done.out
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=done.out, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_completion_without_its_package_says_what_to_install(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    done = cli("completion", "bash")
    assert done.code == 1
    assert 'pip install "sigsep-classic[completion]"' in done.err


def test_the_manual_page_has_every_verb_and_man_reads_it_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("argparse_manpage")
    from sigsep_classic.cli.manual import page

    text = page()
    assert text == page()
    for verb in VERBS:
        assert f"sigsep\\-classic {verb}".replace("check-", "check\\-") in text
    if shutil.which("man") is None:
        return
    (tmp_path / "page.1").write_text(text)
    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", tmp_path / "page.1"],
        capture_output=True,
        env={"PATH": os.environ["PATH"], "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    for words in (
        "drums=0,3;voice=1,2",
        ".png, .svg",
        "EXIT STATUS",
    ):  # lines that troff could take for its own
        assert words in shown.stdout


def test_the_overview_fits_eighty_columns(cli: Cli) -> None:
    assert max(map(len, cli("--help").out.splitlines())) <= 80
