"""What was asked of the lab as text that does the same without it: Python, and the command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from sigsep_classic.factorizers import METHODS
from sigsep_classic.factorizers.parameters import parameters_of

WIDTH = 100
LONGEST_NAME = 120


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A recording that came through the browser, which tells its name and nothing of where it lies.

    Parameters
    ----------
    name : str
        Of the file, without folders.
    """

    name: str

    @property
    def track(self) -> str:
        """What its stems and pages are called after."""
        return PurePosixPath(self.name).stem


@dataclass(frozen=True, kw_only=True)
class Example:
    """A mixture made on the spot; see `datasets.synthesize`.

    Parameters
    ----------
    variant : str
        Which one.
    seed : int
        Another seed, another piece.
    """

    variant: str = "song"
    seed: int = 0

    @property
    def name(self) -> str:
        """What the page calls it."""
        return f"example: {self.variant}"

    @property
    def track(self) -> str:
        """What its stems and pages are called after."""
        return "mixture"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A separation that is asked for.

    Parameters
    ----------
    sound : Uploaded or Example
        Of what.
    method : str
        A name in `METHODS`.
    parameters : mapping
        The method's, those that are not the default.
    options : mapping
        ``groups``, ``n_sources``, ``mask`` and ``phase`` of `separate`, where given.
    """

    sound: Uploaded | Example
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def plain_name(text: str) -> str:
    """Return a file name as a browser tells it, without folders and control characters."""
    name = PurePosixPath(text.replace("\\", "/")).name
    name = "".join(c for c in name if c.isprintable()).strip()
    return name[-LONGEST_NAME:] or "recording"


def python(ask: Ask) -> str:
    """Return Python that makes the same stems, bit for bit, saves them, and makes the same page and picture."""
    own = {"method": ask.method, **ask.parameters, **ask.options}
    lines = ["import sigsep_classic as ssc", ""]
    if isinstance(ask.sound, Example):
        lines.append(f'mix = ssc.synthesize("{ask.sound.variant}", seed={ask.sound.seed})')
        given = ["mix.mixture", "mix.sample_rate"]
    else:
        given = [_written(ask.sound.name)]
    track = ask.sound.track
    lines += [
        _call("sep = ssc.separate", [*given, *(f"{name}={_written(value)}" for name, value in own.items())]),
        'sep.save("separated")',
        f"ssc.report(sep, {_written(track + '.html')})",
        f"sep.plot().savefig({_written(track + '.png')})",
    ]
    return "\n".join(lines) + "\n"


def _call(head: str, arguments: list[str]) -> str:
    line = f"{head}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{head}(", *(f"    {argument}," for argument in arguments), ")"])


def _written(value: Any) -> str:
    """Return a value as Python spells it, text in double quotes where it has none itself."""
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def shell(ask: Ask) -> str:
    """Return the lines for a terminal that write the same stems."""
    words = ["sigsep-classic", "separate", _operand(ask.sound), "-m", ask.method]
    options = {p.name: p.option for p in parameters_of(METHODS.find(ask.method))}
    for name, value in {**ask.parameters, **ask.options}.items():
        words += _typed(options.get(name) or f"--{name.replace('_', '-')}", value)
    lines = [shlex.join(words)]
    if isinstance(ask.sound, Example):
        made = ["sigsep-classic", "demo", "--variant", ask.sound.variant, "--seed", str(ask.sound.seed)]
        lines.insert(0, shlex.join([*made, "-m", "hpss", "--no-report", "-q"]))
    return "\n".join(lines) + "\n"


def _operand(sound: Uploaded | Example) -> str:
    if isinstance(sound, Example):
        return "demo/mixture.wav"
    return f"./{sound.name}" if sound.name.startswith("-") else sound.name


def _typed(option: str, value: Any) -> list[str]:
    """Return an option as it is typed; what looks like an option itself is tied to it."""
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    text = "none" if value is None else str(value)
    return [f"{option}={text}"] if text.startswith("-") else [option, text]
