"""The rows every comparison has where there is sound: the mixture at the lower end, oracle masks at the upper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sigsep_classic import oracle as _oracle
from sigsep_classic.compare.evaluating import Scoring, evaluate, sum_of
from sigsep_classic.compare.merging import ORACLE_PREFIX
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.datasets import LoadedTrack
from sigsep_classic.typing import Array

MIXTURE_SHARE = "mixture/n"
"""The row that every comparison has at its lower end: MIX of SiSEC 2018."""

MIXTURE_NOTE = (
    "the mixture divided by the number of stems, times the number that is asked for (MIX of SiSEC 2018)"
)
ORACLE_NOTE = "made from the true stems: a mark for methods of its kind on this transform, no strict bound"


def reference(
    track: LoadedTrack,
    oracle: str | None = None,
    *,
    sums: Mapping[str, Sequence[str]],
    scoring: Scoring | None = None,
    subset: str = "",
) -> TrackScores:
    """Return the scores of a row that every comparison has: of the mixture, or of an oracle mask.

    Parameters
    ----------
    track : LoadedTrack
        As for `evaluate`.
    oracle : str, optional
        Name of an oracle, as `sigsep_classic.oracle.find` takes it; default: the mixture's share.
    sums : mapping of str to sequence of str
        Sums of stems to score besides the stems, such as ``accompaniment``, and which stems they are of.
    scoring : Scoring, optional
        As for `evaluate`; nothing is aligned.
    subset : str
        Part of the data set.
    """
    stems: Mapping[str, Array]
    if oracle is None:
        stems = dict.fromkeys(track.stems, track.mixture * np.float32(1 / len(track.stems)))
        note = MIXTURE_NOTE
    else:
        stems = _oracle.apply(oracle, track.mixture, track.stems)
        note = f"{_oracle.find(oracle).summary}; {ORACLE_NOTE}"
    found = evaluate(
        track,
        {**stems, **{name: sum_of(stems, parts) for name, parts in sums.items()}},
        method=reference_name(oracle),
        kind="reference",
        scoring=replace(scoring or Scoring(), align=False),
        subset=subset,
    )
    return replace(found, meta={**found.meta, "words": [], "note": note})


def reference_name(oracle: str | None) -> str:
    """Return what the row of an oracle, or of the mixture, is called."""
    return MIXTURE_SHARE if oracle is None else f"{ORACLE_PREFIX}{oracle.upper()}"
