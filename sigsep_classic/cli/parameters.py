"""A method's parameters as options of the command line."""

from __future__ import annotations

import argparse
from typing import Any

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.parameters import Parameter, parameters_of

__all__ = ["Parameter", "add_option", "parameters_of"]


def add_option(group: Any, parameter: Parameter, *, option: str | None = None) -> None:
    """Add a parameter to an argparse group; only what is typed ends up in the namespace."""
    flag = option or parameter.option
    shared = {"dest": f"parameter:{parameter.name}", "default": argparse.SUPPRESS, "help": _help(parameter)}
    if parameter.kinds == ("bool",):
        action = argparse.BooleanOptionalAction
        # Its own note on the default knows nothing of SUPPRESS.
        group.add_argument(flag, action=action, **shared)
        return

    def convert(text: str) -> Any:
        try:
            return parameter.value_of(text)
        except ParameterError as error:  # argparse would print a line of its own for any other error
            raise argparse.ArgumentTypeError(str(error)) from None

    choices = parameter.choices
    metavar = "{" + ",".join(choices) + "}" if choices else _metavar(parameter)
    group.add_argument(flag, type=convert, metavar=metavar, **shared)


def _metavar(parameter: Parameter) -> str:
    return "|".join("none" if kind == "None" else kind.upper() for kind in parameter.kinds)


def _help(parameter: Parameter) -> str:
    shown = "" if parameter.required or parameter.default is None else f" (default: {parameter.default})"
    return (parameter.doc.rstrip(".") + shown).replace("%", "%%")
