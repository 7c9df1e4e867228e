"""What can be run on a track to be scored there: methods of this package and models that are plugged in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sigsep_classic.api import make_method, separate
from sigsep_classic.compare.demo import MADE_FOR
from sigsep_classic.compare.describe import parameters
from sigsep_classic.compare.external import external_model, files_of
from sigsep_classic.compare.tasks import MATCHED, assign
from sigsep_classic.datasets import LoadedTrack
from sigsep_classic.errors import ParameterError
from sigsep_classic.factorizers import METHODS

ALL = "all"

_PART_NAMES = {"rest": "no_drums"}
"""What a part of `tasks.TASKS` is called where stems are matched by name."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One row to be: a method with its parameters, or a model; can be sent to another process.

    Parameters
    ----------
    name : str
        What the row is called.
    method : str
        Name in `METHODS`; empty for a model.
    parameters : mapping of str to Any
        Of the method.
    model : str
        As `external_model` takes it; empty for a method.
    device : str, optional
        Where a method computes.
    """

    name: str
    method: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    device: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files a model was read from, as far as its text names them."""
        return files_of(self.model) if self.model else ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, the same for what gives the same estimates."""
        if self.model:
            return {"model": self.model}
        return {"method": self.method, "parameters": parameters(make_method(self.method, **self.parameters))}

    def estimates(self, track: LoadedTrack) -> tuple[dict[str, np.ndarray], str]:
        """Return the estimates of a track by name, and a phrase on how they came by their names, or nothing.

        Components are grouped by timbre. Stems that are only counted are named after the true stems they are nearest
        to, so their rows use that much of the truth.

        Raises
        ------
        SigsepError
            The method refuses this mixture, or the model failed.
        """
        if self.model:
            return external_model(self.model)(track.mixture, track.sample_rate), ""
        found = separate(
            track.mixture, track.sample_rate, method=self.method, device=self.device, **self.parameters
        )
        _, _, pairs, matched = assign(found, track.stems)
        if not pairs:
            raise ParameterError(f"{self.name}: none of its stems {', '.join(found)} answers to a true stem")
        stems = {_PART_NAMES.get(part, part): found[name] for part, name in pairs.items()}
        return stems, MATCHED if matched else ""


def candidates(
    methods: Iterable[str], models: Iterable[str] = (), *, device: str | None = None, speech: bool = False
) -> list[Candidate]:
    """Return what is to be run, each once.

    Parameters
    ----------
    methods : iterable of str
        Names in `METHODS`, or ``"all"``: every method that is made for one recording of music or, with ``speech``, of
        speech in noise; those for microphone arrays and panned mixtures only by name.
    models : iterable of str
        As `external_model` takes them.
    device : str, optional
        Where methods compute.
    speech : bool
        Whether the data is speech in other sounds.

    Raises
    ------
    ParameterError
        A method is unknown, a model can't be loaded, or two rows would have one name.
    """
    found = []
    for name in dict.fromkeys(methods):
        for each in _all(speech) if name == ALL else [name]:
            METHODS.find(each)
            found.append(Candidate(name=each, method=each, device=device))
    found += [Candidate(name=external_model(text).name, model=text) for text in models]
    found = list({(each.name, each.model): each for each in found}.values())
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ParameterError(f"two rows would be called {twice}; name a model with NAME=... in front")
    return found


def _all(speech: bool) -> list[str]:
    return [name for name in METHODS if name not in MADE_FOR or (speech and MADE_FOR[name][0] == "hum")]
