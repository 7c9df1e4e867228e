"""Methods as they are asked for: by name and parameters, or taught by examples."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from sigsep_classic import audio
from sigsep_classic.backend import from_foreign, namespace
from sigsep_classic.checks import did_you_mean
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS
from sigsep_classic.pipeline import default_frontend
from sigsep_classic.synthesis import level
from sigsep_classic.typing import Array, FrontEnd


def make_method(method: Any, **parameters: Any) -> Any:
    """Return a factorizer for a name with parameters, or the one given.

    Raises
    ------
    ParameterError
        The method or a parameter is unknown, or a parameter is out of range.
    """
    if not isinstance(method, str):
        if parameters:
            name = next(iter(parameters))
            raise ParameterError(
                f"parameter {name!r} goes into the method: {type(method).__name__}({name}=...)"
            )
        if isinstance(method, type):
            raise ParameterError(
                f"method is the class {method.__name__}; give an instance: {method.__name__}()"
            )
        if not hasattr(method, "fit"):
            raise ParameterError(f"method is {method!r}; give a name or an object with fit(X)")
        return method
    kind = METHODS.find(method)
    known = [f.name for f in dataclasses.fields(kind) if f.init and f.name not in ("grid", "level")]
    for name in parameters:
        if name not in known:
            raise ParameterError(f"{method} has no parameter {name!r}; {did_you_mean(name, known, 'it has')}")
    try:
        return kind(**parameters)
    except TypeError as error:
        raise ParameterError(f"{method}: {error}") from None


def methods_with_examples() -> list[str]:
    """Return the names of the methods of this package that learn from examples; imports them all."""
    return [name for name in METHODS.built_in if hasattr(METHODS[name], "with_examples")]


def load_examples(
    examples: Mapping[str, Any], sample_rate: int, *, allow_any_codec: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Return the samples of examples, files among them read, and what was wrong with the files, one line each.

    Parameters
    ----------
    examples : mapping of str to file or samples
        As for `separate`.
    sample_rate : int
        In Hz.
    allow_any_codec : bool
        As for `audio.load`.

    Raises
    ------
    ParameterError
        ``examples`` is no mapping, or is empty.
    AudioError
        A file can't be read.
    """
    if not isinstance(examples, Mapping) or not examples:
        raise ParameterError(
            f"examples is {examples!r:.80}; give names with files or samples, such as {{'drums': 'drums.wav'}}"
        )
    found: dict[str, Any] = {}
    warnings: list[str] = []
    for name, example in examples.items():
        if isinstance(example, (str, os.PathLike)) or hasattr(example, "read"):
            sound = audio.load(example, sample_rate=sample_rate, allow_any_codec=allow_any_codec)
            warnings += [f"example {name}: {line}" for line in sound.warnings]
            example = sound.samples
        found[name] = example
    return found, warnings


def taught(
    method: Any,
    examples: Mapping[str, Any],
    sample_rate: int,
    *,
    frontend: FrontEnd | None = None,
    like: Array,
) -> Any:
    """Return a method with templates learnt from the samples of each example.

    Parameters
    ----------
    method : Factorizer
        One of `methods_with_examples`.
    examples : mapping of str to array (channels, samples) or (samples,)
        Of one source each, at any level.
    sample_rate : int
        In Hz.
    frontend : FrontEnd, optional
        Default: the transform the method asks for.
    like : array
        Examples are learnt on its device and in its dtype.

    Raises
    ------
    ParameterError
        The method has no templates, or an example is silent.
    """
    if not hasattr(method, "with_examples"):
        kind = getattr(method, "name", type(method).__name__)
        raise ParameterError(f"{kind} learns from no examples; {', '.join(methods_with_examples())} do")
    if frontend is None:
        frontend = default_frontend(method, sample_rate)
    found = {}
    for name, example in examples.items():
        checked = audio.check_samples(from_foreign(example), host=namespace(like) is np)
        sound = namespace(like).asarray(checked, dtype=like.dtype)
        found[name] = frontend.analyze(sound / like.dtype.type(level(sound)))
    return method.with_examples(found)
