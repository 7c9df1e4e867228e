"""File names as a pattern, ``{subset}/{track}/{stem}.wav``: which files fit, and what each part says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sigsep_classic.audio import AUDIO_SUFFIXES
from sigsep_classic.datasets.folders import plain, sound_files, subfolders
from sigsep_classic.errors import ParameterError

FIELDS = ("subset", "track", "stem", "model")
_TOKEN = re.compile(r"\{(\w*)\}|(\*)")


class Match(NamedTuple):
    """A file that fits a pattern, and the text of its fields."""

    path: Path
    fields: dict[str, str]


class Pattern:
    """A pattern of file names below a folder.

    Parameters
    ----------
    text : str
        Folders and a file name with ``{track}``, ``{stem}``, ``{subset}``, ``{model}``, and ``*`` for any text.
        A field does not go over a ``/``; where two could share a text, the first takes the most of it; one that
        is there twice is the same text twice. Without a suffix any sound file fits.

    Raises
    ------
    ParameterError
        There is no ``{stem}``, an unknown field, or a way out of the folder.

    Examples
    --------
    >>> Pattern("{track}/{track}_{stem}.wav").fields("a_b/a_b_vocals.wav")
    {'track': 'a_b', 'stem': 'vocals'}
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = [part for part in plain(text).replace(os.sep, "/").split("/") if part not in ("", ".")]
        for token in _TOKEN.finditer(text):
            if token[1] is not None and token[1] not in FIELDS:
                listed = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise ParameterError(f"pattern {text!r} has the field {token[0]}; use {listed} or *")
        if "{stem}" not in text:
            raise ParameterError(
                f"pattern {text!r} has no {{stem}}; write such as {{subset}}/{{track}}/{{stem}}.wav"
            )
        if ".." in parts or os.path.isabs(text):
            raise ParameterError(f"pattern {text!r} leaves the folder; write it from the data set's root on")
        if os.path.splitext(parts[-1])[1].lower() not in AUDIO_SUFFIXES and not parts[-1].endswith(".*"):
            parts[-1] += ".*"
        self._folders = [re.compile(_regex(part, set())) for part in parts[:-1]]
        bound: set[str] = set()
        self._whole = re.compile("/".join(_regex(part, bound) for part in parts))

    def fields(self, name: str) -> dict[str, str] | None:
        """Return the fields of a path relative to the root with ``/``, or None if it doesn't fit."""
        match = self._whole.fullmatch(plain(name))
        return match.groupdict() if match else None

    def walk(self, root: Path) -> Iterator[Match]:
        """Yield the sound files below ``root`` that fit, folder after folder by name."""
        yield from self._walk(root, "", 0)

    def _walk(self, folder: Path, above: str, depth: int) -> Iterator[Match]:
        if depth == len(self._folders):
            for path in sound_files(folder):
                fields = self.fields(above + path.name)
                if fields is not None:
                    yield Match(path, fields)
            return
        for inner in subfolders(folder):
            if self._folders[depth].fullmatch(plain(inner.name)):
                yield from self._walk(inner, f"{above}{inner.name}/", depth + 1)


def _regex(part: str, bound: set[str]) -> str:
    """Return a regular expression for one part of a path; fields in ``bound`` must repeat their text."""
    pieces, at = [], 0
    for token in _TOKEN.finditer(part):
        pieces.append(re.escape(part[at : token.start()]))
        name, at = token[1], token.end()
        if name is None:
            pieces.append("[^/]*")
        elif name in bound:
            pieces.append(f"(?P={name})")
        else:
            pieces.append(f"(?P<{name}>[^/]+)")
            bound.add(name)
    return "".join([*pieces, re.escape(part[at:])])
