"""The list of what is to be done: one JSON object a line, a file with a method and its parameters."""

from __future__ import annotations

import dataclasses
import json
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sigsep_classic.audio.publish import FileSet
from sigsep_classic.checks import did_you_mean
from sigsep_classic.errors import AudioError, ParameterError

OPTIONS = ("mask", "phase", "groups", "n_sources", "order", "positions")
"""What `separate` takes beside the method's parameters, and a unit may say too."""

_FIELDS = ("file", "method", "parameters", "model", "track", "name", *OPTIONS)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One file with one method: the stems go to ``results/track/name/``.

    Parameters
    ----------
    file : str
        The sound file; a relative path begins at the manifest's folder.
    method : str
        Its name.
    parameters : dict of str to JSON value
        Of the method; the rest are its defaults.
    model : str
        A file of `save_model` that is applied in place of a method; empty for none.
    options : dict of str to JSON value
        ``mask``, ``phase``, ``groups``, ``n_sources``, ``order`` and ``positions`` of `separate`; in the file they
        stand beside the others.
    track : str
        Folder of the file's results; default: a relative path without its suffix, else the file's name without.
    name : str
        Folder below that; default: the method's name.
    line : int
        Where it stands in its manifest, from 1, for messages; 0 is nowhere.

    Raises
    ------
    ParameterError
        ``order`` or ``positions`` with a model, whose sources are in the order they were found in.
    """

    file: str
    method: str = "hpss"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    track: str = ""
    name: str = ""
    line: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        for key in ("order", "positions"):
            if self.model and key in self.options:
                raise ParameterError(f'"model" is applied as it is; leave "{key}" out')

    @cached_property
    def place(self) -> str:
        """Where its stems are below the folder of results: ``track/name``."""
        return f"{self.track or _track_of(self.file)}/{self.name or self._usual_name}"

    @property
    def _usual_name(self) -> str:
        return os.path.splitext(os.path.basename(self.model))[0] if self.model else self.method

    def told(self) -> dict[str, Any]:
        """Return the JSON object of its line, without what is left to defaults."""
        plain = dataclasses.asdict(self)
        options = plain.pop("options")
        del plain["line"]
        if self.model:
            del plain["method"]
        return {key: value for key, value in {**plain, **options}.items() if value not in ("", {})}


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Units, and the folder that relative paths begin at.

    Parameters
    ----------
    units : sequence of Unit
        What is to be done.
    folder : str
        Default: the current one.
    source : str
        The file it was read from, for messages.

    Raises
    ------
    ParameterError
        Two units would have their results in one place, or a place is not below the folder of results.
    """

    units: Sequence[Unit]
    folder: str = "."
    source: str = "manifest"

    def __post_init__(self) -> None:
        taken: dict[str, Unit] = {}
        for unit in self.units:
            key = self._key(unit)
            if key in taken:
                raise ParameterError(
                    f"{self.where(unit)} and {self.where(taken[key])} would write to {unit.place}; "
                    'give them "name" or "track" of their own'
                )
            taken[key] = unit
        for key, unit in taken.items():
            above = key.rpartition("/")[0]
            while above:
                if above in taken:
                    raise ParameterError(
                        f"{self.where(unit)} would write into {taken[above].place}, the result of "
                        f'{self.where(taken[above])}; give it another "track"'
                    )
                above = above.rpartition("/")[0]

    def path(self, name: str) -> str:
        """Return the absolute path of a file that a unit names."""
        return os.path.join(self._base, name)

    @cached_property
    def _base(self) -> str:
        return os.path.abspath(self.folder)

    def where(self, unit: Unit) -> str:
        """Return where a unit stands, for messages."""
        return f"{self.source}:{unit.line}" if unit.line else f"{self.source}: {unit.file}"

    def _key(self, unit: Unit) -> str:
        """Return a unit's place as some file systems see it: a.wav, A.wav and other spellings of an accent are one."""
        place = unit.place
        parts = place.split("/")
        if "\0" in place or any(not part or part[0] == "." for part in parts):
            raise ParameterError(
                f"{self.where(unit)}: {place!r:.80} can't be a folder below the results; "
                'give "track" and "name" without leading dots'
            )
        return place.casefold() if place.isascii() else unicodedata.normalize("NFC", place).casefold()


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """Return the units of a file of JSON lines; empty lines, and those that begin with #, are passed over.

    Parameters
    ----------
    path : str or path
        Each line an object such as ``{"file": "a.wav", "method": "nmf", "parameters": {"n_components": 12}}``.

    Raises
    ------
    AudioError
        The file can't be read.
    ParameterError
        A line is no such object; says which.
    """
    name = os.fspath(path)
    try:
        with open(name, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise AudioError(f"{name}: can't be read ({reason}); give a file of JSON lines") from None
    units = [
        _unit(line, f"{name}:{i}", i)
        for i, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not units:
        raise ParameterError(f'{name}: is empty; write lines such as {{"file": "a.wav", "method": "hpss"}}')
    return Manifest(units=units, folder=os.path.dirname(os.path.abspath(name)), source=name)


def write_manifest(path: str | os.PathLike[str], units: Iterable[Unit]) -> None:
    """Write units as JSON lines, all or nothing.

    Parameters
    ----------
    path : str or path
        The file.
    units : iterable of Unit
        One a line.

    Raises
    ------
    OutputError
        The file can't be written.
    """
    name = os.fspath(path)
    text = "".join(json.dumps(unit.told(), ensure_ascii=True) + "\n" for unit in units)
    with FileSet([name]) as files, open(files.temporary(name), "w", encoding="utf-8") as file:
        file.write(text)


def _unit(line: str, where: str, number: int) -> Unit:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise ParameterError(f"{where}: is no JSON ({error}); write one object a line") from None
    if not isinstance(told, dict):
        raise ParameterError(f'{where}: is no JSON object; write {{"file": "a.wav", "method": "hpss"}}')
    for key in told:
        if key not in _FIELDS:
            raise ParameterError(
                f"{where}: {key!r:.40} is unknown; {did_you_mean(key, _FIELDS, 'there are')}"
            )
    for key in ("file", "method", "model", "track", "name"):
        if not isinstance(told.get(key, ""), str):
            raise ParameterError(f'{where}: "{key}" is {told[key]!r:.40}; it must be text')
    if not told.get("file"):
        raise ParameterError(f'{where}: has no "file"; name the sound file')
    if not isinstance(told.get("parameters", {}), dict):
        raise ParameterError(
            f'{where}: "parameters" is {told["parameters"]!r:.40}; write {{"n_components": 12}}'
        )
    for key in sorted({"method", "parameters"} & set(told)):
        if "model" in told:
            raise ParameterError(f'{where}: "model" is applied as it is; leave "{key}" out')
    options = {key: told.pop(key) for key in OPTIONS if key in told}
    try:
        return Unit(**told, options=options, line=number)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None


def _track_of(file: str) -> str:
    """Return the path of a file without its suffix where it lies below the manifest, else its name without."""
    stem = os.path.splitext(file)[0]
    plain = os.path.normpath(stem).replace(os.sep, "/")
    below = not os.path.isabs(file) and not plain.startswith("..")
    return plain if below else plain.rpartition("/")[2]
