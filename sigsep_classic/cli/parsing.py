"""Parsers whose errors are exceptions, whose options come in any order, and that say what was meant."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from sigsep_classic.cli.main import PROG
from sigsep_classic.errors import ParameterError

Hint = Callable[[str, argparse.Namespace], str | None]
"""What a verb can say about an option it doesn't know, given the option and what was parsed."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are `ParameterError`, for the one handler in ``main``."""

    def error(self, message: str) -> NoReturn:
        """Raise the message with the way to the help."""
        raise ParameterError(f"{message}; see {self.prog} --help")

    def print_help(self, file: Any = None) -> None:
        """Print the help; what the terminal has no letters for is spelt with backslashes."""
        from sigsep_classic.cli.output import say

        say(self.format_help().rstrip("\n"))


def verb_parser(verb: str, summary: str, *, arguments: str = "") -> Parser:
    """Return a parser with the options every verb has."""
    parser = Parser(
        prog=f"{PROG} {verb}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{PROG} {verb} [OPTIONS] {arguments}".strip(),
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is done and how long it takes")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    written = "options from a TOML file (default: [tool.sigsep-classic] of the nearest pyproject.toml)"
    parser.add_argument("--config", metavar="FILE", help=written)
    parser.add_argument("--no-config", action="store_true", help="only what is typed")
    return parser


def parse(parser: Parser, words: list[str], *, hint: Hint | None = None) -> argparse.Namespace:
    """Return the options in ``words``, files and options in any order; after ``--`` all words are files.

    Raises
    ------
    ParameterError
        A word is unknown or has no valid value.
    """
    left, right = _split(words)
    left = _with_places(left)
    options, extra = parser.parse_known_intermixed_args(left)
    if not extra:
        return _with_positionals(parser, options, right)
    unknown = next((word for word in extra if word.startswith("-") and word != "-"), None)
    if unknown is None:
        parser.error(f"{extra[0]!r} is one word too many")
    name = unknown.partition("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]
    near = _nearest(name, known)
    more = f"did you mean {near[0]}?" if near else (hint and hint(name, options))
    raise ParameterError(f"unknown option {name}; {more or 'there are ' + ', '.join(known)}")


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words before and after the first ``--``; argparse reads some of the latter as options."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1 :]


def _with_places(words: list[str]) -> list[str]:
    """Return the words with the value of ``--positions`` tied to it: one that begins with - would be an option."""
    tied: list[str] = []
    for word in words:
        if tied and tied[-1] == "--positions" and word[0] == "-" and word[1:2] in set(".0123456789"):
            tied[-1] += f"={word}"
        else:
            tied.append(word)
    return tied


def _with_positionals(parser: Parser, options: argparse.Namespace, words: list[str]) -> argparse.Namespace:
    """Return the options with words that came after ``--`` where the verb has room for them."""
    given, free = vars(options), words
    for action in parser._get_positional_actions():
        if action.nargs == "*":
            given, free = given | {action.dest: [*given[action.dest], *free]}, []
        elif free and given[action.dest] is None:
            given, free = given | {action.dest: free[0]}, free[1:]
    if free:
        parser.error(f"{free[0]!r} is one word too many")
    return argparse.Namespace(**given)


def unknown_verb(word: str, verbs: Iterable[str]) -> ParameterError:
    """Return the error for a first word that is no verb."""
    near = _nearest(word, verbs)
    if near:
        return ParameterError(f"{word!r} is no verb; did you mean {near[0]!r}?")
    if word.startswith("-"):
        return ParameterError(f"{word} comes before the verb; begin with one of {', '.join(verbs)}")
    if "." in word or "/" in word:
        return ParameterError(f"{word!r} is no verb; did you mean {PROG} separate {word}?")
    return ParameterError(f"{word!r} is no verb; use one of {', '.join(verbs)}")


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, list(known), n=1)


def whole_number(low: int) -> Callable[[str], int]:
    """Return a converter to integers of at least ``low``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {low}")
        return value

    return convert


def add_computing(group: Any) -> None:
    """Add to a group of options where to compute, and how many files at a time."""
    device = "auto, cpu, cuda or cuda:N (default: $SIGSEP_DEVICE, else auto)"
    group.add_argument("-d", "--device", metavar="DEVICE", help=device)
    jobs = "files at a time, each in a process with its share of the processors (default: 1); not for a GPU"
    group.add_argument("-j", "--jobs", type=whole_number(1), default=1, metavar="JOBS", help=jobs)
    limit = "what would take more goes in pieces: 800M, 2G … (default: $SIGSEP_MEMORY_LIMIT, else half of what is free)"
    group.add_argument("--memory-limit", metavar="SIZE", help=limit)


def memory_limit(options: argparse.Namespace) -> int | None:
    """Return the bytes that each of the jobs may take; None leaves it to where it is computed."""
    from sigsep_classic.memory import SHARE, free_memory, memory_bytes

    limit = memory_bytes(options.memory_limit)
    if limit is None and options.jobs > 1 and options.device == "cpu":
        limit = int(SHARE * free_memory())
    return None if limit is None else max(1, limit // options.jobs)


def named_file(text: str) -> tuple[str, str]:
    """Return name and path of ``NAME=FILE``."""
    name, _, path = text.partition("=")
    if not name.strip() or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE such as speech=talking.wav")
    return name.strip(), path


def method_in(words: list[str], default: str) -> str:
    """Return the method that ``words`` name, before it is known which options they may hold."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("-q", "-v", "-h"):
        finder.add_argument(flag, action="store_true")
    for option in ("-o", "-d", "-j"):
        finder.add_argument(option)
    finder.add_argument("-m", "--method", default=default)
    try:
        found: str = finder.parse_known_args(_split(words)[0])[0].method
    except argparse.ArgumentError:  # an option without its value: the full parser will say so
        return default
    return found


def parse_groups(text: str | None) -> str | Mapping[str, list[int]] | None:
    """Return a grouping from ``"timbre"`` or ``"drums=0,3;voice=1,2"``.

    Raises
    ------
    ParameterError
        A part is not a name with component numbers.
    """
    if text is None or "=" not in text:
        return text
    groups: dict[str, list[int]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, members = (piece.strip() for piece in part.partition("="))
        try:
            numbers = [int(k) for k in members.split(",")]
        except ValueError:
            numbers = []
        if not name or not numbers:
            raise ParameterError(f'--groups: {part!r} is not NAME=0,3; write "drums=0,3;voice=1,2"')
        if name in groups:
            raise ParameterError(f"--groups: {name!r} is given twice; put its components in one list")
        groups[name] = numbers
    return groups


def parse_positions(text: str | None) -> list[list[float]] | None:
    """Return places from ``"0,0;0.05,0"``, or from the lines of a file of that name.

    Raises
    ------
    ParameterError
        A place is not two or three numbers, or the file is no text.
    """
    if text is None:
        return None
    if os.path.isfile(text):
        try:
            with open(text, encoding="utf-8") as file:
                parts = file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            raise ParameterError(f"--positions: {text} can't be read as text") from None
    else:
        parts = text.split(";")
    places: list[list[float]] = []
    for part in filter(None, (part.strip() for part in parts)):
        try:
            place = [float(number) for number in part.split(",")]
        except ValueError:
            place = []
        if len(place) not in (2, 3) or (places and len(place) != len(places[0])):
            raise ParameterError(
                f'--positions: {part!r:.60} is no place like the others; write "0,0;0.05,0" or a file'
            )
        places.append(place)
    if not places:
        raise ParameterError('--positions is empty; write "0,0;0.05,0" or a file of such lines')
    return places


def parse_window(text: str | None) -> Any:
    """Return a window as ``scipy.signal.get_window`` takes it: ``"hann"``, or ``"kaiser,8"`` as a tuple."""
    if text is None or "," not in text:
        return text
    name, *numbers = text.split(",")
    try:
        return (name, *map(float, numbers))
    except ValueError:
        raise ParameterError(f"--window: {text!r} is not NAME or NAME,NUMBER such as kaiser,8") from None
