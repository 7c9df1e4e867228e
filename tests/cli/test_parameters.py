"""Options are made from the dataclass fields of a method and its docstring."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from sigsep_classic.cli import parsing
from sigsep_classic.cli.parameters import Parameter, add_option, parameters_of
from sigsep_classic.cli.separate import add_options
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.documentation import references_of, summary_of

WORDS: dict[str, tuple[str, Any]] = {
    "int": ("3", 3),
    "float": ("0.5", 0.5),
    "bool": ("", True),
    "str": ("x", "x"),
}


@dataclass(frozen=True, kw_only=True)
class Base:
    """A base.

    Parameters
    ----------
    n_iter : int
        Steps, from the base.
    """

    n_iter: int = 5


@dataclass(frozen=True, kw_only=True)
class Made(Base):
    """Line one
    goes on. Here is more.

    Second paragraph.

    Parameters
    ----------
    kind : {"one", 'two'}
        Which ``kind``,
        over two lines.
    low, high : float
        Two at once.
    window : tuple of int
        Not for the command line.
    sure : bool
        A switch.
    either : int or str
        One of two.
    needed : float
        Has no default.

    Raises
    ------
    ParameterError
        low : never a parameter.

    References
    ----------
    First paper,
    2001.

    Second paper, 2002.

    Notes
    -----
    Nothing.
    """

    needed: float
    kind: str = "one"
    low: float = 1.0
    high: float | None = None
    window: tuple[int, ...] = (1, 2)
    sure: bool = False
    either: int | str = 1
    grid: Any = None


def made(name: str) -> Parameter:
    return next(p for p in parameters_of(Made) if p.name == name)


def test_parameters_follow_the_docstring_and_leave_out_the_grid() -> None:
    names = ["kind", "low", "high", "window", "sure", "either", "needed", "n_iter"]
    assert [p.name for p in parameters_of(Made)] == names


def test_docs_types_defaults_and_choices_are_read() -> None:
    kind = made("kind")
    assert (kind.doc, kind.type, kind.default) == ("Which kind, over two lines.", "str", "one")
    assert kind.choices == ("one", "two")
    assert (made("low").doc, made("high").doc) == ("Two at once.", "Two at once.")
    assert (made("high").type, made("high").default) == ("float | None", None)
    assert made("n_iter").doc == "Steps, from the base."
    assert made("needed").required


def test_summary_and_references_are_one_line_each() -> None:
    assert summary_of(Made) == "Line one goes on. Here is more."
    assert references_of(Made) == ["First paper, 2001.", "Second paper, 2002."]


def test_a_type_that_cannot_be_typed_has_no_option() -> None:
    assert made("window").option is None
    assert made("n_iter").option == "--n-iter"


def test_words_become_values_of_the_annotated_type() -> None:
    assert made("high").value_of("none") is None
    assert made("high").value_of("inf") == float("inf")
    assert made("either").value_of("3") == 3
    assert made("either").value_of("x") == "x"
    for name, word in (("n_iter", "1.5"), ("high", "x"), ("kind", "three")):
        with pytest.raises(ParameterError):
            made(name).value_of(word)


def test_switches_have_two_forms_and_untyped_options_leave_no_trace() -> None:
    parser = parsing.Parser(allow_abbrev=False)
    for parameter in parameters_of(Made):
        if parameter.option:
            add_option(parser, parameter)
    assert vars(parser.parse_args([])) == {}
    assert vars(parser.parse_args(["--sure"])) == {"parameter:sure": True}
    assert vars(parser.parse_args(["--no-sure", "--low", "-2"])) == {
        "parameter:sure": False,
        "parameter:low": -2.0,
    }


@pytest.mark.parametrize("name", METHODS)
def test_every_field_of_every_method_is_documented_and_has_its_option(name: str) -> None:
    kind = METHODS[name]
    parser = parsing.verb_parser("separate", "separates")
    add_options(parser, ["-m", name])
    found = parameters_of(kind)
    assert {p.name for p in found} == {f.name for f in dataclasses.fields(kind) if f.init} - {
        "grid",
        "frontend",
        "level",
    }
    for p in found:
        assert p.doc, f"{name}.{p.name} is not documented"
        if p.option is None:
            continue
        type_ = next(kind for kind in p.kinds if kind != "None")
        word, value = (p.choices[0], p.choices[0]) if p.choices else WORDS[type_]
        typed = [p.option, word] if word else [p.option]
        dest = f"parameter:{p.name}"
        options = parsing.parse(parser, ["song.wav", *typed])
        assert vars(options)[dest] == value
        assert options.input == ["song.wav"]
    text = parser.format_help()
    assert f"parameters of {name}" in text or not any(p.option for p in found)


@pytest.mark.parametrize("name", METHODS)
def test_every_default_is_one_of_its_choices(name: str) -> None:
    for parameter in parameters_of(METHODS[name]):
        if parameter.choices and parameter.default is not None:
            assert parameter.default in parameter.choices


def test_a_parameter_of_the_method_wins_over_a_general_option_of_that_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Clash:
        """Names that are taken.

        Parameters
        ----------
        n_sources : int
            Its own.
        output : str
            Taken for good.
        """

        n_sources: int = 2
        output: str = "x"

    monkeypatch.setitem(METHODS._found, "clash_er", Clash)
    monkeypatch.setitem(METHODS._places, "clash_er", "")
    parser = parsing.verb_parser("separate", "separates")
    add_options(parser, ["-m", "clash_er"])
    options = vars(parsing.parse(parser, ["--n-sources", "3", "--clash-er-output", "y", "-o", "z"]))
    assert options["parameter:n_sources"] == 3
    assert options["parameter:output"] == "y"
    assert options["output"] == "z"
    assert "n_sources" not in options


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "nmf"],
        ["-mnmf"],
        ["--method=nmf"],
        ["--method", "nmf"],
        ["a.wav", "-q", "-o", "x", "-m", "nmf", "b"],
    ],
)
def test_the_method_is_found_however_it_is_spelt(words: list[str]) -> None:
    assert parsing.method_in(words, "hpss") == "nmf"
    assert parsing.method_in(["-o", "nmf"], "hpss") == "hpss"


def test_a_method_after_two_dashes_is_a_file() -> None:
    assert parsing.method_in(["--", "-m", "nmf"], "hpss") == "hpss"
    assert parsing.method_in(["-m", "nmf", "--", "-m", "repet"], "hpss") == "nmf"


@pytest.mark.parametrize(
    ("words", "files", "output"),
    [
        (["--", "a.wav", "-odd.wav"], ["a.wav", "-odd.wav"], "separated"),
        (["-o", "d3", "--", "-odd.wav"], ["-odd.wav"], "d3"),
        (["a.wav", "-o", "d3", "b.wav", "--", "--output", "x"], ["a.wav", "b.wav", "--output", "x"], "d3"),
        (["--", "--", "-q"], ["--", "-q"], "separated"),
        (["a.wav", "--"], ["a.wav"], "separated"),
        (["--"], [], "separated"),
    ],
)
def test_all_words_after_two_dashes_are_files(words: list[str], files: list[str], output: str) -> None:
    parser = parsing.verb_parser("separate", "separates")
    add_options(parser, words)
    options = parsing.parse(parser, words)
    assert (options.input, options.output, options.quiet) == (files, output, False)


def test_an_option_before_two_dashes_does_not_take_them_as_its_value() -> None:
    parser = parsing.verb_parser("separate", "separates")
    add_options(parser, [])
    with pytest.raises(ParameterError, match="expected one argument"):
        parsing.parse(parser, ["-o", "--", "a.wav"])
