"""Fusion of cues: a weighted sum of the masks' log-odds and of a prior of frequency, as one mask.

Weights are data, fitted once on songs with known stems (`benchmarks.fit_fusion`) and kept beside this file with where
they come from; the unfitted mean of the masks is there too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from sigsep_classic.backend import namespace
from sigsep_classic.errors import ParameterError, ShapeError
from sigsep_classic.typing import Array

FLOOR = 0.02
"""What is added to a mask and to its complement before the logarithm: no cue is certain."""

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How cues are added up.

    Parameters
    ----------
    offset : float
        b.
    bands : tuple of float
        Frequencies in Hz, rising, at which each cue has a weight.
    cues : mapping of str to tuple of float
        a of each cue at ``bands``; linear in log frequency between them and constant outside.
    hertz : tuple of float
        Frequencies of the prior's knots in Hz, rising.
    prior : tuple of float
        p at the knots; linear in log frequency between them and constant outside.
    provenance : mapping
        What the numbers were fitted to.
    """

    offset: float
    bands: tuple[float, ...]
    cues: Mapping[str, tuple[float, ...]]
    hertz: tuple[float, ...]
    prior: tuple[float, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Return the weights a mapping tells, such as what a JSON file of them holds."""
        return cls(
            offset=float(data["offset"]),
            bands=tuple(data["bands"]),
            cues={name: tuple(values) for name, values in data["cues"].items()},
            hertz=tuple(data["hertz"]),
            prior=tuple(data["prior"]),
            provenance=data.get("provenance", {}),
        )

    def prior_at(self, frequencies: np.ndarray) -> np.ndarray:
        """Return p at frequencies in Hz, (freq,)."""
        return knots(frequencies, self.hertz) @ np.asarray(self.prior)

    def weight_at(self, frequencies: np.ndarray, cue: str) -> np.ndarray:
        """Return a of a cue at frequencies in Hz, (freq,)."""
        return knots(frequencies, self.bands) @ np.asarray(self.cues[cue])


def knots(frequencies: np.ndarray, hertz: tuple[float, ...]) -> np.ndarray:
    """Return how much each knot counts at frequencies, (freq, knots): linear in log frequency, constant outside."""
    octaves, at = np.log2(np.maximum(frequencies, 1e-3)), np.log2(hertz)
    return np.stack([np.interp(octaves, at, unit) for unit in np.eye(len(hertz))], axis=1)


@lru_cache
def fitted(name: str) -> Weights:
    """Return the weights kept under a name.

    Raises
    ------
    ParameterError
        There are none.
    """
    path = FOLDER / f"{name}.json"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.json")))
        raise ParameterError(f"weights {name!r} are unknown; there are {known}")
    return Weights.of(json.loads(path.read_text("utf-8")))


def log_odds(mask: Array) -> Array:
    """Return ``ln((m + 0.02) / (1 - m + 0.02))`` of a mask in [0, 1]."""
    xp = namespace(mask)
    return xp.log((mask + FLOOR) / (1 - mask + FLOOR))


def fuse(masks: Mapping[str, Array], weights: Weights | None, frequencies: np.ndarray) -> Array:
    """Return ``sigmoid(b + sum over cues of a_i(f) log-odds(m_i) + p(f))``, or the mean of masks without weights.

    Parameters
    ----------
    masks : mapping of str to array (freq, frames)
        In [0, 1], by the names in ``weights.cues``.
    weights : Weights or None
        None: the arithmetic mean of all masks, with no number fitted to anything.
    frequencies : array (freq,)
        Centres of the bins in Hz.

    Returns
    -------
    array (freq, frames)
        In (0, 1).

    Raises
    ------
    ParameterError
        There is no mask, or one that ``weights`` asks for is missing.
    ShapeError
        Masks differ in shape.
    """
    if not masks:
        raise ParameterError("masks is empty; there is nothing to fuse")
    shapes = {name: mask.shape for name, mask in masks.items()}
    if len(set(shapes.values())) > 1:
        raise ShapeError(f"masks have shapes {shapes}; they must be on one grid")
    if weights is None:
        return sum(masks.values()) / len(masks)
    missing = [name for name in weights.cues if name not in masks]
    if missing:
        raise ParameterError(f"cue {missing[0]!r} is missing; the weights are for {', '.join(weights.cues)}")
    first = next(iter(masks.values()))
    xp = namespace(first)
    total = xp.asarray(weights.offset + weights.prior_at(frequencies), dtype=first.dtype)[:, None]
    for name in weights.cues:
        a = xp.asarray(weights.weight_at(frequencies, name), dtype=first.dtype)[:, None]
        total = total + a * log_odds(masks[name])
    return 1 / (1 + xp.exp(-total))
