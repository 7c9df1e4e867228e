"""A method's parameters, read from its dataclass fields and its numpydoc: for options, listings and pages."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers.base import FILLED_IN
from sigsep_classic.factorizers.documentation import plain_words, sections

TYPES: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}
"""Types an option can have, beside bool, in the order in which a value is tried."""

_WORDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "yes or no", "None": "none"}


def _typable(kinds: tuple[str, ...]) -> bool:
    """Whether a word can say all there is, or a name or none in place of an object."""
    usable = {*TYPES, "bool", "None"}
    return usable.issuperset(kinds) or {"str", "None"}.issubset(kinds)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a method.

    Parameters
    ----------
    name : str
        As in Python.
    type : str
        Its annotation, such as ``"int | None"``.
    default : object
        None also where there is no default; see ``required``.
    doc : str
        Its text in the class docstring, on one line.
    choices : tuple of str
        Values the docstring lists as ``{"a", "b"}``; empty if it lists none.
    required : bool
        Whether there is no default.
    """

    name: str
    type: str
    default: Any
    doc: str
    choices: tuple[str, ...] = ()
    required: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The parts of the annotation: ``("int", "None")``."""
        return tuple(part.strip() for part in self.type.split("|"))

    @property
    def option(self) -> str | None:
        """The option on the command line, or None for a type that can't be typed there."""
        return "--" + self.name.replace("_", "-") if _typable(self.kinds) else None

    def value_of(self, text: str) -> Any:
        """Return the value of a word that was typed.

        Raises
        ------
        ParameterError
            It is none of the types or choices.
        """
        if "None" in self.kinds and text.lower() == "none":
            return None
        if self.choices and text not in self.choices:
            raise ParameterError(f"{text!r} is unknown; use one of {', '.join(self.choices)}")
        for kind, convert in TYPES.items():
            if kind in self.kinds:
                try:
                    return convert(text)
                except ValueError:
                    continue
        raise ParameterError(f"{text!r} is not {' or '.join(map(_WORDS.__getitem__, self.kinds))}")


def parameters_of(kind: type) -> list[Parameter]:
    """Return the parameters of a method's class in the order of its docstring, without what `separate` fills in."""
    docs = _documented(kind)
    order = {name: i for i, name in enumerate(docs)}
    found = []
    for field in sorted(dataclasses.fields(kind), key=lambda field: order.get(field.name, len(order))):
        if not field.init or field.name in FILLED_IN:
            continue
        described, doc = docs.get(field.name, ("", ""))
        default, required = _default(field)
        found.append(
            Parameter(
                name=field.name,
                type=_annotation(field.type),
                default=default,
                doc=doc,
                choices=_choices(described),
                required=required,
            )
        )
    return found


def _default(field: dataclasses.Field[Any]) -> tuple[Any, bool]:
    if field.default is not dataclasses.MISSING:
        return field.default, False
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory(), False
    return None, True


def _annotation(annotation: Any) -> str:
    """Return an annotation as text, whether or not the module postpones their evaluation."""
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "").replace("NoneType", "None")


def _choices(described: str) -> tuple[str, ...]:
    """Return the names in ``{"a", "b"}``."""
    listed = re.match(r"\{(.*?)\}", described)
    return tuple(re.findall(r"[\"']([^\"']+)[\"']", listed[1])) if listed else ()


def _documented(kind: type) -> dict[str, tuple[str, str]]:
    """Return (type, text) by parameter name; what a class leaves out is looked up in its bases."""
    found: dict[str, tuple[str, str]] = {}
    for base in kind.__mro__:
        if "__doc__" not in vars(base) or not dataclasses.is_dataclass(base):
            continue
        names: list[str] = []
        described, lines = "", list[str]()
        for line in [*sections(base).get("Parameters", "").split("\n"), "end"]:
            if line[:1].strip():
                for name in names:
                    found.setdefault(name, (described, plain_words("\n".join(lines))))
                left, _, described = (part.strip() for part in line.partition(" : "))
                names, lines = [name.strip(" *") for name in left.split(",")], []
            else:
                lines.append(line)
    return found
