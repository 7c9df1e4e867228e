"""Which control a parameter gets, what a browser's answer means, and within which range it lies."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sigsep_classic.api import make_method
from sigsep_classic.beamforming import FILTERS
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.documentation import summary_of
from sigsep_classic.factorizers.parameters import Parameter, parameters_of
from sigsep_classic.grouping import GROUPERS
from sigsep_classic.phase import PHASES
from sigsep_classic.refusals import MASKS, models_of

BEYOND = 1e300
"""No parameter may be as large, or as far below zero: the refusal says what its range is."""

N_STEMS = 4
"""Of components, to begin with."""

AS_IS = "automatic"
"""What a list calls None: the method's own way."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """What a parameter looks like on a page.

    Parameters
    ----------
    parameter : Parameter
        With name, text and default.
    kind : {"switch", "choice", "whole", "number", "text"}
        A switch for bool, a list for named choices, a field for a whole number, a number, or a word.
    low, high : float
        The range the method accepts, as its own checks say it; infinite where there is no bound.
    above : bool
        Whether a value must be more than ``low``.
    """

    parameter: Parameter
    kind: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    @property
    def name(self) -> str:
        """As in Python."""
        return self.parameter.name

    @property
    def default(self) -> Any:
        """The value while nothing is changed."""
        return self.parameter.default

    @property
    def optional(self) -> bool:
        """Whether there may be no value."""
        return "None" in self.parameter.kinds

    @property
    def about(self) -> str:
        """The range and the default in words, one line."""
        parts = [] if self.range is None else [self.range]
        parts.append(f"default: {AS_IS if self.default is None else shown(self.default)}")
        return "; ".join(parts)

    @property
    def range(self) -> str | None:
        """The range in words; None where there is none."""
        low, high = math.isfinite(self.low), math.isfinite(self.high)
        least = f"{'more than' if self.above else 'at least'} {self.low:g}" if low else ""
        if low and high:
            return f"{least}, at most {self.high:g}" if self.above else f"{self.low:g} to {self.high:g}"
        return least or (f"at most {self.high:g}" if high else None)


def shown(value: Any) -> str:
    """Return a value as a page shows it."""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


@lru_cache(maxsize=1)
def summaries() -> dict[str, str]:
    """Return the methods that can be used here and what each does in one sentence."""
    found = {}
    for name in METHODS:
        try:
            found[name] = summary_of(METHODS[name])
        except Exception:  # a plug-in that is broken; `sigsep-classic methods` says how
            continue
    return found


def controls_of(method: str) -> tuple[Control, ...]:
    """Return a control for each parameter of a method that can be typed, in the order of its docstring.

    Raises
    ------
    ParameterError
        There is no such method.
    """
    return _controls_of(METHODS.find(method))


@lru_cache(maxsize=256)
def _controls_of(kind: type) -> tuple[Control, ...]:
    return tuple(_control(p, kind) for p in parameters_of(kind) if p.option)


def python_only(method: str) -> list[str]:
    """Return the parameters that no control can hold: arrays and objects."""
    return [p.name for p in parameters_of(METHODS.find(method)) if not p.option]


def _control(parameter: Parameter, kind: Any = None) -> Control:
    kinds = set(parameter.kinds) - {"None"}
    if kinds == {"bool"}:
        return Control(parameter=parameter, kind="switch")
    if parameter.choices:
        return Control(parameter=parameter, kind="choice")
    finite = not isinstance(parameter.default, float) or math.isfinite(parameter.default)
    if finite and kinds and kinds <= {"int", "float"}:
        low, high, above = _range(kind, parameter)
        form = "whole" if kinds == {"int"} else "number"
        return Control(parameter=parameter, kind=form, low=low, high=high, above=above)
    return Control(parameter=parameter, kind="text")


def _range(kind: Any, parameter: Parameter) -> tuple[float, float, bool]:
    """Return what a method's own check says of a parameter when it is given numbers no range holds."""
    whole = "float" not in parameter.kinds
    for sign in (-1, 1):
        try:
            kind(**{parameter.name: sign * (10**18 if whole else BEYOND)})
        except ParameterError as error:
            if error.bounds is not None and error.bounds[0] == parameter.name:
                return error.bounds[1:]
        except Exception:  # another package's method: its own affair, and told when it is used
            continue
    return -math.inf, math.inf, False


def beginning(method: str) -> dict[str, Any]:
    """Return what the lab begins with where that is not the default: dozens of components are no stems to hear."""
    names = {control.name for control in stem_controls(method)}
    return {"groups": "timbre", "n_sources": N_STEMS} if "groups" in names else {}


def stem_controls(method: str) -> tuple[Control, ...]:
    """Return the controls of how stems are made of what a method finds: grouping, mask, phase."""
    kind = METHODS.find(method)
    models = models_of(_made(kind))
    estimates = any(getattr(model, "estimates", False) is True for model in models)
    components = any(hasattr(model, "spectra") for model in models)
    found = []
    if components and not any(field.name == "n_sources" for field in dataclasses.fields(kind)):
        found += [
            _named(
                "groups",
                tuple(GROUPERS),
                "How components become stems; by default each is a stem of its own.",
            ),
            _stems_wanted(),
        ]
    masks = tuple(FILTERS) if estimates else tuple(MASKS)
    found.append(_named("mask", masks, "How spectrograms become gains; by default the method's own way."))
    if not estimates:
        found.append(
            _named("phase", tuple(PHASES), "Where stems take their phases from; by default from the mixture.")
        )
    return tuple(found)


def _made(kind: type) -> Any:
    try:
        return kind()
    except Exception:  # one with parameters that have no default: its annotations do as well
        return object.__new__(kind)


def _named(name: str, choices: tuple[str, ...], doc: str) -> Control:
    return _control(Parameter(name=name, type="str | None", default=None, doc=doc, choices=choices))


def _stems_wanted() -> Control:
    doc = "Number of stems that a grouping makes, where it takes one (timbre)."
    parameter = Parameter(name="n_sources", type="int | None", default=None, doc=doc)
    return Control(parameter=parameter, kind="whole", low=1)


def value_of(control: Control, answer: Any) -> Any:
    """Return the value that a control's answer stands for; an empty one is None where that may be, else the default.

    Raises
    ------
    ParameterError
        It is none of the choices, no number, or no whole one.
    """
    parameter = control.parameter
    if control.kind == "switch":
        return bool(answer)
    if answer is None or answer == "" or (answer == AS_IS and control.optional):
        return None if control.optional else control.default
    if control.kind in ("choice", "text"):
        return parameter.value_of(str(answer))
    try:
        number = float(answer)
    except (TypeError, ValueError):
        raise ParameterError(f"{control.name} is {answer!r}; it must be a number") from None
    if "int" in parameter.kinds and number.is_integer():
        return int(number)
    if control.kind == "whole":
        raise ParameterError(f"{control.name} is {answer}; it must be a whole number")
    return number


def changed(controls: Iterable[Control], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not the default, by name, in the order of the controls.

    Raises
    ------
    ParameterError
        As `value_of`.
    """
    found = {c.name: (value_of(c, answers[c.name]), c.default) for c in controls if c.name in answers}
    return {name: value for name, (value, default) in found.items() if value != default}


def complaint(method: str, parameters: Mapping[str, Any]) -> str:
    """Return what the method has to say against these values, one line; empty if it takes them."""
    try:
        make_method(method, **parameters)
    except ParameterError as error:
        return str(error)
    return ""
