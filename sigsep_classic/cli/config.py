"""Options from a file: ``--config FILE``, or ``[tool.sigsep-classic]`` in the nearest ``pyproject.toml``.

Each verb has a table of its long options without the dashes; ``methods.NAME`` has the parameters of a method and counts
where ``separate`` or ``plot`` is run with it. What is typed goes before what is written::

    [tool.sigsep-classic.separate]
    method = "nmf"
    jobs = 2

    [tool.sigsep-classic.methods.nmf]
    n-components = 20
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from typing import Any

from sigsep_classic.errors import ParameterError

OPTION = "--config"
OFF = "--no-config"
TOOL = "sigsep-classic"
PROJECT = "pyproject.toml"
METHOD_VERBS = ("separate", "plot")


class Config:  # no dataclass: those take as long to import as all of a verb's --help
    """What a file says about the options of verbs.

    Parameters
    ----------
    path : str
        The file, or ``""``.
    tables : mapping, optional
        By verb, and ``methods`` with a table for each.
    """

    def __init__(self, path: str = "", tables: Mapping[str, Any] | None = None) -> None:
        self.path, self.tables = path, dict(tables or {})

    def words(self, verb: str, typed: list[str], default_method: str) -> list[str]:
        """Return the words of a verb with those of the file before the ones typed."""
        own = self._table(self.tables, verb)
        words = [*self._words(own, verb), *typed]
        if verb in METHOD_VERBS and "methods" in self.tables:
            from sigsep_classic.cli.parsing import method_in

            method = method_in(words, default_method)
            tables = self._table(self.tables, "methods")
            return [*self._words(self._table(tables, method), f"methods.{method}"), *words]
        return words

    def check(self, verb: str, parser: argparse.ArgumentParser) -> None:
        """Raise `ParameterError` if the verb has no option of a name in its table."""
        known = {option for action in parser._actions for option in action.option_strings}
        for name, value in self._table(self.tables, verb).items():
            option = _option(name, value)
            if option not in known:
                raise ParameterError(f"{self.path}: {verb} has no option {option}; see {parser.prog} --help")

    def _table(self, tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        found = tables.get(name, {})
        if not isinstance(found, Mapping):
            raise ParameterError(f"{self.path}: {name} is {found!r:.60}; it must be a table of options")
        return found

    def _words(self, table: Mapping[str, Any], where: str) -> Iterator[str]:
        for name, value in table.items():
            option = _option(name, value)
            if isinstance(value, bool):
                yield option
                continue
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, (str, int, float)):
                    raise ParameterError(
                        f"{self.path}: {where}.{name} is {one!r:.60}; expected text, a number, true, false or a list"
                    )
                yield f"{option}={one}"


def taken(words: list[str]) -> tuple[Config, list[str]]:
    """Return the configuration that words name, or that lies nearby, and the words without the options for it.

    Raises
    ------
    ParameterError
        The file that is named can't be read, or one is no TOML.
    """
    end = words.index("--") if "--" in words else len(words)
    left, right = words[:end], words[end:]
    if OFF in left:
        return Config(), [word for word in left if word != OFF] + right
    for at, word in enumerate(left):
        if word == OPTION and at + 1 < len(left):
            return _read(left[at + 1], named=True), left[:at] + left[at + 2 :] + right
        if word.startswith(f"{OPTION}="):
            return _read(word.partition("=")[2], named=True), left[:at] + left[at + 1 :] + right
    path = _nearest_project()
    return (_read(path, named=False) if path else Config()), words


def _nearest_project() -> str:
    try:
        folder = os.getcwd()
    except OSError:  # it is gone
        return ""
    while True:
        path = os.path.join(folder, PROJECT)
        if os.path.isfile(path):
            return path
        if os.path.dirname(folder) == folder:
            return ""
        folder = os.path.dirname(folder)


def _read(path: str, *, named: bool) -> Config:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        if not named:
            return Config()
        raise ParameterError(f"{OPTION}: {path} can't be read: {error.strerror}") from None
    if not named and TOOL.encode() not in content:
        return Config()  # most projects: no parser is needed
    import tomllib

    try:
        found = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(f"{path} is no TOML: {error}; mend it, or go on with {OFF}") from None
    of_tool = found.get("tool", {}).get(TOOL) if isinstance(found.get("tool", {}), dict) else None
    tables = of_tool if of_tool is not None or not named else found
    if tables is not None and not isinstance(tables, dict):
        raise ParameterError(f"{path}: tool.{TOOL} is {tables!r:.60}; it must be a table of verbs")
    return Config(path, tables)


def _option(name: str, value: Any) -> str:
    return f"--{'no-' if value is False else ''}{name.replace('_', '-')}"
